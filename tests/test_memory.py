"""The promise: what was told a second ago is found, nothing is lost, nothing stale is shown."""

import json
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from conftest import bytes_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ragbot import Document
from ragbot.errors import HomeError, InputError, ModelError, NotFoundError
from ragbot.index import compaction, merge_plan, segment_files
from ragbot.store import Transaction
from ragbot.types import Citation, Forgotten

LAB = "# Lab\n\nThe lab opens at 9:00.\n\n# Badges\n\nBadges are blue.\n\n# Keys\n\nKeys hang in the office."


def texts(memory, query, **kwargs):
    return [hit.chunk.text for hit in memory.recall(query, **kwargs)]


def test_found_at_once_here_and_in_another_process(memory, open_memory):
    other = open_memory()
    assert other.recall("lab") == []
    memory.remember(Document("lab.md", "The lab opens at 9:00."))
    assert texts(memory, "lab") == texts(other, "lab") == ["The lab opens at 9:00."]


# Rule 1: the database is the truth, and one transaction holds all of a document


def test_a_fault_in_the_transaction_leaves_nothing_behind(memory, open_memory):
    def fail(transaction):
        raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError, match="pulled the plug"):
        memory.remember(Document("lab.md", LAB), also=fail)
    assert memory.recall("lab") == []
    assert memory.documents() == []
    assert memory.check().problems == ()


@pytest.mark.parametrize("step", ["_put_document", "_retire", "_add"])
def test_a_fault_at_any_step_of_a_new_version_keeps_the_old_one(memory, monkeypatch, step):
    memory.remember(Document("lab.md", LAB))

    def fail(*_args, **_kwargs):
        raise OSError("disk gone")

    monkeypatch.setattr(Transaction, step, fail)
    with pytest.raises(OSError, match="disk gone"):
        memory.remember(Document("lab.md", LAB.replace("9:00", "10:00")))
    monkeypatch.undo()
    assert "9:00" in texts(memory, "lab opens")[0]
    assert memory.check().problems == ()


@pytest.mark.parametrize("lost", ["manifest-1.json", "segments"])
def test_losing_derived_files_costs_no_knowledge(memory, open_memory, home, lost):
    memory.remember([Document("lab.md", LAB), Document("b.md", "Gift cards expire.")])
    memory.refresh()
    before = memory.recall("lab opens")
    target = home / lost
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    assert open_memory().recall("lab opens") == before
    assert memory.recall("lab opens") == before


def test_a_damaged_segment_is_noticed_not_believed(memory, open_memory, home):
    memory.remember(Document("lab.md", LAB))
    memory.refresh()
    before = memory.recall("lab opens")
    (segment,) = (home / "segments").iterdir()
    content = bytearray((segment / "vectors").read_bytes())
    content[-5] ^= 1
    (segment / "vectors").write_bytes(content)
    fresh = open_memory()
    assert fresh.recall("lab opens") == before
    assert any("damaged" in problem for problem in fresh.check().problems)
    fresh.refresh()
    assert fresh.check().problems == ()


def test_an_older_database_under_newer_segments(memory, open_memory, home, tmp_path):
    memory.remember(Document("lab.md", LAB))
    memory.close()
    backup = shutil.copytree(home, tmp_path / "backup")
    memory = open_memory()
    memory.remember(Document("lab.md", "The lab is closed."))
    memory.remember(Document("new.md", "Something newer."))
    memory.refresh()
    memory.close()
    for file in home.glob("ragbot.db*"):
        file.unlink()
    shutil.copy(backup / "ragbot.db", home)
    restored = open_memory()
    restored.remember(Document("other.md", "Other things happen."))  # reuses the numbers of the lost past
    assert "9:00" in texts(restored, "lab opens")[0]
    assert texts(restored, "newer closed") == texts(open_memory(), "newer closed")
    assert all("newer" not in text and "closed" not in text for text in texts(restored, "newer closed"))
    assert any("another past" in problem for problem in restored.check().problems)


