"""PPTX: which shapes and runs of a slide are seen, and what numbers stand before its paragraphs.

Colours count only where they are said directly: what a layout or a style of tables may put behind a text is not known,
and text on an unknown ground is seen. Element names are those of ECMA-376, part 1, 19 to 21.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from lxml.etree import _Element as Element  # type: ignore[import-untyped]
from pptx.opc.package import Part, XmlPart
from pptx.oxml.ns import qn
from pptx.slide import Slide

from ingest.parsers import markup, numerals
from ingest.parsers.colours import WHITE, similar
from ingest.parsers.looks import MAX_UNREADABLE_POINTS
from ingest.parsers.pptx_places import Box, box_of, contains, integer, is_upright, overlap
from ingest.parsers.scripts import Script
from ingest.parsers.themes import scheme_colours
from ragbot.errors import BrokenError

UNKNOWN_GROUND = ""
_OFF, _ON = frozenset({"0", "false"}), frozenset({"1", "true"})
_FILLS = frozenset({"solidFill", "gradFill", "blipFill", "pattFill", "grpFill"})
_MAX_COVERS = 300
"""With more filled shapes on a slide, what lies before and behind its texts is not looked for."""
_MAX_PLACEHOLDERS = 100
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_STRUCK = frozenset({"sngStrike", "dblStrike"})
_AUTO_NUMBER = re.compile(r"(arabic|alphaLc|alphaUc|romanLc|romanUc|ea1Chs|ea1Cht)(?:Db)?(Period|ParenR|ParenBoth|Plain|.*)")
_SIGNS = {"Period": "{}.", "ParenR": "{})", "ParenBoth": "({})", "Plain": "{}"}


def is_hidden_slide(slide: Slide) -> bool:
    """Whether a slide is skipped when the presentation is shown."""
    return slide.element.get("show") in _OFF


def is_hidden_shape(shape: Element) -> bool:
    """Whether a shape or a group is switched off."""
    named = shape[0].find(qn("p:cNvPr")) if len(shape) else None
    return named is not None and named.get("hidden") in _ON


def moves(slide: Slide) -> bool:
    """Whether anything moves on a slide, so that it need not begin on it."""
    return next(slide.element.iter(qn("p:animMotion")), None) is not None


def script_of(run: Element) -> Script:
    """How a run is set, of its own properties."""
    properties = run.find(qn("a:rPr"))
    baseline = integer("" if properties is None else (properties.get("baseline") or "").rstrip("%")) or 0
    return "raised" if baseline > 0 else "lowered" if baseline < 0 else ""


def is_struck(run: Element) -> bool:
    """Whether a run is struck out."""
    properties = run.find(qn("a:rPr"))
    return properties is not None and properties.get("strike") in _STRUCK


@dataclass(frozen=True, slots=True)
class Cover:
    """A filled shape or a picture, which may lie before or behind a text."""

    shape: Element
    number: int
    """Its place in the order in which the shapes of the slide are drawn; -1 for one of the layout or the master."""
    box: Box | None
    solid: bool
    """Whether it is a rectangle that nobody sees anything through."""
    colour: str
    """Six hexadecimal digits, or UNKNOWN_GROUND."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What is behind the texts of a slide."""

    theme: Mapping[str, str]
    """The colours of the theme by the names that this slide uses."""
    slide: str
    """The colour of the background, six hexadecimal digits, or UNKNOWN_GROUND."""
    covers: tuple[Cover, ...]
    """In the order in which they are drawn."""
    order: Mapping[Element, int]
    """The place of each shape in that order."""
    placed: Mapping[Element, Box]
    """Where the placeholders lie that have their place from the layout."""
    inherits_fills: bool = False
    """Whether the layout or the master fills placeholders, so that the ground of a placeholder is not known."""
    animated: bool = False
    """Whether shapes come or go while the slide is shown."""

    def of_shape(self, shape: Element) -> str:
        """The colour behind the text of a shape."""
        properties = shape.find(qn("p:spPr"))
        fill = None if properties is None else self._fill(properties)
        if fill is not None:
            return fill
        if _is_styled(shape) and (properties is None or properties.find(qn("a:noFill")) is None):
            return UNKNOWN_GROUND
        if len(self.covers) > _MAX_COVERS or self.inherits_fills and _is_placeholder(shape):
            return UNKNOWN_GROUND
        box, number = self._box(shape), self.order.get(shape, len(self.order))
        behind = (cover for cover in reversed(self.covers) if cover.number < number and overlap(cover.box, box))
        nearest = next(behind, None)
        if nearest is None:
            return self.slide
        return nearest.colour if nearest.solid and contains(nearest.box, box) else UNKNOWN_GROUND

    def is_covered(self, shape: Element) -> bool:
        """Whether a shape lies wholly behind one that is drawn later."""
        box, number = self._box(shape), self.order.get(shape)
        if box is None or number is None or self.animated or len(self.covers) > _MAX_COVERS:
            return False
        return any(cover.solid and cover.number > number and contains(cover.box, box) for cover in self.covers)

    def _box(self, shape: Element) -> Box | None:
        return self.placed.get(shape) or box_of(shape)

    def of_cell(self, cell: Element) -> str:
        """The colour behind the text of a table cell."""
        properties = cell.find(qn("a:tcPr"))
        return (None if properties is None else self._fill(properties)) or UNKNOWN_GROUND

    def hides(self, run: Element, ground: str) -> bool:
        """Whether nobody sees a run on this ground: it is tiny, or has the same colour."""
        properties = run.find(qn("a:rPr"))
        if properties is None:
            return False
        size = integer(properties.get("sz"))
        if size is not None and size / 100 <= MAX_UNREADABLE_POINTS:
            return True
        plain = properties.find(qn("a:highlight")) is None
        return plain and similar(self._fill(properties) or "", ground)

    def _fill(self, properties: Element) -> str | None:
        """The fill that properties say: six digits, UNKNOWN_GROUND for one of another kind, None for none."""
        filled = next((child for child in properties if markup.local(child) in _FILLS), None)
        return None if filled is None else _colour(filled, self.theme)


