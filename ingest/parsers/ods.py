"""ODS: each sheet is a page, each row a line; hidden sheets are left out.

A cell is read as displayed (a percentage with its sign), except dates, which are written by ISO 8601. calamine is
not used here: it expands one repeated cell to up to 100 million cells (decision 0012).
"""

from __future__ import annotations

from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import blocks, odf, rows
from ingest.parsers.blocks import Block
from ingest.parsers.damage import broken
from ingest.parsers.formats import Extract, Source
from ingest.parsers.grid import Span
from ingest.parsers.odf import OFFICE, STYLE, TABLE, TEXT
from ingest.parsers.sheets import MAX_RECTANGLE_CELLS, sheet_blocks
from ragbot.errors import ReadError

_CELL, _PARAGRAPH, _DATE = TABLE + "table-cell", TEXT + "p", OFFICE + "date-value"
_CELLS = {_CELL, TABLE + "covered-table-cell"}
_ROWS_REPEATED, _COLUMNS_REPEATED = TABLE + "number-rows-repeated", TABLE + "number-columns-repeated"
_MAX_COLUMNS = 1 << 14
_MAX_ROW_REPEATS = 1_000
"""A repeated row is written this many times at most: copies add no information, and are one hit in any case."""
_ROWS_PER_HEARTBEAT = 1_000


def extract(source: Source) -> Extract:
    """The text of the visible sheets, in the order of their tabs."""
    try:
        package = odf.opened(source)
        hidden = _hidden_styles(package.content)
        tables = package.body("spreadsheet").iterfind(f"{TABLE}table")
        tally = rows.Tally(source.name)
        pages = [_page(table, source, tally) for table in tables if table.get(f"{TABLE}style-name") not in hidden]
    except (ReadError, MemoryError):
        raise
    except Exception as damage:
        raise broken(source.name, damage) from damage
    text, starts = blocks.write_pages(pages)
    return Extract(text, title=package.title, author=package.author, pages=starts)


def _hidden_styles(content: Element) -> frozenset[str]:
    styles = content.iterfind(f"{OFFICE}automatic-styles/{STYLE}style")
    return frozenset(
        style.get(f"{STYLE}name") or ""
        for style in styles
        if any(part.get(f"{TABLE}display") == "false" for part in style.iterfind(f"{STYLE}table-properties"))
    )


def _page(table: Element, source: Source, tally: rows.Tally) -> list[Block]:
    lines: list[list[str]] = []
    spans: list[Span] = []
    area = 0
    for number, row in enumerate(odf.rows(table)):
        if number % _ROWS_PER_HEARTBEAT == 0:
            source.alive()
        line = _line(row, len(lines), spans)
        repeats = odf.number(row, _ROWS_REPEATED, _MAX_ROW_REPEATS) if line else 0
        tally.add(line, repeats)
        area += len(line) * repeats
        if area > MAX_RECTANGLE_CELLS:
            raise rows.too_large(source.name)
        lines += [line] * repeats
    return sheet_blocks(table.get(f"{TABLE}name") or "", lines, spans)


def _line(row: Element, number: int, spans: list[Span]) -> list[str]:
    """The cells up to the last filled one. Empty cells are written only if a filled one follows: most end the row.

    The merged cells that begin in this row, of that `number`, are added to `spans`.
    """
    line: list[str] = []
    empty = 0
    for cell in row:
        if cell.tag not in _CELLS:
            continue
        shown = _shown(cell) if cell.tag == _CELL and len(cell) else ""
        repeats = odf.number(cell, _COLUMNS_REPEATED, _MAX_COLUMNS)
        if shown:
            spans += odf.spans(cell, number, len(line) + empty)
            line += [""] * empty + [shown] * repeats
            empty = 0
        else:
            empty += repeats
        if len(line) + empty >= _MAX_COLUMNS:
            break
    return line[:_MAX_COLUMNS]


def _shown(cell: Element) -> str:
    if date := cell.get(_DATE):
        return str(date).removesuffix("T00:00:00").replace("T", " ")
    if len(cell) == 1 and cell[0].tag == _PARAGRAPH:  # the usual case, made fast
        return odf.text(cell[0])
    return " ".join(filter(None, map(odf.text, cell.iterfind(_PARAGRAPH))))
