"""Which passages say the same in the same words. Pure functions.

Case, punctuation, markup, white space and articles may differ, and one may hold the other; nothing else may.
Texts that are only much alike are not the same: a day, a number or a "not" is the whole difference between two rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

_WORD = re.compile(r"\w+")
_ARTICLES = frozenset({"the", "a", "an"})
_FEW_WORDS = 5
"""Less than this is held by many texts by chance."""

_Item = TypeVar("_Item")


def wording(text: str) -> str:
    """The words alone, each between spaces."""
    return f" {' '.join(word for word in _WORD.findall(text.casefold()) if word not in _ARTICLES)} "


def folded(items: Iterable[tuple[_Item, str, str]], most: int) -> list[tuple[_Item, Sequence[_Item]]]:
    """The first `most` of the items, best first with heading and text, that repeat no better one; each with what repeats it."""
    kept: list[tuple[_Item, list[_Item], str, str]] = []
    for item, heading, text in items:
        above, words = wording(heading), wording(text)
        held = words.count(" ") > _FEW_WORDS
        same = (one[1] for one in kept if above == one[2] and (words == one[3] or held and words in one[3]))
        if (repeats := next(same, None)) is not None:
            repeats.append(item)
        elif len(kept) < most:
            kept.append((item, [], above, words))
    return [(item, also) for item, also, _, _ in kept]
