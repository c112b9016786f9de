"""Put the columns of a PDF page in reading order where they are drawn row by row. Tables stay row by row.

Most files draw one column after the other, and PDFium's order is right. Only where the order jumps across a gutter
again and again, and both sides of it are prose, are the rows divided.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from math import inf
from operator import itemgetter
from statistics import median
from typing import NamedTuple

from ingest.parsers.pdf_lines import Box, Run

_MIN_GUTTER_SIZES = 0.8
"""The least width of a gutter, in font sizes: more than a space in justified text."""
_MIN_ROWS = 4
_MIN_PROSE_CHARACTERS = 18
"""The lines of a column of prose have at least this many characters on average."""
_MIN_FULL = 0.6
"""The least median width of the lines of a column of prose, as a share of its width."""
_MIN_CONTINUED = 0.4
"""The least share of lines of a column of prose that go on in the next line, in the middle of a sentence."""
_MAX_DIVIDED = 0.2
"""The largest share of lines of a column of prose with wide gaps in them."""
_MAX_GUTTERS = 12
"""The places where most pieces begin are tried as gutters, this many at most."""
_STEP_POINTS = 3.0
_MIN_ROW_STEP = 1.3
_MIN_ROW_STEPS = 0.12
"""In a table at least this share of the steps from line to line is wider than the usual step by the factor above."""
_MIN_PIECE_CHARACTERS = 8
_MIN_JUMPS = 0.3
"""The least share of the lines of columns drawn row by row that stand in another column than the one before."""
_STOPS = ".!?:;。！？：；…"


class _Piece(NamedTuple):
    """Runs of one row without a wide gap between them."""

    runs: tuple[Run, ...]
    left: float
    right: float
    text: str


def in_reading_order(rows: Sequence[list[Run]], rules: Callable[[], Sequence[Box]]) -> list[list[Run]]:
    """The rows of a page, those that run across columns of prose divided and sorted column by column.

    `rules` returns the boxes of the lines and rectangles that the page draws: rows that these part are a table's.
    """
    divided = [_pieces(row) for row in rows]
    ordered: list[list[Run]] = []
    done = 0
    for first, end in _bands(divided):
        band = divided[first:end]
        if first < done or not (gutters := [gutter for gutter in _gutters(band) if not any(_crossings(band, gutter))]):
            continue
        columns = [] if _has_table_rows(band) else _columns(band, gutters)
        if columns and not _ruled(band, gutters, rules()):
            ordered += rows[done:first]
            ordered += [list(line.runs) for column in columns for line in column]
            done = end
    return [*ordered, *rows[done:]]


def _pieces(row: Sequence[Run]) -> list[_Piece]:
    if not row:
        return []
    if not all(run.size for run in row):  # turned text, or text without a place: it stands for itself
        return [_Piece(tuple(row), -inf, inf, "")]
    groups: list[list[Run]] = [[row[0]]]
    for before, run in pairwise(row):
        gap, size = run.left - before.right, max(run.size, before.size)
        if gap > _MIN_GUTTER_SIZES * size or gap < -2 * size:
            groups.append([])
        groups[-1].append(run)
    return [_piece(group) for group in groups]


def _piece(runs: Sequence[Run]) -> _Piece:
    text = runs[0].text + "".join(run.space + run.text for run in runs[1:])
    return _Piece(tuple(runs), min(run.left for run in runs), max(run.right for run in runs), text.strip())


def _bands(rows: Sequence[list[_Piece]]) -> list[tuple[int, int]]:
    """(first row, end) of the consecutive rows that leave a gutter free; of those that begin at one row, the longest first."""
    bands: set[tuple[int, int]] = set()
    for gutter in _gutters(rows):
        for crossed, group in groupby(enumerate(_crossings(rows, gutter)), key=itemgetter(1)):
            numbers = [number for number, _ in group]
            if not crossed and len(numbers) >= _MIN_ROWS:
                bands.add((numbers[0], numbers[-1] + 1))
    return sorted(bands, key=lambda band: (band[0], -band[1]))


def _gutters(rows: Sequence[list[_Piece]]) -> list[float]:
    """The places left of which many pieces end and at which many begin, in points from the left, in ascending order."""
    pieces = [piece for row in rows for piece in row if len(piece.text) >= _MIN_PIECE_CHARACTERS]
    if len(pieces) < 2 * _MIN_ROWS:
        return []
    starts = Counter(int(piece.left / _STEP_POINTS) for piece in pieces)
    found: list[float] = []
    common = {start for start, _ in starts.most_common(_MAX_GUTTERS)}
    for start in sorted(start for start in common if starts[start] + starts[start + 1] >= _MIN_ROWS):
        gutter = (start - 1) * _STEP_POINTS
        beside = sum(piece.right <= gutter for piece in pieces)
        if beside >= _MIN_ROWS and (not found or gutter - found[-1] > 2 * _STEP_POINTS):
            found.append(gutter)
    return found


def _crossings(rows: Sequence[list[_Piece]], gutter: float) -> list[bool]:
    """For each row, whether a piece of it crosses the gutter."""
    return [any(piece.left < gutter < piece.right for piece in row) for row in rows]


def _columns(rows: Sequence[list[_Piece]], gutters: Sequence[float]) -> list[list[_Piece]]:
    """The lines of each column; none unless all columns are prose and the rows jump between them."""
    columns: list[list[_Piece]] = [[] for _ in range(len(gutters) + 1)]
    jumps, divided, last = 0, 0, 0
    for row in rows:
        for number, group in groupby(row, key=lambda piece: bisect_right(gutters, piece.left)):
            pieces = list(group)
            jumps += number != last
            divided += sum(len(piece.text) > 2 for piece in pieces) > 1
            last = number
            columns[number].append(pieces[0] if len(pieces) == 1 else _piece([run for piece in pieces for run in piece.runs]))
    lines = sum(map(len, columns))
    if jumps < max(_MIN_ROWS, _MIN_JUMPS * lines) or divided > _MAX_DIVIDED * lines:
        return []
    return columns if all(map(_is_prose, columns)) else []


def _has_table_rows(rows: Sequence[list[_Piece]]) -> bool:
    """Whether wider steps divide the rows again and again across all columns, as between table rows of several lines."""
    baselines = [row[0].runs[0].baseline for row in rows if row]
    steps = [before - baseline for before, baseline in pairwise(baselines)]
    usual = median(steps) if steps else 0.0
    wide = sum(step > _MIN_ROW_STEP * usual for step in steps)
    return usual > 0 and wide > 1 and wide >= _MIN_ROW_STEPS * len(steps)


def _is_prose(lines: Sequence[_Piece]) -> bool:
    if len(lines) < _MIN_ROWS or sum(len(line.text) for line in lines) < _MIN_PROSE_CHARACTERS * len(lines):
        return False
    width = max(line.right for line in lines) - min(line.left for line in lines)
    full = median(line.right - line.left for line in lines) >= _MIN_FULL * width
    continued = sum(_goes_on(before.text, line.text) for before, line in pairwise(lines))
    return full and continued >= _MIN_CONTINUED * (len(lines) - 1)


def _goes_on(line: str, below: str) -> bool:
    """Whether a sentence seems to go on from one line to the next."""
    return bool(line and below) and line[-1] not in _STOPS and below[0].isalpha() and not below[0].isupper()


def _ruled(rows: Sequence[list[_Piece]], gutters: Sequence[float], boxes: Sequence[Box]) -> bool:
    """Whether a horizontal line across a gutter parts the rows."""
    baselines = [piece.runs[0].baseline for row in rows for piece in row]
    low, high = min(baselines), max(baselines)
    return any(
        left <= gutter <= right and (low < bottom < high or low < top < high)
        for left, bottom, right, top in boxes
        for gutter in gutters
    )