def grounds_of(slide: Slide) -> Grounds:
    """What is behind the texts of a slide, as far as its layout and theme say, where it has them."""
    own = list(slide.element.iter(qn("p:sp"), qn("p:pic"), qn("p:graphicFrame")))
    order = {shape: number for number, shape in enumerate(own)}
    animated = next(slide.element.iter(qn("p:spTgt")), None) is not None
    layout = _related(slide.part, "slideLayout")
    master = None if layout is None else _related(layout, "slideMaster")
    if not isinstance(layout, XmlPart) or not isinstance(master, XmlPart):
        return Grounds({}, UNKNOWN_GROUND, tuple(_covers(order, {}, {})), order, {}, animated=animated)
    theme = _theme(master)
    elements = slide.element, layout._element, master._element
    below = [shape for element in elements[1:] for shape in element.iter(qn("p:sp"), qn("p:pic"), qn("p:graphicFrame"))]
    inherits_fills = any(_is_placeholder(shape) and _is_filled(shape) for shape in below)
    placed = _placed(slide)
    seen = {shape: -1 for shape in below if not _is_placeholder(shape)}
    covers = tuple(_covers({**seen, **order}, placed, theme))
    return Grounds(theme, _background(elements, theme), covers, order, placed, inherits_fills, animated)


def _placed(slide: Slide) -> dict[Element, Box]:
    """Where the placeholders lie that have their place from the layout or the master."""
    placed = {}
    for shape in islice(slide.placeholders, _MAX_PLACEHOLDERS):
        if box_of(shape.element) is not None:
            continue
        try:
            left, top, width, height = shape.left, shape.top, shape.width, shape.height
        except (KeyError, ValueError):  # python-pptx does not know of which type the one of the master is
            continue
        if None not in {left, top, width, height}:
            placed[shape.element] = (int(left), int(top), int(left + width), int(top + height))
    return placed


def _covers(order: Mapping[Element, int], placed: Mapping[Element, Box], theme: Mapping[str, str]) -> Iterator[Cover]:
    """The filled shapes that are shown, of shapes with their places in the order of drawing."""
    for shape, number in order.items():
        above = (shape, *shape.iterancestors())
        if not _is_filled(shape) or any(part.tag == _FALLBACK or is_hidden_shape(part) for part in above):
            continue
        properties = shape.find(qn("p:spPr"))
        filled = None if properties is None else properties.find(qn("a:solidFill"))
        colour = UNKNOWN_GROUND if filled is None else _colour(filled, theme)
        yield Cover(shape, number, placed.get(shape) or box_of(shape), _is_solid(shape), colour)


