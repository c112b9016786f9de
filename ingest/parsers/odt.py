"""ODT: the body of a text document in document order, as Markdown blocks, then its notes.

Tracked deletions, comments, generated indexes, headers and footers are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import blocks, odf
from ingest.parsers.blocks import Block
from ingest.parsers.damage import broken
from ingest.parsers.formats import Extract, Source
from ingest.parsers.odf import STYLE, TABLE, TEXT
from ragbot.errors import ReadError

_WRAPPERS = {TEXT + name for name in ("section", "index-body", "bibliography", "numbered-paragraph")}
_ITEMS = {TEXT + "list-item", TEXT + "list-header"}
_CELLS = {TABLE + "table-cell", TABLE + "covered-table-cell"}
_MAX_HEADING_CHARACTERS = 200
_MAX_COLUMNS = 200

_Parents = Mapping[str, str]


def extract(source: Source) -> Extract:
    """The text of the body, then the notes."""
    try:
        package = odf.opened(source)
        body, parents = package.body("text"), _parents(package.content)
        found = [*_blocks(body, parents), *_notes(body, parents)]
    except (ReadError, MemoryError):
        raise
    except Exception as damage:
        raise broken(source.name, damage) from damage
    return Extract(blocks.write(found), title=package.title or blocks.first_heading(found), author=package.author)


def _parents(content: Element) -> _Parents:
    """The parent of each style of the content: an automatic style such as "P1" inherits from a named one such as "Title"."""
    styles = content.iter(f"{STYLE}style")
    return {style.get(f"{STYLE}name") or "": style.get(f"{STYLE}parent-style-name") or "" for style in styles}


def _blocks(parent: Element, parents: _Parents, depth: int = 0) -> Iterator[Block]:
    """The blocks of an element. `depth` is the list depth if it is a list item; only its first paragraph becomes the item."""
    first = True
    for child in parent:
        if child.tag in {TEXT + "p", TEXT + "h"}:
            yield from _paragraph(child, parents, depth if first else 0)
            first = False
        elif child.tag == TEXT + "list":
            for item in child:
                if item.tag in _ITEMS:
                    yield from _blocks(item, parents, depth + 1)
        elif child.tag == TABLE + "table":
            yield from _table(child, parents)
        elif odf.is_drawn(child):
            yield from _blocks(child, parents)
        elif child.tag in _WRAPPERS and child.get(f"{TEXT}display") != "none":
            yield from _blocks(child, parents, depth)


def _paragraph(paragraph: Element, parents: _Parents, depth: int) -> Iterator[Block]:
    text, style = odf.text(paragraph), paragraph.get(f"{TEXT}style-name") or ""
    short = len(text) <= _MAX_HEADING_CHARACTERS
    if not text:
        pass
    elif paragraph.tag == TEXT + "h" and short:
        yield Block("heading", text, odf.number(paragraph, f"{TEXT}outline-level", 6))
    elif "Title" in {style, parents.get(style)} and short:
        yield Block("heading", text)
    else:
        yield Block("item", text, depth) if depth else Block("paragraph", text)
    yield from _boxes(paragraph, parents)


def _boxes(element: Element, parents: _Parents) -> Iterator[Block]:
    """The text boxes and shapes anchored in a paragraph, outermost first, without notes, which come last."""
    for child in element:
        if odf.is_drawn(child):
            yield from _blocks(child, parents)
        elif child.tag != TEXT + "note":
            yield from _boxes(child, parents)


def _table(table: Element, parents: _Parents) -> Iterator[Block]:
    """The table as one line per row. A table of one cell, or one that holds tables, is layout: its blocks are read as text."""
    rows = [list(_cells(row)) for row in odf.rows(table)]
    if len(rows) == 1 and len(rows[0]) == 1 or next(table.iterdescendants(TABLE + "table"), None) is not None:
        for row in rows:
            for cell in row:
                yield from _blocks(cell, parents)
        return
    lines = ([" ".join(block.text for block in _blocks(cell, parents)) for cell in row] for row in rows)
    spans = [span for at, row in enumerate(rows) for column, cell in enumerate(row) for span in odf.spans(cell, at, column)]
    yield from filter(None, [blocks.table(lines, spans)])


def _cells(row: Element) -> Iterator[Element]:
    """The cells, one per column; a cell that spans several has its text in the first."""
    for cell in row:
        if cell.tag in _CELLS:
            yield cell
            for _ in range(odf.number(cell, f"{TABLE}number-columns-repeated", _MAX_COLUMNS) - 1):
                yield cell.makeelement(TABLE + "covered-table-cell")


def _notes(body: Element, parents: _Parents) -> Iterator[Block]:
    for note in body.iter(f"{TEXT}note"):
        text = " ".join(block.text for part in note.iterfind(f"{TEXT}note-body") for block in _blocks(part, parents))
        if text:
            yield Block("paragraph", f"[^{odf.citation(note)}]: {text}")
