"""Common parts of the OpenDocument parsers: the package, its properties, and the text of a paragraph.

odfpy is not used: its last release is from 2020, and its objects would have to be walked like the XML itself.
Element names are those of OpenDocument 1.3, part 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import markup
from ingest.parsers.archive import Archive
from ingest.parsers.formats import Source
from ingest.parsers.grid import Span
from ingest.parsers.titles import sensible
from ragbot.errors import BrokenError, LockedError

_NAMES = "urn:oasis:names:tc:opendocument:xmlns:"
OFFICE, TEXT, TABLE, DRAW, STYLE = (f"{{{_NAMES}{name}:1.0}}" for name in ("office", "text", "table", "drawing", "style"))
_META, _DC = f"{{{_NAMES}meta:1.0}}", "{http://purl.org/dc/elements/1.1/}"
_ENCRYPTED = f"{{{_NAMES}manifest:1.0}}encryption-data"
_SIGNS = {TEXT + "tab": "\t", TEXT + "line-break": "\n"}
_OUTSIDE = frozenset({TEXT + "note", TEXT + "tracked-changes", TEXT + "ruby-text", OFFICE + "annotation"})
_MAX_SPACES = 100
_MAX_SPAN = 1 << 20
_ROW_GROUPS = {TABLE + name for name in ("table-header-rows", "table-rows", "table-row-group")}


@dataclass(frozen=True, slots=True)
class Package:
    """The content of a package, and the title and author in its properties."""

    content: Element
    title: str
    author: str

    def body(self, kind: str) -> Element:
        """The body element of `kind`, "text" or "spreadsheet". Raises StopIteration if there is none."""
        return next(self.content.iterfind(f"{OFFICE}body/{OFFICE}{kind}"))


def opened(source: Source) -> Package:
    """Open a package. Raises BrokenError if it is damaged, LockedError if it is encrypted."""
    archive = Archive(source)
    archive.refuse_entities()
    if "META-INF/manifest.xml" in archive.names:
        manifest = markup.parse(archive.read("META-INF/manifest.xml"), source.name)
        if next(manifest.iter(_ENCRYPTED), None) is not None:
            raise LockedError(f"{source.name}: encrypted, which is not read; save it without a password")
    content = markup.parse(archive.read("content.xml"), source.name)
    if content.find(f"{OFFICE}body") is None:
        raise BrokenError(f"{source.name}: damaged (its content has no body); fetch it again or export it again")
    title = author = ""
    if "meta.xml" in archive.names:
        meta = markup.parse(archive.read("meta.xml"), source.name)
        title = meta.findtext(f".//{_DC}title") or ""
        author = meta.findtext(f".//{_META}initial-creator") or meta.findtext(f".//{_DC}creator") or ""
    return Package(content, sensible(title), author)


def text(element: Element) -> str:
    """The text of a paragraph or heading, without notes, comments and tracked deletions."""
    if not len(element):  # the usual case, made fast
        return " ".join((element.text or "").split())
    lines = "".join(_words(element)).split("\n")
    return "\n".join(line.strip() for line in lines).strip()


def _words(element: Element) -> Iterator[str]:
    yield _collapsed(element.text)
    for child in element:
        if child.tag in _SIGNS:
            yield _SIGNS[child.tag]
        elif child.tag == TEXT + "s":
            yield " " * number(child, TEXT + "c", _MAX_SPACES)
        elif child.tag == TEXT + "note":
            yield f"[^{citation(child)}]"
        elif isinstance(child.tag, str) and child.tag not in _OUTSIDE and not is_drawn(child):
            yield from _words(child)
        yield _collapsed(child.tail)


def is_drawn(element: Element) -> bool:
    """Whether it is a frame or a shape, whose text is not part of the paragraph that anchors it."""
    return isinstance(element.tag, str) and element.tag.startswith(DRAW)


def citation(note: Element) -> str:
    """The number or sign by which the text refers to a note."""
    return (note.findtext(f"{TEXT}note-citation") or "").strip()


def _collapsed(words: str | None) -> str:
    """Collapse white space to single spaces (OpenDocument 1.3, part 3, 6.1.2)."""
    if not words:
        return ""
    left, right = " " * words[0].isspace(), " " * words[-1].isspace()
    inner = " ".join(words.split())
    return f"{left}{inner}{right}" if inner else " "


def number(element: Element, name: str, maximum: int) -> int:
    """A count from an attribute, between 1 and `maximum`; 1 if it is missing or not a number."""
    value = element.get(name)
    return min(max(int(value), 1), maximum) if value and value.isdecimal() and len(value) < 10 else 1


def rows(table: Element) -> Iterator[Element]:
    """The rows of a table, those in row groups included."""
    for child in table:
        if child.tag == TABLE + "table-row":
            yield child
        elif child.tag in _ROW_GROUPS:
            yield from rows(child)


def spans(cell: Element, row: int, column: int) -> Iterator[Span]:
    """The merged cell that begins with this cell of a table, if one does."""
    height, width = (number(cell, f"{TABLE}number-{name}-spanned", _MAX_SPAN) for name in ("rows", "columns"))
    if height * width > 1:
        yield Span(row, column, height, width)
