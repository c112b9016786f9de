"""PPTX: which shapes and runs of a slide are seen, and what numbers stand before its paragraphs.

Colours count only where they are said directly: what a layout or a style of tables may put behind a text is not known,
and text on an unknown ground is seen. Element names are those of ECMA-376, part 1, 19 to 21.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lxml.etree import _Element as Element  # type: ignore[import-untyped]
from pptx.opc.package import Part, XmlPart
from pptx.oxml.ns import qn
from pptx.slide import Slide

from ingest.parsers import markup, numerals
from ingest.parsers.colours import WHITE, similar
from ingest.parsers.looks import MAX_UNREADABLE_POINTS
from ingest.parsers.scripts import Script
from ingest.parsers.themes import scheme_colours
from ragbot.errors import BrokenError

UNKNOWN_GROUND = ""
_OFF, _ON = frozenset({"0", "false"}), frozenset({"1", "true"})
_FILLS = frozenset({"solidFill", "gradFill", "blipFill", "pattFill", "grpFill"})
_STRUCK = frozenset({"sngStrike", "dblStrike"})
_NUMBER = re.compile(r"-?[0-9]{1,8}")
_AUTO_NUMBER = re.compile(r"(arabic|alphaLc|alphaUc|romanLc|romanUc|ea1Chs|ea1Cht)(?:Db)?(Period|ParenR|ParenBoth|Plain|.*)")
_SIGNS = {"Period": "{}.", "ParenR": "{})", "ParenBoth": "({})", "Plain": "{}"}

Box = tuple[int, int, int, int]
"""Left, top, right and bottom."""


def is_hidden_slide(slide: Slide) -> bool:
    """Whether a slide is skipped when the presentation is shown."""
    return slide.element.get("show") in _OFF


def is_hidden_shape(shape: Element) -> bool:
    """Whether a shape or a group is switched off."""
    return any(part.get("hidden") in _ON for part in shape.iterfind(f"{{*}}*/{qn('p:cNvPr')}"))


def is_off(shape: Element, width: int, height: int) -> bool:
    """Whether a shape or group, not itself in a group, lies wholly beside a slide of this size."""
    box = _box(shape)
    return box is not None and (box[2] <= 0 or box[3] <= 0 or box[0] >= width or box[1] >= height)


def moves(slide: Slide) -> bool:
    """Whether anything moves on a slide, so that it need not begin on it."""
    return next(slide.element.iter(qn("p:animMotion")), None) is not None


def script_of(run: Element) -> Script:
    """How a run is set, of its own properties."""
    properties = run.find(qn("a:rPr"))
    baseline = _integer("" if properties is None else (properties.get("baseline") or "").rstrip("%")) or 0
    return "raised" if baseline > 0 else "lowered" if baseline < 0 else ""


def is_struck(run: Element) -> bool:
    """Whether a run is struck out."""
    properties = run.find(qn("a:rPr"))
    return properties is not None and properties.get("strike") in _STRUCK


@dataclass(frozen=True, slots=True)
class Grounds:
    """What is behind the texts of a slide."""

    theme: Mapping[str, str]
    """The colours of the theme by the names that this slide uses."""
    slide: str
    """The colour of the background, six hexadecimal digits, or UNKNOWN_GROUND."""
    covers: tuple[tuple[Element, Box | None], ...]
    """The filled shapes and pictures, which may lie behind a text."""

    def of_shape(self, shape: Element) -> str:
        """The colour behind the text of a shape."""
        properties = shape.find(qn("p:spPr"))
        fill = None if properties is None else self._fill(properties)
        if fill is not None:
            return fill
        if _is_styled(shape) and (properties is None or properties.find(qn("a:noFill")) is None):
            return UNKNOWN_GROUND
        box = _box(shape)
        if any(other is not shape and _overlap(box, place) for other, place in self.covers):
            return UNKNOWN_GROUND
        return self.slide

    def of_cell(self, cell: Element) -> str:
        """The colour behind the text of a table cell."""
        properties = cell.find(qn("a:tcPr"))
        return (None if properties is None else self._fill(properties)) or UNKNOWN_GROUND

    def hides(self, run: Element, ground: str) -> bool:
        """Whether nobody sees a run on this ground: it is tiny, or has the same colour."""
        properties = run.find(qn("a:rPr"))
        if properties is None:
            return False
        size = _integer(properties.get("sz") or "")
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
    own = slide.element.iter(qn("p:sp"), qn("p:pic"), qn("p:graphicFrame"))
    covers = tuple((shape, _box(shape)) for shape in own if _is_filled(shape))
    layout = _related(slide.part, "slideLayout")
    master = None if layout is None else _related(layout, "slideMaster")
    if not isinstance(layout, XmlPart) or not isinstance(master, XmlPart):
        return Grounds({}, UNKNOWN_GROUND, covers)
    theme = _theme(master)
    elements = slide.element, layout._element, master._element
    shapes = (shape for element in elements[1:] for shape in element.iter(qn("p:sp"), qn("p:pic")))
    ground = UNKNOWN_GROUND if any(map(_is_filled, shapes)) else _background(elements, theme)
    return Grounds(theme, ground, covers)


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


def _box(shape: Element) -> Box | None:
    """Where a shape lies, in the units of the file; None if it does not say so itself. A turned one takes more room."""
    place = shape.find(qn("p:xfrm"))
    if place is None:
        place = next(shape.iterfind(f"{{*}}*/{qn('a:xfrm')}"), None)
    offset, extent = (None if place is None else place.find(qn(name)) for name in ("a:off", "a:ext"))
    if place is None or offset is None or extent is None:
        return None
    numbers = [_integer(part.get(name) or "") for part, name in ((offset, "x"), (offset, "y"), (extent, "cx"), (extent, "cy"))]
    known = [number for number in numbers if number is not None]
    if len(known) < 4:
        return None
    left, top, width, height = known
    around = 0 if place.get("rot") in {None, "0"} else math.ceil(math.hypot(width, height) / 2)
    return left - around, top - around, left + width + around, top + height + around


def _overlap(one: Box | None, other: Box | None) -> bool:
    """Whether two boxes may have a part in common."""
    if one is None or other is None:
        return True
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _integer(said: str) -> int | None:
    return int(said) if _NUMBER.fullmatch(said) else None


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
        number = number + 1 if before == f"{kind} {start}" else _integer(start) or 1
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
