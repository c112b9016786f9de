"""A database, and the two ways into it: one snapshot to read, one transaction to write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ragbot.errors import HomeError
from ragbot.store.dialects.sqlite import FILE, SQLite
from ragbot.store.keys import Keys
from ragbot.store.runs import Runs
from ragbot.store.snapshot import Snapshot
from ragbot.store.transaction import Transaction

ASIDE = f"{FILE}.aside"
"""The name of a copy that is not whole yet."""


class Store:
    """The database of one home. Any number of processes may have it open."""

    def __init__(self, database: SQLite) -> None:
        self._database = database

    @classmethod
    def open(cls, home: Path, *, create: bool = True) -> Store:
        """Open the database of `home`. Raises HomeError if that cannot be done."""
        return cls(SQLite.open(home, create=create))

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    @contextmanager
    def reading(self) -> Iterator[Snapshot]:
        """One snapshot: all that is read within it is of one moment."""
        self._database.need_there()
        with self._database.reading() as connection:
            yield Snapshot(connection, self._database)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """One transaction: all of it is durable and visible at the end of the block, or none."""
        self._database.need_there()
        with self._database.writing() as connection:
            yield Transaction(connection, self._database)

    @contextmanager
    def runs(self, *, write: bool = False) -> Iterator[Runs]:
        """The log of runs: one snapshot of it, or one transaction to write it."""
        self._database.need_there()
        with self._database.writing() if write else self._database.reading() as connection:
            yield Runs(connection)

    @contextmanager
    def keys(self, *, write: bool = False) -> Iterator[Keys]:
        """The keys to the server: one snapshot of them, or one transaction to write them."""
        self._database.need_there()
        with self._database.writing() if write else self._database.reading() as connection:
            yield Keys(connection)

    def copy_to(self, folder: Path) -> None:
        """Copy the database, as of one moment, into `folder`, whole or not at all: it gets its name last."""
        aside = folder / ASIDE
        try:
            self._database.copy_to(aside)
            aside.replace(folder / FILE)
        except OSError as cause:
            raise HomeError(f"{folder}: cannot be written ({cause.strerror})") from cause
        finally:
            aside.unlink(missing_ok=True)

    def copy_from(self, folder: Path) -> None:
        """Replace the database by the one in `folder`, in one transaction; who has it open sees the other from then on.

        Keys stay as they are here, so that one which was revoked since does not open anything again. Raises HomeError if there
        is no such database, or it is damaged or of a newer version.
        """
        other = SQLite.open(folder, create=False)
        try:
            with other.reading() as connection:
                if problems := Snapshot(connection, other).integrity():
                    raise HomeError(f"{folder}: is damaged ({problems[0]}); nothing was changed")
            with self.keys() as keys:
                kept = keys.rows()
            other.copy_to(self._database.file)
        finally:
            other.close()
        with self.keys(write=True) as keys:
            keys.keep(kept)

    def scrub(self, samples: Sequence[str] = (), beside: Sequence[Path] = ()) -> bool:
        """Clear what erased rows left in the files of the database, then look for samples of it there and in folders `beside`.

        False if a snapshot is on them, the disk is full, or a sample is still found.
        """
        return self._database.scrub(samples, beside)
