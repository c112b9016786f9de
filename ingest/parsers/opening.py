"""Open strangers' files within bounds: refuse by type and size before anything is read, and stop reading where it has no end.

Only regular files are opened, and never in a way that waits: a pipe, a device or a file of /proc does not hang the process.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from ingest.parsers import sniff
from ingest.parsers.damage import MAX_TEXT_CHARACTERS
from ingest.parsers.formats import CODE, MARKDOWN, PLAIN, Format, all_names, named
from ragbot.errors import BrokenError, ReadError, UnsupportedError

MAX_TEXT_BYTES = 4 * MAX_TEXT_CHARACTERS
"""A plain text, Markdown or source file is not read if it is larger: no encoding takes more bytes for its longest text."""
MAX_BYTES = 1_000_000_000
"""A file of any other type is not read if it is larger: its parser would not get by with its memory."""
MAX_SECONDS = 120.0
"""How long a file may take to be read for its digest."""
SLICE_BYTES = 1 << 20
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


@contextmanager
def opened(path: Path, within: str = "") -> Iterator[FileIO]:
    """Open a regular file, unbuffered. With `within`, a real path, only if it lies in that folder, links resolved.

    Raises UnsupportedError if it does not, or is no regular file; OSError as `open` does.
    """
    straight = getattr(os, "O_NOFOLLOW", 0) if within and not os.path.islink(path) else 0
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    with FileIO(os.open(path, flags | straight), "rb") as file:
        seen = os.fstat(file.fileno())
        if not stat.S_ISREG(seen.st_mode):
            raise UnsupportedError(f"{path}: is neither a file nor a folder")
        if within:
            real = need_inside(path, within)
            if not os.path.samestat(seen, os.stat(real, follow_symlinks=False)):
                raise ReadError(f"{path}: was replaced while it was opened; ingest it again")
        yield file


def need_inside(path: Path, within: str) -> str:
    """The real path of a file. Raises UnsupportedError if that does not lie in the folder `within`, a real path."""
    real = os.path.realpath(path)
    if not real.startswith(os.path.join(within, "")):
        raise UnsupportedError(f"{path}: is a link that leads out of its folder; name it itself, or give --follow-links")
    return real


def digest(file: FileIO, uri: str, suffix: str, stopped: Callable[[], bool] = lambda: False) -> str:
    """The SHA-256 of an open file in hex; "" where only its parser can tell whether it is of a type that is read.

    Raises UnsupportedError if its type is not read, BrokenError if it is larger than its type may be, ReadError if it has no
    end, takes longer than MAX_SECONDS, or `stopped` says so meanwhile.
    """
    size = os.fstat(file.fileno()).st_size
    if not size and file.read(1) != b"":
        raise UnsupportedError(f"{uri}: is made by the system as it is read, as those in /proc are; copy it to a file first")
    limit = _need_type(file, uri, suffix, size)
    if not limit:
        return ""
    file.seek(0)
    sha256, until = hashlib.sha256(), time.monotonic() + MAX_SECONDS
    while piece := file.read(SLICE_BYTES):
        limit -= len(piece)
        sha256.update(piece)
        if limit < 0:
            raise ReadError(f"{uri}: grows while it is read; wait until it is written, or copy it")
        if stopped():
            raise ReadError("reading was stopped")
        if time.monotonic() > until:
            raise ReadError(f"{uri}: takes more than {MAX_SECONDS:.0f} s to read; copy it to another disk")
    return sha256.hexdigest()


def _need_type(file: FileIO, uri: str, suffix: str, size: int) -> int:
    """How many bytes a file of its type may have, by its suffix, else by its first bytes; 0 where these do not tell it."""
    format = named(suffix)
    if format is None:
        file.seek(0)
        archive = (file.read(4) or b"").startswith(_ZIP)  # listing what is in it takes memory: its parser has a limit to that
        file.seek(0)
        found = sniff.Found("a zip archive") if archive else sniff.sniff(file, suffix)
        format = found.format
        if format is None and (not archive or size > MAX_BYTES):
            raise UnsupportedError(f"{uri}: {found.what} is not read; convert it to one of {all_names()}")
        if format is None:
            return 0
    limit = max_bytes(format)
    if size > limit:
        raise BrokenError(f"{uri}: is larger than the {limit // 1_000_000:,} MB up to which {format.name} is read; split it")
    return limit


def max_bytes(format: Format) -> int:
    """How large a file of a format may be."""
    verbatim = format in (PLAIN, MARKDOWN) or format.content_type.startswith(CODE)
    return MAX_TEXT_BYTES if verbatim else MAX_BYTES
