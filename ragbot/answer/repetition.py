"""Documents that say the same again and again. Repetition adds nothing: what other sources say is looked at first then."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ragbot.answer.quote import Evidence
from ragbot.text.tokens import CJK, content

_ATTRIBUTION = re.compile(r"^[^:：]{1,60}[:：]\s*(?=\S)")
"""Who is said to say it: another name each time makes no other source."""
_NUMBER = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|ninety|hundred|thousand"
_COUNTED = re.compile(rf"(?:\d[\d.,]*|\b(?:{_NUMBER}))[\s-]+([a-z]+)|[\d一二三四五六七八九十百千万两]+([{CJK}])")
MANY = 3
"""So many sentences that say the same make a document one that repeats itself."""
COVERED = 0.8
"""How much of what the best sentence holds of a question another has to hold, to count as the same answer: the hours of Saturday
are not those of Monday."""
SHARED = 0.6
"""How much of their words, those of the question not counted, two sentences share that give the same answer."""
TOUCHED, TOUCHED_WITHOUT = 0.25, 0.4
"""How much of that another source has to hold to be heard beside it, if it counts the same things, and if it does not."""
COPIED = 0.7
"""How much of all their words two sentences share of which one is a copy."""
BESIDE = 0.65
"""How far below the best sentence, which may repeat the question word for word, one of another document may be."""


def repeating(question: str, found: Sequence[Evidence]) -> set[str]:
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
        said = [set(content(_ATTRIBUTION.sub("", one.text))) - asked for one in own]
        same = [words for words in said[1:] if words and said[0] and _overlap(words, said[0]) >= SHARED]
        if own and 1 + len(same) + copies >= MANY:
            found_in.add(uri)
    return found_in | _copies(answers)


def _copies(answers: Sequence[Evidence]) -> set[str]:
    """The uris of documents of which at least MANY say it in the words of one: they are no independent sources."""
    words = [(one.hit.chunk.uri, set(content(one.text))) for one in answers if one.hit.chunk.kind == "file"]
    for uri, first in words:
        same = {other for other, others in words if first and len(first & others) >= COPIED * len(first | others)}
        if len(same | {uri}) >= MANY:
            return same | {uri}
    return set()


def _overlap(one: set[str], other: set[str]) -> float:
    return len(one & other) / min(len(one), len(other))


def others_first(question: str, found: Sequence[Evidence]) -> tuple[list[Evidence], Evidence | None]:
    """The evidence with that of other documents before what a document repeats, and the best of the latter; None if none does.

    Where nothing but the repetition speaks to the question, all stays as it is.
    """
    loud = repeating(question, found)
    if not loud or found[0].hit.chunk.uri not in loud:
        return list(found), None
    best = found[0]
    quiet = [e for e in found if e.hit.chunk.uri not in loud and e.score >= best.score - BESIDE]
    units = _units(best.text)
    quiet = [e for e in quiet if e.coverage >= best.coverage * TOUCHED and (not units or units & _units(e.text))] or [
        e for e in quiet if e.coverage >= best.coverage * TOUCHED_WITHOUT
    ]
    if not quiet or quiet[0].text == best.text:
        return list(found), None
    return quiet, best


def _units(text: str) -> set[str]:
    """What numbers of a text count: "crowns" of "75 crowns", "台" of "五十台"."""
    return {found[1] or found[2] for found in _COUNTED.finditer(text.lower())}
