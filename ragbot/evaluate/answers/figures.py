"""Measures of answers by category, the risk-coverage curve, calibration error, and the run as JSON."""

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
"""Number of confidence bins for the calibration error."""

Pair = tuple[AnswerQuestion, Reply]


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure: its value for a question and reply, and whether it applies to them."""

    of: Callable[[AnswerQuestion, Reply], float]
    where: Callable[[AnswerQuestion, Reply], bool]


def _is_answerable(asked: AnswerQuestion, _: Reply) -> bool:
    return asked.answerable


def _has_short_answer(asked: AnswerQuestion, _: Reply) -> bool:
    return asked.answerable and bool(asked.answers) and not overlap.is_long(asked.answers)


def _has_relevant(asked: AnswerQuestion, _: Reply) -> bool:
    return asked.answerable and bool(asked.relevant)


def _cited_relevant(asked: AnswerQuestion, reply: Reply) -> list[bool]:
    return [id in asked.relevant for id in reply.cited]


MEASURES: Mapping[str, Measure] = {
    "answered": Measure(lambda _, r: r.answered, _is_answerable),
    "refused": Measure(lambda _, r: not r.answered, lambda a, _: not a.answerable),
    "refusal precision": Measure(lambda a, _: not a.answerable, lambda _, r: not r.answered),
    "gold in reply": Measure(lambda a, r: overlap.holds(r.text, a.answers) if r.answered else 0.0, _has_short_answer),
    "exact": Measure(lambda a, r: overlap.exact(r.text, a.answers), _has_short_answer),
    "F1": Measure(
        lambda a, r: overlap.f1(r.text, a.answers) if r.answered else 0.0, lambda a, _: a.answerable and bool(a.answers)
    ),
    "gold cited": Measure(lambda a, r: any(_cited_relevant(a, r)), _has_relevant),
    "citation precision": Measure(
        lambda a, r: sum(_cited_relevant(a, r)) / len(r.cited), lambda a, r: _has_relevant(a, r) and bool(r.cited)
    ),
    "citation recall": Measure(lambda a, r: len(a.relevant & set(r.cited)) / len(a.relevant), _has_relevant),
    "wrong in reply": Measure(lambda a, r: overlap.holds(r.text, a.wrong), lambda a, _: bool(a.wrong)),
    "conflict named": Measure(
        lambda a, r: bool(overlap.holds(r.text, a.answers)) and bool(overlap.holds(r.text, a.wrong)),
        lambda a, r: bool(a.wrong) and _has_short_answer(a, r),
    ),
    "words": Measure(lambda _, r: len(overlap.words(r.text)), lambda _, r: r.answered),
}
"""Measures by the name that tables show. All values lie between 0 and 1, except the number of words."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The measures of all questions (name ""), or of one category."""

    name: str
    questions: int
    values: Mapping[str, tuple[int, Estimate]]
    """(number of questions to which it applies, mean) of each measure that applies to any."""


@dataclass(frozen=True, slots=True)
class Refusing:
    """Selective answering: the risk when only the most confident answers are given."""

    coverage: tuple[float, ...]
    """The share of all questions that is answered, as answers of lower confidence are added one by one."""
    risk: tuple[float, ...]
    """The share of wrong ones among the answers given, at each coverage."""
    area: float
    """The mean risk over all these coverages."""
    calibration_error: float
    """Expected calibration error over `BINS` equal-width bins (Guo and others 2017)."""


def pairs(run: AnswerRun, system: System) -> list[Pair]:
    """Each question with its reply by `system`."""
    return list(zip(run.questions, run.replies[system], strict=True))


def figures(run: AnswerRun, system: System) -> list[Figures]:
    """The measures of all questions, then of each category."""
    all_pairs = pairs(run, system)
    names = dict.fromkeys(asked.category for asked, _ in all_pairs if asked.category)
    members = [("", all_pairs), *((name, [pair for pair in all_pairs if pair[0].category == name]) for name in names)]
    return [_figures(name, chosen) for name, chosen in members]


def _figures(name: str, chosen: Sequence[Pair]) -> Figures:
    values = dict[str, tuple[int, Estimate]]()
    for measure, by in MEASURES.items():
        found = [float(by.of(asked, reply)) for asked, reply in chosen if by.where(asked, reply)]
        if found:
            values[measure] = len(found), estimates(np.array([found]))[0]
    return Figures(name, len(chosen), values)


def refusing(run: AnswerRun, system: System) -> Refusing | None:
    """The risk-coverage curve (El-Yaniv and Wiener 2010); None if no answer has a confidence above 0."""
    all_pairs = pairs(run, system)
    answered = sorted(
        ((reply.confidence, right(asked, reply)) for asked, reply in all_pairs if reply.answered), key=lambda one: -one[0]
    )
    if not answered or not answered[0][0]:
        return None
    sure, good = np.array([one[0] for one in answered]), np.array([one[1] for one in answered], float)
    many = np.arange(1, len(answered) + 1)
    risk = np.cumsum(1 - good) / many
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    apart = sum(abs(float((sure - good)[bins == one].sum())) for one in range(BINS))
    return Refusing(tuple((many / len(all_pairs)).tolist()), tuple(risk.tolist()), float(risk.mean()), apart / len(answered))


def latency(run: AnswerRun, system: System) -> dict[str, float]:
    """Median and 95th percentile, in milliseconds, to the first words and to the last."""
    replies = run.replies[system]
    taken = {"first": [one.first_ms for one in replies], "all": [one.took_ms for one in replies]}
    return {f"{name}_p{percent}_ms": float(np.percentile(of, percent)) for name, of in taken.items() for percent in (50, 95)}


def as_json(run: AnswerRun) -> dict[str, Any]:
    """The JSON document that `--json` prints and `--out` writes."""
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
                "systems": {system: _reply(asked, replies[at]) for system, replies in run.replies.items()},
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
