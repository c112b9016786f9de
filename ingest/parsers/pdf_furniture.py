"""Find running headers, footers and page numbers: what stands at the edge of page after page. Pure functions.

A line is furniture if the same line stands at the same edge of at least three pages, apart from a number that counts the
pages; a page number alone or with its word, or a line that takes turns with another, from two pages on. Other
numbers that differ make other lines: "Invoice 4711" and "Invoice 4712" stay. So does what stands further in, and the header
of a table that goes on: its rows need it on every page.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product
from typing import NamedTuple

from ingest.parsers.pdf_lines import Line, Page

_MIN_PAGES, _MIN_NUMBERED_PAGES = 3, 2
_MAX_PAGES_APART = 4
_MARGIN = 0.15
"""Furniture stands in this share of the height of a page, at the top or at the bottom."""
_MAX_EDGE_LINES = 5
_MAX_PLAIN_LINES = 2
"""As many lines stand at each edge of a page whose lines have no place."""
_MAX_FURNITURE_CHARACTERS = 200
_MAX_NUMBERS = 4
"""A line with more numbers is compared as it is."""
_MAX_PAGES_BEFORE = 1_000
"""The number of a page may be larger than its place in the file by this much; a larger one beside words means something else."""
_NUMBER = re.compile(r"\d{1,6}")
_ROMAN = re.compile(r"(?=[ivxl])(x[cl]|l?x{0,3})(i[xv]|v?i{0,3})")
_ROMAN_DIGITS = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_PAGE_NUMBER = re.compile(
    r"(?:\b(?:page|seite|pagina|página|pág\.|pg\.|pp?\.?) ?)\d{1,6}(?: ?(?:/|of|von|de|sur|di) ?\d{1,6})?"
    r"|第 ?\d{1,6} ?[页頁](?:.{0,4}\d{1,6} ?[页頁])?|\b\d{1,6} ?(?:/|of|von|de|sur|di) ?\d{1,6}\b",
    re.IGNORECASE,
)
_APART = re.compile(r"^\W*\d{1,6}\W*$|^\d{1,6}(?:  | ?[|·•–—] ?)|(?:  | ?[|·•–—] ?)\d{1,6}$")
"""A number alone, or parted from the words of its line."""
_WORDS = re.compile(r"[^\W\d_]{2,}")
_LETTER = re.compile(r"[^\W\d_]")
_CONTACT = re.compile(r"@|\bwww\.|https?:|\d\.\d|(?:\d[ /().-]{0,2}){6}")
"""Part of an address, a version, a date, or a telephone or account number."""
_CELL_STEP_POINTS = 3.0
_MAX_CLOSE_SIZES = 1.35
"""Lines that are less far apart, in font sizes, belong together."""
_COUNTED = "\0"
"""Stands in a key before a number from which the number of the page was taken."""


class _Placed(NamedTuple):
    number: int
    """The number of the line on its page, from 0."""
    line: Line
    height: float
    """0 at the bottom of the page, 1 at the top."""


def without_furniture(pages: Sequence[Page], title: str = "") -> list[Page]:
    """The pages without running headers, footers and page numbers.

    What would be lost otherwise is kept once: a header that is neither `title` nor a line elsewhere, before all other text,
    and a footer with an address, a telephone number, a version or a date, where it stands first.
    """
    if len(pages) < _MIN_NUMBERED_PAGES:
        return list(pages)
    placed = [_placed(page) for page in pages]
    repeated = _repeated(placed)
    if not repeated:
        return list(pages)
    found = [_furniture(lines, repeated, number) for number, lines in enumerate(placed)]
    names = {_letters(page.lines[at].text) for page, furniture in zip(pages, found, strict=True) for at in furniture}
    elsewhere = (
        _letters(line.text)
        for page, furniture in zip(pages, found, strict=True)
        for at, line in enumerate(page.lines)
        if at not in furniture
    )
    known = {_letters(title), *(letters for letters in elsewhere if letters in names)}
    headers: list[Line] = []  # of no section: on the page where they stand, they would be read under the heading before
    rest = [_rest(page, furniture, known, headers) for page, furniture in zip(pages, found, strict=True)]
    if headers:
        rest[0] = rest[0].with_lines([*headers, Line(""), *rest[0].lines])
    return rest


def _placed(page: Page) -> list[_Placed]:
    """The lines of a page from top to bottom."""
    lines = [(number, line) for number, line in enumerate(page.lines) if line.text.strip()]
    height = page.top - page.bottom
    if height:
        found = [_Placed(number, line, (line.baseline - page.bottom) / height) for number, line in lines if line.size]
        return sorted(found, key=lambda each: (-round(each.line.baseline), each.line.left))
    last = len(lines) - _MAX_PLAIN_LINES
    return [
        _Placed(number, line, 1.0 if at < _MAX_PLAIN_LINES else 0.0 if at >= last else 0.5)
        for at, (number, line) in enumerate(lines)
    ]


def _at_edge(lines: Sequence[_Placed], top: bool) -> list[_Placed]:
    """The lines near the top from the first one down, or near the bottom from the last one up."""
    if top:
        return [each for each in lines[:_MAX_EDGE_LINES] if each.height > 1 - _MARGIN]
    return [each for each in lines[: -_MAX_EDGE_LINES - 1 : -1] if each.height < _MARGIN]


def _repeated(pages: Sequence[Sequence[_Placed]]) -> dict[tuple[bool, str], set[int]]:
    """(whether at the top, key) of the lines that stand at the edges of enough pages near each other → these pages."""
    found: defaultdict[tuple[bool, str], dict[int, Line]] = defaultdict(dict)
    numbered: set[tuple[bool, str]] = set()
    for number, lines in enumerate(pages):
        for top in (True, False):
            keys = {key: line for _, line, _ in _at_edge(lines, top) for key in _keys(line, number)}
            for key, line in keys.items():
                found[top, key][number] = line
                if _COUNTED in key and _is_numbered(line):
                    numbered.add((top, key))
    repeated = defaultdict(set, _alternating(found))
    for place, at in found.items():
        least = _MIN_NUMBERED_PAGES if place in numbered else _MIN_PAGES
        if near := {number for group in _near(list(at)) if len(group) >= least for number in group}:
            repeated[place] |= near
    return repeated


def _alternating(found: dict[tuple[bool, str], dict[int, Line]]) -> dict[tuple[bool, str], set[int]]:
    """As `_repeated`: the lines that stand on every other page and take turns with lines of the same size and height."""
    every_other: defaultdict[tuple[int, tuple[bool, int, float]], list[tuple[bool, str]]] = defaultdict(list)
    for place, at in found.items():
        for number, line in at.items():
            if number + 1 not in at and number + 2 in at and _looks(at[number + 2]) == _looks(line):
                every_other[number, (place[0], *_looks(line))].append(place)
    repeated: defaultdict[tuple[bool, str], set[int]] = defaultdict(set)
    for (number, looks), places in every_other.items():
        if others := every_other.get((number + 1, looks)):
            for first, each in ((number, places), (number + 1, others)):
                for place in each:
                    repeated[place] |= {first, first + 2}
    return repeated


def _looks(line: Line) -> tuple[int, float]:
    return round(line.baseline), line.size


def _near(numbers: Sequence[int]) -> Iterator[list[int]]:
    """Ascending page numbers, divided where the same line is missing on many pages: chapters begin alike too."""
    group = [numbers[0]]
    for before, number in pairwise(numbers):
        if number - before > _MAX_PAGES_APART:
            yield group
            group = []
        group.append(number)
    yield group


def _is_numbered(line: Line) -> bool:
    """Whether a line says that its number is that of a page, or has nothing else."""
    return bool(_PAGE_NUMBER.search(line.text)) or not _LETTER.search(line.text)


def _keys(line: Line, page: int) -> Iterator[str]:
    """The text of a line, and variants in which numbers are counted from that of the page: pages share one if they differ so."""
    text = " ".join(line.text.casefold().split())
    if not text or len(text) > _MAX_FURNITURE_CHARACTERS:
        return
    if (roman := _roman(text.strip("-–—. "))) is not None:
        yield f"{_COUNTED}{roman - page}"
        return
    parts = _NUMBER.split(text)
    numbers = _NUMBER.findall(text)
    may_count = len(line.cells) > 1 or _PAGE_NUMBER.search(text) or _APART.search(text)
    if len(numbers) > _MAX_NUMBERS or not may_count:
        yield text
        return
    limit = page + _MAX_PAGES_BEFORE if _WORDS.search(text) else 10**6
    variants = ((number, f"{_COUNTED}{int(number) - page}") if int(number) <= limit else (number,) for number in numbers)
    for chosen in product(*variants):
        yield "".join(part + number for part, number in zip(parts, (*chosen, ""), strict=True))


def _roman(text: str) -> int | None:
    if not _ROMAN.fullmatch(text):
        return None
    values = [_ROMAN_DIGITS[digit] for digit in text]
    return sum(-value if value < max(values[at:]) else value for at, value in enumerate(values))


def _furniture(lines: Sequence[_Placed], repeated: dict[tuple[bool, str], set[int]], page: int) -> dict[int, bool]:
    """Number of a line → whether it stands at the top, of all furniture of a page."""
    found: dict[int, bool] = {}
    for top in (True, False):
        peeled: list[_Placed] = []
        for each in _at_edge(lines, top):
            if not any(page in repeated.get((top, key), ()) for key in _keys(each.line, page)):
                break
            peeled.append(each)
        inner = lines[len(peeled) :] if top else lines[: len(lines) - len(peeled)][::-1]
        while peeled and inner and _belongs_to(peeled[-1].line, inner[0].line):
            inner = [peeled.pop(), *inner]
        found |= {each.number: top for each in peeled if each.number not in found}
    if len(found) == len(lines):  # the page has nothing else
        found = {each.number: found[each.number] for each in lines if not _WORDS.search(_PAGE_NUMBER.sub("", each.line.text))}
    return found


def _belongs_to(line: Line, inner: Line) -> bool:
    """Whether a line at the edge belongs to the next one further in: it stands close to it, or is a row of the same table."""
    if line.size and 0 < abs(line.baseline - inner.baseline) < _MAX_CLOSE_SIZES * max(line.size, inner.size):
        return True
    if not 1 < len(line.cells) == len(inner.cells):
        return False
    alike = sum(abs(one - other) < _CELL_STEP_POINTS for one, other in zip(line.cells, inner.cells, strict=True))
    return alike >= 2


def _rest(page: Page, furniture: dict[int, bool], known: set[str], headers: list[Line]) -> Page:
    """The page without its furniture; what is not `known` yet is added there, a header to `headers` and a footer at its place."""
    if not furniture:
        return page
    lines: list[Line] = []
    for number, line in enumerate(page.lines):
        if number not in furniture:
            lines.append(line)
        elif kept := _kept(line, furniture[number], known):
            if furniture[number]:
                headers.append(replace(line, text=kept))
            else:
                lines += [Line(""), replace(line, text=kept)]  # no sentence goes on in it
    return page.with_lines(lines)


def _kept(line: Line, top: bool, known: set[str]) -> str:
    """The text of a line of furniture without its page number if it says something that is not `known`, else ""."""
    text = _PAGE_NUMBER.sub("", line.text).strip(" \t-–—|·•,/")
    letters = _letters(text)
    if not letters or {letters, _letters(line.text)} & known or not (top or _CONTACT.search(text)):
        return ""
    known |= {letters, _letters(line.text)}
    return text


def _letters(text: str) -> str:
    return "".join(_WORDS.findall(text.casefold()))
