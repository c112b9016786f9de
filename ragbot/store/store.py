"""A database, and the two ways into it: one snapshot to read, one transaction to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from ragbot.errors import HomeError
from ragbot.store import engine as engines
from ragbot.store.runs import Runs
from ragbot.store.snapshot import Snapshot
from ragbot.store.transaction import Transaction


class Store:
    """The database of one home. Any number of processes may have it open."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._file = engines.path_of(engine)
        self._identity = self._identified()

    @classmethod
    def open(cls, home: Path, *, create: bool = True) -> Store:
        """Open the database of `home`. Raises HomeError if that cannot be done."""
        return cls(engines.open_engine(home, create=create))

    def _identified(self) -> tuple[int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _need_there(self) -> None:
        """Raise HomeError if the file is gone: what is written to it then, nobody will ever read."""
        if self._identified() != self._identity:
            raise HomeError(f"{self._file}: was removed or replaced while it was open; open the memory again")

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Snapshot]:
        """One snapshot: all that is read within it is of one moment."""
        self._need_there()
        with engines.reading(self._engine) as connection:
            yield Snapshot(connection)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """One transaction: all of it is durable and visible at the end of the block, or none."""
        self._need_there()
        with engines.writing(self._engine) as connection:
            yield Transaction(connection)

    @contextmanager
    def runs(self, *, write: bool = False) -> Iterator[Runs]:
        """The log of runs: one snapshot of it, or one transaction to write it."""
        self._need_there()
        with (engines.writing if write else engines.reading)(self._engine) as connection:
            yield Runs(connection)

    def copy_to(self, folder: Path) -> None:
        """Copy the database, as of one moment, into `folder`, whole or not at all: it gets its name last."""
        aside = folder / f"{engines.FILE}.aside"
        try:
            engines.copy(self._engine, aside)
            aside.replace(folder / engines.FILE)
        except OSError as cause:
            raise HomeError(f"{folder}: cannot be written ({cause.strerror})") from cause
        finally:
            aside.unlink(missing_ok=True)

    def copy_from(self, folder: Path) -> None:
        """Replace the database by the one in `folder`, in one transaction; who has it open sees the other from then on.

        Raises HomeError if there is none, or it is damaged or of a newer version.
        """
        other = engines.open_engine(folder, create=False)
        try:
            with engines.reading(other) as connection:
                if problems := Snapshot(connection).integrity():
                    raise HomeError(f"{folder}: is damaged ({problems[0]}); nothing was changed")
            engines.copy(other, engines.path_of(self._engine))
        finally:
            other.dispose()

    def scrub(self) -> bool:
        """Clear what erased rows left in the write-ahead log. False if a snapshot is on it, or the disk is full."""
        with self._engine.connect() as connection:
            connection.execute(text("PRAGMA busy_timeout = 1000"))  # whoever reads for longer reads for very long
            try:
                busy, _, _ = connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
            except OperationalError:  # a full disk: what it is for is done, and stays in the log for now
                busy = 1
            connection.execute(text(f"PRAGMA busy_timeout = {engines.WAIT_S * 1000:.0f}"))
            return not busy
