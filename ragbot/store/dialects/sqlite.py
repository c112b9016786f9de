"""SQLite: the database file of a home, its pragmas, transactions, migrations, bulk writes, copies and checks.

Every connection is in autocommit mode and every transaction is begun by hand, since the driver's
own guessing begins a write late. Readers see one snapshot from their first read to the end of
their block; a transaction takes the one write lock at its start (BEGIN IMMEDIATE).
"""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Boolean, ColumnElement, Connection, Engine, Insert, Text, Update, create_engine, event, select, text
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from sqlalchemy.pool import NullPool

from ragbot.errors import BusyError, HomeError
from ragbot.store import migrations
from ragbot.store.dialects import sqlite_residue
from ragbot.store.schema import REVISION, metadata

log = logging.getLogger(__name__)

FILE = "ragbot.db"
KEPT_CONNECTIONS = 32
"""So many connections stay open for the next threads that read: opening one costs more than most reads."""
WAIT_S = 30.0
"""How long a transaction waits for another process before it gives up."""


class SQLite:
    """The database file of one home (`dialects.Database` says what must hold).

    The write lock is SQLite's own: there is one a file, so that commits have the order of the ids that they give.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.file = path_of(engine)
        self._identity = _identity(self.file)
        self._compiled: dict[tuple[Any, ...], tuple[str, itemgetter[Any]]] = {}
        """SQL by statement and keys, with what puts the values in its order. Here, since it is this database's SQL."""

    @classmethod
    def open(cls, home: Path, *, create: bool) -> SQLite:
        """The database of `home`, migrated to REVISION.

        Raises HomeError where there is none (and `create` is false), it is damaged, may not be
        opened, or was made by a newer version.
        """
        _need_folder(home, create)
        writable = os.access(home, os.W_OK) and (not (home / FILE).exists() or os.access(home / FILE, os.W_OK))
        engine = _writable(home) if writable else _readable(home)
        event.listen(engine, "connect", _prepare)
        with ExitStack() as undo:
            undo.callback(engine.dispose)
            _migrate(engine, home, create) if writable else _need_newest(engine, home)
            undo.pop_all()
        return cls(engine)

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    def need_there(self) -> None:
        """Raise HomeError if the file is gone or is another one."""
        if _identity(self.file) != self._identity:
            raise HomeError(f"{self.file}: was removed or replaced while it was open; open the memory again")

    def reading(self) -> AbstractContextManager[Connection]:
        """One snapshot, from its first read on."""
        return _reading(self.engine)

    def writing(self) -> AbstractContextManager[Connection]:
        """One transaction that holds the write lock from its start. Raises BusyError if it is not to be had in WAIT_S."""
        return _writing(self.engine)

    def next_chunk_id(self, connection: Connection) -> int:
        """AUTOINCREMENT keeps the highest id that ever was; asking for each inserted id would cost a statement a row."""
        last = connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").scalar()
        return int(last or 0) + 1

    def execute_many(self, connection: Connection, statement: Insert | Update, values: Sequence[Mapping[str, Any]]) -> None:
        """As SQLAlchemy does, without its work on every single value: that costs more than SQLite's own."""
        if not values:
            return
        key = (statement, *values[0])
        if key not in self._compiled:
            columns = [name for name in values[0] if name in statement.table.c]
            compiled: Any = statement.compile(self.engine, column_keys=columns)
            self._compiled[key] = str(compiled), itemgetter(*(compiled.positiontup or ()))
        sql, in_order = self._compiled[key]
        connection.exec_driver_sql(sql, [in_order(value) for value in values])

    def insert_new(self, connection: Connection, statement: Insert, values: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows whose key is not there."""
        if values:
            connection.execute(statement.prefix_with("OR IGNORE"), values)

    def matches(self, column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
        """By GLOB, where ? and [ have a meaning too. Stars that follow each other are one, which is quick."""
        return column.op("GLOB", return_type=Boolean())(re.sub(r"[?\[]", r"[\g<0>]", re.sub(r"\*+", "*", pattern)))

    def problems(self, connection: Connection) -> list[str]:
        """What a quick check of the pages and tables finds."""
        return [str(line) for line in connection.exec_driver_sql("PRAGMA quick_check").scalars() if line != "ok"]

    def copy_to(self, target: Path) -> None:
        """Copy by SQLite's own backup."""
        new = not target.exists()
        with self.engine.connect() as connection, closing(sqlite3.connect(target, timeout=WAIT_S)) as there:
            here = connection.connection.driver_connection
            assert isinstance(here, sqlite3.Connection)
            try:
                there.execute("PRAGMA synchronous=FULL")
                here.backup(there)
            except sqlite3.Error as cause:
                raise HomeError(f"{target}: cannot be written ({cause})") from cause
        if new:  # of one moment, in which something may have been erased whose residue was not
            _residue(target)

    def scrub(self, samples: Sequence[str] = (), beside: Sequence[Path] = ()) -> bool:
        """Zero the unused parts of pages, clear the write-ahead log, then look; where a sample is left, rewrite the file."""
        if (left := self._left(samples, beside)) and self._vacuumed():
            left = self._left(samples, beside)
        return left == []

    def _left(self, samples: Sequence[str], beside: Sequence[Path]) -> list[str] | None:
        """The samples that stand in a file and in no row; None if the files could not be cleared."""
        found = _residue(self.file, samples, beside)
        return None if found is None else [sample for sample in found if not self._holds(sample)]

    def _holds(self, sample: str) -> bool:
        """Whether any row has a text in it, as another copy of what was erased."""
        columns = [column for table in metadata.sorted_tables for column in table.columns if isinstance(column.type, Text)]
        with self.reading() as connection:
            return any(
                connection.execute(select(1).select_from(one.table).where(self.matches(one, f"*{sample}*")).limit(1)).first()
                for one in columns
            )

    def _vacuumed(self) -> bool:
        try:
            with self.engine.connect() as connection:
                connection.exec_driver_sql("VACUUM")
        except OperationalError as cause:  # a full disk, or who writes
            log.warning("%s: could not be rewritten (%s)", self.file, cause.orig)
            return False
        return True


def _residue(file: Path, samples: Sequence[str] = (), beside: Sequence[Path] = ()) -> list[str] | None:
    """Clear a database file of what erased rows left. Which samples are there still; None if it could not be cleared now."""
    asked = {"database": str(file), "beside": list(map(str, beside)), "samples": [sample.encode().hex() for sample in samples]}
    command = [sys.executable, "-I", sqlite_residue.__file__]
    done = subprocess.run(command, input=json.dumps(asked) + "\n", capture_output=True, text=True, check=False)
    try:
        said = json.loads(done.stdout)
    except ValueError:  # it was killed
        said = {"error": f"{file}: the process that erases residue ended with {done.returncode} ({done.stderr.strip()[-200:]})"}
    if "error" in said:
        log.warning("%s", said["error"])
    return [samples[at] for at in said["found"]] if said.get("erased") else None


@contextmanager
def _reading(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        try:
            yield connection
        except DatabaseError as cause:
            raise _read_error(cause, engine) from cause
        finally:
            _end(connection)


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as cause:
            raise _write_error(cause, engine) from cause
        try:
            yield connection
            connection.exec_driver_sql("COMMIT")
        except OperationalError as cause:
            raise _write_error(cause, engine) from cause
        except DatabaseError as cause:
            raise _read_error(cause, engine) from cause
        finally:
            _end(connection)


def path_of(engine: Engine) -> Path:
    """The file of a database."""
    return Path(str(engine.url.database))


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _writable(home: Path) -> Engine:
    # Last in, first out: who writes goes on with the connection whose cache knows what was written.
    # A connection for each thread: those that wait to write must not keep others from reading.
    return create_engine(
        _url(home), connect_args={"timeout": WAIT_S}, pool_size=KEPT_CONNECTIONS, pool_use_lifo=True, max_overflow=-1
    )


def _readable(home: Path) -> Engine:
    file = (home / FILE).absolute()
    log = file.with_name(f"{FILE}-wal")

    def connect() -> sqlite3.Connection:
        # Where nobody writes, SQLite has to be told so: it cannot make the file in which it would look for writers.
        still = not log.exists() or not log.stat().st_size
        uri = f"file:{quote(os.fsencode(file))}?mode=ro{'&immutable=1' if still else ''}"
        return sqlite3.connect(uri, uri=True, timeout=WAIT_S, check_same_thread=False)

    # A connection each time: somebody who may write the file may have begun to.
    return create_engine(_url(home), creator=connect, poolclass=NullPool)


def _url(home: Path) -> URL:
    return URL.create("sqlite", database=str((home / FILE).absolute()))


def _need_newest(engine: Engine, home: Path) -> None:
    try:
        found = _revision(engine)
    except OperationalError as cause:
        raise HomeError(
            f"{home / FILE}: cannot be opened for reading ({cause.orig}); open it once where it may be written"
        ) from cause
    except DatabaseError as cause:
        raise HomeError(f"{home / FILE}: is damaged or no ragbot database ({cause.orig}); restore a backup") from cause
    _need_known(found, home)
    if found != REVISION:
        raise HomeError(f"{home}: was made by an older ragbot and may not be written; open it once where it may")


def _read_error(cause: DatabaseError, engine: Engine) -> Exception:
    if isinstance(cause, IntegrityError):
        return cause
    if isinstance(cause, OperationalError) and "disk I/O" not in str(cause.orig):
        return HomeError(f"{path_of(engine)}: cannot be read ({cause.orig})")
    return HomeError(f"{path_of(engine)}: is damaged ({cause.orig}); restore a backup")


def _end(connection: Connection) -> None:
    """Roll back, unless it is over: committed, or rolled back by SQLite itself, as on a full disk."""
    if connection.invalidated:  # Ctrl-C in the middle of a statement: SQLAlchemy has closed the connection, which rolls back
        return
    driver = connection.connection.driver_connection
    if driver is not None and driver.in_transaction:
        connection.exec_driver_sql("ROLLBACK")


def _write_error(cause: OperationalError, engine: Engine) -> Exception:
    reason = str(cause.orig)
    if "locked" in reason or "busy" in reason:
        return BusyError(f"{path_of(engine)}: another process has been writing for {WAIT_S:.0f} s; try again")
    return HomeError(f"{path_of(engine)}: cannot be written ({reason}); nothing was changed")


def _nothing_in(home: Path) -> HomeError:
    return HomeError(f"{home}: no memory here; make one with `ingest add PATH --home {home}`")


def _need_folder(home: Path, create: bool) -> None:
    try:
        if home.is_file():
            raise NotADirectoryError
        if not (home / FILE).exists():
            if not create:
                raise _nothing_in(home)
            home.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as cause:
        raise HomeError(f"{home}: is not a folder; name another home with --home or RAGBOT_HOME") from cause
    except OSError as cause:
        raise HomeError(f"{home}: cannot be opened ({cause.strerror}); check its permissions") from cause


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401 (SQLAlchemy's signature)
    connection.isolation_level = None
    # FULL: a commit is on the disk before it is acknowledged. secure_delete: what is forgotten is
    # overwritten, not only unlinked.
    # The log is folded into the database every 16 MB, and 32 MB of it are kept in memory.
    pragmas = ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", "temp_store=MEMORY")
    for pragma in (*pragmas, "wal_autocheckpoint=4096", "cache_size=-32768"):
        connection.execute(f"PRAGMA {pragma}")


def _migrate(engine: Engine, home: Path, create: bool) -> None:
    try:
        found = _revision(engine)
        if found == REVISION:
            return
        if found is None and not create:  # an empty file, which a full disk leaves, or an interrupted copy
            raise _nothing_in(home)
        _need_known(found, home)
        _keep_log(engine)
        with _writing(engine) as connection:
            _upgrade(connection)
    except OperationalError as cause:
        raise HomeError(f"{home / FILE}: cannot be opened ({cause.orig}); check its permissions") from cause
    except DatabaseError as cause:
        raise HomeError(f"{home / FILE}: is damaged or no ragbot database ({cause.orig}); restore a backup") from cause


def _keep_log(engine: Engine) -> None:
    """Switch a database to write-ahead logging. SQLite does not wait for others here, who may be making the same home."""
    until = time.monotonic() + WAIT_S
    while True:
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            return
        except OperationalError as cause:
            if "locked" not in str(cause.orig) or time.monotonic() >= until:
                raise
            time.sleep(0.02)


def _revision(engine: Engine) -> str | None:
    with _reading(engine) as connection:
        tables = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        if "alembic_version" not in tables:
            if tables:
                raise HomeError(f"{path_of(engine)}: is not a ragbot database; name another home")
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    if len(found) != 1 or not isinstance(found[0], str) or not re.fullmatch("(?!0000)[0-9]{4}", found[0]):
        shown = ", ".join(map(repr, found))[:100] or "none"
        raise HomeError(
            f"{path_of(engine)}: has no data version that ragbot knows ({shown}); restore a backup, or upgrade ragbot"
        )
    return found[0]


def _need_known(found: str | None, home: Path) -> None:
    if found is not None and found > REVISION:
        raise HomeError(f"{home}: was made by a newer ragbot (data version {found}, this one knows {REVISION}); upgrade ragbot")


def _upgrade(connection: Connection) -> None:
    # Imported here: alembic takes half a second, and an opened home seldom needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
