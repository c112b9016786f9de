"""DOCX styles: whether a paragraph is a heading or a list item, and how the text of a run looks.

Styles inherit along `basedOn`; direct properties override them. Element names are those of ECMA-376, part 1, 17.7.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from docx.oxml.ns import nsmap
from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers.colours import WHITE
from ingest.parsers.looks import NO_LOOK, Look
from ingest.parsers.scripts import Script

W = f"{{{nsmap['w']}}}"
_OFF = frozenset({"0", "false", "off", "none"})
_SCRIPTS: Mapping[str, Script] = {"superscript": "raised", "subscript": "lowered", "baseline": ""}
_BODY_TEXT_LEVEL = 9
_POSITION = re.compile(r"(-?)[0-9]{1,4}")
_MIN_RAISED_HALF_POINTS = 3
"""Text that is moved less far keeps its line: converters move letters a little to fit those of a print."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The heading rank and list depth, from 1, of a paragraph, and its automatic numbering; 0 and "" if it has none."""

    heading: int = 0
    item: int = 0
    number_id: str = ""
    level: int | None = None
    """The level of the numbering, from 0; None if only a style says which."""


def look_of(properties: Element | None) -> Look:
    """What run properties (w:rPr) say of the look."""
    if properties is None or not len(properties):
        return NO_LOOK
    strike, double = _flag(properties, "strike"), _flag(properties, "dstrike")
    size = value(properties, "sz")
    return Look(
        _flag(properties, "vanish"),
        None if strike is double is None else bool(strike or double),
        _script(properties),
        int(size) / 2 if size.isdecimal() and len(size) < 6 else None,  # w:sz is in half points
        value(properties, "color") or None,
        fill_of(properties),
        count(properties, "w") or None,
    )


def _script(properties: Element) -> Script | None:
    """How run properties set the text: as a superscript or subscript, or moved up or down, in half points."""
    script = _SCRIPTS.get(value(properties, "vertAlign"))
    moved = _POSITION.fullmatch(value(properties, "position"))
    if script or moved is None or abs(int(moved[0])) < _MIN_RAISED_HALF_POINTS:
        return script
    return "lowered" if moved[1] else "raised"


def fill_of(properties: Element | None) -> str | None:
    """The shading of a run, paragraph or cell as six digits; None if it has none, "" if it is of another kind."""
    if properties is None:
        return None
    highlight = value(properties, "highlight")
    if highlight and highlight != "none":
        return WHITE if highlight == "white" else ""
    shading = properties.find(W + "shd")
    if shading is None or shading.get(W + "val") == "nil":
        return None
    fill = shading.get(W + "fill") or "auto"
    if shading.get(W + "val") in {"clear", None}:
        return None if fill == "auto" else fill
    return ""


