"""OpenDocument styles: how text looks, which parts of a file are not shown, and what is behind a text.

Element names are those of OpenDocument 1.3, part 3, 16 to 20.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers.colours import WHITE
from ingest.parsers.looks import NO_LOOK, Look
from ingest.parsers.scripts import Script

_NAMES = "urn:oasis:names:tc:opendocument:xmlns:"
OFFICE, TEXT, TABLE, DRAW, STYLE = (f"{{{_NAMES}{name}:1.0}}" for name in ("office", "text", "table", "drawing", "style"))
FO = f"{{{_NAMES}xsl-fo-compatible:1.0}}"
_STYLE_ELEMENTS = (STYLE + "style", STYLE + "default-style")
_PERCENT = re.compile(r"(-?)[0-9.]{1,8}%")
_POINTS = re.compile(r"([0-9.]{1,8})pt")
_NOT_STRUCK = frozenset({"none", ""})
_OFF = frozenset({"false"})
_COLLAPSED = frozenset({"collapse", "filter"})


class Styles:
    """The styles of a file by family and name. A style inherits from its parent, and at last from the default of its family."""

    def __init__(self, *roots: Element) -> None:
        self._elements: dict[tuple[str, str], Element] = {}
        for root in roots:
            for element in root.iter(*_STYLE_ELEMENTS):
                self._elements[element.get(f"{STYLE}family") or "", element.get(f"{STYLE}name") or ""] = element
        layouts = [layout for root in roots for layout in root.iter(f"{STYLE}page-layout-properties")]
        grounds = {layout.get(f"{FO}background-color") or "transparent" for layout in layouts}
        self.ground = WHITE if grounds <= {"transparent", "#ffffff"} else ""
        """The colour of the pages, "" if it is not known to be white."""
        self.look = cache(self._look)
        self.fill = cache(self._fill)
        self.is_hidden_table = cache(self._is_hidden_table)

    def parent(self, family: str, name: str) -> str:
        """The name of the style that a style inherits from: an automatic style such as "P1" from a named one such as "Title"."""
        element = self._elements.get((family, name))
        return "" if element is None else element.get(f"{STYLE}parent-style-name") or ""

    def takes_number_away(self, name: str) -> bool:
        """Whether a style of paragraphs says that they have no number."""
        said = (style.get(f"{STYLE}list-style-name") for style in self._chain("paragraph", name))
        return next((one for one in said if one is not None), None) == ""

    def _look(self, family: str, name: str) -> Look:
        look = NO_LOOK
        for style in self._chain(family, name):
            for properties in style.iterfind(f"{STYLE}text-properties"):
                look = look.over(_look_of(properties))
        return look

    def _fill(self, family: str, name: str) -> str | None:
        """The background of a paragraph, cell, row or table: six digits, "" if it is a picture, None if there is none."""
        for style in self._chain(family, name):
            for properties in style.iterfind(f"{STYLE}{family}-properties"):
                image = properties.find(f"{STYLE}background-image")
                if image is not None and image.attrib:
                    return ""
                if (colour := properties.get(f"{FO}background-color")) and colour != "transparent":
                    return str(colour).removeprefix("#")
        return None

    def _is_hidden_table(self, name: str) -> bool:
        said = [part.get(f"{TABLE}display") for style in self._chain("table", name) for part in style]
        return next(filter(None, said), "") in _OFF

    def _chain(self, family: str, name: str) -> Iterator[Element]:
        """A style, those that it inherits from, and the default of its family."""
        seen: set[str] = set()
        while name and name not in seen and (family, name) in self._elements:
            seen.add(name)
            yield self._elements[family, name]
            name = self.parent(family, name)
        if (family, "") in self._elements:
            yield self._elements[family, ""]


def is_hidden(element: Element) -> bool:
    """Whether a row, column, group of rows, section, field or paragraph is not shown by what it says itself."""
    if element.get(f"{TABLE}visibility") in _COLLAPSED or element.get(f"{TABLE}display") == "false":
        return True
    if element.tag == f"{TEXT}section":
        shown = element.get(f"{TEXT}display") or "true"
        return bool(shown == "none" or shown == "condition" and element.get(f"{TEXT}is-hidden") == "true")
    if element.tag == f"{TEXT}hidden-text":
        return bool(element.get(f"{TEXT}is-hidden") != "false")
    return any(mark.get(f"{TEXT}is-hidden") == "true" for mark in element.iterfind(f"{TEXT}hidden-paragraph"))


def _look_of(properties: Element) -> Look:
    display = properties.get(f"{TEXT}display")
    struck = [said for name in ("type", "style") if (said := properties.get(f"{STYLE}text-line-through-{name}")) is not None]
    points = _POINTS.fullmatch(properties.get(f"{FO}font-size") or "")
    colour, fill = properties.get(f"{FO}color"), properties.get(f"{FO}background-color")
    return Look(
        None if display is None else display == "none",
        not _NOT_STRUCK & set(struck) if struck else None,
        _script(properties.get(f"{STYLE}text-position")),
        float(points[1]) if points and points[1].count(".") < 2 and points[1] != "." else None,
        None if colour is None else colour.removeprefix("#"),
        None if fill in {None, "transparent"} else fill.removeprefix("#"),
    )


def _script(position: str | None) -> Script | None:
    """How text is set at a position: "super 58%", "sub 58%", "33% 58%" or "-33% 58%"."""
    if not position:
        return None
    where = position.split()[0] if position.split() else ""
    if where in {"super", "sub"}:
        return "raised" if where == "super" else "lowered"
    percent = _PERCENT.fullmatch(where)
    if not percent or not where.strip("-0.%"):
        return ""
    return "lowered" if percent[1] else "raised"
