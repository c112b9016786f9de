"""Render table rows as lines that can be understood alone: "Name: Ana; Room: 12". Knows no file format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import groupby, takewhile

from ingest.parsers.damage import refuse_long
from ragbot.errors import BrokenError

MAX_CELLS = 1_000_000
"""The limit of filled cells in a workbook or CSV file. A larger one is a database, which passages do not suit."""

_VALUE = re.compile(r"[-+−]?[\d\s.,:/%()€$£¥–-]+|true|false|.*(?:@|://).*", re.IGNORECASE | re.DOTALL)
_YEAR = re.compile(r"(?:1[89]|20|21)\d\d")
_MAX_COLUMN_NAME_CHARACTERS = 100
_HEADER_SEARCH_ROWS = 20
"""The header is looked for in this many rows from the top."""
_PREVIEW_ROWS = 50
"""This many rows below a row are examined to decide whether it is a header."""

Row = Sequence[str]


@dataclass(slots=True)
class Tally:
    """Counts the filled cells and characters of the file `name`."""

    name: str
    cells: int = 0
    characters: int = 0

    def add(self, row: Row, times: int = 1) -> None:
        """Count a row `times` times. Raises BrokenError if the file exceeds a limit."""
        self.cells += sum(map(bool, row)) * times
        self.characters += sum(map(len, row)) * times
        refuse_long(self.name, self.characters)
        if self.cells > MAX_CELLS:
            raise too_large(self.name)


def too_large(name: str) -> BrokenError:
    """The error for a file with too many cells."""
    return BrokenError(f"{name}: has more than {MAX_CELLS:,} cells; split it")


def written(rows: Sequence[Row], remarks: Set[int] | None = None) -> Iterator[str]:
    """Render each row as one line, "" for an empty row, after which another table may begin.

    Below a header each value follows the name of its column; without one, cells are joined by " | ". Where merged
    cells were written out, `remarks` has the numbers of the rows that belong to no column, and one name may stand in
    several cells side by side.
    """
    header = header_at(rows, merged=remarks is not None)
    names = [] if header is None else [_flat(cell) for cell in rows[header]]
    below_gap = False
    for number, row in enumerate(rows):
        cells = [_flat(cell) for cell in row]
        filled = [cell for cell in cells if cell]
        if (
            header is None or number <= header or number in (remarks or ()) or below_gap and len(filled) < 2
        ):  # one cell after an empty row: the title of another table
            yield " | ".join(cells).strip(" |")
        elif below_gap and _names_another(filled, rows[number + 1 : number + 1 + _PREVIEW_ROWS]):
            names = cells
            yield " | ".join(cells).strip(" |")
        else:
            yield _named(names, cells)
        below_gap = not filled or below_gap and len(filled) < 2


def header_at(rows: Sequence[Row], *, merged: bool = False) -> int | None:
    """The number, from 0, of the header row; None if there is none. Titles of one cell each may precede it."""
    for number, row in enumerate(rows[:_HEADER_SEARCH_ROWS]):
        filled = [cell.strip() for cell in row if cell.strip()]
        if len(filled) < 2:
            continue
        below = rows[number + 1 : number + 1 + _PREVIEW_ROWS]
        widest = max((sum(bool(cell.strip()) for cell in other) for other in below), default=0)
        fits = widest <= len(filled) + 1
        if merged:
            filled = [cell for cell, _ in groupby(filled)]
        return number if widest and fits and are_names(filled) else None
    return None


def _names_another(filled: Sequence[str], below: Sequence[Row]) -> bool:
    """Whether a row after an empty one is the header of another table: names, with values below them."""
    table = list(takewhile(any, below))
    return are_names(filled) and any(is_value(cell.strip()) for row in table for cell in row if cell.strip())


def is_value(cell: str) -> bool:
    """Whether a cell is a number, date, price, truth value or address rather than a name."""
    return _VALUE.fullmatch(cell) is not None


def are_names(cells: Sequence[str]) -> bool:
    """Whether cells can be column names: short, all different and not values, except years at equal steps."""
    years = [int(cell) for cell in cells if _YEAR.fullmatch(cell)]
    steps = {later - earlier for earlier, later in zip(years, years[1:], strict=False)}
    series = len(steps) == 1 and steps != {0} and len(years) < len(cells)
    unique = len({cell.casefold() for cell in cells}) == len(cells)
    return unique and all(
        len(cell) <= _MAX_COLUMN_NAME_CHARACTERS and (not is_value(cell) or series and _YEAR.fullmatch(cell)) for cell in cells
    )


def _named(names: Sequence[str], cells: Sequence[str]) -> str:
    parts = []
    for at, cell in enumerate(cells):
        name = names[at].rstrip(":") if at < len(names) else ""
        if cell:
            parts.append(f"{name}: {cell}" if name else cell)
    return "; ".join(parts)


def _flat(cell: str) -> str:
    return " ".join(cell.split())
