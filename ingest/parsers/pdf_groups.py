"""Name the rows of a PDF table by the cell that spans them: it stands beside their middle, so it is read as a line of its own.

Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ingest.parsers.pdf_lines import Line

_MAX_ROWS = 12
_MAX_NAME_CHARACTERS = 60
_STEP_POINTS = 2.0
"""Cells of one column begin at most this far apart, and a spanning cell stands as near to the middle of its rows."""
_MIN_GAP_SIZES = 0.9
_MAX_ROW_STEP_SIZES = 4.0


def with_group_names(lines: Sequence[Line]) -> list[Line]:
    """The lines; a cell that spans rows to its right stands at the beginning of each of them."""
    found: list[Line] = []
    at = 0
    while at < len(lines):
        rows = _spanned(lines[at], lines[at + 1 : at + 1 + _MAX_ROWS])
        found += [_named(lines[at], row) for row in rows] or [lines[at]]
        at += 1 + len(rows)
    return found


def _spanned(name: Line, after: Sequence[Line]) -> Sequence[Line]:
    """The rows right of a cell whose middle is that of the cell, two at least; none for other lines."""
    if not name.size or name.cells or not 0 < len(name.text.strip()) <= _MAX_NAME_CHARACTERS:
        return ()
    above = after[0] if after else None
    if above is None or above.baseline <= name.baseline + _STEP_POINTS:
        return ()
    last = above
    for count, row in enumerate(after, 1):
        apart = row.left - name.right >= _MIN_GAP_SIZES * name.size and abs(row.left - above.left) <= _STEP_POINTS
        near = last.baseline - row.baseline <= _MAX_ROW_STEP_SIZES * name.size
        if not (apart and near and len(row.cells) > 1 and (row.baseline < last.baseline or count == 1)):
            return ()
        middle = (above.baseline + row.baseline) / 2
        if count > 1 and abs(middle - name.baseline) <= _STEP_POINTS:
            return after[:count]
        last = row
    return ()


def _named(name: Line, row: Line) -> Line:
    return replace(row, text=f"{name.text.strip()} {row.text.strip()}", left=name.left, cells=(name.left, *row.cells))
