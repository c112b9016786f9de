"""What replies are worth: figures of all questions and of each category, how refusing pays, and how the run is kept as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ragbot.evaluate import significance
from ragbot.evaluate.answers import overlap
from ragbot.evaluate.answers.questions import AnswerQuestion
from ragbot.evaluate.answers.runner import AnswerRun, Reply, System, right
from ragbot.evaluate.retrieval.runs import Estimate, estimates

BINS = 10
"""Into how many groups of like confidence replies are put, to compare it with how often they are right."""

Pair = tuple[AnswerQuestion, Reply]


@dataclass(frozen=True, slots=True)
class Measure:
    """A value of each pair to which it applies."""

    of: Callable[[AnswerQuestion, Reply], float]
    where: Callable[[AnswerQuestion, Reply], bool]


def _due(asked: AnswerQuestion, _: Reply) -> bool:
    return asked.answerable


def _repeatable(asked: AnswerQuestion, _: Reply) -> bool:
    return asked.answerable and bool(asked.answers) and not overlap.is_long(asked.answers)


def _judged(asked: AnswerQuestion, _: Reply) -> bool:
    return asked.answerable and bool(asked.relevant)


def _hits(asked: AnswerQuestion, reply: Reply) -> list[bool]:
    return [id in asked.relevant for id in reply.cited]


MEASURES: Mapping[str, Measure] = {
    "answered": Measure(lambda _, r: r.answered, _due),
    "refused": Measure(lambda _, r: not r.answered, lambda a, _: not a.answerable),
    "refusal precision": Measure(lambda a, _: not a.answerable, lambda _, r: not r.answered),
    "gold in reply": Measure(lambda a, r: overlap.holds(r.text, a.answers) if r.answered else 0.0, _repeatable),
    "exact": Measure(lambda a, r: overlap.exact(r.text, a.answers), _repeatable),
    "F1": Measure(
        lambda a, r: overlap.f1(r.text, a.answers) if r.answered else 0.0, lambda a, _: a.answerable and bool(a.answers)
    ),
    "gold cited": Measure(lambda a, r: any(_hits(a, r)), _judged),
    "citation precision": Measure(lambda a, r: sum(_hits(a, r)) / len(r.cited), lambda a, r: _judged(a, r) and bool(r.cited)),
    "citation recall": Measure(lambda a, r: len(a.relevant & set(r.cited)) / len(a.relevant), _judged),
    "wrong in reply": Measure(lambda a, r: overlap.holds(r.text, a.wrong), lambda a, _: bool(a.wrong)),
    "conflict named": Measure(
        lambda a, r: bool(overlap.holds(r.text, a.answers)) and bool(overlap.holds(r.text, a.wrong)),
        lambda a, r: bool(a.wrong) and _repeatable(a, r),
    ),
    "words": Measure(lambda _, r: len(overlap.words(r.text)), lambda _, r: r.answered),
}
"""By the name that tables show. Means of 0 to 1, but for the last."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of some pairs: all of them (without a name), or those of a category."""

    name: str
    questions: int
    values: Mapping[str, tuple[int, Estimate]]
    """Each measure that applies to any of them: to how many, and its mean."""


@dataclass(frozen=True, slots=True)
class Refusing:
    """What comes of answering only what one is surest of."""

    coverage: tuple[float, ...]
    """The share of all questions that would be answered, from the surest down."""
    risk: tuple[float, ...]
    """The share of those that would be answered wrongly."""
    area: float
    """The mean risk over the coverage that was reached."""
    calibration_error: float
    """By how much confidence and the share of right answers differ, on average over `BINS` groups (Guo and others 2017)."""


def pairs(run: AnswerRun, system: System) -> list[Pair]:
    """Each question with its reply."""
    return list(zip(run.questions, run.replies[system], strict=True))


def figures(run: AnswerRun, system: System) -> list[Figures]:
    """The figures of all questions, then of each category."""
    every = pairs(run, system)
    names = dict.fromkeys(asked.category for asked, _ in every if asked.category)
    members = [("", every), *((name, [pair for pair in every if pair[0].category == name]) for name in names)]
    return [_figures(name, some) for name, some in members]


def _figures(name: str, some: Sequence[Pair]) -> Figures:
    values = dict[str, tuple[int, Estimate]]()
    for measure, by in MEASURES.items():
        found = [float(by.of(asked, reply)) for asked, reply in some if by.where(asked, reply)]
        if found:
            values[measure] = len(found), estimates(np.array([found]))[0]
    return Figures(name, len(some), values)


def refusing(run: AnswerRun, system: System) -> Refusing | None:
    """How risk grows with coverage (El-Yaniv and Wiener 2010); None where nothing was answered with any confidence."""
    every = pairs(run, system)
    answered = sorted(
        ((reply.confidence, right(asked, reply)) for asked, reply in every if reply.answered), key=lambda one: -one[0]
    )
    if not answered or not answered[0][0]:
        return None
    sure, good = np.array([one[0] for one in answered]), np.array([one[1] for one in answered], float)
    many = np.arange(1, len(answered) + 1)
    risk = np.cumsum(1 - good) / many
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    apart = sum(abs(float((sure - good)[bins == one].sum())) for one in range(BINS))
    return Refusing(tuple((many / len(every)).tolist()), tuple(risk.tolist()), float(risk.mean()), apart / len(answered))


def latency(run: AnswerRun, system: System) -> dict[str, float]:
    """Medians and 95th percentiles, in milliseconds: to the first words, and to the last."""
    said = run.replies[system]
    taken = {"first": [one.first_ms for one in said], "all": [one.took_ms for one in said]}
    return {f"{name}_p{percent}_ms": float(np.percentile(of, percent)) for name, of in taken.items() for percent in (50, 95)}


def as_json(run: AnswerRun) -> dict[str, Any]:
    """The document that `--json` prints and `--out` keeps."""
    settings = {"limit": run.limit, "seed": run.seed, "resamples": significance.RESAMPLES, "confidence": significance.CONFIDENCE}
    facts = {
        name: getattr(run, name)
        for name in ("set", "digest", "documents", "refused", "left_out", "generator", "reader", "persona", "model", "version")
    }
    return {
        **facts,
        "questions": len(run.questions),
        "at": run.at.isoformat(),
        "settings": settings,
        "systems": {system: _system(run, system) for system in run.replies},
        "by_question": [
            {
                "id": asked.id,
                "category": asked.category,
                "answerable": asked.answerable,
                "systems": {system: _reply(asked, said[at]) for system, said in run.replies.items()},
            }
            for at, asked in enumerate(run.questions)
        ],
    }


def _system(run: AnswerRun, system: System) -> dict[str, Any]:
    everyone, *categories = figures(run, system)
    refused = refusing(run, system)
    return {
        "measures": _values(everyone),
        **latency(run, system),
        "risk_coverage": refused and {name: getattr(refused, name) for name in Refusing.__dataclass_fields__},
        "categories": {one.name: {"questions": one.questions, "measures": _values(one)} for one in categories},
    }


def _values(of: Figures) -> dict[str, dict[str, float]]:
    return {name: {"of": n, "mean": e.mean, "low": e.low, "high": e.high} for name, (n, e) in of.values.items()}


def _reply(asked: AnswerQuestion, reply: Reply) -> dict[str, Any]:
    return {name: getattr(reply, name) for name in Reply.__dataclass_fields__} | {"right": right(asked, reply)}
