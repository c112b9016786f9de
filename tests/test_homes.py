"""Homes that earlier versions wrote are opened, asked, corrected and forgotten in. Each new data version adds one to `homes/`."""

import sqlite3
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import bytes_of
from fakes import FakeGenerator

from ragbot import Chat, Memory
from ragbot.store import schema

HOMES = sorted((Path(__file__).parent / "homes").glob("*.tar.gz"))
OPENS = "When does the swimming hall open on weekdays?"
SCOPES = ("everyone", "ana")


@pytest.fixture(params=[pytest.param(home, marks=[pytest.mark.model] * ("bundled" in home.name), id=home.name) for home in HOMES])
def memory(request, tmp_path):
    """A home of before, unpacked and opened; its vectors are the fake embedder's or those of the bundled model."""
    with tarfile.open(request.param) as packed:
        packed.extractall(tmp_path / "home", filter="data")
    if "fake" in request.param.name:
        request.getfixturevalue("embedders")
    with Memory.open(tmp_path / "home", create=False) as opened:
        yield opened


def ana(memory):
    return Chat(memory, "ana", "ana", FakeGenerator())


def test_it_is_migrated_and_sound(memory):
    with memory.store.reading() as snapshot:
        found = snapshot._connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    assert found == schema.REVISION
    memory.compact()  # an index of an earlier format is made again at the next build
    assert memory.check(deep=True).problems == ()


def test_what_it_knew_is_found_now_and_through_time(memory):
    assert "6:30" in memory.recall(OPENS)[0].chunk.text
    assert "7:00" in memory.recall(OPENS, as_of=datetime(2026, 6, 1, tzinfo=UTC))[0].chunk.text
    assert memory.recall("towels at the desk")[0].chunk.uri == "late.md"
    assert "gone.md" not in [hit.chunk.uri for hit in memory.recall("diving tower in spring", k=9)]
    assert memory.document("gone.md") is None and memory.document("secret.md") is None


def test_a_chat_goes_on_in_it(memory):
    chat = ana(memory)
    assert "8:00" in chat.ask(OPENS).answer, "the correction"
    assert chat.ask("What does the sauna cost?").citations[0].uri == "hall.md"
    told = chat.ask("My towel is blue.")
    with memory.store.reading() as snapshot:
        assert [turn.id for turn in snapshot.turns("ana", "ana", 9)][-1] == told.id


def test_its_turns_are_data_now(memory):
    with memory.store.reading() as snapshot:
        opens, locker, sauna, code = snapshot.turns("ana", "ana", 9)
        feedback = snapshot.feedback(opens.id)
        disputed = snapshot.disputed([opens.citations[0].chunk_id], SCOPES)
        assert snapshot.turn_hits(opens.id) == []
    assert [turn.question for turn in (opens, locker, sauna)] == [OPENS, "My locker is number 17.", "What does the sauna cost?"]
    (claim,) = opens.claims
    assert (claim.text, claim.verdict, claim.score) == (opens.answer, "supported", opens.confidence)
    assert opens.grounded and opens.citations[0].quote == "The swimming hall opens at 6:30 on weekdays."
    assert locker.citations[0].where.startswith("you told me on")
    assert (code.answer, code.claims, code.grounded) == ("[forgotten]", (), False)
    assert (opens.policy, opens.strategy, opens.propensity, opens.versions) == (0, "", 1.0, {})
    assert [(one.kind, one.author) for one in feedback] == [("up", "ana"), ("correction", "")]
    assert [uri for *_, uri in disputed] == [f"correction:{opens.id}"]


def test_its_turns_stand_in_the_order_in_which_they_were_added_whatever_the_clock_said(tmp_path):
    with tarfile.open(HOMES[-1]) as packed:
        packed.extractall(tmp_path / "home", filter="data")
    with closing(sqlite3.connect(tmp_path / "home" / "ragbot.db")) as connection:
        connection.executescript("UPDATE turns SET at = -at")
        added = [id for (id,) in connection.execute("SELECT id FROM turns ORDER BY rowid")]
    with Memory.open(tmp_path / "home", create=False) as opened, opened.store.reading() as snapshot:
        assert [turn.id for turn in snapshot.turns("ana", "ana", 9)] == added


def test_what_was_known_of_sources_has_a_table_of_its_own(memory):
    assert memory.document("hall.md").metadata == {"content_type": "text/markdown"}
    file = {"sha256": "0" * 64, "stamp": "1:2:3", "device": "7", "parser": "1"}
    assert {uri: dict(state.values) for uri, state in memory.source_states("file").items()} == {"hall.md": file, "闭馆.md": file}
    assert memory.source_states("web")["闭馆.md"].values["etag"] == "W/1"
    feed = memory.source_states("feed")["https://pool.example/feed"]
    assert (feed.values["etag"], feed.values["pages"]) == ("1", [])
    failed = memory.source_states("failed")["broken.pdf"]
    assert failed.at == datetime(2026, 11, 1, tzinfo=UTC) and failed.values["file"]["parser"] == "1"
    assert (failed.values["error"], failed.values["message"]) == ("BrokenError", "broken.pdf: is damaged")
    assert failed.values["file"]["sha256"] == "1" * 64
    with memory.store.reading() as snapshot:
        marks = "SELECT count(*) FROM settings WHERE key LIKE 'mark:%'"
        assert snapshot._connection.exec_driver_sql(marks).scalar() == 0


def test_its_log_of_jobs_is_there(memory):
    with memory.store.runs() as runs:
        run = runs.last()["nightly"]
    assert (run.status, run.detail, run.finished_at) == ("done", {"added": 3}, datetime(2026, 11, 2, tzinfo=UTC))


def test_what_is_forgotten_in_it_is_in_no_file(memory):
    words = [b"Locker 7 is", b"opens at 6:30", b"opens at 7:00", b"sauna costs 9"]
    assert all(word in bytes_of(memory.home) for word in words)
    assert memory.forget("hall.md").cleared
    assert memory.forget("late.md").cleared
    memory.close()
    left = bytes_of(memory.home)
    assert [word for word in [*words, b"Towels can be"] if word in left] == []
    with Memory.open(memory.home) as again:
        with again.store.reading() as snapshot:
            answers = [turn.answer for turn in snapshot.turns("ana", "ana", 9)]
        assert answers == ["[forgotten]", "Noted. I will remember that.", "[forgotten]", "[forgotten]"]
        assert again.source_states("file").keys() == {"闭馆.md"}
        assert again.check(deep=True).problems == ()
