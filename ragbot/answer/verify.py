"""Does a written sentence stand in the evidence?

What the bundled generator restates may say less than one sentence of it, never more or otherwise (`supporting_evidence`). What a
strong generator words freely must be near to it, share its words, and break no rule of `ragbot.answer.vetoes` (`carriers`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ragbot.answer.context import TurnVectors
from ragbot.answer.lexical import lexically_entailed
from ragbot.answer.quote import Evidence, with_context
from ragbot.answer.units import MARKUP
from ragbot.answer.vetoes import vetoes
from ragbot.text.tokens import content, has_cjk, in_other_language

_VERDICT = re.compile(
    r"^(?P<mark>[-*]\s)?(?:(?:yes|no)\s?[,.!:;–-]\s+(?=[^\W\d_])|(?:是的?|不是|可以|不可以|不行|不能|能|对|不对|没有)[，,。！])",
    re.IGNORECASE,
)

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

COVERED = 0.4
"""The least part of a claim's words that its sources hold."""
MAX_CARRIERS = 3
"""The most sentences that a claim is cited for."""


def carriers(claim: str, evidence: Sequence[Evidence], vectors: TurnVectors) -> list[Evidence]:
    """The sentences that carry a freely worded claim, the nearest first; none where it does not stand in them.

    docs/decisions/0036 has how many true claims pass, and how many altered ones.
    """
    claim = without_verdict(MARKUP.sub("", claim).strip())
    words = set(content(claim))
    if claim.rstrip().endswith(("?", "？")) or not words or not evidence:
        return []
    written, *given = vectors.passages([claim, *(with_context(one.text, one.context) for one in evidence)])
    cosines = np.array(given) @ written
    order = np.argsort(-cosines, kind="stable")
    near = [evidence[at] for at in order]
    texts, whole = [one.named_row or one.text for one in near], _whole(evidence)
    cjk, numbers = has_cjk(claim), vectors.calibration
    across = in_other_language(near[0].text, cjk)
    least = numbers.similarity_cjk if cjk else numbers.similarity
    covered = len(words & set(content(whole))) / len(words)
    if cosines[order[0]] < least or (covered < COVERED and not across) or vetoes(claim, texts, whole, across=across):
        return []
    return _covering(words, near)


def stands_as_lead(text: str, evidence: Sequence[Evidence]) -> bool:
    """Whether no rule speaks against a heading, or a sentence that leads in: it must claim nothing that the sources have not."""
    whole = _whole(evidence)
    return not vetoes(text, [whole], whole)


def _whole(evidence: Sequence[Evidence]) -> str:
    """All that a claim may stand on: titles and headings in the first line, then the sentences."""
    contexts = " ".join(dict.fromkeys(one.context for one in evidence))
    return "\n".join((contexts, *(one.named_row or one.text for one in evidence)))


def _covering(words: set[str], near: Sequence[Evidence]) -> list[Evidence]:
    """The nearest sentence, and those after it that hold most of the words that it does not have."""
    chosen, missing = [near[0]], words - set(content(near[0].text))
    while missing and len(chosen) < MAX_CARRIERS:
        best = max(near, key=lambda one: len(missing & set(content(one.text))))
        if not (held := missing & set(content(best.text))):
            break
        chosen.append(best)
        missing -= held
    return chosen


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
    rest = _VERDICT.sub(lambda found: found["mark"] or "", sentence)
    return rest[:1].upper() + rest[1:] if rest != sentence else sentence


def _same_persons(sentence: str, one: Evidence) -> bool:
    """Whether every person that the sentence speaks of stands in the evidence. To the one who told it, an "I" is a "you"."""
    there = _persons(f"{one.context} {one.text}")
    if one.hit.chunk.kind == "turn":
        there = {"you" if person in ("i", "we") else person for person in there}
    return _persons(sentence) <= there


def _persons(text: str) -> set[str]:
    return {_PERSONS[word] for word in _WORD.findall(text.lower()) if word in _PERSONS}