def test_a_home_restored_under_an_open_memory_is_noticed(memory, open_memory, home, tmp_path):
    memory.remember(Document("lab.md", LAB))
    with memory.store.reading() as snapshot:
        assert snapshot.last_transaction()[0] > 0
    other = open_memory()
    assert other.recall("lab")
    another = (other.retriever.view.transaction[0], "a token of another past")
    other.retriever._follower.view = replace(
        other.retriever.view, transaction=another, unsealed=()
    )  # what it saw there is worth nothing now
    memory.remember(Document("b.md", "Gift cards expire."))
    assert "9:00" in texts(other, "lab opens")[0]


# Rule 5: identity is scope and uri, never content


def test_the_same_text_under_two_addresses_is_two_documents_and_one_embedding(memory, embedders):
    first = memory.remember(Document("a.md", "The lab opens at 9:00."))
    second = memory.remember(Document("b.md", "The lab opens at 9:00."))
    assert (first.embedded, second.embedded, second.added) == (1, 0, 1)
    (hit,) = memory.recall("lab opens")
    assert sorted(chunk.uri for chunk in (hit.chunk, *hit.also)) == ["a.md", "b.md"]
    assert [hit.chunk.uri for hit in memory.recall("lab opens", uris=["a.md"])] == ["a.md"]
    memory.forget("a.md")
    assert [hit.chunk.uri for hit in memory.recall("lab opens")] == ["b.md"]


def test_two_scopes_may_use_the_same_address(memory):
    memory.remember(Document("notes.md", "Ana's lab code is 1.", scope="ana"))
    memory.remember(Document("notes.md", "Ben's lab code is 2.", scope="ben"))
    assert texts(memory, "lab code", scopes=["ana"]) == ["Ana's lab code is 1."]
    assert texts(memory, "lab code", scopes=["ben"]) == ["Ben's lab code is 2."]
    assert memory.recall("lab code") == []
    memory.forget("notes.md", scope="ana")
    assert texts(memory, "lab code", scopes=["ana", "ben"]) == ["Ben's lab code is 2."]


def test_what_another_scope_holds_is_embedded_again_so_that_neither_count_nor_time_tells_of_it(memory, embedders):
    memory.remember(Document("plan.md", LAB, title="Plan", scope="ana"))
    memory.remember(Document("plan.md", "All closed.", title="Plan", scope="ana"))
    count = len(embedders["multilingual-e5-small"].embedded)
    for scope in ("ben", "everyone"):
        done = memory.remember(Document("guess.md", LAB, title="Plan", scope=scope))
        assert (done.added, done.embedded) == (3, 3)
    assert len(embedders["multilingual-e5-small"].embedded) == count + 6
    again = memory.remember(Document("copy.md", LAB, title="Plan", scope="ben"))
    assert (again.added, again.embedded) == (3, 0), "its own"


def test_documents_of_several_scopes_may_be_remembered_together(memory):
    memory.remember(Document("a.md", LAB, title="Plan", scope="ana"))
    both = [Document("b.md", LAB, title="Plan", scope=scope) for scope in ("ana", "ben")]
    assert (done := memory.remember(both)).added == done.embedded == 6
    more = [Document("c.md", LAB, title="Plan", scope=scope) for scope in ("ana", "ben")]
    assert (done := memory.remember(more)).added == 6 and done.embedded == 0


# Rule 6: versions


def test_a_new_version_retires_what_changed_and_keeps_the_rest(memory, embedders):
    memory.remember(Document("lab.md", LAB))
    kept = {hit.chunk.text: hit.chunk.id for hit in memory.recall("badges keys")}
    before = datetime.now(UTC)
    done = memory.remember(Document("lab.md", LAB.replace("9:00", "9:30")))
    assert (done.added, done.kept, done.retired, done.embedded) == (1, 2, 1, 1)
    assert {hit.chunk.text: hit.chunk.id for hit in memory.recall("badges keys")}["# Badges\n\nBadges are blue."] == kept[
        "# Badges\n\nBadges are blue."
    ]
    assert "9:30" in texts(memory, "lab opens")[0]
    assert not any("9:00" in text for text in texts(memory, "lab opens"))
    old = memory.recall("lab opens", as_of=before)[0].chunk
    assert "9:00" in old.text
    assert old.retired_at is not None


