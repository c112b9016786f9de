"""Another source that says otherwise."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from ragbot.answer.intent import Language
from ragbot.answer.quote import Evidence, render_quote
from ragbot.search.newer import outranks
from ragbot.temporal.conflicts import say_otherwise
from ragbot.temporal.dates import day_in_words
from ragbot.types import Citation

AS_MUCH = 0.05
"""How much less of the question's words the sentence of another source may hold."""
_OTHERWISE = {"en": "Another source says: {other}", "zh": "另一处资料说：{other}"}
_BEFORE = {"en": "An older source says ({day}): {other}", "zh": "较早的资料（{day}）说：{other}"}


def otherwise(language: Language, other: Evidence, lead: Evidence) -> str:
    """How what another source says is said; where it is older by a day or more, since when that held."""
    text, since = render_quote(other), other.hit.chunk.valid_from
    if lead.hit.chunk.valid_from - since < timedelta(days=1):
        return _OTHERWISE[language].format(other=text)
    return _BEFORE[language].format(other=text, day=day_in_words(since, chinese=language == "zh"))


def leading_first(evidence: Sequence[Evidence], authority: str) -> list[Evidence]:
    """The evidence, a sentence that contradicts its lead, outranks it and holds as much of the question before that one."""
    if not evidence or evidence[0].hit.chunk.kind != "file":
        return list(evidence)
    lead = evidence[0]
    rivals = [e for e in evidence[1:] if e.hit.chunk.kind == "file" and e.coverage >= lead.coverage - AS_MUCH and differ(lead, e)]
    for rival in rivals:
        lead = rival if outranks(rival.hit, lead.hit, authority) else lead
    return [lead, *(e for e in evidence if e is not lead)]


def find_other(evidence: Sequence[Evidence], given: Collection[Citation]) -> Evidence | None:
    """Evidence of another document that says otherwise than the first sentence given, and holds as much of the question."""
    lead = next((e for e in evidence if e.citation in given), None)
    if lead is None or lead.hit.chunk.kind != "file":
        return None
    others = (e for e in evidence if e.hit.chunk.kind == "file" and e.coverage >= lead.coverage - AS_MUCH)
    return next((e for e in others if e.citation not in given and differ(lead, e)), None)


def differ(one: Evidence, other: Evidence) -> bool:
    """Whether sentences of two documents are about the same, and their numbers, or what they negate, are not."""
    return one.hit.chunk.uri != other.hit.chunk.uri and say_otherwise(one.text, other.text)
