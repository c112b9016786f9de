"""What is derived is registered, erased with what it comes from, and compared with it."""

import sqlite3
from contextlib import closing

from ragbot.store import Store, derived, schema
from ragbot.types import Document, SourceState


def test_every_table_is_the_truth_or_registered():
    registered = [table for one in derived.REGISTER for table in one.tables]
    assert sorted([*derived.TRUTH, *registered]) == sorted(schema.metadata.tables)


def test_what_is_derived_from_what_is_not_there_is_named(memory):
    memory.remember(Document("lab.md", "The lab opens at 9:00."))
    memory.close()
    with closing(sqlite3.connect(memory.home / "ragbot.db")) as other, other:
        other.execute("INSERT INTO vectors SELECT 77, space_id, vector FROM vectors")
        other.execute(
            "INSERT INTO turns (id, session, scope, question, answer, grounded, at) VALUES ('t', 's', 'a', '', '', 0, 0)"
        )
        other.execute("INSERT INTO turn_hits VALUES ('t', 1, 77, 0.5, '{}')")
        other.execute("INSERT INTO claims VALUES ('t', 0, 'x', 'supported', 1)")
        other.execute("INSERT INTO citations VALUES ('t', 0, 77, 'lab.md', 'file', 0, 1, 'x', NULL, 0, '', NULL, 3, '', NULL)")
        other.execute("INSERT INTO disputes VALUES (1, 77, 0, 1)")
    with closing(Store.open(memory.home)) as store, store.reading() as snapshot:
        assert snapshot.integrity() == [
            "turn t cites a passage that is not there",
            "turn t has a citation of no claim",
            "turn t has a hit that is not there",
            "chunk 77 is disputed and not there",
            "chunk 77 has a vector and is not there",
        ]


def test_a_document_leaves_nothing_in_any_registered_table(memory):
    memory.remember(Document("lab.md", "The lab opens at 9:00."))
    memory.set_source_states([SourceState("everyone", "lab.md", kind, {"a": "b"}) for kind in ("file", "failed")])
    memory.forget("lab.md")
    with memory.store.reading() as snapshot:
        left = {
            table: snapshot._connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
            for one in derived.REGISTER
            for table in one.tables
        }
    assert set(left.values()) == {0}, left
