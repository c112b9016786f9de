"""XLSX: where the cells of a sheet lie, which have a format of their own, and which rows and columns are not shown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.parsers import markup
from ingest.parsers.cell_formats import CellFormat
from ragbot.errors import BrokenError

MAX_RECTANGLE_CELLS = 10_000_000
"""The limit for the bounding rectangle of a sheet, which calamine keeps in memory in full."""
_MAX_ROWS, _MAX_COLUMNS = 1 << 20, 1 << 14
_MAX_LOOKED_AT = 1_000
"""Among so many rows and columns of a merged cell the first that is shown is looked for."""
_PLACE = re.compile(r"([A-Za-z]{0,3})([0-9]{1,7})")
_ON = frozenset({"1", "true"})
_ZERO = re.compile(r"0+(?:\.0*)?")


@dataclass(frozen=True, slots=True)
class Layout:
    """Formats by (row, column), and the rows and columns that are not shown, from 0."""

    formats: Mapping[tuple[int, int], CellFormat] = field(default_factory=dict)
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()
    styled: bool = False
    """Whether styles of tables may put colours behind the cells."""
    comments: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """By the row and column of their cells."""

    def first_shown(self, first: tuple[int, int], last: tuple[int, int]) -> tuple[int, int] | None:
        """The first place of a merged cell that is shown; None if no part of it near its first place is."""
        below, beside = (range(start, min(end, start + _MAX_LOOKED_AT) + 1) for start, end in zip(first, last, strict=True))
        row = next((row for row in below if row not in self.hidden_rows), None)
        column = next((column for column in beside if column not in self.hidden_columns), None)
        return None if row is None or column is None else (row, column)

    def hides(self, format: CellFormat) -> bool:
        """Whether nobody sees what a cell of this format holds."""
        return format.tiny or format.blends_in and not self.styled


def layout_of(data: bytes, formats: Mapping[str, CellFormat], name: str, sheet: str) -> Layout:
    """The layout of a sheet. Raises BrokenError if its bounding rectangle is too large."""
    walk = _Walk(formats)
    markup.walk(data, walk, name)
    if walk.lost or walk.area > MAX_RECTANGLE_CELLS:
        raise BrokenError(
            f"{name}: the cells of its sheet {sheet!r} lie too far apart; delete the empty rows and columns between them"
        )
    return Layout(walk.formats, frozenset(walk.hidden_rows), frozenset(walk.hidden_columns), walk.styled)


class _Walk:
    """Walks the cells of a sheet as calamine does; a cell without a position follows the one before."""

    def __init__(self, formats: Mapping[str, CellFormat]) -> None:
        self._formats = formats
        self._row, self._column = -1, 0
        self._rows: set[int] = set()
        self._columns: set[int] = set()
        self.formats: dict[tuple[int, int], CellFormat] = {}
        self.hidden_rows: set[int] = set()
        self.hidden_columns: set[int] = set()
        self.styled = False
        self.lost = False
        """Whether a cell has a position outside the limits of a sheet."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Called by the XML parser for each element."""
        kind = tag.rpartition("}")[2]
        if kind == "c":
            self._cell(attributes)
        elif kind == "row":
            row, _ = self._place(attributes, (self._row + 1, 0))
            self._row, self._column = row, 0
            if _is_hidden(attributes, "ht"):
                self.hidden_rows.add(row)
        elif kind == "col" and len(self.hidden_columns) < _MAX_COLUMNS and _is_hidden(attributes, "width"):
            first, last = (min(int(said), _MAX_COLUMNS) if said.isdecimal() else 0 for said in _range(attributes))
            self.hidden_columns.update(range(max(first - 1, 0), last))
        elif kind in {"tablePart", "conditionalFormatting"}:
            self.styled = True

    def close(self) -> None:
        """Called by the XML parser at the end."""

    def _cell(self, attributes: Mapping[str, str]) -> None:
        row, column = self._place(attributes, (max(self._row, 0), self._column))
        self._column = column + 1
        if row >= _MAX_ROWS or column >= _MAX_COLUMNS:
            self.lost = True
            return
        self._rows.add(row)
        self._columns.add(column)
        if (format := self._formats.get(attributes.get("s") or "")) is not None:
            self.formats[row, column] = format

    def _place(self, attributes: Mapping[str, str], following: tuple[int, int]) -> tuple[int, int]:
        reference = attributes.get("r")
        if not reference:
            return following
        place = place_of(reference)
        self.lost = self.lost or place is None
        return following if place is None else place

    @property
    def area(self) -> int:
        """Number of cells in the bounding rectangle of the sheet."""
        sides = (max(numbers) - min(numbers) + 1 if numbers else 0 for numbers in (self._rows, self._columns))
        return math.prod(sides)


def place_of(reference: str) -> tuple[int, int] | None:
    """The row and column, from 0, of a cell that is referred to as "B7"; None if it is none."""
    place = _PLACE.fullmatch(reference)
    return (int(place[2]) - 1, _column(place[1])) if place else None


def _is_hidden(attributes: Mapping[str, str], size: str) -> bool:
    return attributes.get("hidden") in _ON or _ZERO.fullmatch(attributes.get(size) or "") is not None


def _range(attributes: Mapping[str, str]) -> tuple[str, str]:
    return attributes.get("min") or "", attributes.get("max") or ""


def _column(letters: str) -> int:
    """The number of a column, from 0: A is 0, Z is 25, AA is 26."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number - 1
