"""What the store promises of documents, corrections and pages."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, insert, select, update

from ragbot.errors import HomeError
from ragbot.store import schema
from ragbot.store.dialects.sqlite import SQLite
from ragbot.types import Citation, Document, Turn


def quoted(chunk, words):
    start = chunk.text.index(words)
    return Citation(chunk.id, chunk.uri, start, start + len(words), words)


def test_a_correction_sets_aside_every_occurrence_of_a_sentence_in_its_chunk(memory):
    text = "Visitors: the lab opens at 9:00. Staff: the lab opens at 9:00."
    memory.remember(Document("lab.md", text))
    with memory.store.reading() as snapshot:
        (chunk,) = snapshot.chunks_of("everyone", "lab.md")
    quote = "the lab opens at 9:00."
    correction = Document("correction:1", "The lab opens at 8:00.", kind="correction")
    memory.remember(correction, disputes=[quoted(chunk, quote)])
    with memory.store.reading() as snapshot:
        spans = snapshot.disputed([chunk.id], ["everyone"])
    assert [text[start:end] for _, start, end, _ in sorted(spans)] == [quote, quote]
    assert len({start for _, start, _, _ in spans}) == 2


def test_citations_that_begin_at_the_same_place_are_one_dispute(memory):
    memory.remember(Document("lab.md", "The lab opens at 9:00. It is warm."))
    with memory.store.reading() as snapshot:
        (chunk,) = snapshot.chunks_of("everyone", "lab.md")
    cited = [quoted(chunk, "The lab opens at 9:00."), quoted(chunk, "The lab opens at 9:00. It is warm.")]
    memory.remember(Document("correction:1", "The lab opens at 8:00.", kind="correction"), disputes=cited)
    with memory.store.reading() as snapshot:
        assert [(start, end) for _, start, end, _ in snapshot.disputed([chunk.id], ["everyone"])] == [(0, len(chunk.text))]


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("a/*", {"a/1.md", "a/[x].md", "a/deep/2.md"}),
        ("a/**2.md", {"a/deep/2.md"}),
        ("A/*", {"A/1.md"}),
        ("a/[x].*", {"a/[x].md"}),
        ("a/?.md", set()),
        ("?*", {"?.md"}),
        ("*%*", {"100%.md"}),
        ("*\n*", {"two\nlines.md"}),
        ("*", {"a/1.md", "A/1.md", "a/[x].md", "a/deep/2.md", "?.md", "100%.md", "two\nlines.md"}),
        ("a/1.md", {"a/1.md"}),
    ],
)
def test_a_star_stands_for_anything_and_all_else_for_itself(memory, pattern, matched):
    uris = ["a/1.md", "A/1.md", "a/[x].md", "a/deep/2.md", "?.md", "100%.md", "two\nlines.md"]
    memory.remember([Document(uri, "The lab opens.") for uri in uris])
    with memory.store.reading() as snapshot:
        ids = {one.id: one.uri for one in snapshot.documents()}
        assert {ids[id] for id in snapshot.documents_like([pattern])} == matched
        many = [f"none/*{n}" for n in range(1200)]
        assert {ids[id] for id in snapshot.documents_like([*many, pattern])} == matched


def test_documents_come_by_pages_each_once(memory):
    memory.remember([Document(f"{n}.md", "The lab opens.", scope=scope) for scope in ("ana", "everyone") for n in range(5)])
    memory.retire("2.md")
    pages, after = [], None
    with memory.store.reading() as snapshot:
        while page := snapshot.documents_page(after, 4):
            pages.append([(one.scope, one.uri) for one in page])
            after = pages[-1][-1]
        mine = snapshot.documents_page(("ana", "2.md"), 9, ["ana"])
    whole = [(scope, f"{n}.md") for scope in ("ana", "everyone") for n in range(5) if (scope, n) != ("everyone", 2)]
    assert [len(page) for page in pages] == [4, 4, 1] and sum(pages, []) == whole
    assert [one.uri for one in mine] == ["3.md", "4.md"]


def test_turns_come_by_pages_from_the_newest_back(memory):
    at = datetime(2026, 11, 29, tzinfo=UTC)
    with memory.store.writing() as transaction:
        for n in range(5):
            for session in ("s", "other"):
                transaction.add_turn(Turn(f"{session}{n}", session, "ana", "When?", "", (), False, at))
    with memory.store.reading() as snapshot:
        last = snapshot.turns_page("ana", "s", None, 2)
        middle = snapshot.turns_page("ana", "s", last.before_seq, 2)
        first = snapshot.turns_page("ana", "s", middle.before_seq, 2)
    assert [[turn.id for turn in page.turns] for page in (last, middle, first)] == [["s3", "s4"], ["s1", "s2"], ["s0"]]
    assert first.before_seq is None


def test_statements_for_many_values_are_kept_apart_by_what_they_do(tmp_path):
    """Two updates of the same columns of the same table once shared one compiled statement."""
    settings = schema.settings
    to_key = update(settings).where(settings.c.key == bindparam("of"))
    to_value = update(settings).where(settings.c.value == bindparam("of"))
    with closing(SQLite.open(tmp_path, create=True)) as database, database.writing() as connection:
        database.execute_many(connection, insert(settings), [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
        database.execute_many(connection, to_key, [{"of": "a", "value": "3"}])
        database.execute_many(connection, to_value, [{"of": "2", "value": "4"}])
        found = connection.execute(select(settings.c.key, settings.c.value)).all()
    assert sorted(map(tuple, found)) == [("a", "3"), ("b", "4")]


ODD_VERSIONS = {
    "a suffix": "UPDATE alembic_version SET version_num = '0099_x'",
    "nothing in it": "UPDATE alembic_version SET version_num = ''",
    "no value": "DROP TABLE alembic_version; CREATE TABLE alembic_version AS SELECT NULL AS version_num",
    "two rows": "INSERT INTO alembic_version VALUES ('0001')",
    "no row": "DELETE FROM alembic_version",
    "garbage": "UPDATE alembic_version SET version_num = 'garbage'",
    "one before the first": "UPDATE alembic_version SET version_num = '0000'",
    "half a version": "UPDATE alembic_version SET version_num = '0006.5'",
    "bytes": "UPDATE alembic_version SET version_num = x'00ff'",
}


@pytest.mark.parametrize("odd", ODD_VERSIONS)
def test_a_home_of_a_version_that_makes_no_sense_is_named_and_left_alone(tmp_path, odd):
    SQLite.open(tmp_path, create=True).close()
    with closing(sqlite3.connect(tmp_path / "ragbot.db")) as connection:
        connection.executescript(ODD_VERSIONS[odd])
    before = (tmp_path / "ragbot.db").read_bytes()
    for create in (True, False):
        with pytest.raises(HomeError, match=r"^[^\n]*ragbot\.db: has no data version that ragbot knows \(.*\); restore a backup"):
            SQLite.open(tmp_path, create=create)
    assert (tmp_path / "ragbot.db").read_bytes() == before


def test_a_home_of_a_newer_version_is_named(tmp_path):
    SQLite.open(tmp_path, create=True).close()
    with closing(sqlite3.connect(tmp_path / "ragbot.db")) as connection:
        connection.executescript("UPDATE alembic_version SET version_num = '0099'")
    with pytest.raises(HomeError, match="was made by a newer ragbot"):
        SQLite.open(tmp_path, create=False)
