"""Which boxes of a page show nothing of what is in them: not displayed, transparent, off the screen, cut off or without size."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.parsers.css import Token, Value
from ingest.parsers.css_values import arguments, four_sides, keyword, length, number, percentage, words

FAINTEST_OPACITY = 0.05
_FAR_PX = 999.0
"""What lies so far to the left of the screen or above it is not seen."""
_FAR_RIGHT_PX = 9_000.0
"""To the right one may scroll, and wide pages do lie there."""
_PLACED = frozenset({"absolute", "fixed", "relative", "sticky"})
_CUT = frozenset({"hidden", "clip"})
_MOVES = frozenset({"translate", "translatex", "translatey", "translate3d"})
_SCALES = frozenset({"scale", "scalex", "scaley", "scale3d"})
_NONE: Value = ()


def shows_nothing(own: Mapping[str, Value], em: float, animated: bool) -> bool:
    """Whether a box with these declarations hides all that is in it, whatever that declares itself.

    `em` is its font size in pixels. What an animation may bring in is not taken for hidden, except by `display`.
    """
    if keyword(own.get("display", _NONE)) == "none" or keyword(own.get("content-visibility", _NONE)) == "hidden":
        return True
    if animated and words(own.get("animation-name", _NONE)) - {"none", "initial", "unset"}:
        return False
    return _is_transparent(own) or _is_far(own, em) or _is_moved(own, em) or _is_clipped(own, em) or _is_flat(own, em)


def is_far_indent(own: Mapping[str, Value], em: float) -> bool:
    """Whether the first line begins off the screen, or beyond the edge at which the box is cut off."""
    value = own.get("text-indent", _NONE)
    share = percentage(value)
    beyond = share is not None and (share <= -100 or share >= 100 and keyword(own.get("overflow-x", _NONE)) in _CUT)
    return beyond or _is_off(length(value, em))


def _is_transparent(own: Mapping[str, Value]) -> bool:
    opacity = number(own.get("opacity", _NONE))
    if opacity is not None and opacity < FAINTEST_OPACITY:
        return True
    filters = [token for token in own.get("filter", _NONE) if token.type == "function" and token.lower_name == "opacity"]
    shares = [number(value) for token in filters for value in arguments(token)]
    return any(share is not None and share < FAINTEST_OPACITY for share in shares)


def _is_off(pixels: float | None) -> bool:
    return pixels is not None and (pixels <= -_FAR_PX or pixels >= _FAR_RIGHT_PX)


def _is_far(own: Mapping[str, Value], em: float) -> bool:
    if any((length(own.get(margin, _NONE), em) or 0) <= -_FAR_PX for margin in ("margin-left", "margin-top")):
        return True
    if keyword(own.get("position", _NONE)) not in _PLACED:
        return False
    if any((length(own.get(side, _NONE), em) or 0) <= -_FAR_PX for side in ("top", "bottom")):
        return True
    sides = [own.get(side, _NONE) for side in ("left", "right")]
    return any(_is_off(length(side, em)) or (percentage(side) or 0) <= -100 for side in sides)


def _is_moved(own: Mapping[str, Value], em: float) -> bool:
    """Whether it is moved off the screen or shrunk to nothing."""
    distances = [(token,) for token in own.get("translate", _NONE)]
    factors = [(token,) for token in own.get("scale", _NONE)]
    for token in own.get("transform", _NONE):
        if token.type == "function":
            distances += arguments(token) if token.lower_name in _MOVES else []
            factors += arguments(token) if token.lower_name in _SCALES else []
    return any(number(value) == 0 for value in factors) or any(
        _is_off(length(value, em)) or abs(percentage(value) or 0) > 100 for value in distances
    )


def _is_clipped(own: Mapping[str, Value], em: float) -> bool:
    if keyword(own.get("position", _NONE)) in {"absolute", "fixed"} and _cuts_all(own.get("clip", _NONE), em):
        return True
    return _cuts_all(own.get("clip-path", _NONE), em)


def _cuts_all(value: Value, em: float) -> bool:
    """Whether a shape leaves no more than a pixel."""
    shape: Token | None = value[0] if value and value[0].type == "function" else None
    if shape is None:
        return False
    given = arguments(shape)
    if shape.lower_name == "rect":
        edges = [length(one, em) for one in given[:4]]
        known = [edge for edge in edges if edge is not None]
        return len(known) == 4 and (known[2] - known[0] <= 1 or known[1] - known[3] <= 1)
    if shape.lower_name == "inset":
        before_corners = next((at for at, one in enumerate(given) if keyword(one) == "round"), len(given))
        insets = [percentage(one) or 0 for one in four_sides(given[:before_corners])]
        return len(insets) == 4 and (insets[0] + insets[2] >= 100 or insets[1] + insets[3] >= 100)
    if shape.lower_name in {"circle", "ellipse"}:
        return bool(given) and (number(given[0]) == 0 or length(given[0], em) == 0)
    places = [(length(one, em), percentage(one)) for one in given]
    return shape.lower_name == "polygon" and len(places) > 1 and len(set(places[::2])) == len(set(places[1::2])) == 1


def _is_flat(own: Mapping[str, Value], em: float) -> bool:
    """Whether it has no height or width and is cut off there. Padding gives it one: videos are placed so."""
    for sides, cut in ((("height", "max-height"), "overflow-y"), (("width", "max-width"), "overflow-x")):
        sizes = [length(own.get(side, _NONE), em) for side in sides] + [percentage(own.get(side, _NONE)) for side in sides]
        if keyword(own.get(cut, _NONE)) in _CUT and any(size is not None and size <= 1 for size in sizes):
            return not _is_padded(own, em)
    return False


def _is_padded(own: Mapping[str, Value], em: float) -> bool:
    values = [(token,) for name in ("padding", "padding-top", "padding-bottom") for token in own.get(name, _NONE)]
    return any((length(value, em) or 0) > 4 or (percentage(value) or 0) > 4 for value in values)
