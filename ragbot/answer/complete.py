"""The sentences that a complete answer says: as many as the question asks for, from one passage or several, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ragbot.answer.answer_span import SAME_WORDS
from ragbot.answer.quote import Evidence, render_quote
from ragbot.text import layout
from ragbot.text.numbers import numbers
from ragbot.text.polarity import is_negated
from ragbot.text.tokens import content

SAID, OF_LIKELIEST = 0.4, 0.7
"""How likely a complete answer must say a sentence for it to be said, and which part of the likeliest one's chance that is."""
SAID_WIDE, OF_LIKELIEST_WIDE = 0.2, 0.6
"""The same where several sentences are asked for. All four by the best F1 on `FITTED` (`benchmarks/complete.py`)."""
MAX_SENTENCES = 12
"""The most sentences of an answer; the likeliest are kept."""
WIDE = frozenset({"list", "steps", "table", "comparison", "summary", "arithmetic"})
"""Forms of answers that mostly stand in several sentences: what stands beside the best passage is read too."""
REACH, REACH_OF_SUMMARY = 1, 8
"""So many passages before and after the best one are read; of a document that is to be summed up, more."""


class Part(NamedTuple):
    """A sentence of an answer."""

    text: str
    evidence: Evidence


def _new(likely: Sequence[Evidence]) -> list[Evidence]:
    """The sentences, without those that say no more than one before them in another passage."""
    chosen = list[tuple[Evidence, set[str], list[frozenset[str]]]]()
    for one in likely:
        words, counts = set(content(one.text)), list(numbers(one.text))
        again = (
            e.hit.chunk.id != one.hit.chunk.id
            and words <= other
            and is_negated(e.text) == is_negated(one.text)
            and all(count in there for count in counts)
            for e, other, there in chosen
        )
        if not any(again):
            chosen.append((one, words, counts))
    return [e for e, _, _ in chosen]


def complete(found: Sequence[Evidence], *, wide: bool) -> list[Evidence]:
    """The best of the evidence and all else that a complete answer says, by document, in its order.

    If not `wide`, what goes with the best one, and the sentence with the answer's words first.
    """
    lead, best = found[0], max(e.said for e in found)
    least = max(SAID_WIDE, OF_LIKELIEST_WIDE * best) if wide else max(SAID, OF_LIKELIEST * best)
    said = (e for e in found[1:] if e.said >= least and (wide or _goes_with(e, lead)))
    likely = _new([lead, *sorted(said, key=lambda e: -e.said)])[:MAX_SENTENCES]
    uris = list(dict.fromkeys(e.hit.chunk.uri for e in likely))
    chosen = {e.citation: e for e in likely}.values()
    first = next((e for e in chosen if e.answer), lead)
    return sorted(chosen, key=lambda e: (not wide and e is not first, uris.index(e.hit.chunk.uri), e.citation.start))


def _goes_with(one: Evidence, lead: Evidence) -> bool:
    """Whether it stands in the document of the best one, and is no item beside it: Friday's line is not Saturday's."""
    beside = _is_item(one) and _is_item(lead) and one.coverage < lead.coverage - SAME_WORDS
    return one.hit.chunk.uri == lead.hit.chunk.uri and not beside


def spoken(said: Sequence[Evidence]) -> list[Part]:
    """The sentences as they are said: items of lists and rows of tables, where there are several, on lines of their own."""
    several, under, parts = sum(map(_is_item, said)) > 1, "", list[Part]()
    for one in said:
        place = f"{one.hit.chunk.uri}\n{one.context}"
        begins = place != under and not one.text.rstrip().endswith((":", "：")) and not (several and layout.is_item(one.text))
        text = render_quote(one, alone=begins)
        parts.append(Part(layout.marker(one.text) + text if several and _is_item(one) else text, one))
        under = place
    return parts


def _is_item(one: Evidence) -> bool:
    return one.is_row or layout.is_item(one.text)
