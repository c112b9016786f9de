"""PPTX: where the shapes of a slide lie, in the units of the file. Element names are those of ECMA-376, part 1, 20.1.7."""

from __future__ import annotations

import math
import re

from lxml.etree import _Element as Element  # type: ignore[import-untyped]
from pptx.oxml.ns import qn

Box = tuple[int, int, int, int]
"""Left, top, right and bottom."""
_NUMBER = re.compile(r"-?[0-9]{1,11}")
_UPRIGHT = frozenset({None, "0"})


def box_of(shape: Element) -> Box | None:
    """Where a shape lies on the slide; None if it does not say so itself. A turned one takes more room."""
    place = _place(shape)
    numbers = _numbers(place, "off", "ext")
    if place is None or numbers is None:
        return None
    left, top, width, height = numbers
    around = 0 if place.get("rot") in _UPRIGHT else math.ceil(math.hypot(width, height) / 2)
    box: Box | None = (left - around, top - around, left + width + around, top + height + around)
    for group in shape.iterancestors(qn("p:grpSp")):
        box = None if box is None else _outside(group, box)
    return box


def is_upright(shape: Element) -> bool:
    """Whether a shape is not turned."""
    place = _place(shape)
    return place is not None and place.get("rot") in _UPRIGHT


def is_off(shape: Element, width: int, height: int) -> bool:
    """Whether a shape or group lies wholly beside a slide of this size."""
    box = box_of(shape)
    return box is not None and (box[2] <= 0 or box[3] <= 0 or box[0] >= width or box[1] >= height)


def overlap(one: Box | None, other: Box | None) -> bool:
    """Whether two boxes may have a part in common."""
    if one is None or other is None:
        return True
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def contains(outer: Box | None, inner: Box | None) -> bool:
    """Whether a box surely lies wholly in another one."""
    if outer is None or inner is None:
        return False
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def integer(said: str | None) -> int | None:
    """A number of the file, None if it is none."""
    return int(said) if said and _NUMBER.fullmatch(said) else None


def _place(shape: Element) -> Element | None:
    place = shape.find(qn("p:xfrm"))
    return next(shape.iterfind(f"{{*}}*/{qn('a:xfrm')}"), None) if place is None else place


def _numbers(place: Element | None, offset: str, extent: str) -> tuple[int, int, int, int] | None:
    """The left, top, width and height that a place says by these names."""
    start, size = (None if place is None else place.find(qn(f"a:{name}")) for name in (offset, extent))
    if start is None or size is None:
        return None
    left, top = integer(start.get("x")), integer(start.get("y"))
    width, height = integer(size.get("cx")), integer(size.get("cy"))
    return None if left is None or top is None or width is None or height is None else (left, top, width, height)


def _outside(group: Element, box: Box) -> Box | None:
    """A box in the units inside a group, in those around it; None if the group is turned or does not say."""
    place = group.find(f"{qn('p:grpSpPr')}/{qn('a:xfrm')}")
    if place is None:
        return box
    outer, inner = _numbers(place, "off", "ext"), _numbers(place, "chOff", "chExt")
    if outer is None or inner is None or not inner[2] or not inner[3] or place.get("rot") not in _UPRIGHT:
        return None
    across, down = ((outer[at + 2], inner[at + 2]) for at in (0, 1))
    left, right = (outer[0] + (x - inner[0]) * across[0] // across[1] for x in (box[0], box[2]))
    top, bottom = (outer[1] + (y - inner[1]) * down[0] // down[1] for y in (box[1], box[3]))
    return left, top, right, bottom
