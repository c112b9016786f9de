"""Write out the merged cells of a table, so that each row can be understood alone. Knows no file format.

A merged cell counts for all rows and columns that it covers. A merged cell as wide as the table is the title of the
rows below it: "Elm Island" above the row "Child | 4" gives "Elm Island – Child | 4".
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from ingest.parsers.rows import are_names, is_value

Row = Sequence[str]

_MAX_AREA = 4_000_000
"""In a table with more cells, empty ones included, merged cells are not written out."""
_MAX_COPIED_CHARACTERS = 300
"""A longer text is written once."""
_MAX_WIDE_CHARACTERS = 80
"""A longer text is not copied to the columns beside it."""
_MAX_TITLE_CHARACTERS = 80
_MAX_HEADER_LINES = 5
_MAX_RANKS = 3
"""So many titles that follow each other count; more are no titles, but text set as a table."""
_MIN_COPIES, _MAX_COPIES, _COPIES_PER_CHARACTER = 10_000, 5_000_000, 10
"""How many characters all copies in a table may have: at least, at most, and for each character of the table."""
_SENTENCE_END = re.compile(r"[.!?。！？]['\"”’)]*\Z")
_TOTAL = re.compile(r"\b(?:sub)?totals?\b|\bsum\b|\bgesamt|\bsumme\b|合计|总计|小计", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """A merged cell: its first row and column, from 0, and how many rows and columns it covers."""

    row: int
    column: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Grid:
    """The rows of a table with its merged cells written out."""

    rows: list[list[str]]
    header: range = range(0)
    """The numbers of the rows of the header, none if it was not found; the first one has the names of all columns."""
    remarks: frozenset[int] = frozenset()
    """The numbers of the rows whose one cell is as wide as the table and belongs to no column."""


def filled(rows: Sequence[Row], spans: Sequence[Span]) -> Grid:
    """Write out the merged cells of a table.

    `rows` have the text of a merged cell in its first row and column only. The lines of a header become one row of
    full column names. A row without text of its own stays empty.
    """
    used = sorted({at for row in rows for at, cell in enumerate(row) if cell.strip()})
    if not spans or len(rows) * len(used) > _MAX_AREA:
        return Grid([list(row) for row in rows])
    table = _Table([[" ".join(row[at].split()) if at < len(row) else "" for at in used] for row in rows])
    for span in spans:
        table.add(span, used)
    grid = table.written()
    return replace(grid, rows=[_placed(row, used) for row in grid.rows])


def _placed(row: Row, columns: Sequence[int]) -> list[str]:
    """A row with its cells in these columns."""
    placed = [""] * (columns[len(row) - 1] + 1 if row else 0)
    for column, cell in zip(columns, row, strict=False):
        placed[column] = cell
    return placed


class _Table:
    """A table without empty columns, and its merged cells by their first row."""

    def __init__(self, rows: list[list[str]]) -> None:
        self._rows = rows
        self._own = [any(row) for row in rows]
        self._width = max(map(len, rows), default=0)
        self._spans: dict[int, list[Span]] = {}
        own_characters = sum(len(cell) for row in rows for cell in row)
        self._area_left = len(rows) * self._width  # merged cells do not overlap, whatever a file says
        self._copies_left = min(_MIN_COPIES + _COPIES_PER_CHARACTER * own_characters, _MAX_COPIES)

    def add(self, span: Span, used: Sequence[int]) -> None:
        """Add a merged cell, given by its place in the table with all columns; one without text is passed over."""
        left, right = (bisect_left(used, column) for column in (span.column, span.column + span.width))
        if span.row >= len(self._rows) or left >= len(used) or used[left] != span.column or not self._rows[span.row][left]:
            return
        height, width = min(span.height, len(self._rows) - span.row), right - left
        self._area_left -= height * width
        if height * width > 1 and self._area_left >= 0:
            self._spans.setdefault(span.row, []).append(Span(span.row, left, height, width))

    def written(self) -> Grid:
        """The rows, each with all that stands beside and above it."""
        titles = self._titles()
        header = self._header(titles)
        names = self._names(header)
        for number in sorted(self._spans.keys() - titles):
            for span in self._spans[number]:
                self._spread(span, header.stop, names, titles)
        for number in header:
            self._rows[number] = []
        if header:
            self._rows[header.start] = names
        return Grid(list(self._below_titles(titles, header)), header, frozenset(titles))

    def _titles(self) -> set[int]:
        """The numbers of the rows whose one text is as wide as the table, or nearly so in at least two of them."""
        found: dict[int, list[int]] = {}
        for number, spans in self._spans.items():
            first = next((span for span in spans if span.column == 0), None)
            if first and sum(map(bool, self._rows[number])) == 1:
                found.setdefault(first.width, []).append(number)
        full = found.pop(self._width, []) if self._width > 1 else []
        nearly = [numbers for width, numbers in found.items() if width > self._width / 2 and len(numbers) > 1 < width]
        rows = [number for numbers in nearly for number in numbers if not _TOTAL.search(self._rows[number][0])]
        return {*full, *rows}

    def _header(self, titles: Set[int]) -> range:
        """The numbers of the rows of the header, if there is one."""
        filled_rows = (number for number, row in enumerate(self._rows) if any(row) and number not in titles)
        first = next(filled_rows, None)
        if first is None or next(filled_rows, None) is None:
            return range(0)
        cells = [cell for cell in self._rows[first] if cell]
        if len(cells) < 2 and not self._spans.get(first) or not are_names(cells):
            return range(0)
        last = first + 1
        end = min(first + _MAX_HEADER_LINES, len(self._rows) - 1)
        while last < end and last not in titles and self._goes_on(first, last):
            last += 1
        return range(first, last)

    def _goes_on(self, first: int, number: int) -> bool:
        """Whether a row belongs to the header that begins with the row `first`: it divides wide cells of the row above it.

        Beside them the first column may have a name in both rows, if values stand below the divided cells.
        """
        above, row = self._rows[number - 1], self._rows[number]
        if any(is_value(cell) or len(cell) > _MAX_TITLE_CHARACTERS for cell in row if cell):
            return False
        wide: set[int] = set()
        tall: set[int] = set()
        for start in range(first, number):
            for span in self._spans.get(start, ()):
                columns = range(span.column, span.column + span.width)
                if start == number - 1 and span.width > 1 and span.height == 1:
                    wide.update(columns)
                elif start + span.height > number:
                    tall.update(columns)
        names = [row[at] for at in sorted(wide) if row[at]]
        below = [cell for at in sorted(wide) if (cell := self._rows[number + 1][at])]
        free = {*wide, *tall, *([0] if below and all(map(is_value, below)) else ())}
        fits = all(not row[at] or not above[at] or at in free for at in range(self._width))
        if len(wide) == self._width and len(set(names)) == len(names):  # they may as well be the values of a record
            fits = fits and any(is_value(cell) for cell in self._rows[number + 1] if cell)
        return fits and len(names) > 1

    def _names(self, header: range) -> list[str]:
        """The full name of each column: what stands above it, from the top, each text once."""
        parts: list[dict[str, None]] = [{} for _ in range(self._width)]
        for number in header:
            texts = list(self._rows[number])
            for span in self._spans.get(number, ()):
                for at in range(span.column + 1, span.column + span.width):
                    texts[at] = texts[span.column] if self._may_copy(texts[span.column]) else texts[at]
            for part, text in zip(parts, texts, strict=True):
                part |= {text: None} if text else {}
        return [" ".join(part) for part in parts]

    def _spread(self, span: Span, header_end: int, names: Sequence[str], titles: Set[int]) -> None:
        """Copy the text of a merged cell to the rows below, and to the columns beside it that have other names."""
        text = self._rows[span.row][span.column]
        columns = range(span.column, span.column + span.width)
        if span.column == 0 or len(text) > _MAX_WIDE_CHARACTERS or len({names[at] for at in columns if names}) < 2:
            columns = columns[:1]
        for number in range(max(span.row, header_end), span.row + span.height):
            row = self._rows[number]
            for at in columns:
                if self._own[number] and number not in titles and not row[at] and self._may_copy(text):
                    row[at] = text

    def _may_copy(self, text: str) -> bool:
        if len(text) > min(_MAX_COPIED_CHARACTERS, self._copies_left):
            return False
        self._copies_left -= len(text)
        return True

    def _below_titles(self, titles: Set[int], header: range) -> Iterator[list[str]]:
        """The rows with the titles that they stand under in their first cells, instead of in rows of their own."""
        groups = _groups(
            [self._title(number) if number in titles else None for number in range(len(self._rows))], self._own, header
        )
        names = self._rows[header.start] if header else None
        written = {title for group in groups.values() for title in group}
        total = self._total(groups)
        for number, row in enumerate(self._rows):
            group = " – ".join(self._title(title) for title in groups.get(number, ()))
            if number in written or group and row == names:  # the header again
                yield []
            elif any(row) and group and number != total and not row[0].startswith(group) and self._may_copy(group):
                first = next(at for at, cell in enumerate(row) if cell)
                yield [*row[:first], f"{group} – {row[first]}", *row[first + 1 :]]
            else:
                yield row

    def _title(self, number: int) -> str:
        """The text of a title; "" for a remark, which other rows do not stand under."""
        text = self._rows[number][0].rstrip(" :")
        return "" if len(text) > _MAX_TITLE_CHARACTERS or _SENTENCE_END.search(text) else text

    def _total(self, groups: Mapping[int, tuple[int, ...]]) -> int | None:
        """The number of a last row that is the total of several groups, rather than of the last one."""
        totals = [number for number in groups if self._rows[number] and _TOTAL.search(self._rows[number][0])]
        return totals[0] if len(totals) == 1 and totals[0] == max(groups) and len(set(groups.values())) > 1 else None


def _groups(titles: Sequence[str | None], own: Sequence[bool], header: range) -> dict[int, tuple[int, ...]]:
    """Row number → the numbers of the titles that the row stands under, the widest one first.

    `titles` has the text of each row that is a title, "" for a remark. Of titles that follow each other the next ones
    replace as many. A title above the header is that of the table, unless rows and further titles follow the header.
    """
    groups: dict[int, tuple[int, ...]] = {}
    above: tuple[int, ...] = ()
    stack: tuple[int, ...] = ()
    run: tuple[int, ...] = ()
    for number, title in enumerate(titles):
        if title:
            run = (*run[1 - _MAX_RANKS :], number)
        elif number in header:
            above, run = (*above, *run), ()
        elif title is None and own[number]:
            if run:
                stack, run = (*stack[: max(0, len(stack) - len(run))], *run), ()
            groups[number] = stack
    if len(set(groups.values())) > 1:
        return {number: group or above[-1:] for number, group in groups.items()}
    return groups if header else {}
