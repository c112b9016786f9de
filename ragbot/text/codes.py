"""Codes: what is named by a number or by letters and digits, such as "PPS-9087", "F22a", "88-12", "line 34", "§ 4a", "第12条".

One notion for retrieval, evidence and claims: a code is as long as it is written. "F2" is not "F21", "34" is not "34A", and
"88-12" is not "88"; but "pps 9087" is "PPS-9087", since people write them as they like.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from ragbot.text.tokens import CJK, STOP_WORDS, has_cjk

_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z0-9]*\d[A-Za-z0-9]*(?:(?: ?[-/] ?|[_.#])(?=[A-Za-z0-9]*\d"
    r"|[A-Za-z]{1,2}(?![A-Za-z]))[A-Za-z0-9]+|:\d+)*"
    r"|(?<![A-Za-z0-9'’])(?!A [a-z])[A-HJ-Z](?![A-Za-z0-9'’./-]| \d)"
)
"""A capital letter by itself (gate B, but no "A lady"), or digits with the letters that touch them, and what follows
after a hyphen, a slash or a point, if it is short or has digits too."""
_BEFORE = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{1,6})[-_/#.]$")
"""Letters before a hyphen belong to the code: PPS-9087."""
_LABEL = re.compile(
    rf"((?<![A-Za-z'’])[A-Za-z]+|[{CJK}]|§)(?:\s+(?:no|nr|num|number|code))?[\s.:#]{{0,3}}$",
    re.IGNORECASE,
)
"""The word before a code: "line" of "line 34", "Part" of "Part no. 88-12"."""
_AFTER_CJK = re.compile(r"\s?([号号條条款路楼楼層层室版型口栋棟区區章页頁级級班期线線节節步])")
_NUMBERED_CJK = frozenset(
    "第条條款章节節步骤驟项項题題课課组組路线線楼樓层層栋棟室房间間门門口台柜桌区區版型级級班期页頁表图圖号號"
)
"""Characters before a number that may make a name of it; "把300" and "我25" name nothing."""
_LETTER_AFTER = re.compile(r" ([A-Z])(?![A-Za-z0-9.'’])")
"""A capital letter by itself after a number: platform 4 B."""
_MONTH = re.compile(r"\d ?月 ?$")
"""The month before a day: "4月19号" is no number 19."""
_PIECE = re.compile(r"[A-Za-z]+|\d+")
_UNIT = (
    r"(?:kg|g|mg|km|cm|mm|m|l|ml|h|hrs?|min|sec|s|pm|am|a\.m|p\.m|st|nd|rd|th|kw|w|v|kb|mb|gb|tb|hz|khz|mhz|ghz|bar|px|x|k|bn"
    r"|eur|usd|gbp|ft|in)"
)
_QUANTITY = re.compile(rf"\d+{_UNIT}", re.IGNORECASE)
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{2}|\d{4})|(?:1[89]|20)\d\d ?[-/] ?(?:1[89]|20)?\d\d"
)
_COUNTED = re.compile(
    rf"\s*(?:%|°|[€$£¥]|{_UNIT}\b|(?:euros?|dollars?|pounds?|crowns?|marks?|people|persons?|hours?|minutes?|seconds?"
    rf"|days?|weeks?|months?|years?"
    r"|times|percent|degrees|litres?|liters?|met(?:re|er)s?|kilomet(?:re|er)s?|miles?|pieces|items|guests?|children"
    r"|adults?|of|or)\b|[元块塊镑鎊欧歐美毫升克公千斤吨噸厘米里寸小时時分秒天日周年个個岁歲人位名次遍件份张張把只隻套双雙本度折倍万萬百多])",
    re.IGNORECASE,
)
"""What follows a number that counts something, and names nothing."""
_NO_LABELS = STOP_WORDS | frozenset(
    """january february march april june july august september october november december jan feb mar apr jun jul aug sep
    sept oct nov dec monday tuesday wednesday thursday friday saturday sunday cost costs pay pays paid take takes took
    last lasts weigh weighs hold holds fit fits need needs open opens close closes lend lends buy rent aged age old than
    least most about every per until till since near nearly around between within next only first second third two three
    four five not no for to by like plus minus times add""".split()
)
"""Words before a number that make no name of it: "costs 12", "on 24", "May 3"."""


MAX_ASKED = 20
"""So many codes of a question are looked for."""


_ORDINALS = frozenset("rule step clause section point paragraph question chapter lesson level § 条 條 款 章 节 節 步".split())
"""Words beside a number in a text that counts its parts: "step 2" is the second, whether it says "step" or not."""
_ITEM = re.compile(r"\s*(?:[-*+•·–]\s+)?(?:\*{1,2})?(\d{1,3}(?:\.\d{1,3})*)(?:[.)、]|(?=\s))")
"""The number that an item or a clause begins with."""


class Code(NamedTuple):
    """A code in a text."""

    parts: tuple[str, ...]
    """Its runs of letters and of digits, in small letters."""
    label: str
    """The word that says what it is a number of, in small letters; "" for none."""
    written: str
    start: int
    end: int

    @property
    def mixed(self) -> bool:
        """Whether it is more than one number: then it is a code whatever stands before it."""
        return len(self.parts) > 1

    @property
    def is_name(self) -> bool:
        """Whether nothing else is meant by it: a code, or the number of a rule. "Year 5" may be meant by "the upper school"."""
        return self.mixed or self.label in _ORDINALS

    @property
    def is_number(self) -> bool:
        """Whether it is a number of a list or a clause: 8, 1.2."""
        return all(part.isdigit() for part in self.parts) and not re.search(r"[-/]", self.written)


@lru_cache(maxsize=4096)
def codes_in(text: str) -> tuple[Code, ...]:
    """Every number, and every run of letters and digits, of a text, as what it might name."""
    text = text if text.isascii() else _normalized(text)
    return tuple(_code(text, found) for found in _TOKEN.finditer(text))


def _normalized(text: str) -> str:
    """The text with full-width characters as plain ones, each in its place. 10⁴ is not 104."""
    plain = (char if unicodedata.category(char) == "No" else unicodedata.normalize("NFKC", char) for char in text)
    return (
        "".join(new if len(new) == 1 else char for char, new in zip(text, plain, strict=True)).replace("–", "-").replace("×", "x")
    )


def _code(text: str, found: re.Match[str]) -> Code:
    start, end = found.span()
    if before := _BEFORE.search(text, max(0, start - 8), start):
        start = before.start()
    if text[end - 1].isdigit() and (letter := _LETTER_AFTER.match(text, end)):
        end = letter.end()
    written = text[start:end]
    label = _LABEL.search(text, max(0, start - 40), start)
    word = label[1].lower() if label else ""
    if has_cjk(word) and word not in _NUMBERED_CJK:
        word = ""
    after = _AFTER_CJK.match(text, end)
    if after and not _MONTH.search(text, max(0, start - 3), start):
        word = after[1]
    return Code(tuple(piece.lower() for piece in _PIECE.findall(written)), word, written, start, end)


def item_number(text: str) -> tuple[str, ...]:
    """The number that an item of a list or a clause begins with, in parts; () if it begins with none."""
    found = _ITEM.match(text)
    return tuple(found[1].split(".")) if found else ()


class Asked(NamedTuple):
    """A code that a question names."""

    code: Code
    exact: bool
    """Whether it has to be written just so: something else is written almost like it."""

    def is_named(self, other: Code) -> bool:
        """Whether a code in a text is the one that is asked for."""
        if self.code.label in _ORDINALS and self.code.is_number:
            # Any other number is none; that of an item is looked at where it begins.
            same_label = other.label == self.code.label or _short(other.label, self.code.label)
            return same_label and other.parts == self.code.parts
        if self.exact:
            return other.written.lower() == self.code.written.lower()
        return same(self.code, other)

    def rivals(self, other: Code) -> bool:
        """Whether a code in a text names something else of the kind that is asked for."""
        if self.is_named(other):
            return False
        mine, theirs = self.code, other
        if mine.label and (mine.label == theirs.label or _short(mine.label, theirs.label)):
            return True
        return other.mixed and (_shape(mine) == _shape(theirs) or mine.parts[0].isalpha() and mine.parts[0] == theirs.parts[0])


def same(one: Code, other: Code) -> bool:
    """Whether two codes name the same, however they are written."""
    if one.parts == other.parts:
        # Of bare numbers the words before them decide: platform 4 is not line 4.
        return one.mixed or other.mixed or not one.label or not other.label or _alike(one.label, other.label)
    return (one.label, *one.parts) == other.parts or one.parts == (other.label, *other.parts) or _version(one) == _version(other)


def _alike(one: str, other: str) -> bool:
    """Whether two words before a number are the same, or one is short for the other."""
    return one == other or _short(one, other) or other in _NO_LABELS or one in _NO_LABELS


def _short(one: str, other: str) -> bool:
    return min(len(one), len(other)) >= 3 and (one.startswith(other) or other.startswith(one))


def _version(code: Code) -> tuple[str, ...]:
    """Its parts, where a "v" before digits is the word "version"."""
    return code.parts[1:] if code.parts[0] == "v" and len(code.parts) > 2 else code.parts


def _shape(code: Code) -> str:
    return "".join("9" if part.isdigit() else "A" for part in code.parts)


def asked_codes(question: str, texts: Sequence[str]) -> list[Asked]:
    """The codes that a question names. A bare number is one where `texts` have a number after the same word."""
    plain = question if question.isascii() else _normalized(question)
    there = list({(code.parts, code.label, code.written): code for text in texts for code in codes_in(text)}.values())
    labels = {code.label for code in there if code.label} | {code.parts[0] for code in there if code.mixed}
    labels = {label for label in labels if not label.isdigit()} - _NO_LABELS
    cells = {code.parts for code in there if not code.label}
    prefixes = {code.parts[0] for code in there if code.mixed}
    found = []
    for code in codes_in(question)[:MAX_ASKED]:
        if not code.mixed and code.label in prefixes:  # PPS 908, where others are written PPS-9087
            code = code._replace(parts=(code.label, *code.parts), label="")
        if _QUANTITY.fullmatch(code.written) or _DATE.fullmatch(code.written) or not _names(code, plain, labels, cells):
            continue
        alike = {other.written.lower() for other in there if same(code, other) and other.parts == code.parts}
        found.append(Asked(code, len(alike) > 1 and code.mixed and code.written.lower() in alike))
    return found


def _names(code: Code, question: str, labels: set[str], cells: set[tuple[str, ...]]) -> bool:
    if not code.mixed:
        if code.parts[0].isdigit() and len(code.parts[0]) >= 5:
            return True
        alike = sum(len(parts) == 1 and parts[0].isdigit() and len(parts[0]) == len(code.parts[0]) for parts in cells)
        listed = len(code.parts[0]) >= 3 and alike >= 2  # numbers of this length stand in a column
        known = listed or code.label in _ORDINALS or code.parts in cells
        known = known or any(code.label == one or _short(code.label, one) for one in labels)
        return known and code.label not in _NO_LABELS and code.label != "" and not _COUNTED.match(question, code.end)
    if any(map(str.isalpha, code.parts)) or re.search(r"\d[-/]\d", code.written) or code.written.count(".") > 1:
        return True
    if not code.label or code.label in _NO_LABELS:
        return False
    known = code.label in _ORDINALS or code.label in labels or code.parts in cells and not _COUNTED.match(question, code.end)
    return known or _named_by_capital(code, question)


def _named_by_capital(code: Code, question: str) -> bool:
    """Whether a name stands before a number with a point: Ombrasol 0.25 %, Tallybird 2.2."""
    before = question[: code.start].split()
    return len(before) > 1 and before[-1][:1].isupper()


def query_forms(question: str) -> list[str]:
    """The codes of a question, written together and apart: a text may write them either way."""
    forms = []
    for code in codes_in(question)[:MAX_ASKED]:
        parts = code.parts if code.mixed else (code.label, *code.parts)
        if len(parts) > 1 and any(part.isalpha() for part in parts) and all(part.isascii() for part in parts):
            if code.mixed or len(code.label) <= 4 and code.label not in _NO_LABELS:
                forms += ["".join(parts), " ".join(parts)]
    return forms
