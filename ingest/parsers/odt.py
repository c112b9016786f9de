"""ODT: the body of a text document in document order, as Markdown blocks, then its notes.

Comments, generated indexes, headers, footers and struck-out text are left out; so is what nobody sees, tracked
deletions included, whose characters are counted.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import blocks, odf
from ingest.parsers.blocks import Block
from ingest.parsers.colours import WHITE
from ingest.parsers.damage import broken
from ingest.parsers.formats import Extract, Source
from ingest.parsers.odf_lists import Counter, count
from ingest.parsers.odf_styles import TABLE, TEXT, is_hidden
from ragbot.errors import ReadError

_PARAGRAPHS = {TEXT + "p", TEXT + "h"}
_WRAPPERS = {TEXT + name for name in ("section", "index-body", "bibliography", "numbered-paragraph")}
_ITEMS = {TEXT + "list-item", TEXT + "list-header"}
_CELLS = {TABLE + "table-cell", TABLE + "covered-table-cell"}
_MAX_HEADING_CHARACTERS = 200
_MAX_COLUMNS = 200
_UNKNOWN_GROUND = ""
_XML_ID = "{http://www.w3.org/XML/1998/namespace}id"


def extract(source: Source) -> Extract:
    """The text of the body, then the notes."""
    try:
        package = odf.opened(source)
        body, reader = package.body("text"), odf.Reader(package.styles)
        for deletion in body.iterfind(f"{TEXT}tracked-changes//{TEXT}deletion"):
            reader.hide(deletion)
        walk = _Walk(package, reader)
        found = [*walk.blocks(body, package.styles.ground), *walk.notes(body)]
    except (ReadError, MemoryError):
        raise
    except Exception as damage:
        raise broken(source.name, damage) from damage
    title = package.title or blocks.first_heading(found)
    return Extract(blocks.write(found), title=title, author=package.author, hidden=reader.hidden)


class _Walk:
    """Walks through a document in its order. A `ground` is the colour behind a text, or _UNKNOWN_GROUND."""

    def __init__(self, package: odf.Package, reader: odf.Reader) -> None:
        self._styles = package.styles
        self._lists = package.lists
        self._reader = reader
        self._headings = Counter(package.lists.outline)
        self._counters: dict[str, Counter] = {}
        """Name of a style of lists, or id of a list → what has counted it last."""

    def blocks(self, parent: Element, ground: str) -> Iterator[Block]:
        """The blocks of an element: paragraphs, lists, tables and text boxes."""
        for child in parent:
            if child.tag in _PARAGRAPHS:
                yield from self._paragraph(child, ground)
            else:
                yield from self._other(child, ground, 0, None)

    def _other(self, child: Element, ground: str, depth: int, counter: Counter | None) -> Iterator[Block]:
        if child.tag == TEXT + "list":
            yield from self._list(child, ground, depth, counter)
        elif child.tag == TABLE + "table":
            yield from self._table(child, ground)
        elif odf.is_drawn(child):
            yield from self.blocks(child, _UNKNOWN_GROUND)
        elif child.tag in _WRAPPERS and is_hidden(child):
            self._reader.hide(child)
        elif child.tag in _WRAPPERS:
            yield from self.blocks(child, ground)

    def _list(self, element: Element, ground: str, depth: int, outer: Counter | None) -> Iterator[Block]:
        """The items of a list in `depth` others; only the first paragraph of an item is the item, the others follow it."""
        style = element.get(f"{TEXT}style-name") or ""
        counter = outer
        if counter is None or style:
            before = element.get(f"{TEXT}continue-list") or style
            goes_on = before != style or element.get(f"{TEXT}continue-numbering") == "true"
            known = self._counters.get(before) if goes_on else None
            counter = known or self._lists.counter(style)
            self._counters[style] = self._counters[element.get(_XML_ID) or style] = counter
        for item in element:
            if item.tag not in _ITEMS:
                continue
            numbered = item.tag == TEXT + "list-item" and any(child.tag in _PARAGRAPHS for child in item)
            label = counter.label(depth, count(item, "start-value")) if numbered else ""
            first = True
            for child in item:
                if child.tag in _PARAGRAPHS:
                    yield from self._paragraph(child, ground, depth + 1 if first else 0, label if first else "")
                    first = False
                else:
                    yield from self._other(child, ground, depth + 1, counter)

    def _paragraph(self, paragraph: Element, ground: str, depth: int = 0, label: str = "") -> Iterator[Block]:
        """A paragraph; an item if it has a `depth`."""
        style = paragraph.get(f"{TEXT}style-name") or ""
        is_heading = paragraph.tag == TEXT + "h"
        level = odf.number(paragraph, f"{TEXT}outline-level", 10)
        if is_heading and not depth and paragraph.get(f"{TEXT}is-list-header") != "true":
            label = (
                "" if self._styles.takes_number_away(style) else self._headings.label(level - 1, count(paragraph, "start-value"))
            )
        text = self._reader.text(paragraph, ground=ground)
        short = len(text) <= _MAX_HEADING_CHARACTERS
        whole = f"{label} {text}" if label else text
        if not text:
            pass
        elif is_heading and short:
            yield Block("heading", whole, min(level, 6))
        elif "Title" in {style, self._styles.parent("paragraph", style)} and short:
            yield Block("heading", text)
        else:
            yield Block("item", whole, depth) if depth else Block("paragraph", whole)
        yield from self._boxes(paragraph)

    def _boxes(self, element: Element) -> Iterator[Block]:
        """The text boxes and shapes anchored in a paragraph, outermost first, without notes, which come last."""
        for child in element:
            if odf.is_drawn(child):
                yield from self.blocks(child, _UNKNOWN_GROUND)
            elif child.tag != TEXT + "note":
                yield from self._boxes(child)

    def _table(self, table: Element, ground: str) -> Iterator[Block]:
        """The table as one line per row. A table of one cell, or one that holds tables, is layout: its blocks are text."""
        ground = self._ground("table", table, ground)
        rows = [(list(_cells(row)), self._ground("table-row", row, ground)) for row in odf.rows(table, self._reader)]
        if len(rows) == 1 and len(rows[0][0]) == 1 or next(table.iterdescendants(TABLE + "table"), None) is not None:
            for row, behind in rows:
                for cell in row:
                    yield from self.blocks(cell, self._ground("table-cell", cell, behind))
            return
        lines = [[self._text(cell, self._ground("table-cell", cell, behind)) for cell in row] for row, behind in rows]
        spans = [
            span for at, (row, _) in enumerate(rows) for column, cell in enumerate(row) for span in odf.spans(cell, at, column)
        ]
        yield from filter(None, [blocks.table(lines, spans)])

    def _text(self, parent: Element, ground: str) -> str:
        return " ".join(block.text for block in self.blocks(parent, ground))

    def _ground(self, family: str, element: Element, below: str) -> str:
        fill = self._styles.fill(family, element.get(f"{TABLE}style-name") or "")
        return below if fill is None else fill

    def notes(self, body: Element) -> Iterator[Block]:
        """The notes of a text, each with the mark that the text refers to it by."""
        for note in body.iter(f"{TEXT}note"):
            text = " ".join(self._text(part, WHITE) for part in note.iterfind(f"{TEXT}note-body"))
            if text:
                yield Block("paragraph", f"[^{odf.citation(note)}]: {text}")


def _cells(row: Element) -> Iterator[Element]:
    """The cells, one per column; a cell that spans several has its text in the first."""
    for cell in row:
        if cell.tag in _CELLS:
            yield cell
            for _ in range(odf.number(cell, f"{TABLE}number-columns-repeated", _MAX_COLUMNS) - 1):
                yield cell.makeelement(TABLE + "covered-table-cell")
