"""Common parts of the OpenDocument parsers: the package, its properties, and the text of a paragraph.

odfpy is not used: its last release is from 2020, and its objects would have to be walked like the XML itself.
Element names are those of OpenDocument 1.3, part 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import markup, scripts
from ingest.parsers.archive import Archive
from ingest.parsers.colours import WHITE
from ingest.parsers.formats import Source
from ingest.parsers.grid import Span
from ingest.parsers.looks import NO_LOOK, Look
from ingest.parsers.odf_lists import ListStyles
from ingest.parsers.odf_styles import DRAW, OFFICE, TABLE, TEXT, Styles, is_hidden
from ingest.parsers.scripts import Script
from ingest.parsers.titles import sensible
from ragbot.errors import BrokenError, LockedError

_NAMES = "urn:oasis:names:tc:opendocument:xmlns:"
_META, _DC = f"{{{_NAMES}meta:1.0}}", "{http://purl.org/dc/elements/1.1/}"
_ENCRYPTED = f"{{{_NAMES}manifest:1.0}}encryption-data"
_SIGNS = {TEXT + "tab": "\t", TEXT + "line-break": "\n"}
_OUTSIDE = frozenset({TEXT + "note", TEXT + "tracked-changes", TEXT + "ruby-text", OFFICE + "annotation"})
_PARAGRAPHS = (TEXT + "p", TEXT + "h")
_STYLE_NAME = TEXT + "style-name"
_MAX_SPACES = 100
_ROWS_SPANNED, _COLUMNS_SPANNED = TABLE + "number-rows-spanned", TABLE + "number-columns-spanned"
_MAX_SPAN = 1 << 20
_COLUMN_GROUPS = {TABLE + name for name in ("table-header-columns", "table-columns", "table-column-group")}
_ROW_GROUPS = {TABLE + name for name in ("table-header-rows", "table-rows", "table-row-group")}


@dataclass(frozen=True, slots=True)
class Package:
    """The content of a package, its styles, and the title and author in its properties."""

    content: Element
    styles: Styles
    lists: ListStyles
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
    roots = [content]
    if "styles.xml" in archive.names:
        roots.insert(0, markup.parse(archive.read("styles.xml"), source.name))
    title = author = ""
    if "meta.xml" in archive.names:
        meta = markup.parse(archive.read("meta.xml"), source.name)
        title = meta.findtext(f".//{_DC}title") or ""
        author = meta.findtext(f".//{_META}initial-creator") or meta.findtext(f".//{_DC}creator") or ""
    return Package(content, Styles(*roots), ListStyles(*roots), sensible(title), author)


@dataclass(slots=True)
class Reader:
    """Reads paragraphs without notes, comments, struck-out text and what nobody sees."""

    styles: Styles
    hidden: int = 0
    """How many characters that nobody sees were left out so far."""

    def text(self, element: Element, below: Look = NO_LOOK, ground: str = WHITE) -> str:
        """The text of a paragraph or heading on a `ground`, in a cell whose text looks as `below`."""
        style = element.get(_STYLE_NAME) or ""
        if not len(element) and not style and below is NO_LOOK:  # the usual case in sheets, made fast
            return " ".join((element.text or "").split())
        look = self.styles.look("paragraph", style).over(below)
        fill = self.styles.fill("paragraph", style)
        if is_hidden(element):
            self.hide(element)
            return ""
        lines = scripts.joined(self._pieces(element, look, ground if fill is None else fill)).split("\n")
        return "\n".join(line.strip() for line in lines).strip()

    def hide(self, element: Element) -> None:
        """Count the text of an element that is left out."""
        self.hidden += sum(len("".join(paragraph.itertext())) for paragraph in element.iter(*_PARAGRAPHS))

    def _pieces(self, element: Element, look: Look, ground: str) -> Iterator[tuple[Script, str]]:
        yield from self._words(element.text, look, ground)
        for child in element:
            if child.tag in _SIGNS:
                yield "", _SIGNS[child.tag]
            elif child.tag == TEXT + "s":
                yield "", " " * number(child, TEXT + "c", _MAX_SPACES)
            elif child.tag == TEXT + "note":
                yield "", f"[^{citation(child)}]"
            elif child.tag == TEXT + "hidden-text" and is_hidden(child):
                self.hidden += len(child.get(TEXT + "string-value") or "".join(child.itertext()))
            elif isinstance(child.tag, str) and child.tag not in _OUTSIDE and not is_drawn(child):
                style = child.get(_STYLE_NAME)
                yield from self._pieces(child, self.styles.look("text", style).over(look) if style else look, ground)
            yield from self._words(child.tail, look, ground)

    def _words(self, words: str | None, look: Look, ground: str) -> Iterator[tuple[Script, str]]:
        if not words or look.struck:
            return
        if look is not NO_LOOK and look.is_hidden(ground):
            self.hidden += len(words)
        else:
            yield look.script or "", _collapsed(words)


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


def rows(table: Element, reader: Reader) -> Iterator[Element]:
    """The rows of a table that are shown, those in row groups included."""
    for child in table:
        if child.tag != TABLE + "table-row" and child.tag not in _ROW_GROUPS:
            continue
        if is_hidden(child):
            reader.hide(child)
        elif child.tag == TABLE + "table-row":
            yield child
        else:
            yield from rows(child, reader)


def hidden_columns(table: Element, maximum: int) -> frozenset[int]:
    """The numbers, from 0, of the columns of a table that are not shown, among the first `maximum`."""
    at = 0
    hidden: set[int] = set()
    for column in _columns(table):
        repeats = number(column, TABLE + "number-columns-repeated", maximum)
        if is_hidden(column):
            hidden.update(range(at, min(at + repeats, maximum)))
        at += repeats
        if at >= maximum:
            break
    return frozenset(hidden)


def spans(cell: Element, row: int, column: int) -> Iterator[Span]:
    """The merged cell that begins with this cell of a table, if one does."""
    if cell.get(_ROWS_SPANNED) or cell.get(_COLUMNS_SPANNED):
        height, width = number(cell, _ROWS_SPANNED, _MAX_SPAN), number(cell, _COLUMNS_SPANNED, _MAX_SPAN)
        if height * width > 1:
            yield Span(row, column, height, width)


def _columns(table: Element) -> Iterator[Element]:
    for child in table:
        if child.tag == TABLE + "table-column":
            yield child
        elif child.tag in _COLUMN_GROUPS:
            yield from _columns(child)
