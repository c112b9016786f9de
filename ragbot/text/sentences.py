"""Split text into sentences with their spans: the units that are quoted as answers.

A line break ends a sentence only after list items, headings and table rows and at blank lines,
since hard-wrapped files break lines in the middle of a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ragbot.text.tokens import CJK

ITEM = r"[-*+•·–][ \t]|\d{1,3}(?:[.)][ \t]|、)|[（(]\d{1,3}[)）]|[（(]?[一二三四五六七八九十]{1,3}[、)）]"
"""Pattern of the marker that begins a list item: a bullet or a number, Latin or Chinese."""
CJK_STOPS = "。！？"
CLOSERS = "\"'”’」』)）》〉】"
"""Quotes and brackets that may follow the full stop within its sentence."""


class Span(NamedTuple):
    """`text[start:end]`, in characters."""

    start: int
    end: int


_STARTS_ITEM = re.compile(rf"[ \t\u3000]*(?:{ITEM}|#{{1,6}}[ \t]|\||>|```)")
_ENDS_LINE = re.compile(r"[.!?:;。！？：；…|]['\"”’)\]]*[ \t]*$")
_RULE = re.compile(r"[ \t]*([=~^\"*+_-])\1{2,}\s*$")
"""A line of repeated signs: the underline of a heading, or a separator."""
_RECORD = re.compile(r"\s*([^:;\n]{1,40}): ")
"""The beginning of a table row that is written as "name: value; name: value"."""
_CONTINUES = re.compile(rf"[{CJK}，、》〉】）」』,-]$")
_STOP = re.compile(
    r"[《〈][^《》〈〉]{0,60}(?:[》〉]|\Z)"  # a Chinese title in brackets: a stop inside it does not end the sentence
    r"|(?P<stop>(?<![.!?…])[.!?…]+['\"”’)\]*_]*(?=\s)"
    rf"|(?<![{CJK_STOPS}])[{CJK_STOPS}]++[{CLOSERS}]*+(?![，、；：—,;:]))"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[.])(?:[A-Za-z]|e\.g|i\.e|etc|vs|cf|no|nos|dr|mr|mrs|ms|prof|st|jr|sr|inc|ltd|co|fig|approx|dept|tel|a\.m|p\.m)\.$",
    re.IGNORECASE,
)
_ITEM_NUMBER = re.compile(r"\s*(?:[-*+•·–]\s+)?(?:\d{1,3}|[ivxlcIVXLC]{1,6}|[A-Za-z])\.")
_TRIM = " \t\n\r\f\v\u3000"
_MAX_SHORT_LINE_CHARACTERS = 60
"""A shorter line without end punctuation is a heading or a row, not a wrapped line of prose."""


def sentences(text: str) -> list[Span]:
    """Spans of the sentences of `text` in order, without surrounding white space."""
    return [span for block in _blocks(text) for span in _split(text, block)]


def _blocks(text: str) -> Iterator[Span]:
    """Spans of lines within which a sentence may continue over line breaks."""
    start = 0
    lines = text.splitlines(keepends=True)
    offset = 0
    for number, line in enumerate(lines):
        offset += len(line)
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if _ends_block(line, following):
            yield Span(start, offset)
            start = offset
    if start < len(text):
        yield Span(start, len(text))


def _ends_block(line: str, following: str) -> bool:
    bare = line.strip()
    if not bare or not following.strip() or bare.startswith(("#", "|")):
        return True
    if _RULE.match(bare) or _RULE.match(following):
        return True
    if _STARTS_ITEM.match(following) or _ENDS_LINE.search(line.rstrip("\r\n")):
        return True
    if " | " in bare:
        return True
    if (first := _RECORD.match(line)) and (second := _RECORD.match(following)) and first[1] == second[1]:
        return True
    begins = following.lstrip(" \t*_")[:1].isupper()
    return len(bare) < _MAX_SHORT_LINE_CHARACTERS and begins and not _CONTINUES.search(bare)


def _split(text: str, block: Span) -> Iterator[Span]:
    start = block.start
    for stop in _STOP.finditer(text, block.start, block.end):
        if not stop["stop"]:
            continue
        before = text[max(start, stop.start() - 8) : stop.end()]
        if stop.group().startswith(".") and (_ABBREVIATION.search(before) or _ITEM_NUMBER.fullmatch(text, start, stop.end())):
            continue
        yield from _trimmed(text, start, stop.end())
        start = stop.end()
    yield from _trimmed(text, start, block.end)


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    while start < end and text[start] in _TRIM:
        start += 1
    while end > start and text[end - 1] in _TRIM:
        end -= 1
    if any(char.isalnum() for char in text[start:end]):
        yield Span(start, end)
