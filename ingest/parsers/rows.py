"""Tables of cells to lines, each of which can be understood by itself: "Name: Ana; Room: 12". Knows no file format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from ingest.parsers.damage import refuse_long
from ragbot.errors import BrokenError

MOST_CELLS = 1_000_000
"""What a workbook or a CSV file may hold: more is a database, which is not what passages are made for."""

_VALUE = re.compile(r"[-+−]?[\d\s.,:/%()€$£¥–-]+|true|false|.*(?:@|://).*", re.IGNORECASE | re.DOTALL)
_YEAR = re.compile(r"(?:1[89]|20|21)\d\d")
_LONGEST_NAME = 100
_FIRST = 20
"""The header, if there is one, is among so many rows."""
_PREVIEW = 50

Row = Sequence[str]


@dataclass(slots=True)
class Tally:
    """Counts the cells of a file, named for its message."""

    name: str
    cells: int = 0
    letters: int = 0

    def add(self, row: Row, times: int = 1) -> None:
        """Count a row. Raises BrokenError if the file has more than is read."""
        self.cells += sum(map(bool, row)) * times
        self.letters += sum(map(len, row)) * times
        refuse_long(self.name, self.letters)
        if self.cells > MOST_CELLS:
            raise too_large(self.name)


def too_large(name: str) -> BrokenError:
    """The refusal of a file with too many cells."""
    return BrokenError(f"{name}: has more than {MOST_CELLS:,} cells; split it")


def written(rows: Sequence[Row]) -> Iterator[str]:
    """One line for each row, "" for an empty one, below which a further table may begin.

    Below a header a value stands with the name of its column, else cells are joined by " | ".
    """
    header = header_at(rows)
    names = [] if header is None else [_flat(cell) for cell in rows[header]]
    below_gap = False
    for number, row in enumerate(rows):
        cells = [_flat(cell) for cell in row]
        filled = [cell for cell in cells if cell]
        if header is None or number <= header or below_gap and len(filled) < 2:  # also the title of a further table
            yield " | ".join(cells).strip(" |")
        elif below_gap and _names_another(filled, rows[number + 1 : number + 1 + _PREVIEW]):
            names = cells
            yield " | ".join(cells).strip(" |")
        else:
            yield _named(names, cells)
        below_gap = not filled or below_gap and len(filled) < 2


def header_at(rows: Sequence[Row]) -> int | None:
    """The number, from 0, of the row that names the columns. Above it there may be titles of one cell each."""
    for number, row in enumerate(rows[:_FIRST]):
        filled = [cell.strip() for cell in row if cell.strip()]
        if len(filled) < 2:
            continue
        below = rows[number + 1 : number + 1 + _PREVIEW]
        widest = max((sum(bool(cell.strip()) for cell in other) for other in below), default=0)
        return number if widest and widest <= len(filled) + 1 and _are_names(filled) else None
    return None


def _names_another(filled: Sequence[str], below: Sequence[Row]) -> bool:
    """Whether a row below an empty one names the columns of a further table: names, with values under them."""
    table = list(takewhile(any, below))
    return _are_names(filled) and any(_VALUE.fullmatch(cell.strip()) for row in table for cell in row if cell.strip())


def _are_names(cells: Sequence[str]) -> bool:
    """Whether cells name columns: short texts, all different; years, if they follow each other."""
    years = [int(cell) for cell in cells if _YEAR.fullmatch(cell)]
    steps = {later - earlier for earlier, later in zip(years, years[1:], strict=False)}
    series = len(steps) == 1 and steps != {0} and len(years) < len(cells)
    unique = len({cell.casefold() for cell in cells}) == len(cells)
    return unique and all(
        len(cell) <= _LONGEST_NAME and (not _VALUE.fullmatch(cell) or series and _YEAR.fullmatch(cell)) for cell in cells
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
