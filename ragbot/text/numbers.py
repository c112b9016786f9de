"""The numbers of a text in any writing: digits, English words, Chinese numerals, times of day."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen""".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_WORDS = {word: at for at, word in enumerate(_ONES)} | {word: 10 * at for at, word in enumerate(_TENS, 2)}
_SCALES = {"hundred": 100, "thousand": 1000}
_IN_WORDS = re.compile(
    rf"\b(?:{'|'.join(_WORDS)})(?:[ -](?:{'|'.join(_ONES[1:10])}))?(?: (?:{'|'.join(_SCALES)}))?\b", re.IGNORECASE
)
_DIGITS = re.compile(
    r"(?<![\d.:点點])(?:(?P<hour>[01]?\d|2[0-4])(?:[:：](?P<minute>[0-5]\d))?\s*(?P<half>[ap])\.?m\b"
    r"|(?P<h>[01]?\d|2[0-4])[:：](?P<m>[0-5]\d)(?!\d)|(?P<number>\d+(?:,\d{3})*(?:\.\d+)?))(?!\d*[点點])",
    re.IGNORECASE,
)
_DIGITS_CJK = {character: at for at, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_SCALES_CJK = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_CJK = re.compile(
    r"(?P<hour>[一二两三四五六七八九十]{1,3}|(?<!\d)\d{1,2})[点點](?:(?P<half>半)|(?P<quarters>[一三])刻|(?P<minute>[二三四五]?十[一二三四五六七八九]?|\d\d)分?)?"
    "|(?P<number>[零〇一二两三四五六七八九十百千万]+)"
)
_IDLE = frozenset({"one", "一"})
"""What mostly counts nothing ("this one", 一起)."""
_HALF_OF_DAY = re.compile(r"(?:(?P<a>上午|早上|早晨|清晨|凌晨)|(?P<p>下午|晚上|傍晚|中午))\s*$")


def numbers(text: str) -> Iterator[frozenset[str]]:
    """Each number of a text, as the set of its readings: 9 pm is 9 and 21:00, and 9:00 may be either half of the day."""
    for found in _DIGITS.finditer(text):
        if found["number"]:
            value = found["number"].replace(",", "")
            yield frozenset({value.rstrip("0").rstrip(".") if "." in value else value})
        else:
            yield _time(int(found["hour"] or found["h"]), found["minute"] or found["m"] or "00", (found["half"] or "").lower())
    for found in _IN_WORDS.finditer(text):
        if found[0].lower() not in _IDLE:
            yield frozenset({str(_of_words(found[0].lower()))})
    for found in _CJK.finditer(text):
        if found["hour"]:
            before = _HALF_OF_DAY.search(text[: found.start()])
            yield _time(_of_either(found["hour"]), _minutes(found), (before.lastgroup or "") if before else "")
        elif found[0] not in _IDLE:
            yield frozenset({str(_of_cjk(found[0]))})


def _time(hour: int, minute: str, half: str) -> frozenset[str]:
    hours = {hour}
    if half:
        hours = {hour % 12 + 12 * (half == "p")}
    elif hour < 12:
        hours = {hour, hour + 12}
    found = {f"{one}:{minute}" for one in hours}
    return frozenset(found | ({str(hour)} if minute == "00" else set()))


def _minutes(found: re.Match[str]) -> str:
    """The minutes of a time that is written as 九点半, 三点一刻 or 八点二十分."""
    if found["half"] or found["quarters"]:
        return "30" if found["half"] else str(15 * _of_cjk(found["quarters"]))
    return f"{_of_either(found['minute']):02}" if found["minute"] else "00"


def _of_either(text: str) -> int:
    return int(text) if text.isdecimal() else _of_cjk(text)


def _of_words(text: str) -> int:
    total = 0
    for word in re.split("[ -]", text):
        total = total * _SCALES[word] if word in _SCALES else total + _WORDS[word]
    return total


def _of_cjk(text: str) -> int:
    if not any(character in _SCALES_CJK for character in text):
        return int("".join(str(_DIGITS_CJK[character]) for character in text))
    total = part = 0
    digit = None
    for character in text:
        if character in _DIGITS_CJK:
            digit = _DIGITS_CJK[character]
        elif character == "万":
            total, part, digit = (total + part + (digit or 0)) * 10_000, 0, None
        else:
            part += (1 if digit is None else digit) * _SCALES_CJK[character]
            digit = None
    return total + part + (digit or 0)
