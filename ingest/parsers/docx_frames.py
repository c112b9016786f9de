"""DOCX: whether a frame or a text box lies beside the pages.

Element names are those of ECMA-376, part 1: 17.3.1.11 (framePr, in twentieths of a point) and 20.4.2.3 (anchor, in EMU).
"""

from __future__ import annotations

import re

from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers.docx_styles import W

Size = tuple[int, int]
"""Width and height in twentieths of a point."""
_LETTER: Size = (12_240, 15_840)
_EMU = 635
"""So many of the units of drawings are a twentieth of a point."""
_NUMBER = re.compile(r"-?[0-9]{1,9}")
_MAX_MARGIN = 5_000
"""A place that counts from a margin, column or paragraph may begin so far inside the page."""


def page_size(body: Element) -> Size:
    """The largest width and height of the pages."""
    sizes = list(body.iter(W + "pgSz"))
    widths, heights = ([number for size in sizes if (number := _integer(size.get(W + name)))] for name in ("w", "h"))
    return max(widths, default=_LETTER[0]), max(heights, default=_LETTER[1])


def is_frame_off(frame: Element, page: Size) -> bool:
    """Whether a frame (w:framePr) lies wholly beside the page."""
    sides = (("x", "w", "hAnchor", "xAlign"), ("y", "h", "vAnchor", "yAlign"))
    return any(
        frame.get(W + align) is None
        and _is_beside(_integer(frame.get(W + start)), _integer(frame.get(W + extent)), frame.get(W + anchor), length)
        for (start, extent, anchor, align), length in zip(sides, page, strict=True)
    )


def is_anchor_off(anchor: Element, page: Size) -> bool:
    """Whether what an anchor (wp:anchor) holds lies wholly beside the page."""
    size = anchor.find("{*}extent")
    for name, extent, length in (("positionH", "cx", page[0]), ("positionV", "cy", page[1])):
        place = anchor.find(f"{{*}}{name}")
        offset = None if place is None else _integer(place.findtext("{*}posOffset"))
        room = None if size is None else _integer(size.get(extent))
        if place is None or offset is None or room is None:
            continue
        if _is_beside(offset // _EMU, room // _EMU, place.get("relativeFrom"), length):
            return True
    return False


def _is_beside(start: int | None, extent: int | None, counted_from: str | None, page_length: int) -> bool:
    """Whether a side of a box ends before the page or begins behind it. A box of unknown extent may be as long as the page."""
    if start is None:
        return False
    margin = 0 if counted_from == "page" else _MAX_MARGIN
    return start + (extent or page_length) <= -margin or start >= page_length


def _integer(said: str | None) -> int | None:
    return int(said) if said and _NUMBER.fullmatch(said.strip()) else None