def test_moved_passages_keep_their_vector_and_get_their_new_place(memory):
    memory.remember(Document("lab.md", LAB))
    memory.remember(Document("lab.md", "# News\n\nNothing new.\n\n" + LAB))
    (hit,) = [hit for hit in memory.recall("badges") if "blue" in hit.chunk.text]
    text = "# News\n\nNothing new.\n\n" + LAB
    assert text[hit.chunk.start : hit.chunk.end] == hit.chunk.text
    assert text.splitlines()[hit.chunk.line - 1] == "# Badges"


def test_an_unchanged_document_costs_nothing(memory, embedders):
    memory.remember(Document("lab.md", LAB))
    count = len(embedders["multilingual-e5-small"].embedded)
    done = memory.remember(Document("lab.md", LAB))
    assert (done.skipped, done.added, done.retired) == (1, 0, 0)
    assert len(embedders["multilingual-e5-small"].embedded) == count


def test_going_back_to_an_old_version_reuses_its_vectors(memory):
    memory.remember(Document("lab.md", LAB))
    memory.remember(Document("lab.md", "All closed."))
    done = memory.remember(Document("lab.md", LAB))
    assert (done.added, done.embedded) == (3, 0)
    assert "9:00" in texts(memory, "lab opens")[0]


def test_a_renamed_document_keeps_its_vectors_whatever_of_it_changed_but_the_beginning(memory):
    parts = [f"# Room {n}\n\nRoom {n} has {n} chairs." for n in range(30)]
    memory.remember(Document("rooms.md", "\n\n".join(parts), title="Rooms"))
    memory.retire("rooms.md")
    parts[20] = "# Room 20\n\nRoom 20 is closed."
    done = memory.remember(Document("halls.md", "\n\n".join(parts), title="Rooms"))
    assert (done.added, done.embedded) == (30, 1)


def test_what_goes_and_comes_back_within_one_group(memory):
    first, middle, last = LAB.split("\n\n# ")
    memory.remember(Document("lab.md", LAB))
    # When the second is written, the middle is neither current nor in a version that shares a hook with it.
    done = memory.remember([Document("lab.md", f"{first}\n\n# {last}"), Document("lab.md", LAB)])
    assert (done.added, done.kept, done.retired) == (1, 4, 1)
    assert middle in texts(memory, middle)[0]


def test_valid_from_is_when_it_began_to_hold(memory):
    may, june = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    memory.remember(Document("lab.md", "The lab opens at 9:00.", valid_from=may))
    memory.remember(Document("lab.md", "The lab opens at 9:30.", valid_from=june))
    assert texts(memory, "lab", as_of=may - timedelta(days=1)) == []
    assert texts(memory, "lab", as_of=may + timedelta(days=3)) == ["The lab opens at 9:00."]
    assert texts(memory, "lab", as_of=june) == ["The lab opens at 9:30."]


def test_a_clock_that_goes_backwards_hides_nothing(memory, monkeypatch):
    memory.remember(Document("lab.md", "The lab opens at 9:00."))
    monkeypatch.setattr("ragbot.store.transaction.rows.now", lambda: 1_000_000)
    memory.remember(Document("lab.md", "The lab opens at 9:30."))
    memory.remember(Document("b.md", "The lab has windows."))
    assert set(texts(memory, "lab")) == {"The lab opens at 9:30.", "The lab has windows."}


