"""Does a written sentence stand in the evidence? It may say less than a sentence of it, never more or otherwise."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ragbot.answer.context import TurnVectors
from ragbot.answer.lexical import lexically_entailed
from ragbot.answer.quote import Evidence, with_context
from ragbot.text.tokens import content, has_cjk

_VERDICT = re.compile(r"^(?:yes|no)\s*[,.!:;–-]\s+(?=[^\W\d_])", re.IGNORECASE)

_PERSONS = {
    **dict.fromkeys(("i", "me", "my", "mine", "myself"), "i"),
    **dict.fromkeys(("we", "us", "our", "ours", "ourselves"), "we"),
    **dict.fromkeys(("you", "your", "yours", "yourself", "yourselves"), "you"),
    **dict.fromkeys(("he", "him", "his", "himself"), "he"),
    **dict.fromkeys(("she", "her", "hers", "herself"), "she"),
    **dict.fromkeys(("they", "them", "their", "theirs", "themselves"), "they"),
}
"""Pronouns by the person that they stand for. As stop words they are no content, but another one is another claim."""
_WORD = re.compile(r"[a-z]+")


def supporting_evidence(sentence: str, near: Sequence[Evidence], vectors: TurnVectors) -> Evidence | None:
    """The evidence that says what `sentence` says; None if no single sentence does.

    All its words must be there (`ragbot.answer.lexical`), and the meaning must be near.
    """
    if sentence.rstrip().endswith(("?", "？")) or not content(sentence):
        return None
    fitting = [one for one in near if lexically_entailed(sentence, one.text, one.context) and _same_persons(sentence, one)]
    if not fitting:
        return None
    written, *given = vectors.passages([sentence, *(with_context(one.text, one.context) for one in fitting)])
    cosines = np.array(given) @ written
    least = vectors.calibration.similarity_cjk if has_cjk(sentence) else vectors.calibration.similarity
    return fitting[int(np.argmax(cosines))] if cosines.max() >= least else None


def without_verdict(sentence: str) -> str:
    """A sentence without the "Yes" or "No" that it begins with: no words of the evidence can show whether that is right."""
    rest = _VERDICT.sub("", sentence)
    return rest[:1].upper() + rest[1:] if rest != sentence else sentence


def _same_persons(sentence: str, one: Evidence) -> bool:
    """Whether every person that the sentence speaks of stands in the evidence. To the one who told it, an "I" is a "you"."""
    there = _persons(f"{one.context} {one.text}")
    if one.hit.chunk.kind == "turn":
        there = {"you" if person in ("i", "we") else person for person in there}
    return _persons(sentence) <= there


def _persons(text: str) -> set[str]:
    return {_PERSONS[word] for word in _WORD.findall(text.lower()) if word in _PERSONS}
