"""The numbers of the items of ordered lists, as a page shows them (WHATWG HTML, 4.4.5 and 4.4.8)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bs4.element import Tag

_NUMBER = re.compile(r"\s*([+-]?\d{1,9})")
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l")),
    *((40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)
_MAX_ROMAN = 3999


@dataclass(slots=True)
class Numbering:
    """Counts the items of one list; `kind` is the `type` of the list, "" for one that shows no numbers."""

    kind: str
    next: int = 1
    step: int = 1

    def take(self, item: Tag) -> str:
        """The number before the next item, with its point; "" if it has none."""
        number = _number(item, "value", self.next)
        self.next = number + self.step
        return f"{_shown(number, str(item.get('type') or self.kind))}. " if self.kind else ""


def of_list(tag: Tag) -> Numbering:
    """The numbering of a list that begins."""
    if tag.name != "ol":
        return Numbering("")
    backwards = tag.has_attr("reversed")
    items = sum(isinstance(child, Tag) and child.name == "li" for child in tag.contents) if backwards else 1
    kind = tag.get("type")
    return Numbering("1" if kind is None else str(kind), _number(tag, "start", items), -1 if backwards else 1)


def _number(tag: Tag, name: str, otherwise: int) -> int:
    found = _NUMBER.match(str(tag.get(name) or ""))
    return int(found[1]) if found else otherwise


def _shown(number: int, kind: str) -> str:
    if kind in {"a", "A"} and number > 0:
        letters = _letters(number)
    elif kind in {"i", "I"} and 0 < number <= _MAX_ROMAN:
        letters = _roman(number)
    else:
        return str(number)
    return letters.upper() if kind.isupper() else letters


def _letters(number: int) -> str:
    """1 is "a", 26 "z", 27 "aa"."""
    letters = ""
    while number:
        number, place = divmod(number - 1, 26)
        letters = chr(ord("a") + place) + letters
    return letters


def _roman(number: int) -> str:
    letters = ""
    for value, sign in _ROMAN:
        times, number = divmod(number, value)
        letters += sign * times
    return letters
