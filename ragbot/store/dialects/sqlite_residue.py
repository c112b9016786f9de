"""Erase what SQLite leaves of erased rows in a database file, and search files for samples of what was erased.

`secure_delete` overwrites a row where it lies. Where a B-tree is balanced, though, cells move between pages, and copies of them
stay in the part of a page that is in no use (sqlite.org/fileformat2.html, 1.6): there a sentence may outlive its row. This
program writes zeros over those parts. No reader sees it, since no byte that means anything changes.

It is a process of its own, with the standard library alone: one that closes a file drops every lock that it holds on it, and
with them those of SQLite (sqlite.org/howtocorrupt.html, 2.2). It reads a line of JSON and writes one: see `main`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

READER_S, WRITER_S = 1.0, 30.0
"""How long it waits for who reads, which may take very long, and for who writes."""
TRIES = 20
BLOCK_BYTES = 1 << 22
"""So much of a file is in memory at a time."""
_INTERIOR, _LEAF = (2, 5), (10, 13)
"""The types of the pages of B-trees. Pages of other kinds are overwritten where they are freed; they begin with the number of a
page, whose first byte is 0 in a file of less than MAX_PAGES."""
_MAX_PAGES = 1 << 24


def erase_residue(database: Path) -> bool:
    """Write zeros over what is in no use in every page. False if somebody is on the log for too long, or the disk is full."""
    log = database.with_name(f"{database.name}-wal")
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for _ in range(TRIES):
            if not _checkpointed(connection):
                return False
            connection.execute(f"PRAGMA busy_timeout = {WRITER_S * 1000:.0f}")
            connection.execute("BEGIN IMMEDIATE")
            if not log.exists() or not log.stat().st_size:
                break  # nobody else writes now, and all that was written is in the file
            connection.execute("ROLLBACK")
        else:
            return False
        with open(database, "r+b", buffering=0) as file:  # closed after the transaction: see above
            if _zeroed(file):
                # Others keep pages in memory and would write their copies back. A commit makes them read again.
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                connection.execute(f"PRAGMA user_version = {(version + 1) % (1 << 31)}")
            connection.execute("COMMIT")
            return _checkpointed(connection)


def _checkpointed(connection: sqlite3.Connection) -> bool:
    """Whether the log is empty and all of it in the file."""
    connection.execute(f"PRAGMA busy_timeout = {READER_S * 1000:.0f}")
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _zeroed(file: io.FileIO) -> int:
    """Overwrite what is in no use in every page of a database file. In how many pages something was."""
    head = file.read(100)
    size = int.from_bytes(head[16:18], "big")
    size = 65536 if size == 1 else size
    pages = os.fstat(file.fileno()).st_size // size if size else 0
    if pages >= _MAX_PAGES:
        raise ValueError(f"has {pages} pages, more than {_MAX_PAGES}")
    found = 0
    for first in range(0, pages, BLOCK_BYTES // size):
        file.seek(first * size)
        block = file.read(min(BLOCK_BYTES, (pages - first) * size))
        for at in range(0, len(block), size):
            dirty = [
                (start, end)
                for start, end in _unused(block, at, at + size - head[20], 100 if first == at == 0 else 0)
                if block.count(0, start, end) < end - start
            ]
            for start, end in dirty:
                file.seek(first * size + start)
                file.write(bytes(end - start))
            found += bool(dirty)
    if found:
        os.fsync(file.fileno())
    return found


def _unused(block: bytes, start: int, end: int, header: int) -> Iterator[tuple[int, int]]:
    """The spans of a block that the page from `start` to `end` of it does not use; none if that is no page of a B-tree."""
    at = start + header
    kind = block[at]
    if kind not in _INTERIOR and kind not in _LEAF:
        return
    cells = _number(block, at + 3)
    content = start + (_number(block, at + 5) or 65536)
    pointers_end = at + (12 if kind in _INTERIOR else 8) + 2 * cells
    if not pointers_end <= content <= end:
        raise ValueError(f"has a damaged page at {start}")
    yield pointers_end, content
    free = _number(block, at + 1)
    while free:
        size = _number(block, start + free + 2)
        if size < 4 or not content <= start + free <= end - size:
            raise ValueError(f"has a damaged page at {start}")
        yield start + free + 4, start + free + size
        after = _number(block, start + free)
        if after and after < free + size:  # they are in order
            raise ValueError(f"has a damaged page at {start}")
        free = after


def _number(block: bytes, at: int) -> int:
    return block[at] << 8 | block[at + 1]


def find(files: Sequence[Path], samples: Sequence[bytes]) -> list[int]:
    """Which of the samples, by their places, stand in any of these files."""
    left = dict(enumerate(samples))
    longest = max(map(len, samples), default=0)
    for path in files if samples else ():
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            before = b""
            while block := file.read(BLOCK_BYTES):
                block = before + block
                left = {at: sample for at, sample in left.items() if sample not in block}
                before = block[-longest + 1 :] if longest > 1 else b""
    return sorted(set(range(len(samples))) - left.keys())


def main() -> None:
    """Read {"database": file, "beside": [folders], "samples": [hex]}, write {"erased": bool, "found": [places of samples]}.

    The samples are looked for in the database, its log, and every file of the folders beside it.
    """
    asked = json.loads(sys.stdin.readline())
    database = Path(asked["database"])
    said: dict[str, object] = {}
    try:
        said["erased"] = erase_residue(database)
        folders = [*database.parent.glob(f"{database.name}*"), *(p for one in asked["beside"] for p in Path(one).rglob("*"))]
        files = [path for path in folders if path.is_file()]
        said["found"] = find(files, [bytes.fromhex(sample) for sample in asked["samples"]])
    except (OSError, sqlite3.Error, ValueError) as cause:
        said["error"] = f"{database}: {cause}"
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
