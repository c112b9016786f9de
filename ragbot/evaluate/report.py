"""Render runs and comparisons as text tables."""

from __future__ import annotations

from collections.abc import Sequence

from ragbot.evaluate.retrieval.comparison import Comparison
from ragbot.evaluate.retrieval.runs import Estimate, Group, Run, groups


def table(run: Run) -> str:
    """The measures of a run: all questions, then each category."""
    everyone, *categories = groups(run)
    head = [f"{run.set}: {_documents(run)}, {_questions(run)}; {run.model}, ragbot {run.version}"]
    latency = [["p50 ms", "p95 ms"], *([f"{one.latency_ms(50):.1f}", f"{one.latency_ms(95):.1f}"] for one in run.parts)]
    parts = [head, columns([row + more for row, more in zip(_rows(everyone), latency, strict=True)])]
    parts += [[_heading(group), *columns(_rows(group))] for group in categories]
    return "\n\n".join("\n".join(lines) for lines in parts)


def comparison(compared: Comparison) -> str:
    """The measures of two runs side by side, with differences and p-values."""
    before = compared.before
    rows = [["part", "measure", "before", "now", "difference", "p"]]
    for one in compared.differences:
        change = f"{_signed(one.difference.mean)} [{_signed(one.difference.low)}, {_signed(one.difference.high)}]"
        rows.append([one.part, one.measure, shortened(one.before), shortened(one.now), change, shortened(one.p, 4)])
    made = f"{before.at:%Y-%m-%d %H:%M} UTC, {before.model}, ragbot {before.version}"
    head = f"compared with the run of {made}, on the {compared.questions:,} questions of both"
    settings = [
        f"{name}: {before.recall[name]} before, {now} now"
        for name, now in compared.now.recall.items()
        if name in before.recall and before.recall[name] != now
    ]
    return "\n".join([head, *settings, "", *columns(rows)])


def _documents(run: Run) -> str:
    return f"{run.documents:,} documents" + (f" ({run.refused:,} refused: without words)" if run.refused else "")


def _questions(run: Run) -> str:
    drawn = f", drawn with seed {run.seed}" if run.limit is not None else ""
    left_out = f" ({run.left_out:,} left out: nothing answers them)" if run.left_out else ""
    return f"{len(run.questions):,} questions{drawn}{left_out}"


def _heading(group: Group) -> str:
    return f"{one_line(group.name)} ({group.questions:,} {'question' if group.questions == 1 else 'questions'})"


def _rows(group: Group) -> list[list[str]]:
    names = list(next(iter(group.figures.values())))
    return [["part", *names], *([part, *(estimated(of[name]) for name in names)] for part, of in group.figures.items())]


def one_line(text: str) -> str:
    """Collapse white space to single spaces: names in a set may hold line breaks."""
    return " ".join(text.split())


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Render rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def estimated(one: Estimate) -> str:
    """A mean with its confidence interval."""
    return f"{shortened(one.mean)} [{shortened(one.low, 2)}, {shortened(one.high, 2)}]"


def shortened(value: float, digits: int = 3) -> str:
    """A number between 0 and 1 without its leading zero."""
    return f"{value:.{digits}f}".removeprefix("0")


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("0.", ".", 1)
