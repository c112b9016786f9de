"""XLSX: what the styles of cells say of their values: the number format, and whether anybody sees them.

Element names are those of ECMA-376, part 1, 18.8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import markup, number_formats
from ingest.parsers.colours import WHITE, similar
from ingest.parsers.looks import MAX_UNREADABLE_POINTS

GENERAL = "General"
_BUILT_IN: Mapping[str, str] = {"9": "0%", "10": "0.00%"}
"""Those that say more than decimals. The currencies among the others depend on the country of the reader."""
_INDEXED = {"0": "000000", "1": WHITE, "8": "000000", "9": WHITE}
_OFF = frozenset({"0", "false"})


@dataclass(frozen=True, slots=True)
class CellFormat:
    """How a cell shows its value."""

    code: str = GENERAL
    """The number format."""
    struck: bool = False
    tiny: bool = False
    blends_in: bool = False
    """Whether the text has the colour of its ground, as far as the cell says."""

    def number(self, value: float) -> str | None:
        """The number as it is shown, None if that says nothing that the number itself does not say."""
        written = number_formats.written(value, self.code)
        if written is None and number_formats.shows_percent(self.code):
            return f"{value * 100:.12g}%"
        return written

    def shows(self, value: object) -> bool:
        """Whether the number format shows a value at all."""
        if isinstance(value, str):
            return number_formats.shows_text(self.code)
        return number_formats.shows_number(self.code, value if isinstance(value, int | float) else 1)


_PLAIN = CellFormat()


def cell_formats(data: bytes, name: str) -> dict[str, CellFormat]:
    """The formats that are not plain, by the numbers that cells refer to them by."""
    if not data:
        return {}
    root = markup.parse(data, name)
    codes = {entry.get("numFmtId"): entry.get("formatCode") or "" for entry in root.iterfind("{*}numFmts/{*}numFmt")}
    fonts, fills = list(root.iterfind("{*}fonts/{*}font")), list(root.iterfind("{*}fills/{*}fill"))
    found = {}
    for number, style in enumerate(root.iterfind("{*}cellXfs/{*}xf")):
        format_id = style.get("numFmtId") or "0"
        code = codes.get(format_id) or _BUILT_IN.get(format_id) or GENERAL
        made = _format(code, _at(fonts, style.get("fontId")), _at(fills, style.get("fillId")))
        if made != _PLAIN:
            found[str(number)] = made
    return found


def _format(code: str, font: Element | None, fill: Element | None) -> CellFormat:
    if font is None:
        return CellFormat(code)
    strike, size = font.find("{*}strike"), font.find("{*}sz")
    try:
        points = float(size.get("val") or "") if size is not None else None
    except ValueError:
        points = None
    return CellFormat(
        code,
        strike is not None and strike.get("val") not in _OFF,
        points is not None and points <= MAX_UNREADABLE_POINTS,
        similar(_colour(font.find("{*}color")), _ground(fill)),
    )


def _ground(fill: Element | None) -> str:
    """The colour behind a cell, "" if it is not known."""
    pattern = None if fill is None else fill.find("{*}patternFill")
    if fill is None or pattern is None:
        return WHITE if fill is None or not len(fill) else ""
    if pattern.get("patternType") in {None, "none"}:
        return WHITE
    return _colour(pattern.find("{*}fgColor")) if pattern.get("patternType") == "solid" else ""


def _colour(element: Element | None) -> str:
    """Six hexadecimal digits, "" for a colour that is not known. Theme colour 0 is white unless a theme says otherwise."""
    if element is None:
        return ""
    if rgb := element.get("rgb"):
        return str(rgb[-6:])
    if element.get("theme") == "0" and element.get("tint") in {None, "0"}:
        return WHITE
    return _INDEXED.get(element.get("indexed") or "", "")


def _at(elements: Sequence[Element], number: str | None) -> Element | None:
    at = int(number) if number and number.isdecimal() and len(number) < 8 else 0
    return elements[at] if at < len(elements) else None
