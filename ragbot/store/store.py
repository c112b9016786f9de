"""A database, and the two ways into it: one snapshot to read, one transaction to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from ragbot.errors import HomeError
from ragbot.store import engine as engines
from ragbot.store.reader import Reader
from ragbot.store.writer import Writer


class Store:
    """The database of one home. Any number of processes may have it open."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, home: Path, *, create: bool = True) -> Store:
        """Open the database of `home`. Raises HomeError if that cannot be done."""
        return cls(engines.open_engine(home, create=create))

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """One snapshot: all that is read within it is of one moment."""
        with engines.reading(self._engine) as connection:
            yield Reader(connection)

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """One transaction: all of it is durable and visible at the end of the block, or none."""
        with engines.writing(self._engine) as connection:
            yield Writer(connection)

    def copy_to(self, folder: Path) -> None:
        """Copy the database, as of one moment, into `folder`, whole and flushed to the disk."""
        engines.copy(self._engine, folder / engines.FILE)

    def copy_from(self, folder: Path) -> None:
        """Replace the database by the one in `folder`, in one transaction; who has it open sees the other from then on.

        Raises HomeError if there is none, or it is damaged or of a newer version.
        """
        other = engines.open_engine(folder, create=False)
        try:
            with engines.reading(other) as connection:
                if problems := Reader(connection).integrity():
                    raise HomeError(f"{folder}: is damaged ({problems[0]}); nothing was changed")
            engines.copy(other, engines.path_of(self._engine))
        finally:
            other.dispose()

    def scrub(self) -> bool:
        """Clear what erased rows left in the write-ahead log. False if a reader is on it, or the disk is full."""
        with self._engine.connect() as connection:
            connection.execute(text("PRAGMA busy_timeout = 1000"))  # whoever reads for longer reads for very long
            try:
                busy, _, _ = connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
            except OperationalError:  # a full disk: what it is for is done, and stays in the log for now
                busy = 1
            connection.execute(text(f"PRAGMA busy_timeout = {engines.WAIT_S * 1000:.0f}"))
            return not busy
