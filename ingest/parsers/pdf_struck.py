"""Find the text of a PDF page that is struck out: a thin line runs through its middle. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.parsers.pdf_lines import Box, Run

_MAX_THICKNESS_POINTS, _MIN_LENGTH_POINTS = 2.0, 3.0
_MAX_RULES = 200
"""A page with more thin lines is a drawing or a form, and its lines strike nothing out."""
_MAX_COMPARED = 300_000
"""The most pairs of a line and a run that are compared."""
_LOW, _HIGH = 0.13, 0.47
"""Where a line strikes text out, in font sizes above its baseline: higher than an underline, lower than a border above."""
_MIN_STRUCK = 0.8
"""The share of the width of a run that a line has to cross."""
_MAX_OVER_SIZES = 0.6
"""A line that goes on for longer beside its text, in font sizes, divides the page."""
_MAX_SHARE = 0.5
"""Where lines cross a larger share of the text of a page, they are its pattern."""


def is_rule(box: Box) -> bool:
    """Whether a shape is a thin horizontal line."""
    return box[3] - box[1] <= _MAX_THICKNESS_POINTS and box[2] - box[0] >= _MIN_LENGTH_POINTS


def struck_runs(rules: Sequence[Box], runs: Sequence[Run]) -> set[int]:
    """The addresses of the text objects that are struck out."""
    placed = [run for run in runs if run.owner and run.size and run.text.strip()]
    if not rules or len(rules) > _MAX_RULES or len(rules) * len(placed) > _MAX_COMPARED:
        return set()
    struck = {run for rule in rules for run in _crossed(rule, placed)}
    owners = {run.owner for run in struck}
    kept = {run.owner for run in placed if run not in struck}
    if sum(len(run.text) for run in struck) > _MAX_SHARE * sum(len(run.text) for run in placed):
        return set()
    return owners - kept  # an object that is struck out in part only is read


def _crossed(rule: Box, runs: Sequence[Run]) -> list[Run]:
    """The runs that a line strikes out: all that it crosses, if it ends where they end."""
    height = (rule[1] + rule[3]) / 2
    level = [run for run in runs if _LOW * run.size <= height - run.baseline <= _HIGH * run.size]
    found = [run for run in level if min(rule[2], run.right) - max(rule[0], run.left) >= _MIN_STRUCK * (run.right - run.left)]
    if not found:
        return []
    over = _MAX_OVER_SIZES * max(run.size for run in found)
    begins, ends = min(run.left for run in found), max(run.right for run in found)
    return found if rule[0] >= begins - over and rule[2] <= ends + over else []
