"""Compare colours, to tell text that nobody can see on its ground. Knows no file format."""

from __future__ import annotations

import re

WHITE = "FFFFFF"
_DIGITS = re.compile(r"[0-9A-Fa-f]{6}")
_MAX_DIFFERENCE = 16
"""Of 255. Colours that differ less in red, green and blue cannot be told apart in text."""


def similar(colour: str, ground: str) -> bool:
    """Whether text of a colour cannot be told from its ground. Either is six hexadecimal digits, or anything else if unknown."""
    if not _DIGITS.fullmatch(colour) or not _DIGITS.fullmatch(ground):
        return False
    pairs = zip(bytes.fromhex(colour), bytes.fromhex(ground), strict=True)
    return all(abs(one - other) < _MAX_DIFFERENCE for one, other in pairs)
