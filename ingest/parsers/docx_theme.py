"""DOCX: write out the colours that text and shadings take from the theme.

Element names are those of ECMA-376, part 1: 17.15.1.20 (clrSchemeMapping) and 17.18.97 (the names of colours).
"""

from __future__ import annotations

from collections.abc import Mapping

from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import markup
from ingest.parsers.docx_styles import W
from ingest.parsers.themes import scheme_colours
from ragbot.errors import BrokenError

_ENTRIES = {
    "dark1": "dk1",
    "light1": "lt1",
    "dark2": "dk2",
    "light2": "lt2",
    "hyperlink": "hlink",
    "followedHyperlink": "folHlink",
}
_MAPPED = {"background1": ("bg1", "light1"), "text1": ("t1", "dark1"), "background2": ("bg2", "light2"), "text2": ("t2", "dark2")}
"""Name of a colour → the attribute of the mapping that says which one it is, and what it is without a mapping."""
_UNKNOWN = "theme"


def theme_colours(theme: bytes, settings: Element | None) -> dict[str, str]:
    """The colours of the theme by the names that text uses ("background1"); none if it is missing or damaged."""
    try:
        scheme = scheme_colours(markup.parse(theme, "theme"))
    except BrokenError:
        return {}
    mapping = None if settings is None else settings.find(f"{W}clrSchemeMapping")
    colours = {**scheme, **{name: scheme.get(entry, "") for name, entry in _ENTRIES.items()}}
    for name, (attribute, usual) in _MAPPED.items():
        said = usual if mapping is None else mapping.get(W + attribute) or usual
        colours[name] = colours.get(said, "")
    return colours


def write_out(root: Element, theme: Mapping[str, str]) -> None:
    """Put the digits of each colour of the theme where only its name counts.

    Of a lighter or darker shade of it Word writes the digits itself; without them it is unknown.
    """
    for tag, digits, named, shades in (
        ("color", "val", "themeColor", ("themeTint", "themeShade")),
        ("shd", "fill", "themeFill", ("themeFillTint", "themeFillShade")),
    ):
        for element in root.iter(W + tag):
            name = element.get(W + named, "none")
            if name == "none":
                continue
            if theme.get(name) and all(element.get(W + shade) is None for shade in shades):
                element.set(W + digits, theme[name])
            elif element.get(W + digits) in {None, "auto"}:
                element.set(W + digits, _UNKNOWN)