@pytest.mark.parametrize("sealed", [False, True])
def test_forget_leaves_nothing_behind(memory, open_memory, home, sealed):
    vector = memory.embedder().encode(["The zyzzyva code is 77."])[0].tobytes()
    memory.remember(Document("secret.md", "The zyzzyva code is 77."))
    memory.remember(Document("secret.md", "The quokka code is 78."))
    memory.remember(Document("lab.md", LAB))
    if sealed:
        memory.refresh()
    other = open_memory()
    assert other.recall("zyzzyva code")
    before = bytes_of(home)
    assert b"zyzzyva" in before
    assert vector in before
    assert memory.forget("secret.md") == Forgotten(2, True)
    after = bytes_of(home)
    for trace in (b"zyzzyva", b"zyzzyv", b"quokka", b"secret.md", vector):
        assert trace not in after
    for view in (memory, other):
        assert not any("code" in text for text in texts(view, "zyzzyva quokka code"))
        assert not any("code" in t for t in texts(view, "zyzzyva code", as_of=datetime.now(UTC)))
    assert memory.check().problems == ()


def test_the_erased_vectors_are_in_the_segments_before(memory, home):
    """Guards the test above: without `drop_erased`, a sealed vector would survive."""
    memory.remember(Document("secret.md", "The zyzzyva code is 77."))
    memory.refresh()
    vector = memory.embedder().encode(["The zyzzyva code is 77."])[0].tobytes()
    assert vector in bytes_of(home / "segments")
    with memory.store.writing() as transaction:
        transaction.erase_document("everyone", "secret.md")
    assert vector in bytes_of(home / "segments")
    assert any("forgotten" in problem for problem in memory.check().problems)
    memory._maintenance.drop_erased()
    assert vector not in bytes_of(home / "segments")


def test_forget_what_is_not_there(memory):
    with pytest.raises(NotFoundError, match=r"nope\.md"):
        memory.forget("nope.md")


def test_retire_is_not_forget(memory):
    memory.remember(Document("lab.md", LAB))
    before = datetime.now(UTC)
    assert memory.retire("lab.md") == 3
    assert memory.recall("lab") == []
    assert memory.recall("lab", as_of=before)
    assert memory.retire("lab.md") == 0
    memory.remember(Document("lab.md", LAB))
    assert memory.recall("lab")


# Segments and spaces


def test_a_long_tail_is_sealed_and_the_old_segments_stay(memory, open_memory, home, monkeypatch):
    monkeypatch.setattr(compaction, "SEAL_AT", 3)
    monkeypatch.setattr(merge_plan, "GROWTH", 1)
    memory.remember(Document("a.md", LAB))
    memory.compact()
    first = json.loads((home / "manifest-1.json").read_text())
    memory.remember(Document("b.md", LAB.replace("lab", "hall").replace("Badges", "Tokens").replace("Keys", "Locks")))
    memory.compact()
    second = json.loads((home / "manifest-1.json").read_text())
    assert second["segments"][:1] == first["segments"]
    assert len(second["segments"]) == 2
    fresh = open_memory()
    assert {hit.chunk.uri for hit in fresh.recall("opens")} == {"a.md", "b.md"}
    assert len(fresh.retriever.view.sealed) == 2
    assert fresh.retriever.view.unsealed == ()
    assert memory.refresh().sealed == 6
    assert len(list((home / "segments").iterdir())) == 1


def test_sealed_or_not_the_answers_are_the_same(memory, open_memory, monkeypatch):
    memory.remember(Document(f"{n}.md", f"Room {n} opens at {n % 12}:00 for team {n % 7}.") for n in range(30))
    memory.remember(Document("3.md", "Room 3 is gone."))
    before = [memory.recall(f"room {n} team", k=9) for n in range(0, 30, 4)]
    memory.refresh()
    memory.remember(Document("late.md", "Nobody opens this."))
    memory.forget("late.md")
    assert [open_memory().recall(f"room {n} team", k=9) for n in range(0, 30, 4)] == before


