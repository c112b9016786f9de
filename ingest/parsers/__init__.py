"""Files to documents: what a file holds decides which reader takes it, not what it is called.

Importing this costs nothing: a format's module, and its parser, are loaded with the first file
of that format. Nothing here knows of memories, chunks or models.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from ingest.parsers import sniff
from ingest.parsers.characters import clean
from ingest.parsers.damage import refuse_long
from ingest.parsers.formats import FORMATS, Extract, Format, Source, all_names, named
from ingest.parsers.titles import one_line
from ragbot.errors import BrokenError, EmptyError, LockedError, ReadError, UnsupportedError
from ragbot.types import EVERYONE, Document

SUFFIXES: frozenset[str] = frozenset(suffix for format in FORMATS for suffix in format.suffixes)
"""The suffixes, lower case, of the files that a walk through a folder picks up."""

PARSER_VERSION = "4"
"""Changed whenever the same file would give another text, so that files are read again."""

_VERBATIM = ("plain", "markdown", "code")
"""Readers of texts that are kept as they are, so that the size of a file tells how long they are."""
_WIDEST = 4
"""Bytes that a letter takes at most, in any encoding."""

__all__ = ["PARSER_VERSION", "SUFFIXES", "read"]


def read(
    path: Path,
    uri: str,
    *,
    scope: str = EVERYONE,
    password: str | None = None,
    suffix: str | None = None,
    alive: Callable[[], None] = lambda: None,
) -> Document:
    """The document that a file holds. `suffix` stands for the one of its name; `alive` is called with each page.

    Raises a ReadError, which names the file by `uri`: UnsupportedError for another type,
    EmptyError without any text, BrokenError if damaged, misnamed or too long, LockedError if
    the password is missing or wrong, or the file is not ours to open.
    """
    format, source = _open(path, uri, password, path.suffix.lower() if suffix is None else suffix, alive)
    extract = _reader(format)(source)
    refuse_long(uri, len(extract.text))
    if not extract.text.strip():
        raise EmptyError(f"{uri}: holds no text; check that it is the file you mean")
    return Document(
        uri=uri,
        text=extract.text,
        title=one_line(clean(extract.title)) or one_line(clean(path.stem)),
        scope=scope,
        metadata=_metadata(extract, format),
        pages=extract.pages,
        lines=extract.lines,
    )


def _reader(format: Format) -> Callable[[Source], Extract]:
    extract: Callable[[Source], Extract] = importlib.import_module(f"{__name__}.{format.module}").extract
    return extract


def _metadata(extract: Extract, format: Format) -> dict[str, str]:
    author = one_line(clean(extract.author))
    failed = ",".join(str(page) for page in extract.pages_failed)
    said = {"content_type": format.content_type, "author": author, "page_date": extract.date, "pages_failed": failed}
    return {key: value for key, value in said.items() if value}


def _open(path: Path, uri: str, password: str | None, suffix: str, alive: Callable[[], None]) -> tuple[Format, Source]:
    try:
        if path.exists() and not path.is_file():
            raise ReadError(f"{uri}: not a file; give a file, or a folder to sync")
        with path.open("rb") as file:
            found = sniff.sniff(file, suffix)
            size = file.seek(0, 2)
            if found.format and found.format.module in _VERBATIM:
                refuse_long(uri, size // _WIDEST)
            file.seek(0)
            data = file.read() if found.format or named(suffix) else b""
    except FileNotFoundError as cause:
        raise ReadError(f"{uri}: no such file; check the path") from cause
    except PermissionError as cause:
        raise LockedError(f"{uri}: no permission to read it; change its mode or owner") from cause
    except OSError as cause:
        raise ReadError(f"{uri}: cannot be read ({cause.strerror or cause}); try again") from cause
    if size == 0:
        raise EmptyError(f"{uri}: is empty (0 bytes); check that it was saved or fetched whole")
    return _agreed(uri, suffix, found, data), Source(uri, data, password, alive)


def _agreed(uri: str, suffix: str, found: sniff.Found, data: bytes) -> Format:
    """The format to read, if the content is what the name says; otherwise a refusal that says why not."""
    promised = named(suffix)
    if promised and sniff.encrypted_office(data):
        raise LockedError(f"{uri}: encrypted by Office, which is not read; save it without a password")
    if promised and found.format is None:
        raise BrokenError(f"{uri}: named {suffix} but holds {found.what}; export it again as {promised.name}")
    if found.format is None:
        raise UnsupportedError(f"{uri}: {found.what} is not read; convert it to one of {all_names()}")
    if promised and promised is not found.format and not (promised.textual and found.format.textual):
        mend = f"rename it to {found.format.suffixes[0]}"
        raise BrokenError(f"{uri}: named {suffix} but holds {found.what}; {mend}")
    return found.format
