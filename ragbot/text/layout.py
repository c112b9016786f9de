"""How the sentences of an answer stand one after the other: items of lists on lines of their own. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ragbot.text.sentences import CJK_STOPS, CLOSERS, ITEM
from ragbot.types import Claim, Turn

_ITEM = re.compile(rf"[ \t\u3000]*(?:{ITEM}|\||#{{1,6}}[ \t])")
_NUMBER = re.compile(r"[ \t]*(\d{1,3})[.)][ \t]")
_OWN = re.compile(r"[ \t\u3000]*(?:\d{1,3}、|[（(])|[ \t\u3000]*[一二三四五六七八九十]{1,3}、")
"""What begins an item and is said with it."""
BULLET = "- "


def is_item(text: str) -> bool:
    """Whether it begins as an item of a list does."""
    return _ITEM.match(text) is not None


def marker(text: str) -> str:
    """What is put before an item when it is said: its number, or a bullet, if it has none that is a part of it."""
    number = _NUMBER.match(text)
    return f"{number[1]}. " if number else "" if _OWN.match(text) else BULLET


def between(before: str, text: str) -> str:
    """What stands between what was said and what is said next."""
    if not before:
        return ""
    if "\n" in text or is_item(text) or is_item(before.rpartition("\n")[2]):
        return "\n"
    return "" if before.rstrip(CLOSERS).endswith(tuple(CJK_STOPS)) else " "


def joined(texts: Iterable[str]) -> str:
    """The texts as one answer."""
    said = ""
    for text in texts:
        said += between(said, text) + text
    return said


def places_of_claims(turn: Turn) -> list[tuple[Claim, int, int]]:
    """The claims of a turn with their places (start, end) in its answer, in order; one that is not in it is left out."""
    found, at = [], 0
    for claim in turn.claims:
        start = turn.answer.find(claim.text, at)
        if start >= 0:
            at = start + len(claim.text)
            found.append((claim, start, at))
    return found