def test_refresh_moves_to_another_model_and_others_follow(memory, open_memory, embedders):
    other = open_memory()
    memory.remember(Document("lab.md", LAB))
    memory.remember(Document("lab.md", LAB.replace("9:00", "9:30")))
    before = datetime.now(UTC)
    assert other.recall("lab opens")
    done = memory.refresh("other")
    assert (done.embedded, done.space.model) == (4, "other")
    assert "9:30" in texts(other, "lab opens")[0]
    assert embedders["other"].embedded
    other.remember(Document("b.md", "Gift cards expire."))
    assert any("Gift cards expire." in text for text in embedders["other"].embedded)
    assert "9:30" in texts(memory, "lab opens", as_of=before)[0]
    assert memory.refresh("other").embedded == 0
    assert memory.check().problems == ()


def test_a_writer_that_encoded_with_the_old_model_encodes_again(memory, open_memory):
    memory.remember(Document("lab.md", LAB))
    slow, moved = open_memory(), []
    vectors = slow._spaces.vectors

    def interrupted(*args):
        found = vectors(*args)
        if not moved:
            moved.append(memory.refresh("other"))
        return found

    slow._spaces.vectors = interrupted
    slow.remember(Document("b.md", "Gift cards expire."))
    assert texts(memory, "gift cards")[0] == "Gift cards expire."
    assert memory.check().problems == ()


def test_two_versions_that_race_leave_one_whole_version(memory, open_memory):
    slow, raced = open_memory(), []
    vectors = slow._spaces.vectors

    def interrupted(*args):
        found = vectors(*args)
        if not raced:
            raced.append(memory.remember(Document("lab.md", LAB.replace("blue", "red"))))
        return found

    memory.remember(Document("lab.md", LAB))
    slow._spaces.vectors = interrupted
    slow.remember(Document("lab.md", LAB.replace("blue", "green")))
    found = " ".join(texts(memory, "lab badges keys"))
    assert "green" in found
    assert "red" not in found
    assert len(memory.recall("lab badges keys", k=20)) == 3


# Wrong use


GREEN = "The lab is green."
LATE = datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-12)))
EARLY = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"kind": "banana"}, "a.md: its kind is 'banana'; it takes one of file, turn, correction"),
        ({"kind": None}, "a.md: its kind is None; it takes one of file, turn, correction"),
        ({"pages": (5, 3)}, "a.md: its pages are (5, 3); it takes offsets in its text, 0 to 17, ascending"),
        ({"pages": (-1,)}, "a.md: its pages are (-1,); it takes offsets in its text, 0 to 17, ascending"),
        ({"pages": (0, 18)}, "a.md: its pages are (0, 18); it takes offsets in its text, 0 to 17, ascending"),
        ({"pages": ("a",)}, "a.md: its pages are ('a',); it takes offsets"),
        ({"pages": (True,)}, "a.md: its pages are (True,); it takes offsets"),
        ({"pages": None}, "a.md: its pages are None; it takes offsets"),
        ({"lines": "yes"}, "a.md: its lines are 'yes'; it takes True or False"),
        ({"metadata": {"a": 1}}, "a.md: its metadata holds ('a', 1); it takes texts"),
        ({"metadata": {1: "a"}}, "a.md: its metadata holds (1, 'a'); it takes texts"),
        ({"metadata": None}, "a.md: its metadata holds (None, None); it takes texts"),
        ({"title": None}, "a.md: its title is None; it takes a text"),
        ({"text": b"words"}, "a.md: its text is b'words'; it takes a text"),
        ({"scope": ""}, "a.md: its scope is ''; it takes a text without zero bytes: leave it out"),
        ({"scope": None}, "a.md: its scope is None"),
        ({"scope": "a\0b"}, "a.md: its scope is 'a\\x00b'"),
        ({"uri": " "}, "a document: its uri is ' '; it takes a text without zero bytes: the address"),
        ({"uri": "a\0b"}, "a document: its uri is 'a\\x00b'"),
        ({"uri": 5}, "a document: its uri is 5"),
        ({"valid_from": "2026"}, "a.md: its valid_from is '2026'; it takes a datetime"),
        ({"valid_from": LATE}, "a.md: its valid_from is 9999-12-31T23:59:00-12:00, which in UTC is not in the years 1 to 9999"),
        ({"valid_from": EARLY}, "a.md: its valid_from is 0001-01-01T00:00:00+14:00, which in UTC is not in the years 1 to 9999"),
    ],
)
def test_a_document_that_cannot_be_stored_is_refused_in_one_line_and_stops_no_other(memory, given, reason):
    document = Document(**{"uri": "a.md", "text": GREEN, **given})
    with pytest.raises(InputError, match=f"^{re.escape(reason)}"):
        memory.remember(document)
    (_, refused), (_, done) = memory.remember_each([document, Document("b.md", GREEN)])
    assert str(refused).startswith(reason) and "\n" not in str(refused) and done.added == 1
    assert [one.uri for one in memory.documents()] == ["b.md"]


