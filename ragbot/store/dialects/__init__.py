"""What differs between databases, behind one class: everything else in `store` is SQL that all of them speak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Insert, Update


class Database(Protocol):
    """An open database of a home, migrated to the newest version, that several processes and threads may use."""

    def close(self) -> None:
        """Let go of every connection."""
        ...

    def need_there(self) -> None:
        """Raise HomeError if what was opened is gone or was replaced: what is written to it then, nobody will ever read."""
        ...

    def reading(self) -> AbstractContextManager[Connection]:
        """One snapshot: every read sees the same moment, from the first one on, and waits for no writer."""
        ...

    def writing(self) -> AbstractContextManager[Connection]:
        """One transaction, rolled back on any error, and on the disk when it is over.

        It holds the one write lock from its start, so that transactions commit in the order of their numbers and ids: an
        index may then take "all ids up to this one". Raises BusyError if the lock is not to be had in time.
        """
        ...

    def next_chunk_id(self, connection: Connection) -> int:
        """The id for the next chunk, inside a transaction: above every id that ever was one, erased ones too."""
        ...

    def execute_many(self, connection: Connection, statement: Insert | Update, values: Sequence[Mapping[str, Any]]) -> None:
        """Execute a statement once for each of the values, which all have the same keys.

        `statement` is built once and kept by the caller: it is compiled once for each database and set of keys.
        """
        ...

    def insert_new(self, connection: Connection, statement: Insert, values: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, and pass over those whose key is there."""
        ...

    def matches(self, column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """That a text matches a pattern as a whole: * stands for anything, line ends too, all else for itself, in its case."""
        ...

    def problems(self, connection: Connection) -> list[str]:
        """What the database itself finds wrong with its own structure; empty if nothing."""
        ...

    def copy_to(self, target: Path) -> None:
        """Make the database file `target` the same as this one, as of one moment; in one transaction where it was there."""
        ...

    def scrub(self, samples: Sequence[str] = (), beside: Sequence[Path] = ()) -> bool:
        """Leave nothing of erased rows in any file of the database, logs included, and look for samples of what was erased.

        They are looked for in all files of the folders `beside` it too. False if that cannot be done yet, or one that stands in
        no row is still found.
        """
        ...
