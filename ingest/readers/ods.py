"""ODS: every sheet a page, every row a line. What is hidden as a whole sheet is left out.

A cell is read as it shows (a percentage with its sign), save dates, which come by ISO 8601. calamine was not
taken here: it makes up to 100 million cells of one that says that it repeats (decision 0012).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.readers import blocks, odf, rows
from ingest.readers.blocks import Block
from ingest.readers.damage import broken
from ingest.readers.formats import Extract, Source
from ingest.readers.odf import OFFICE, STYLE, TABLE, TEXT
from ingest.readers.sheets import sheet_blocks
from ragbot.errors import ReadError

_CELL, _PARAGRAPH, _DATE = TABLE + "table-cell", TEXT + "p", OFFICE + "date-value"
_CELLS = {_CELL, TABLE + "covered-table-cell"}
_ROWS_REPEATED, _COLUMNS_REPEATED = TABLE + "number-rows-repeated", TABLE + "number-columns-repeated"
_MOST_ROWS, _MOST_COLUMNS = 1 << 20, 1 << 14


def extract(source: Source) -> Extract:
    """The sheets that are to be seen, in the order of their tabs."""
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
    source.alive()
    lines: list[list[str]] = []
    for row in odf.rows(table):
        line = list(islice(_line(row), _MOST_COLUMNS))
        while line and not line[-1]:  # the sheet's empty rest
            line.pop()
        repeats = odf.number(row, _ROWS_REPEATED, _MOST_ROWS) if line else 0
        tally.add(line, repeats)
        lines += [line] * repeats
    return sheet_blocks(table.get(f"{TABLE}name") or "", lines)


def _line(row: Element) -> Iterator[str]:
    for cell in row:
        if cell.tag in _CELLS:
            shown = _shown(cell) if cell.tag == _CELL and len(cell) else ""
            yield from [shown] * odf.number(cell, _COLUMNS_REPEATED, _MOST_COLUMNS)


def _shown(cell: Element) -> str:
    if date := cell.get(_DATE):
        return str(date).removesuffix("T00:00:00").replace("T", " ")
    if len(cell) == 1 and cell[0].tag == _PARAGRAPH:  # mostly
        return odf.text(cell[0])
    return " ".join(filter(None, map(odf.text, cell.iterfind(_PARAGRAPH))))