def _is_solid(shape: Element) -> bool:
    """Whether a shape is an upright rectangle with a fill that nobody sees anything through."""
    geometry = shape.find(f"{qn('p:spPr')}/{qn('a:prstGeom')}")
    if markup.local(shape) != "sp" or geometry is None or geometry.get("prst") != "rect" or not is_upright(shape):
        return False
    fill = shape.find(f"{qn('p:spPr')}/{qn('a:solidFill')}")
    return fill is not None and next(fill.iter(qn("a:alpha"), qn("a:alphaMod"), qn("a:alphaOff")), None) is None


def _is_placeholder(shape: Element) -> bool:
    return shape.find(f"{{*}}*/{qn('p:nvPr')}/{qn('p:ph')}") is not None


def _related(part: Part, kind: str) -> Part | None:
    """The part of a kind that another one refers to, None if it is missing."""
    relations = (relation for relation in part.rels.values() if not relation.is_external)
    return next((relation.target_part for relation in relations if relation.reltype.endswith(f"/{kind}")), None)


def _background(parts: tuple[Element, ...], theme: Mapping[str, str]) -> str:
    for part in parts:
        background = part.find(f"{qn('p:cSld')}/{qn('p:bg')}")
        if background is not None:
            solid = background.find(f"{qn('p:bgPr')}/{qn('a:solidFill')}")
            reference = background.find(qn("p:bgRef"))
            said = solid if solid is not None else reference
            return UNKNOWN_GROUND if said is None else _colour(said, theme)
    return WHITE


def _colour(fill: Element, theme: Mapping[str, str]) -> str:
    """The one colour of a fill, UNKNOWN_GROUND if it has another kind or is changed from that of the theme."""
    if len(fill) != 1 or len(fill[0]):
        return UNKNOWN_GROUND
    value = fill[0].get("val") or ""
    return value if markup.local(fill[0]) == "srgbClr" else theme.get(value, UNKNOWN_GROUND)


def _theme(master: XmlPart) -> dict[str, str]:
    """The colours of the theme by the names that slides use; none if the theme is missing or damaged."""
    part, names = _related(master, "theme"), master._element.find(qn("p:clrMap"))
    try:
        theme = None if part is None else markup.parse(part.blob, "theme")
    except BrokenError:
        theme = None
    colours = {} if theme is None else scheme_colours(theme)
    used = {name: colours.get(value, "") for name, value in ({} if names is None else names.attrib).items()}
    return {**colours, **used}


def _is_filled(shape: Element) -> bool:
    """Whether a shape may cover what is behind it."""
    if markup.local(shape) != "sp":
        return True
    properties = shape.find(qn("p:spPr"))
    said = set() if properties is None else {markup.local(child) for child in properties}
    return bool(said & _FILLS) or "noFill" not in said and _is_styled(shape)


def _is_styled(shape: Element) -> bool:
    reference = shape.find(f"{qn('p:style')}/{qn('a:fillRef')}")
    return reference is not None and reference.get("idx") not in {None, "0"}


@dataclass(slots=True)
class Numbers:
    """Counts the automatically numbered paragraphs of a text."""

    _counts: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Level → what the last paragraph of it says of its numbering, and its number."""

    def label(self, level: int, numbering: Element | None) -> str:
        """Count one more paragraph with a `numbering` (a:buAutoNum), or none, and return what stands before it."""
        for deeper in [other for other in self._counts if other > level]:
            del self._counts[deeper]
        if numbering is None:
            self._counts.pop(level, None)
            return ""
        kind, start = numbering.get("type") or "", numbering.get("startAt") or "1"
        before, number = self._counts.get(level, ("", 0))
        number = number + 1 if before == f"{kind} {start}" else integer(start) or 1
        self._counts[level] = f"{kind} {start}", number
        return _written(kind, number)


def _written(kind: str, number: int) -> str:
    parts = _AUTO_NUMBER.match(kind)
    if not parts:
        return f"{number}."
    match parts[1]:
        case "alphaLc" | "alphaUc":
            text = numerals.letter(number)
        case "romanLc" | "romanUc":
            text = numerals.roman(number)
        case "arabic":
            text = str(number)
        case _:
            text = numerals.chinese(number)
    return _SIGNS.get(parts[2], "{}.").format(text.upper() if parts[1].endswith("Uc") else text)


def texts(element: Element) -> Iterator[str]:
    """The texts in an element, as they stand in the file."""
    return (part.text or "" for part in element.iter(qn("a:t")))
