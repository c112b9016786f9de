"""A question back to check what was understood: a sentence with something left out, and whether a reply puts it there."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ragbot.answer.persona import Words
from ragbot.text.tokens import STOP_WORDS, content

GAP = "____"
_NUMBER = re.compile(r"(?<![A-Za-z0-9])\d+(?:[.,:/]\d+)*")
_LEFT_OUT = re.compile(rf"{_NUMBER.pattern}(?![A-Za-z0-9])|\b[a-z]{{6,}}\b")
"""What may be left out: a number, or a long word."""
_HEDGED = re.compile(r"\b(?:not|no|never|or)\b|n['’]t\b|不是|还是|或者", re.IGNORECASE)
"""A reply that leaves it open, or says what it is not."""


def with_gap(sentences: Iterable[str]) -> str:
    """The first of some sentences that can be asked for, with a gap; "" if none can."""
    for text in sentences:
        gaps = [found for found in _LEFT_OUT.finditer(text) if found.group() not in STOP_WORDS]
        if gaps:
            gap = max(gaps, key=lambda found: (found.group()[0].isdigit(), len(found.group())))
            return f"{text[: gap.start()]}{GAP}{text[gap.end() :]}"
    return ""


def open_gap(answer: str, words: Words) -> str:
    """The sentence with a gap that an answer ended with; "" if it asked for none, or these words judge no reply."""
    if not (words.checking and words.right and words.wrong):
        return ""
    before, after = (re.escape(part) for part in words.checking.split("{gap}"))
    found = re.search(rf"(?:^|\s|(?<=[^\w\s])){before}((?:(?!{before}).)*{GAP}.*){after}$", answer, re.DOTALL)
    return found[1] if found else ""


def left_out(gap: str, sentence: str) -> str:
    """What a sentence has where the gap is; "" if it is another sentence."""
    before, _, after = gap.partition(GAP)
    fits = sentence.startswith(before) and sentence.endswith(after) and len(sentence) > len(before) + len(after)
    return sentence[len(before) : len(sentence) - len(after)] if fits else ""


def fills(reply: str, missing: str) -> bool:
    """Whether a reply says what was left out: its word in any form, or its number and no other."""
    if _HEDGED.search(reply):
        return False
    if missing[0].isdigit():
        return {_plain(number) for number in _NUMBER.findall(reply)} == {_plain(missing)}
    return set(content(missing)) <= set(content(reply))


def _plain(number: str) -> str:
    """A number without what groups its thousands, and without leading zeros."""
    return re.sub(r",(?=\d{3}(?!\d))", "", number).lstrip("0")
