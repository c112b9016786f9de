"""Office files: the colours of a theme. Element names are those of ECMA-376, part 1, 20.1.6."""

from __future__ import annotations

from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import markup


def scheme_colours(theme: Element) -> dict[str, str]:
    """The colours of a theme by the names that it gives them ("lt1"): six hexadecimal digits, or another text if unknown."""
    scheme = next(theme.iter("{*}clrScheme"), ())
    return {markup.local(entry): entry[0].get("lastClr") or entry[0].get("val") or "" for entry in scheme if len(entry)}
