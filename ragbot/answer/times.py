"""Which moment a question is about, if not now."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

from ragbot.answer.intent import Ask
from ragbot.temporal.dates import Period, periods
from ragbot.text.tokens import simplified

_MICROSECOND = timedelta(microseconds=1)
_UP_TO = re.compile(r"\b(?:before|until|till|prior to|up to|by)(?: the)?(?: (?:start|beginning|end) of)?\s*$", re.IGNORECASE)
_AFTER = re.compile(r"\b(?:since|after|from|starting)\s*$", re.IGNORECASE)
_LEADS_IN = re.compile(r"\b(?:as of|in|on|at|during|back in|of)(?: the)?\s*$", re.IGNORECASE)
_PAST = re.compile(
    r"\b(?:was|were|did|had|said|used to|as of|back|before|until|till|last|ago|yesterday|previous)\b"
    r"|[去前]年|上|昨|前|当时|那时|原来|过|\d年",
    re.IGNORECASE,
)
"""Without such a word a time is one to come, or one that comes again."""
_UP_TO_ZH = re.compile(r"^(?:之前|以前|前)")
_AFTER_ZH = re.compile(r"^(?:之后|以后|后|以来|起)")
_BEFORE = re.compile(
    r"\b(?:before(?: (?:that|this|the (?:change|update|new version)))?\W*$|previous(?:ly)?|used to|former(?:ly)?|in the past"
    r"|back then|earlier version|old version|originally)\b|\bbefore\W*$|以前|之前|原来|原先|曾经|旧版|上一版",
    re.IGNORECASE,
)


def moment_asked(text: str, now: datetime) -> tuple[datetime, Period] | None:
    """The last moment of the past time that a question names, and where it names it; None where it names none, or several."""
    if not _PAST.search(simplified(text)):
        return None
    found = [one for one in periods(text, now.date(), "past") if one.since <= now]
    if len(found) != 1:
        return None
    one, plain = found[0], simplified(text)
    before, behind = plain[: one.start], plain[one.stop :]
    if _AFTER.search(before) or _AFTER_ZH.search(behind):
        return None
    first = _UP_TO.search(before) or _UP_TO_ZH.search(behind)
    return (one.since if first else min(one.until, now)) - _MICROSECOND, one


def asks_before(text: str) -> bool:
    """Whether a question asks what was so before what is so now."""
    return _BEFORE.search(simplified(text)) is not None


def without_time(ask: Ask, when: Period) -> Ask:
    """The question without the words of its time, which no passage of that time holds."""
    words = ask.text[when.start : when.stop]
    before = ask.text[: when.start]
    lead = next((found[0] for pattern in (_UP_TO, _LEADS_IN) if (found := pattern.search(before))), "")

    def bare(text: str) -> str:
        return text.replace(lead + words, "").replace(words, "").strip()

    parts = tuple(filter(None, map(bare, ask.parts)))
    return replace(ask, text=bare(ask.text), question=bare(ask.question), standalone=bare(ask.standalone), parts=parts)
