"""The nouns of the readers, and the table of what is read. Standard library only.

A new format is one row of `FORMATS` and one module with `extract(source: Source) -> Extract`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file that is read, and the module of this package that reads it."""

    name: str
    module: str
    content_type: str
    suffixes: tuple[str, ...]
    """The first is the one to rename to."""
    textual: bool = False
    """Its bytes are text in some encoding, so only the suffix may tell it from the other textual ones."""


@dataclass(frozen=True, slots=True)
class Source:
    """A whole file in memory. `name` is what messages call it."""

    name: str
    data: bytes
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Extract:
    """What a reader gets out of a file. `title` is "" where the file gives none."""

    text: str
    title: str = ""
    author: str = ""
    pages: tuple[int, ...] = ()
    lines: bool = False
    pages_failed: tuple[int, ...] = ()
    """Numbers, from 1, of the pages whose text is lost, or much of it."""


_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

PDF = Format("PDF", "pdf", "application/pdf", (".pdf",))
DOCX = Format("DOCX", "docx", _WORD, (".docx",))
HTML = Format("HTML", "html", "text/html", (".html", ".htm", ".xhtml"), textual=True)
MARKDOWN = Format("Markdown", "markdown", "text/markdown", (".md", ".markdown"), textual=True)
PLAIN = Format("plain text", "plain", "text/plain", (".txt", ".text", ".rst"), textual=True)

FORMATS = (PDF, DOCX, HTML, MARKDOWN, PLAIN)


def named(suffix: str) -> Format | None:
    """The format that a suffix (lower case, with its dot) promises."""
    return next((format for format in FORMATS if suffix in format.suffixes), None)


def all_names() -> str:
    """The formats in words, for messages."""
    *names, last = (format.name for format in FORMATS)
    return f"{', '.join(names)} and {last}"
