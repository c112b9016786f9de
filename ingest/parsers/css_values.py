"""CSS values: colours, lengths, shorthands and variables, as far as whether a text can be seen depends on them.

What is not understood (calc, gradients, pictures) is None: nobody may conclude from it that something is hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from tinycss2.color4 import parse_color  # type: ignore[import-untyped]

from ingest.parsers.css import Declarations, Token, Value

Color: TypeAlias = "tuple[float, float, float, float]"
"""Red, green, blue and alpha, each from 0 to 1."""
WHITE: Color = (1.0, 1.0, 1.0, 1.0)
BLACK: Color = (0.0, 0.0, 0.0, 1.0)

PROPERTIES = frozenset(
    "display content-visibility visibility opacity filter font font-size color -webkit-text-fill-color text-shadow background "
    "background-color background-image background-clip -webkit-background-clip color-scheme position top right bottom left "
    "inset margin-left margin-top text-indent transform translate scale clip clip-path width height max-width max-height padding "
    "padding-top padding-bottom "
    "overflow overflow-x overflow-y text-decoration text-decoration-line list-style list-style-type animation "
    "animation-name".split()
)
"""The properties that are asked for."""

_PX = {"px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "q": 0.945, "rem": 16.0}
_PX |= {"vw": 12.8, "vh": 7.2, "vmin": 7.2, "vmax": 12.8}
_EM = {"em": 1.0, "ex": 0.5, "ch": 0.5}
_SIZES = {"xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0, "x-large": 24.0, "xx-large": 32.0}
_RELATIVE_SIZES = {"smaller": 5 / 6, "larger": 1.2}
_MAX_SUBSTITUTED_TOKENS = 200
_MAX_VARIABLE_DEPTH = 8
_SIDES = ("top", "right", "bottom", "left")
_SIDE_PLACES = {1: (0, 0, 0, 0), 2: (0, 1, 0, 1), 3: (0, 1, 2, 1), 4: (0, 1, 2, 3)}
"""Which of one to four values is that of each side."""
_LIST_TYPES = {
    "decimal": "1",
    "decimal-leading-zero": "1",
    **dict.fromkeys(("lower-alpha", "lower-latin"), "a"),
    **dict.fromkeys(("upper-alpha", "upper-latin"), "A"),
    "lower-roman": "i",
    "upper-roman": "I",
    **dict.fromkeys(("none", "disc", "circle", "square"), ""),
}


def color(value: Value) -> Color | None:
    """The colour that a value names; None if it names none that is known."""
    found = parse_color(value[0]) if len(value) == 1 else None
    if found is None or isinstance(found, str):
        return None
    try:
        channels = [float(channel or 0) for channel in found.to("srgb").coordinates]
    except (NotImplementedError, ValueError, TypeError, OverflowError, ZeroDivisionError):
        return None
    red, green, blue = (min(max(channel, 0.0), 1.0) for channel in channels)
    return red, green, blue, float(found.alpha or 0)


def over(upper: Color, lower: Color | None) -> Color | None:
    """The colour of one laid over another."""
    alpha = upper[3]
    if alpha >= 1 or lower is None:
        return upper if alpha >= 1 else lower if alpha <= 0 else None
    red, green, blue = (alpha * above + (1 - alpha) * below for above, below in zip(upper[:3], lower[:3], strict=True))
    return red, green, blue, 1.0


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of two opaque colours, from 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(shade: Color) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in shade[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def length(value: Value, em: float) -> float | None:
    """A single length in pixels; None if it is none, or a percentage."""
    token = value[0] if len(value) == 1 else None
    if token is None or token.type not in {"number", "dimension"}:
        return None
    if token.type == "number":
        return 0.0 if token.value == 0 else None
    unit = token.lower_unit
    if unit in _EM:
        return float(token.value) * _EM[unit] * em
    return float(token.value) * _PX[unit] if unit in _PX else None


def percentage(value: Value) -> float | None:
    """A single percentage; None if it is none."""
    return float(value[0].value) if len(value) == 1 and value[0].type == "percentage" else None


def number(value: Value) -> float | None:
    """A single number or percentage as a share; None if it is none."""
    share = percentage(value)
    if share is not None:
        return share / 100
    return float(value[0].value) if len(value) == 1 and value[0].type == "number" else None


def font_size(value: Value, above: float) -> float | None:
    """A font size in pixels; `above` is that of the element around it."""
    word = keyword(value)
    if word in _SIZES:
        return _SIZES[word]
    if word in _RELATIVE_SIZES:
        return _RELATIVE_SIZES[word] * above
    share = percentage(value)
    return share / 100 * above if share is not None else length(value, above)


def keyword(value: Value) -> str:
    """A single word in lower case; "" if the value is something else."""
    return str(value[0].lower_value) if len(value) == 1 and value[0].type == "ident" else ""


def words(value: Value) -> set[str]:
    """All words of a value in lower case."""
    return {token.lower_value for token in value if token.type == "ident"}


def arguments(token: Token) -> list[Value]:
    """The arguments of a function, one token each, without the commas."""
    return [(one,) for one in token.arguments if one.type not in {"whitespace", "comment"} and one != ","]


def four_sides(values: list[Value]) -> list[Value]:
    """One to four values as those of the top, right, bottom and left; none if there are more or less."""
    return [values[at] for at in _SIDE_PLACES.get(len(values), ())]


def resolved(declared: Declarations, variables: Mapping[str, Value]) -> dict[str, Value]:
    """The declarations with longhands for shorthands, and the values of variables for their names."""
    plain: dict[str, Value] = {}
    for name, value in declared.items():
        if not name.startswith("--"):
            plain.update(_longhands(name, substituted(value, variables)))
    return plain


def substituted(value: Value, variables: Mapping[str, Value]) -> Value:
    """A value in which var(--name) stands for what it names. What grows too long or goes in circles stays as it is."""
    for _ in range(_MAX_VARIABLE_DEPTH):
        if not any(token.type == "function" and token.lower_name == "var" for token in value):
            break
        longer = tuple(inner for token in value for inner in _meant(token, variables))
        if len(longer) > _MAX_SUBSTITUTED_TOKENS:
            break
        value = longer
    return value


def _meant(token: Token, variables: Mapping[str, Value]) -> Value:
    if token.type != "function" or token.lower_name != "var":
        return (token,)
    inner = [one for one in token.arguments if one.type not in {"whitespace", "comment"}]
    if inner and inner[0].type == "ident" and inner[0].value in variables:
        return variables[inner[0].value]
    return tuple(inner[2:]) if len(inner) > 2 else (token,)


def _longhands(name: str, value: Value) -> Iterator[tuple[str, Value]]:
    """The properties of a shorthand that matter here; any other property as it is."""
    if name == "background":
        drawn = tuple(token for token in value if token.type in {"url", "function"} and parse_color(token) is None)
        shades = [token for token in value if parse_color(token) is not None]
        yield "background-image", drawn
        yield "background-color", tuple(shades[:1])
        yield "background-clip", tuple(token for token in value if token.type == "ident" and token.lower_value == "text")
    elif name == "font":
        sizes = [token for token in value if token.type in {"dimension", "percentage"} or token == 0]
        sizes = sizes or [token for token in value if keyword((token,)) in _SIZES or token.type == "number" and token.value == 0]
        yield "font-size", tuple(sizes[:1])
    elif name == "overflow":
        yield "overflow-x", value[:1]
        yield "overflow-y", value[-1:]
    elif name == "inset":
        yield from zip(_SIDES, four_sides([(token,) for token in value]), strict=False)
    elif name in {"text-decoration", "text-decoration-line"}:
        yield "text-decoration-line", value
    elif name in {"animation", "animation-name"}:
        yield "animation-name", value
    elif name in {"list-style", "list-style-type"}:
        yield from (("list-style-type", (token,)) for token in value if keyword((token,)) in _LIST_TYPES)
    else:
        yield name.removeprefix("-webkit-") if name == "-webkit-background-clip" else name, value


def list_type(value: Value) -> str | None:
    """The `type` of a list that a list-style-type stands for, "" for no number; None if it is another."""
    return _LIST_TYPES.get(keyword(value))