def test_pages_may_be_empty_and_end_with_the_text(memory):
    assert memory.remember(Document("a.md", GREEN, pages=(0, 0, 8, len(GREEN)))).added == 2


@pytest.mark.parametrize("given", ["some text", ["some text"], None, 5])
def test_what_is_no_document_is_refused(memory, given):
    with pytest.raises(InputError, match="is no Document; give Document"):
        memory.remember(given)


@pytest.mark.parametrize("name", ["as_of", "since", "until"])
@pytest.mark.parametrize("at", [LATE, EARLY, "2026", LATE.date()])
def test_a_time_that_there_is_not_is_refused(memory, name, at):
    with pytest.raises(InputError, match=f"^{name} is .*(in UTC is not in the years|takes a datetime)"):
        memory.recall("lab", **{name: at})


def test_the_first_and_the_last_time_that_there_is_are_kept(memory):
    for uri, at in (("first.md", datetime.min), ("last.md", datetime.max)):
        memory.remember(Document(uri, GREEN, valid_from=at))
        assert memory.document(uri).valid_from == at.replace(tzinfo=UTC)
    assert len(memory.recall("lab", as_of=datetime.max, k=2)[0].also) == 1


def test_a_time_that_there_is_not_in_a_home_of_before_stops_no_read(memory):
    memory.remember([Document("a.md", GREEN), Document("b.md", "The hall is blue.")])
    with memory.store.writing() as transaction:
        transaction._connection.exec_driver_sql("UPDATE chunks SET valid_from = 1 << 60 WHERE uri = 'a.md'")
        transaction._connection.exec_driver_sql("UPDATE documents SET valid_from = -(1 << 60) WHERE uri = 'a.md'")
    assert len(memory.documents()) == len(memory.recall("lab hall green blue")) == 2


@pytest.mark.parametrize("text", ["", "  \n", "…!?", "\ud800"])
def test_a_document_without_words(memory, text):
    with pytest.raises(InputError, match=r"a\.md: holds no words"):
        memory.remember([Document("b.md", "Fine."), Document("a.md", text)])
    assert memory.documents() == []


def test_wrong_queries(memory):
    with pytest.raises(InputError, match="empty"):
        memory.recall("  ")
    with pytest.raises(InputError, match="k is 0"):
        memory.recall("x", k=0)
    with pytest.raises(InputError, match="uri"):
        memory.remember(Document("", "text"))


@pytest.mark.parametrize("text", ["你好，世界。", "a\x00b lab", "🙂 lab", "lab " * 5000, "lab \ud800 lone", 'say "lab" AND (NOT'])
def test_any_text_goes_in_and_is_found(memory, text):
    memory.remember(Document("a.md", text))
    assert memory.recall(text)[0].chunk.uri == "a.md"


# The whole against a model of it: a dictionary


