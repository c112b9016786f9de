"""How likely it is that evidence answers a question. The numbers belong to the embedding space and to the answerability model."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ragbot.answer.quote import Evidence
from ragbot.search.calibration import Calibration
from ragbot.text.tokens import has_cjk

CODE_ANSWERS = 0.55
"""How often a sentence about the very code, or a row with the very cells, that a question names answers it where the likeness of
their words alone would not say so. Set on the open half of `benchmarks/trials/codes.json` (17 such questions)."""


def answerability(question: str, one: Evidence, numbers: Calibration) -> float:
    """How likely it is that a piece of evidence answers the question, 0 to 1.

    What the answerability model finds in its passage; without that, a logistic curve over aligned cosine and match of words
    (`training/calibrate.py`).
    """
    if one.opposes:
        return 0.0
    likely = one.span_found.chance if one.span_found else _unread(question, one, numbers)
    return likely + (1 - likely) * CODE_ANSWERS if one.names_code else likely


def _unread(question: str, one: Evidence, numbers: Calibration) -> float:
    if has_cjk(question):
        bias, cosine, coverage = numbers.bias_cjk, numbers.cosine_cjk, numbers.coverage_cjk
    else:
        bias, cosine, coverage = numbers.bias, numbers.cosine, numbers.coverage
    likely = 1 / (1 + math.exp(-(bias + cosine * one.cosine + coverage * one.coverage)))
    return likely * numbers.answers_across if one.across else likely


def best_answerability(question: str, found: Sequence[Evidence], numbers: Calibration) -> float:
    """How likely it is that the best evidence answers the question, 0 to 1; 0 without any."""
    return answerability(question, found[0], numbers) if found else 0.0
