"""Measures of retrieval, computed by ir-measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ragbot.errors import RagbotError
from ragbot.evaluate.retrieval.sets import Question

if TYPE_CHECKING:
    from ir_measures.measures import Measure

MRR_AT = 10
"""Cutoff of the reciprocal rank."""


def depth(cutoffs: Sequence[int]) -> int:
    """The number of documents that the measures need per question."""
    return max(MRR_AT, *cutoffs)


def need_library() -> None:
    """Raise RagbotError if ir-measures is not installed; called before a run, which may take hours."""
    _measures(())


def measured(
    questions: Sequence[Question], answers: Sequence[Sequence[str]], cutoffs: Sequence[int]
) -> dict[str, tuple[float, ...]]:
    """The values (0 to 1) of each measure, in the order of `questions`.

    `answers` holds the ids of the documents found for each question, best first. The measures are recall and nDCG at
    each cutoff, and the reciprocal rank at MRR_AT, as in trec_eval. nDCG uses the grade as the gain.
    """
    by_name = _measures(cutoffs)
    from ir_measures import iter_calc

    qrels = {question.id: dict(question.relevant) for question in questions}
    # Ranks serve as scores, so that ties keep the order that a user sees.
    run = {
        question.id: {id: float(-place) for place, id in enumerate(found)}
        for question, found in zip(questions, answers, strict=True)
    }
    value = {(one.measure, one.query_id): float(one.value) for one in iter_calc(by_name.values(), qrels, run)}
    return {name: tuple(value[measure, question.id] for question in questions) for name, measure in by_name.items()}


def _measures(cutoffs: Sequence[int]) -> Mapping[str, Measure]:
    try:
        from ir_measures import RR, R, nDCG
    except ImportError as cause:
        raise RagbotError(f"ir-measures is missing ({cause}); pip install 'ragbot[eval]'") from cause
    recall, gain = ({f"{name}@{k}": measure @ k for k in cutoffs} for name, measure in (("recall", R), ("nDCG", nDCG)))
    return {**recall, **gain, f"MRR@{MRR_AT}": RR @ MRR_AT}
