"""Another source that gives another answer."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from ragbot.answer.answer_span import as_read, is_readable
from ragbot.answer.calibration import answerability
from ragbot.answer.quote import Evidence
from ragbot.models.answerability import AnswerabilityModel
from ragbot.search.calibration import Calibration
from ragbot.text.numbers import numbers as numbers_of
from ragbot.text.polarity import NEGATION, is_negated
from ragbot.text.tokens import content, has_cjk
from ragbot.types import Citation

_NUMBER = re.compile(r"(?<![a-z])\d[\d.,:]*(?![a-z])|[零一二三四五六七八九十百千万两\d]+")
BESIDE = 0.3
"""How far below the evidence that was given that of another document may be which is read for another answer."""
AS_LIKELY = 0.15
"""How much less likely than the answer that was given another one may be, to be named beside it. Set on one case, the café's
hours beside the makerspace's in the demo."""
MAX_READ = 3
"""How much evidence of other documents is read for another answer."""


def find_conflict(
    question: str,
    found: Sequence[Evidence],
    given: Collection[Citation],
    model: AnswerabilityModel,
    numbers: Calibration,
    least: float,
) -> Evidence | None:
    """Evidence of another document with another answer than the one given, that answers with a chance of at least `least`."""
    said = next((e for e in found if e.citation in given and e.answer), None)
    if said is None:
        return None
    uris = {citation.uri for citation in given}
    beside = [e for e in found if e.hit.chunk.uri not in uris and is_readable(e) and e.score >= said.score - BESIDE][:MAX_READ]
    least = max(least, answerability(question, said, numbers) - AS_LIKELY)
    for e, span in zip(beside, model.read(question, [as_read([e]) for e in beside]), strict=True):
        if span is None:
            continue
        same_kind = any(char.isdigit() for char in span.words) == any(char.isdigit() for char in said.answer)
        if span.words and span.words in e.text and same_kind and not _same(span.words, said.answer):
            if answerability(question, replace(e, span_found=span), numbers) >= least:
                return e
    return None


def find_opposite(found: Sequence[Evidence], given: Collection[Citation]) -> Evidence | None:
    """Evidence of another document that says a given sentence in the same words with another number, or negates it."""
    lead = next((e for e in found if e.citation in given), None)
    if lead is None or lead.hit.chunk.kind != "file":
        return None
    uris = {citation.uri for citation in given}
    words, numbers = _words_and_numbers(lead.text)
    for e in found:
        if e.hit.chunk.uri in uris or e.hit.chunk.kind != "file":
            continue
        other_words, other_numbers = _words_and_numbers(e.text)
        negated = is_negated(lead.text) is not None and is_negated(e.text) is (not is_negated(lead.text))
        if words == other_words and words and (negated or numbers and other_numbers and not _same_numbers(lead.text, e.text)):
            return e
    return None


def _words_and_numbers(text: str) -> tuple[list[str], list[str]]:
    """The words of a sentence, without those that negate it, and its numbers."""
    text = NEGATION.sub(" ", text.lower())
    return _NUMBER.sub(" ", text).split() if not has_cjk(text) else list(_NUMBER.sub("", text)), _NUMBER.findall(text)


def _same(one: str, other: str) -> bool:
    """Whether two answers are the same, or one says more of it."""
    first, second = set(content(one)), set(content(other))
    return first <= second or second <= first or _same_numbers(one, other)


def _same_numbers(one: str, other: str) -> bool:
    """Whether two texts name the same numbers in order, however they are written; False without any."""
    first, second = list(numbers_of(one)), list(numbers_of(other))
    return bool(first) and len(first) == len(second) and all(a & b for a, b in zip(first, second, strict=True))