class Styles:
    """The styles of a file by their ids."""

    def __init__(self, root: Element) -> None:
        self._by_id = {style.get(W + "styleId") or "": style for style in root.iter(W + "style")}
        self._default_look = look_of(root.find(f"{W}docDefaults/{W}rPrDefault/{W}rPr"))
        default = (id for id, style in self._by_id.items() if style.get(W + "default") in {"1", "true"} and _is_paragraph(style))
        self._default_id = next(default, "")
        self._kinds = cache(self._resolved_kind)
        self._looks = cache(self._resolved_look)
        self._fills = cache(self._resolved_fill)
        self._frames = cache(self._resolved_frame)

    def kind(self, paragraph: Element) -> Kind:
        """What a paragraph is."""
        properties = paragraph.find(W + "pPr")
        kind = self._kinds(self._id(properties, "pStyle"))
        return kind if properties is None else _direct(properties, kind)

    def style_id(self, paragraph: Element) -> str:
        """The id of the style of a paragraph; "" if the file has none."""
        return self._id(paragraph.find(W + "pPr"), "pStyle")

    def paragraph_look(self, paragraph: Element) -> Look:
        """How the runs of a paragraph look that say nothing of it themselves."""
        return self._looks(self.style_id(paragraph)).over(self._default_look)

    def run_look(self, run: Element, below: Look) -> Look:
        """How a run looks in a paragraph whose runs look like `below`."""
        properties = run.find(W + "rPr")
        if properties is None:
            return below
        named = value(properties, "rStyle")
        styled = self._looks(named).over(below) if named in self._by_id else below
        return look_of(properties).over(styled)

    def fill(self, paragraph: Element) -> str | None:
        """The shading of a paragraph, as `fill_of` returns it."""
        own = fill_of(paragraph.find(W + "pPr"))
        return self._fills(self.style_id(paragraph)) if own is None else own

    def frame(self, paragraph: Element) -> Element | None:
        """The frame (w:framePr) that a paragraph stands in; None if it stands in the text."""
        own = paragraph.find(f"{W}pPr/{W}framePr")
        return self._frames(self.style_id(paragraph)) if own is None else own

    def shades(self, table_style: str) -> bool:
        """Whether a table style colours any cell."""
        return any(next(style.iter(W + "shd"), None) is not None for style in self._chain(table_style))

    def number_id(self, style_id: str) -> str:
        """The numbering that a style of any type names, "" for none."""
        found = (value(style, "pPr", "numPr", "numId") for style in self._chain(style_id))
        return next(filter(None, found), "")

    def _id(self, properties: Element | None, name: str) -> str:
        named = "" if properties is None else value(properties, name)
        return named if named in self._by_id else self._default_id

    def _chain(self, style_id: str) -> Iterator[Element]:
        """A style, then those that it is based on."""
        seen: set[str] = set()
        while style_id in self._by_id and style_id not in seen:
            seen.add(style_id)
            yield self._by_id[style_id]
            style_id = value(self._by_id[style_id], "basedOn")

    def _resolved_kind(self, style_id: str) -> Kind:
        number_id, level = "", None
        kind = Kind()
        for style in self._chain(style_id):
            properties = style.find(W + "pPr")
            number_id = number_id or value(style, "pPr", "numPr", "numId")
            said = value(style, "pPr", "numPr", "ilvl")
            level = int(said) if level is None and said.isdecimal() and len(said) == 1 else level
            if not (kind.heading or kind.item):
                kind = _by_name(value(style, "name").lower())
            if not (kind.heading or kind.item) and properties is not None:
                kind = _direct(properties, kind)
        return Kind(kind.heading, kind.item, "" if number_id == "0" else number_id, level)

    def _resolved_look(self, style_id: str) -> Look:
        look = NO_LOOK
        for style in self._chain(style_id):
            look = look.over(look_of(style.find(W + "rPr")))
        return look

    def _resolved_fill(self, style_id: str) -> str | None:
        fills = (fill_of(style.find(W + "pPr")) for style in self._chain(style_id))
        return next((fill for fill in fills if fill is not None), None)

    def _resolved_frame(self, style_id: str) -> Element | None:
        frames = (style.find(f"{W}pPr/{W}framePr") for style in self._chain(style_id))
        return next((frame for frame in frames if frame is not None), None)


def value(element: Element, *path: str) -> str:
    """The `val` of an element inside, "" if there is none."""
    found = element.find(W + f"/{W}".join(path))
    return "" if found is None else found.get(W + "val") or ""


def count(element: Element, *path: str, maximum: int = 100) -> int:
    """The `val` of an element inside as a number of at most `maximum`, 0 if it is none."""
    said = value(element, *path)
    return min(int(said), maximum) if said.isdecimal() and len(said) < 10 else 0


def is_on(element: Element | None) -> bool:
    """Whether a property that is on or off is given, and on."""
    return element is not None and element.get(W + "val") not in _OFF


def _flag(properties: Element, name: str) -> bool | None:
    found = properties.find(W + name)
    return None if found is None else is_on(found)


def _is_paragraph(style: Element) -> bool:
    return bool(style.get(W + "type") == "paragraph")


def _direct(properties: Element, kind: Kind) -> Kind:
    """The kind of a paragraph: its direct properties override those of the style."""
    outline = properties.find(W + "outlineLvl")
    rank = count(properties, "outlineLvl") if outline is not None and not kind.heading else _BODY_TEXT_LEVEL
    heading = rank + 1 if rank < _BODY_TEXT_LEVEL else kind.heading
    numbering = properties.find(W + "numPr")
    if numbering is None:
        return Kind(heading, 0 if heading else kind.item, kind.number_id, kind.level)
    number_id = value(numbering, "numId")
    if number_id and not count(numbering, "numId"):
        return Kind(heading)  # numbering 0 takes the style's numbering away
    level = count(numbering, "ilvl", maximum=8)
    known = kind.level if numbering.find(W + "ilvl") is None else level
    return Kind(heading, 0 if heading else level + 1, number_id or kind.number_id, known)


def _by_name(name: str) -> Kind:
    """The built-in style of a name (lower case). Word stores these names in English whatever language it shows."""
    if name == "title":
        return Kind(heading=1)
    if match := re.fullmatch(r"heading ([1-9])", name):
        return Kind(heading=int(match[1]))
    if match := re.fullmatch(r"list (?:bullet|number)(?: ([2-9]))?", name):
        return Kind(item=int(match[1] or 1))
    return Kind()
