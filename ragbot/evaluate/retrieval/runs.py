"""A retrieval run, its means with intervals, and its JSON format."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ragbot.errors import InputError
from ragbot.evaluate import significance
from ragbot.types import Part


@dataclass(frozen=True, slots=True)
class PartRun:
    """The results of one part of recall: "dense", "lexical", "fused" or "reranked"."""

    part: Part
    values: Mapping[str, tuple[float, ...]]
    """Values by measure, in the order of `Run.questions`."""
    took_ms: tuple[float, ...]
    """Milliseconds per question."""

    def latency_ms(self, percent: float) -> float:
        """The percentile of the latency, in milliseconds."""
        return float(np.percentile(self.took_ms, percent))


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation of one set."""

    set: str
    digest: str
    documents: int
    refused: int
    """Number of entries that the memory refused."""
    left_out: int
    """Number of questions left out because nothing is judged relevant."""
    model: str
    revision: str
    version: str
    at: datetime
    cutoffs: tuple[int, ...]
    limit: int | None
    seed: int
    recall: Mapping[str, object]
    """The settings of recall: its mode, the reranker and its time limit."""
    questions: tuple[str, ...]
    categories: tuple[str, ...]
    """The category of each question, or ""."""
    parts: tuple[PartRun, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its 95 % bootstrap confidence interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Group:
    """The measures of all questions (name ""), or of one category."""

    name: str
    questions: int
    figures: Mapping[Part, Mapping[str, Estimate]]


def groups(run: Run) -> list[Group]:
    """The measures of all questions, then of each category."""
    names = dict.fromkeys(filter(None, run.categories))
    everyone = [True] * len(run.questions)
    members = {"": everyone} | {name: [one == name for one in run.categories] for name in names}
    return [_group(run, name, np.flatnonzero(chosen)) for name, chosen in members.items()]


def _group(run: Run, name: str, chosen: np.typing.NDArray[np.intp]) -> Group:
    rows = [(one.part, measure, values) for one in run.parts for measure, values in one.values.items()]
    table = np.array([values for _, _, values in rows])[:, chosen]
    figures: dict[Part, dict[str, Estimate]] = {one.part: {} for one in run.parts}
    for (part, measure, _), estimate in zip(rows, estimates(table), strict=True):
        figures[part][measure] = estimate
    return Group(name, len(chosen), figures)


def estimates(table: significance.Floats) -> list[Estimate]:
    """The mean and interval of each row of a (rows, questions) array."""
    low, high = significance.interval(table)
    return [Estimate(*map(float, one)) for one in zip(table.mean(axis=1), low, high, strict=True)]


def as_json(run: Run) -> dict[str, Any]:
    """The JSON document that `--json` prints and `--out` writes."""
    everyone, *categories = groups(run)
    return {
        "set": run.set,
        "digest": run.digest,
        "documents": run.documents,
        "refused": run.refused,
        "questions": len(run.questions),
        "left_out": run.left_out,
        "model": run.model,
        "revision": run.revision,
        "version": run.version,
        "at": run.at.isoformat(),
        "settings": {
            "cutoffs": list(run.cutoffs),
            "limit": run.limit,
            "seed": run.seed,
            "recall": dict(run.recall),
            "resamples": significance.RESAMPLES,
            "confidence": significance.CONFIDENCE,
        },
        "parts": {
            one.part: {
                "measures": _figures(everyone, one.part),
                "p50_ms": one.latency_ms(50),
                "p95_ms": one.latency_ms(95),
                "categories": {
                    group.name: {"questions": group.questions, "measures": _figures(group, one.part)} for group in categories
                },
            }
            for one in run.parts
        },
        "by_question": [
            {
                "id": id,
                "category": category,
                "parts": {
                    one.part: {**{name: values[at] for name, values in one.values.items()}, "ms": one.took_ms[at]}
                    for one in run.parts
                },
            }
            for at, (id, category) in enumerate(zip(run.questions, run.categories, strict=True))
        ],
    }


def _figures(group: Group, part: Part) -> dict[str, dict[str, float]]:
    return {name: {"mean": one.mean, "low": one.low, "high": one.high} for name, one in group.figures[part].items()}


def load(file: Path) -> Run:
    """Read a run that `as_json` wrote. Raises InputError if the file is not one."""
    try:
        run = _run(json.loads(file.read_text(encoding="utf-8")))
        _need_whole(run)
    except OSError as cause:
        raise InputError(f"{file}: cannot be read ({cause.strerror}); name a run that --out has written") from cause
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        raise InputError(
            f"{file}: is not a run that --out has written ({type(cause).__name__}: {cause}); name one that is"
        ) from cause
    return run


def _need_whole(run: Run) -> None:
    if not run.questions or not all(isinstance(id, str) for id in run.questions):
        raise ValueError("its questions have no ids")
    if not run.parts or not all(part.values for part in run.parts):
        raise ValueError("it measured nothing")
    if not all(math.isfinite(value) for part in run.parts for values in part.values.values() for value in values):
        raise ValueError("a value is not a finite number")


def _run(found: Mapping[str, Any]) -> Run:
    by_question: Sequence[Mapping[str, Any]] = found["by_question"]
    return Run(
        **{name: found[name] for name in ("set", "digest", "documents", "refused", "left_out", "model", "revision", "version")},
        at=datetime.fromisoformat(found["at"]),
        cutoffs=tuple(found["settings"]["cutoffs"]),
        limit=found["settings"]["limit"],
        seed=found["settings"]["seed"],
        recall=found["settings"].get("recall", {}),
        questions=tuple(one["id"] for one in by_question),
        categories=tuple(one["category"] for one in by_question),
        parts=tuple(
            PartRun(
                part,
                {name: tuple(float(one["parts"][part][name]) for one in by_question) for name in known["measures"]},
                tuple(float(one["parts"][part]["ms"]) for one in by_question),
            )
            for part, known in found["parts"].items()
        ),
    )
