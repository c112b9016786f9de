"""ODT: the numbers before headings and list items (OpenDocument 1.3, part 3, 16.30 to 16.34 and 19.880)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import numerals
from ingest.parsers.odf_styles import STYLE, TEXT

_MAX_LEVELS = 10
_MAX_SIGNS = 20
_NUMBERED = {f"{TEXT}list-level-style-number", f"{TEXT}outline-level-style"}
_WRITERS: Mapping[str, Callable[[int], str]] = {
    "a": numerals.letter,
    "A": lambda number: numerals.letter(number).upper(),
    "i": numerals.roman,
    "I": lambda number: numerals.roman(number).upper(),
    "一, 二, 三, ...": numerals.chinese,
}
"""By the format of the number. Other formats are written in digits."""


@dataclass(frozen=True, slots=True)
class _Level:
    format: str = ""
    """"" for a level that writes no numbers."""
    prefix: str = ""
    suffix: str = ""
    shown: int = 1
    """How many levels the number is made of, this one included."""
    start: int = 1


_Levels = tuple[_Level, ...]
_NO_LEVELS: _Levels = (_Level(),) * _MAX_LEVELS


@dataclass(slots=True)
class Counter:
    """Counts the items of a list, or the headings of a file."""

    levels: _Levels
    counts: list[int | None] = field(default_factory=lambda: [None] * _MAX_LEVELS)

    def label(self, level: int, start: int | None = None) -> str:
        """Count one more item of a level, from 0, or restart it at `start`; return what stands before it."""
        if level >= _MAX_LEVELS:
            return ""
        before, numbering = self.counts[level], self.levels[level]
        following = numbering.start if before is None else before + 1
        self.counts[level] = following if start is None else start
        self.counts[level + 1 :] = [None] * (_MAX_LEVELS - level - 1)
        if not numbering.format:
            return ""
        numbers = [self._number(at) for at in range(max(level - numbering.shown + 1, 0), level + 1)]
        return f"{numbering.prefix}{'.'.join(filter(None, numbers))}{numbering.suffix}".strip()

    def _number(self, at: int) -> str:
        count, level = self.counts[at], self.levels[at]
        number = level.start if count is None else count
        return _WRITERS.get(level.format, str)(number) if level.format else ""


class ListStyles:
    """The numberings of a file by name."""

    def __init__(self, *roots: Element) -> None:
        self._levels: dict[str, _Levels] = {}
        self.outline: _Levels = _NO_LEVELS
        """That of the headings."""
        for root in roots:
            for element in root.iter(f"{TEXT}list-style"):
                self._levels[element.get(f"{STYLE}name") or ""] = _levels(element)
            for element in root.iter(f"{TEXT}outline-style"):
                self.outline = _levels(element)

    def counter(self, name: str) -> Counter:
        """A counter for a new list of this style."""
        return Counter(self._levels.get(name, _NO_LEVELS))


def count(element: Element, name: str) -> int | None:
    """A number that an attribute in the name space of text says, None if it says none."""
    said = element.get(TEXT + name) or ""
    return int(said) if said.isdecimal() and len(said) < 7 else None


def _levels(style: Element) -> _Levels:
    levels = list(_NO_LEVELS)
    for element in style:
        at = (count(element, "level") or 1) - 1
        if element.tag in _NUMBERED and at < _MAX_LEVELS:
            start = count(element, "start-value")
            levels[at] = _Level(
                element.get(f"{STYLE}num-format") or "",
                (element.get(f"{STYLE}num-prefix") or "")[:_MAX_SIGNS],
                (element.get(f"{STYLE}num-suffix") or "")[:_MAX_SIGNS],
                count(element, "display-levels") or 1,
                1 if start is None else start,
            )
    return tuple(levels)