WORDS = ["lab", "hall", "badge", "key", "door", "gift"]
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("put"),
            st.sampled_from("abc"),
            st.sampled_from(["everyone", "ana"]),
            st.lists(st.sampled_from(WORDS), min_size=1, max_size=4),
        ),
        st.tuples(st.sampled_from(["retire", "forget"]), st.sampled_from("abc"), st.sampled_from(["everyone", "ana"])),
        st.tuples(st.sampled_from(["refresh", "reopen"])),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OPERATIONS)
def test_whatever_happens_recall_equals_the_truth(embedders, tmp_path_factory, operations):
    from ragbot import Memory

    home = tmp_path_factory.mktemp("home")
    memory, watcher = Memory.open(home), Memory.open(home)
    truth = {}
    for operation in operations:
        match operation:
            case ("put", uri, scope, words):
                text = "\n\n".join(f"# {word}\n\nThe {word} is {word} number {place}." for place, word in enumerate(words))
                memory.remember(Document(uri, text, scope=scope))
                truth[scope, uri] = {f"# {word}\n\nThe {word} is {word} number {place}." for place, word in enumerate(words)}
            case ("retire", uri, scope):
                memory.retire(uri, scope=scope)
                truth.pop((scope, uri), None)
            case ("forget", uri, scope):
                try:
                    memory.forget(uri, scope=scope)
                except NotFoundError:
                    assert (scope, uri) not in truth
                truth.pop((scope, uri), None)
            case ("refresh",):
                memory.refresh()
            case ("reopen",):
                memory.close()
                memory = Memory.open(home)
        for scopes in (["everyone"], ["ana"], ["everyone", "ana"]):
            expected = sorted((s, u, t) for (s, u), some in truth.items() for t in some if s in scopes)
            for view in (memory, watcher):
                hits = view.recall("lab hall badge key door gift number", k=100, scopes=scopes)
                found = [chunk for hit in hits for chunk in (hit.chunk, *hit.also)]
                assert sorted((chunk.scope, chunk.uri, chunk.text) for chunk in found) == expected
    assert memory.check().problems == ()
    memory.close()
    watcher.close()


# What a review found


def test_a_seal_in_flight_does_not_bring_back_what_is_forgotten(memory, home, monkeypatch):
    memory.remember([Document("secret.md", "The zyzzyva code is 77."), Document("lab.md", LAB)])
    vector = memory.embedder().encode(["The zyzzyva code is 77."])[0].tobytes()
    write = segment_files.write

    def slow(*args, **kwargs):
        name = write(*args, **kwargs)
        monkeypatch.setattr(segment_files, "write", write)
        with memory.store.writing() as transaction:
            transaction.erase_document("everyone", "secret.md")
        assert vector in bytes_of(home / "segments")
        return name

    monkeypatch.setattr(segment_files, "write", slow)
    memory.refresh()
    assert vector not in bytes_of(home / "segments")
    with pytest.raises(NotFoundError):
        memory.forget("secret.md")
    assert vector not in bytes_of(home)
    assert memory.check().problems == ()


def test_a_forget_that_was_killed_before_the_segments_is_finished_by_the_next(memory, home, monkeypatch):
    memory.remember([Document("secret.md", "The zyzzyva code is 77."), Document("lab.md", LAB)])
    vector = memory.embedder().encode(["The zyzzyva code is 77."])[0].tobytes()
    memory.refresh()
    with memory.store.writing() as transaction:
        transaction.erase_document("everyone", "secret.md")
    monkeypatch.setattr(compaction, "SEAL_AT", 1)
    memory.remember(Document("new.md", "Something new."))
    memory.compact()  # seals its tail beside segments that hold the vector
    assert vector not in bytes_of(home / "segments")
    with pytest.raises(NotFoundError):
        memory.forget("secret.md")
    assert vector not in bytes_of(home)
    assert memory.check().problems == ()


def test_segments_without_a_manifest_are_dropped_by_forget(memory, home):
    memory.remember([Document("secret.md", "The zyzzyva code is 77."), Document("lab.md", LAB)])
    vector = memory.embedder().encode(["The zyzzyva code is 77."])[0].tobytes()
    memory.refresh()
    (home / "manifest-1.json").unlink()
    memory.forget("secret.md")
    assert vector not in bytes_of(home)
    assert "9:00" in texts(memory, "lab opens")[0]


