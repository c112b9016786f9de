"""Documents that say the same again and again. Repetition adds nothing: what other sources say is looked at first then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ragbot.answer.context import TurnVectors
from ragbot.answer.quote import Evidence, with_context
from ragbot.text.tokens import content

MANY = 3
"""So many sentences that say the same make a document one that repeats itself."""
ALIKE = 0.8
"""The least cosine of sentences that say the same in other words, where they share the words that answer."""
COVERED = 0.5
"""How much of what the best sentence holds of a question another has to hold, to count as an answer to it."""
BESIDE = 0.65
"""How far below the best sentence, which may repeat the question word for word, one of another document may be."""


def repeating(question: str, found: Sequence[Evidence], vectors: TurnVectors) -> set[str]:
    """The uris of documents that answer a question at least MANY times with the same words."""
    if not found:
        return set()
    asked = set(content(question))
    answers = [one for one in found if one.coverage >= COVERED * found[0].coverage]
    often = Counter(one.hit.chunk.uri for one in answers)
    often.update(one.uri for hit in {id(e.hit): e.hit for e in answers}.values() for one in hit.also)
    found_in = set[str]()
    for uri in (uri for uri, count in often.items() if count >= MANY):
        own = [one for one in answers if one.hit.chunk.uri == uri]
        copies = sum(one.uri == uri for hit in {id(e.hit): e.hit for e in own}.values() for one in hit.also)
        first, *rest = vectors.passages([with_context(one.text, one.context) for one in own]) if own else [None]
        same = [
            one
            for one, vector in zip(own[1:], rest, strict=True)
            if float(vector @ first) >= ALIKE and (set(content(one.text)) & set(content(own[0].text))) - asked
        ]
        if 1 + len(same) + copies >= MANY:
            found_in.add(uri)
    return found_in


def others_first(question: str, found: Sequence[Evidence], vectors: TurnVectors) -> tuple[list[Evidence], Evidence | None]:
    """The evidence with that of other documents before what a document repeats, and the best of the latter; None if none does.

    Where nothing but the repetition speaks to the question, all stays as it is.
    """
    loud = repeating(question, found, vectors)
    if not loud or found[0].hit.chunk.uri not in loud:
        return list(found), None
    least = found[0].coverage * COVERED
    quiet = [e for e in found if e.hit.chunk.uri not in loud and e.score >= found[0].score - BESIDE and e.coverage >= least / 2]
    if not quiet or quiet[0].text == found[0].text:
        return list(found), None
    return quiet, found[0]
