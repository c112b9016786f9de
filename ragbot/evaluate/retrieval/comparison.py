"""Compare two runs over one set, question by question."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ragbot.errors import InputError
from ragbot.evaluate import significance
from ragbot.evaluate.retrieval.runs import Estimate, Run, estimates
from ragbot.types import Part


@dataclass(frozen=True, slots=True)
class Difference:
    """The change of one measure of one part, and its p-value."""

    part: Part
    measure: str
    before: float
    now: float
    difference: Estimate
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences between two runs on the questions that both asked."""

    before: Run
    now: Run
    questions: int
    differences: tuple[Difference, ...]


def need_comparable(before: Run, set: str, digest: str, parts: Collection[str]) -> None:
    """Raise InputError if a run over this set with these parts cannot be compared with `before`."""
    if before.set != set:
        raise InputError(f"the run to compare with is of {before.set}, not of {set}; compare runs of one set")
    if before.digest != digest:
        raise InputError(f"the run to compare with used other files: those of {set} have changed since; run it again")
    if not any(one.part in parts for one in before.parts):
        had = ", ".join(one.part for one in before.parts)
        raise InputError(f"the run to compare with has {had}, but not {', '.join(parts)}; choose a part that both have")


def compare(before: Run, now: Run) -> Comparison:
    """The paired differences of each part and measure in both runs. Raises InputError if there is nothing to compare."""
    need_comparable(before, now.set, now.digest, [one.part for one in now.parts])
    place = {id: at for at, id in enumerate(before.questions)}
    both = [id for id in now.questions if id in place]
    if not both:
        raise InputError("the run to compare with asked none of these questions; leave --limit out of both")
    then, here = [place[id] for id in both], [at for at, id in enumerate(now.questions) if id in place]
    earlier = {one.part: one.values for one in before.parts}
    rows = [
        (one.part, name, np.array(earlier[one.part][name])[then], np.array(values)[here])
        for one in now.parts
        for name, values in one.values.items()
        if name in earlier.get(one.part, {})
    ]
    table = np.array([after - start for _, _, start, after in rows])
    differences = (
        Difference(part, name, float(start.mean()), float(after.mean()), estimate, float(p))
        for (part, name, start, after), estimate, p in zip(rows, estimates(table), significance.p_value(table), strict=True)
    )
    return Comparison(before, now, len(both), tuple(differences))
