"""DOCX: the numbers that Word puts before clauses, headings and list items (ECMA-376, part 1, 17.9)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import numerals
from ingest.parsers.docx_styles import Styles, W, count, is_on, value

_MAX_LEVELS = 9
_MAX_LABEL_CHARACTERS = 100
_PLACE = re.compile("%([1-9])")
_WRITERS: Mapping[str, Callable[[int], str]] = {
    "lowerLetter": numerals.letter,
    "upperLetter": lambda number: numerals.letter(number).upper(),
    "lowerRoman": numerals.roman,
    "upperRoman": lambda number: numerals.roman(number).upper(),
    "decimalZero": "{:02}".format,
    **dict.fromkeys(("chineseCounting", "chineseCountingThousand", "japaneseCounting"), numerals.chinese),
    **dict.fromkeys(("taiwaneseCounting", "taiwaneseCountingThousand", "ideographDigital"), numerals.chinese),
    "none": lambda _: "",
}
"""Other formats are written in digits."""


@dataclass(frozen=True, slots=True)
class _Level:
    """One level of a numbering."""

    text: str
    """With %1 in the place of the number of level 1, and so on."""
    format: str
    start: int
    restarts: bool
    is_legal: bool
    """Whether it writes the numbers of all levels in digits."""
    style_id: str

    def number(self, value: int) -> str:
        return _WRITERS.get(self.format, str)(value)


_NO_LEVEL = _Level("", "bullet", 1, True, False, "")


@dataclass(slots=True)
class _List:
    """The levels of an abstract numbering, and how far they have been counted; numberings based on it go on counting."""

    levels: list[_Level] = field(default_factory=lambda: [_NO_LEVEL] * _MAX_LEVELS)
    counts: list[int | None] = field(default_factory=lambda: [None] * _MAX_LEVELS)


@dataclass(slots=True)
class _Numbering:
    """A numbering: a list, and the levels that it starts at other numbers or replaces."""

    counted: _List
    levels: list[_Level]
    starts: dict[int, int]
    """The numbers to start at when the level is first used."""


class Numberings:
    """All numberings of a file. Paragraphs are to be counted in the order of the document."""

    def __init__(self, root: Element | None, styles: Styles) -> None:
        self._styles = styles
        elements = [] if root is None else root.findall(W + "abstractNum")
        self._abstract = {element.get(W + "abstractNumId") or "": element for element in elements}
        numbers = [] if root is None else root.findall(W + "num")
        self._elements = {element.get(W + "numId") or "": element for element in numbers}
        self._lists: dict[str, _List] = {}
        self._numberings: dict[str, _Numbering | None] = {}

    def level(self, number_id: str, style_id: str) -> int:
        """The level, from 0, that a numbering is linked to a style at."""
        numbering = self._numbering(number_id)
        levels = numbering.levels if numbering else []
        return next((at for at, level in enumerate(levels) if style_id and level.style_id == style_id), 0)

    def label(self, number_id: str, level: int) -> str:
        """Count one more paragraph of a numbering, and return what stands before it; "" for a bullet."""
        numbering = self._numbering(number_id)
        if numbering is None or level >= _MAX_LEVELS:
            return ""
        counts, levels = numbering.counted.counts, numbering.levels
        before, start = counts[level], numbering.starts.pop(level, None)
        if start is not None:
            counts[level] = start
        else:
            counts[level] = levels[level].start if before is None else before + 1
        for deeper in range(level + 1, _MAX_LEVELS):
            if levels[deeper].restarts:
                counts[deeper] = None
        if levels[level].format == "bullet":
            return ""
        written = _PLACE.sub(lambda place: _number(numbering, level, int(place[1]) - 1), levels[level].text)
        return written.strip()[:_MAX_LABEL_CHARACTERS]

    def _numbering(self, number_id: str) -> _Numbering | None:
        if number_id not in self._numberings:
            element = self._elements.get(number_id)
            self._numberings[number_id] = None if element is None else self._made(element)
        return self._numberings[number_id]

    def _made(self, element: Element) -> _Numbering | None:
        counted = self._list(value(element, "abstractNumId"))
        if counted is None:
            return None
        levels, starts = list(counted.levels), {}
        for override in element.findall(W + "lvlOverride"):
            at = _level_number(override)
            replaced = override.find(W + "lvl")
            if replaced is not None:
                levels[at] = _level(replaced)
            if override.find(W + "startOverride") is not None:
                starts[at] = count(override, "startOverride", maximum=100_000)
        return _Numbering(counted, levels, starts)

    def _list(self, abstract_id: str) -> _List | None:
        element = self._abstract.get(abstract_id)
        if element is not None and (style := value(element, "numStyleLink")):  # the levels are those of another list
            number = self._elements.get(self._styles.number_id(style))
            linked_id = "" if number is None else value(number, "abstractNumId")
            abstract_id, element = linked_id, self._abstract.get(linked_id)
        if element is None:
            return None
        if abstract_id not in self._lists:
            made = _List()
            for level in element.findall(W + "lvl"):
                made.levels[_level_number(level)] = _level(level)
            self._lists[abstract_id] = made
        return self._lists[abstract_id]


def _number(numbering: _Numbering, level: int, at: int) -> str:
    """The number of the level `at` in the label of a paragraph of a `level`."""
    there, counted = numbering.levels[at], numbering.counted.counts[at]
    number = there.start if counted is None else counted
    return str(number) if numbering.levels[level].is_legal else there.number(number)


def _level(element: Element) -> _Level:
    start = count(element, "start", maximum=100_000) if element.find(W + "start") is not None else 0
    restart = element.find(W + "lvlRestart")
    return _Level(
        value(element, "lvlText")[:_MAX_LABEL_CHARACTERS],
        value(element, "numFmt") or "decimal",
        start,
        restart is None or value(element, "lvlRestart") != "0",
        is_on(element.find(W + "isLgl")),
        value(element, "pStyle"),
    )


def _level_number(element: Element) -> int:
    said = element.get(W + "ilvl") or ""
    return min(int(said), _MAX_LEVELS - 1) if said.isdecimal() and len(said) < 3 else 0