def test_a_file_among_the_segments_that_nobody_names_is_noticed(memory, home):
    memory.remember(Document("lab.md", LAB))
    memory.refresh()
    (home / "segments" / "stray.faiss").write_bytes(b"x")
    assert memory.check().problems == ("stray.faiss: a file of the index that nothing names",)


def test_a_full_disk_while_sealing_does_not_undo_what_is_remembered(memory, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compaction, "SEAL_AT", 1)
    monkeypatch.setattr(segment_files, "write", full)
    assert memory.remember(Document("lab.md", LAB)).added == 3
    with pytest.raises(HomeError, match="No space left on device.*make room"):
        memory.compact()
    assert texts(memory, "lab opens")
    assert memory.check().problems == ()


def test_a_model_that_changed_under_its_name_is_not_mixed_in(memory, open_memory, embedders):
    memory.remember(Document("lab.md", LAB))
    embedders["multilingual-e5-small"].revision = "another"
    for use in (lambda: memory.recall("lab"), lambda: memory.remember(Document("b.md", "New words."))):
        with pytest.raises(ModelError, match=r"not the model .*ingest refresh --model multilingual-e5-small"):
            use()
    memory.refresh("multilingual-e5-small")
    assert "9:00" in texts(memory, "lab opens")[0]


def test_the_last_of_two_versions_in_one_call_wins(memory):
    one, two = Document("a.md", "The lab is red."), Document("a.md", "The lab is blue.")
    memory.remember(one)
    memory.remember([two, one])
    assert texts(memory, "lab") == ["The lab is red."]


def test_threads_share_a_memory(memory):
    from concurrent.futures import ThreadPoolExecutor

    def work(n):
        memory.remember(Document(f"{n}.md", f"Room {n} opens early."))
        return [hit.chunk.uri for hit in memory.recall(f"room {n} opens", k=40)]

    with ThreadPoolExecutor(8) as pool:
        for n, found in enumerate(pool.map(work, range(32))):
            assert f"{n}.md" in found
    assert memory.check().problems == ()


def test_many_equal_texts_are_no_problem(memory):
    memory.remember(Document(f"{n}.md", "All the same.") for n in range(80))
    memory.refresh()
    assert memory.check().problems == ()


def test_passages_that_stay_move_to_their_new_places(memory):
    sections = [f"# Room {n}\n\nRoom {n} opens at {n}." for n in range(4)]
    memory.remember(Document("rooms.md", "\n\n".join(sections)))
    moved = [sections[3], sections[0], "# Hall\n\nThe hall opens at noon.", sections[2]]
    done = memory.remember(Document("rooms.md", "\n\n".join(moved)))
    assert (done.added, done.kept, done.retired) == (1, 3, 1)
    with memory.store.reading() as snapshot:
        there = snapshot.chunks_of("everyone", "rooms.md")
    assert [chunk.ord for chunk in there] == [0, 1, 2, 3]
    assert [chunk.text for chunk in there] == moved


def test_words_of_a_passage_that_is_gone_are_disputed_by_nobody(memory):
    memory.remember([Document("lab.md", "The lab opens at nine."), Document("inn.md", "The inn opens at seven.")])
    lab, inn = (memory.recall(words)[0].chunk for words in ("lab nine", "inn seven"))
    memory.forget("lab.md")
    cited = [Citation(chunk.id, chunk.uri, chunk.start, chunk.end, chunk.text) for chunk in (lab, inn)]
    memory.remember(Document("correction:1", "The inn opens at eight.", kind="correction"), disputes=cited)
    with memory.store.reading() as snapshot:
        assert {chunk_id for chunk_id, *_ in snapshot.disputed([lab.id, inn.id], ["everyone"])} == {inn.id}
