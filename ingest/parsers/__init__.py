"""Parse files into documents. The content of a file decides which parser reads it, not its name.

Importing this package is cheap: the module and library of a format are loaded with the first file
of that format. Nothing here knows of memories, chunks or models.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from ingest.parsers import sniff
from ingest.parsers.characters import clean
from ingest.parsers.damage import refuse_long
from ingest.parsers.formats import FORMATS, Extract, Format, Source, all_names, named
from ingest.parsers.plugged import parser_of
from ingest.parsers.titles import one_line
from ragbot.errors import BrokenError, EmptyError, LockedError, ReadError, UnsupportedError
from ragbot.types import EVERYONE, Document

SUFFIXES: frozenset[str] = frozenset(suffix for format in FORMATS for suffix in format.suffixes)
"""The suffixes, lower case, that ragbot reads by itself. Plugins add theirs (`formats.named`)."""

PARSER_VERSION = "6"
"""Increased whenever a parser gives another text for the same file, so that a sync parses its files again."""

_VERBATIM_MODULES = ("plain", "markdown", "code")
"""Modules that keep the text as it is, so that the size of the file bounds the length of the text."""
_MAX_BYTES_PER_CHARACTER = 4
"""In any encoding."""

__all__ = ["PARSER_VERSION", "SUFFIXES", "read", "version"]


def read(
    path: Path,
    uri: str,
    *,
    scope: str = EVERYONE,
    password: str | None = None,
    suffix: str | None = None,
    alive: Callable[[], None] = lambda: None,
) -> Document:
    """Parse a file into a document.

    `suffix` replaces the suffix of the path; `alive` is called once a page, as a sign of progress.

    Raises a ReadError that names the file by `uri`: UnsupportedError if no parser reads its type,
    EmptyError if it has no text, BrokenError if it is damaged, misnamed or too long, LockedError if
    the password is missing or wrong, or the file permissions forbid reading.
    """
    format, source = _open(path, uri, password, path.suffix.lower() if suffix is None else suffix, alive)
    extract = parser_of(format)(source)
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


def version(uri: str) -> str:
    """The version of what parses a file of this name: of ragbot's parsers, and of the package whose plugin it is."""
    format = named(PurePosixPath(uri).suffix.lower())
    return " ".join([PARSER_VERSION, *(plugin.package for plugin in format.plugins)]) if format else PARSER_VERSION


def _metadata(extract: Extract, format: Format) -> dict[str, str]:
    author = one_line(clean(extract.author))
    failed = ",".join(str(page) for page in extract.pages_failed)
    entries = {
        "content_type": format.content_type,
        "author": author,
        "page_date": extract.date,
        "pages_failed": failed,
        "hidden_characters": str(extract.hidden) if extract.hidden else "",
    }
    return {key: value for key, value in entries.items() if value}


def _open(path: Path, uri: str, password: str | None, suffix: str, alive: Callable[[], None]) -> tuple[Format, Source]:
    try:
        if path.exists() and not path.is_file():
            raise ReadError(f"{uri}: not a file; give a file, or a folder to sync")
        with path.open("rb") as file:
            found = sniff.sniff(file, suffix)
            size = file.seek(0, 2)
            if found.format and found.format.module in _VERBATIM_MODULES:
                refuse_long(uri, size // _MAX_BYTES_PER_CHARACTER)
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
    return _checked_format(uri, suffix, found, data), Source(uri, data, password, alive)


def _checked_format(uri: str, suffix: str, found: sniff.Found, data: bytes) -> Format:
    """The format found, if it agrees with the suffix. Raises the ReadError that says why it cannot be read."""
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
