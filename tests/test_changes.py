"""What changed: versions, a digest, stale answers, conflicts; and what counts for whom."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from ragbot import Document, changes
from ragbot.cli.main import cli
from ragbot.errors import InputError, NotFoundError
from ragbot.types import EVERYONE, Citation

NOW = datetime.now(UTC)


def test_a_new_version_is_told_sentence_by_sentence(memory):
    memory.remember(Document("lab.md", "The lab opens at 9:00. Badges are blue."))
    with pytest.raises(NotFoundError, match="no earlier version"):
        changes.diff(memory, "lab.md")
    memory.remember(Document("lab.md", "The lab opens at 10:00. Badges are blue."))
    found = changes.diff(memory, "lab.md")
    assert (found.status, found.added, found.removed) == (
        "changed",
        ("The lab opens at 10:00.",),
        ("The lab opens at 9:00.",),
    )
    with pytest.raises(NotFoundError, match="no such document"):
        changes.diff(memory, "nope.md")


def test_a_digest_names_what_came_changed_and_went(memory):
    memory.remember([Document("lab.md", "The lab opens at 9:00."), Document("old.md", "The old gate is open.")])
    since = datetime.now(UTC)
    memory.remember(Document("lab.md", "The lab opens at 10:00."))
    memory.remember(Document("new.md", "Bicycles stand behind the hall."))
    memory.retire("old.md")
    found = {one.uri: (one.status, one.added, one.removed) for one in changes.digest(memory, since)}
    assert found == {
        "lab.md": ("changed", ("The lab opens at 10:00.",), ("The lab opens at 9:00.",)),
        "new.md": ("added", ("Bicycles stand behind the hall.",), ()),
        "old.md": ("gone", (), ("The old gate is open.",)),
    }
    assert changes.digest(memory, datetime.now(UTC)) == []


def test_answers_that_stand_on_what_changed_are_named_and_others_are_not(chat_of):
    chat = chat_of()
    chat.memory.remember(Document("lab.md", "The zyzzyva lab opens at 9:00.\n\nBadges of the quark hall are blue."))
    stale, fine = chat.ask("When does the zyzzyva lab open?"), chat.ask("Which colour have badges of the quark hall?")
    assert "9:00" in stale.answer and "blue" in fine.answer
    assert changes.affected(chat.memory, scopes=["ana"]) == []
    chat.memory.remember(Document("lab.md", "The zyzzyva lab opens at 10:00.\n\nBadges of the quark hall are blue."))
    (found,) = changes.affected(chat.memory, "lab.md", scopes=None)
    assert (found.turn_id, found.scope) == (stale.id, "ana") and "9:00" in found.quote
    assert changes.affected(chat.memory, scopes=["ben"]) == []


def test_documents_that_say_otherwise_are_listed_and_the_newer_leads(memory):
    memory.remember(Document("old.md", "The annual fee of the club is 20 euros.", valid_from=NOW - timedelta(days=90)))
    memory.remember(Document("new.md", "The annual fee of the club is 25 euros.", valid_from=NOW - timedelta(days=9)))
    memory.remember(Document("other.md", "The annual fee of the pool is 40 euros. The club has 25 members."))
    (found,) = changes.conflicts(memory)
    assert (found.leads.uri, found.says) == ("new.md", "The annual fee of the club is 25 euros.")
    assert (found.other.uri, found.other_says) == ("old.md", "The annual fee of the club is 20 euros.")


def test_a_promoted_correction_counts_for_everyone_until_it_is_retracted(memory):
    memory.remember(Document("lab.md", "The lab opens at 9:00."))
    chunk = memory.recall("lab opens")[0].chunk
    words = Citation(chunk.id, chunk.uri, chunk.start, chunk.end, chunk.text)
    memory.remember(Document("correction:t1", "The lab opens at 10:00.", kind="correction", scope="ana"), disputes=[words])
    assert [hit.chunk.uri for hit in memory.recall("lab opens")] == ["lab.md"]
    changes.promote(memory, "correction:t1", by="Mei", scope="ana")
    hits = memory.recall("lab opens")
    assert [hit.chunk.text for hit in hits] == ["The lab opens at 10:00.", "The lab opens at 9:00."] and hits[1].is_set_aside
    assert memory.document("correction:t1").metadata["promoted_by"] == "Mei"
    changes.retract(memory, "correction:t1")
    (hit,) = memory.recall("lab opens")
    assert hit.chunk.text == "The lab opens at 9:00." and not hit.is_set_aside
    assert len(memory.recall("lab opens", scopes=(EVERYONE, "ana"))) == 2
    with pytest.raises(InputError, match="was not promoted"):
        changes.retract(memory, "lab.md")
    with pytest.raises(InputError, match="is a document"):
        changes.promote(memory, "lab.md", by="Mei", scope=EVERYONE)


def test_a_correction_goes_with_the_document_that_it_corrects(memory, home):
    memory.remember([Document("lab.md", "The zyzzyva lab opens at 9:00."), Document("inn.md", "The inn opens at 7:00.")])
    for uri, scope in (("lab.md", "ana"), ("inn.md", "ben")):
        chunk = next(hit.chunk for hit in memory.recall("opens") if hit.chunk.uri == uri)
        words = Citation(chunk.id, uri, chunk.start, chunk.end, chunk.text)
        text = f"The {uri[:3]} zyzzyva opens at 10:00."
        memory.remember(Document(f"correction:{uri}", text, kind="correction", scope=scope), disputes=[words])
    memory.forget("lab.md")
    assert memory.document("correction:lab.md", scope="ana") is None
    assert memory.document("correction:inn.md", scope="ben") is not None
    assert b"lab zyzzyva" not in b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())


def test_the_commands_say_the_same(memory, home):
    memory.remember(Document("lab.md", "The lab opens at 9:00.", metadata={"name": "handbook/lab.md"}))
    memory.remember(Document("lab.md", "The lab opens at 10:00.", metadata={"name": "handbook/lab.md"}))
    memory.remember(Document("turn:a1", "My badge is 4471.", kind="turn", scope="local"))
    run = CliRunner().invoke

    def said(*args):
        done = run(cli, [*args, "--home", str(home), "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    assert said("diff", "handbook/lab.md")["added"] == ["The lab opens at 10:00."]
    assert [one["uri"] for one in said("digest", "--since", "yesterday")] == ["lab.md"]
    assert said("affected") == [] and said("conflicts") == []
    assert [one["text"] for one in said("facts")] == ["My badge is 4471."]
    assert said("promote", "turn:a1", "--by", "Mei")["scope"] == EVERYONE
    assert said("retract", "turn:a1")["retracted"]
    wrong = run(cli, ["digest", "--since", "whenever", "--home", str(home)])
    assert wrong.exit_code == 2 and "is no time" in wrong.output
