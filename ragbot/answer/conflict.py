"""Another source that says otherwise."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from ragbot.answer.intent import Language
from ragbot.answer.quote import Evidence
from ragbot.text.numbers import numbers
from ragbot.text.polarity import NEGATION, is_negated
from ragbot.text.tokens import content
from ragbot.types import Citation

SAME_MATTER = 0.65
"""Two sentences that share this part of all their words, numbers aside, are about the same."""
AS_MUCH = 0.05
"""How much less of the question's words the sentence of another source may hold."""
_NUMBER = re.compile(r"(?<![a-z])\d[\d.,:]*(?![a-z])|[零一二三四五六七八九十百千万两\d]+", re.IGNORECASE)
_OTHERWISE = {"en": "Another source says: {other}", "zh": "另一处资料说：{other}"}


def otherwise(language: Language, text: str) -> str:
    """How what another source says is said."""
    return _OTHERWISE[language].format(other=text)


def find_other(evidence: Sequence[Evidence], given: Collection[Citation]) -> Evidence | None:
    """Evidence of another document that says otherwise than the first sentence given, and holds as much of the question."""
    lead = next((e for e in evidence if e.citation in given), None)
    if lead is None or lead.hit.chunk.kind != "file":
        return None
    others = (e for e in evidence if e.hit.chunk.kind == "file" and e.coverage >= lead.coverage - AS_MUCH)
    return next((e for e in others if e.citation not in given and differ(lead, e)), None)


def differ(one: Evidence, other: Evidence) -> bool:
    """Whether sentences of two documents are about the same, and their numbers, or what they negate, are not."""
    if one.hit.chunk.uri == other.hit.chunk.uri:
        return False
    first, second = _words(one.text), _words(other.text)
    if len(first & second) < max(1, SAME_MATTER * len(first | second)):
        return False
    own, others = list(numbers(one.text)), list(numbers(other.text))
    if own and others:
        return not any(a & b for a in own for b in others)
    return first == second and {is_negated(one.text), is_negated(other.text)} == {True, False}


def _words(text: str) -> set[str]:
    """The words of a sentence without its numbers and what negates it."""
    return set(content(_NUMBER.sub(" ", NEGATION.sub(" ", text))))
