"""ODS: each sheet is a page, each row a line.

Hidden sheets, rows, columns and struck-out text are left out; so is what nobody sees, whose characters are counted. A cell
is read as displayed (a percentage with its sign), except dates, which are written by ISO 8601. calamine is not used here: it
expands one repeated cell to up to 100 million cells (decision 0012).
"""

from __future__ import annotations

from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import blocks, odf, rows
from ingest.parsers.blocks import Block
from ingest.parsers.colours import WHITE
from ingest.parsers.damage import broken
from ingest.parsers.formats import Extract, Source
from ingest.parsers.grid import Span
from ingest.parsers.looks import NO_LOOK
from ingest.parsers.odf_styles import OFFICE, TABLE, TEXT
from ingest.parsers.sheet_layout import MAX_RECTANGLE_CELLS
from ingest.parsers.sheets import sheet_blocks
from ragbot.errors import ReadError

_CELL, _PARAGRAPH, _DATE = TABLE + "table-cell", TEXT + "p", OFFICE + "date-value"
_CELLS = {_CELL, TABLE + "covered-table-cell"}
_ROWS_REPEATED, _COLUMNS_REPEATED = TABLE + "number-rows-repeated", TABLE + "number-columns-repeated"
_STYLE_NAME = TABLE + "style-name"
_MAX_COLUMNS = 1 << 14
_MAX_ROW_REPEATS = 1_000
"""A repeated row is written this many times at most: copies add no information, and are one hit in any case."""
_ROWS_PER_HEARTBEAT = 1_000


def extract(source: Source) -> Extract:
    """The text of the visible sheets, in the order of their tabs."""
    try:
        package = odf.opened(source)
        reader = odf.Reader(package.styles)
        tally = rows.Tally(source.name)
        pages = []
        for table in package.body("spreadsheet").iterfind(f"{TABLE}table"):
            if package.styles.is_hidden_table(table.get(f"{TABLE}style-name") or ""):
                reader.hide(table)
            else:
                pages.append(_Sheet(table, reader).blocks(source, tally))
    except (ReadError, MemoryError):
        raise
    except Exception as damage:
        raise broken(source.name, damage) from damage
    text, starts = blocks.write_pages(pages)
    return Extract(text, title=package.title, author=package.author, pages=starts, hidden=reader.hidden)


class _Sheet:
    """Reads a sheet."""

    def __init__(self, table: Element, reader: odf.Reader) -> None:
        self._table = table
        self._reader = reader
        self._hidden_columns = odf.hidden_columns(table, _MAX_COLUMNS)
        self._spans: list[Span] = []
        """The merged cells so far, by line."""

    def blocks(self, source: Source, tally: rows.Tally) -> list[Block]:
        """The sheet as blocks; none if it is empty."""
        lines: list[list[str]] = []
        area = 0
        for number, row in enumerate(odf.rows(self._table, self._reader)):
            if number % _ROWS_PER_HEARTBEAT == 0:
                source.alive()
            line = self.line(row, len(lines))
            repeats = odf.number(row, _ROWS_REPEATED, _MAX_ROW_REPEATS) if line else 0
            tally.add(line, repeats)
            area += len(line) * repeats
            if area > MAX_RECTANGLE_CELLS:
                raise rows.too_large(source.name)
            lines += [line] * repeats
        return sheet_blocks(self._table.get(f"{TABLE}name") or "", lines, self._spans)

    def line(self, row: Element, number: int) -> list[str]:
        """The cells of a row, which becomes the line `number`, up to the last filled one.

        Empty cells are written only if a filled one follows: most end the row.
        """
        line: list[str] = []
        empty = 0
        for cell in row:
            if cell.tag not in _CELLS:
                continue
            at = len(line) + empty
            hidden = at in self._hidden_columns
            if hidden:
                self._reader.hide(cell)
            shown = self._shown(cell) if cell.tag == _CELL and len(cell) and not hidden else ""
            repeats = odf.number(cell, _COLUMNS_REPEATED, _MAX_COLUMNS)
            if shown:
                self._spans += odf.spans(cell, number, at)
                line += [""] * empty + [shown] * repeats
                empty = 0
            else:
                empty += repeats
            if len(line) + empty >= _MAX_COLUMNS:
                break
        return line[:_MAX_COLUMNS]

    def _shown(self, cell: Element) -> str:
        name = cell.get(_STYLE_NAME)
        styles = self._reader.styles
        look = styles.look("table-cell", name) if name else NO_LOOK
        fill = styles.fill("table-cell", name) if name else None
        ground = WHITE if fill is None else fill
        date = cell.get(_DATE)
        if date and not look.struck and not look.is_hidden(ground):
            return str(date).removesuffix("T00:00:00").replace("T", " ")
        if len(cell) == 1 and cell[0].tag == _PARAGRAPH:  # the usual case, made fast
            return self._reader.text(cell[0], look, ground)
        return " ".join(filter(None, (self._reader.text(part, look, ground) for part in cell.iterfind(_PARAGRAPH))))
