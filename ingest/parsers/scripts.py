"""Write raised and lowered characters in plain text so that their digits do not join those before them. Knows no file format.

10 with a raised 4 is "10⁴", not 104; 1963 with the mark of note 2 is "1963[^2]", not 19632; the "st" of "1st" stays as it is.
"""

from __future__ import annotations

import re

_SUPERSCRIPTS = str.maketrans("0123456789+-−=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ")
_SUBSCRIPTS = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
_ENDING = re.compile(r"[^\W\d_]{2,}\.?|[eoºª]", re.IGNORECASE)
"""The raised ending of an ordinal or an abbreviation (1st, 3e, Mme, TM), which is read with the word that it ends."""
_SIGNS = re.compile(r"[^\w+−-]*")
_EXPONENT = re.compile(r"[\w.,+−*/()=-]{1,12}")
_NOTE = re.compile(r"[a-e]|[0-9]{1,3}(?: ?[,;–-] ?[0-9]{1,3})*")
_NUMBER_BEFORE = re.compile(r"[0-9][0-9.,]*\Z")
_WORD_BEFORE = re.compile(r"[^\W\d_]+\Z")
_UNITS = frozenset("mm cm dm dam hm km nm µm μm ft in yd mi sec min kg mg".split())
"""The units of several letters that have exponents."""
_BASES = frozenset({"10", "2"})
_POWERS = frozenset("23")
"""The exponents of most units: a square or a cube. Elsewhere a raised number is more often the mark of a note."""
_MAX_FACTOR_DIGITS = 3
_CONTEXT_CHARACTERS = 40


def superscript(text: str) -> str:
    """Write an exponent: in Unicode superscripts if all characters have one, else after a "^": "⁴", "^x", "^(a+b)"."""
    inner = text.strip()
    if all(ord(character) in _SUPERSCRIPTS for character in inner):
        return text.translate(_SUPERSCRIPTS)
    return text.replace(inner, f"^{inner}" if len(inner) == 1 else f"^({inner})")


def subscript(text: str) -> str:
    """Write an index: in Unicode subscripts if all characters have one, else as it is: "H₂O", "Vmax"."""
    return text.translate(_SUBSCRIPTS) if all(ord(character) in _SUBSCRIPTS for character in text.strip()) else text


def raised(text: str, before: str) -> str:
    """Write raised characters that follow `before`: an exponent, the mark of a note ("[^2]"), or the ending of a word.

    Only the last characters of `before` matter.
    """
    inner, end = text.strip(), before[-_CONTEXT_CHARACTERS:]
    if inner[:1] in "[(" or _ENDING.fullmatch(inner) or _SIGNS.fullmatch(inner):
        return text
    if end.strip() and not end[-1].isspace() and _NOTE.fullmatch(inner) and not _takes_exponent(end, inner):
        return text.replace(inner, f"[^{inner}]")
    if _EXPONENT.fullmatch(inner):
        return superscript(text)
    return text if text[0].isspace() else f" {text}"


def _takes_exponent(end: str, short: str) -> bool:
    """Whether a short raised text after the text that ends so is an exponent rather than the mark of a note."""
    if number := _NUMBER_BEFORE.search(end):
        return number[0] in _BASES and short.isdecimal() or len(number[0]) <= _MAX_FACTOR_DIGITS and short in _POWERS
    if word := _WORD_BEFORE.search(end):
        return len(word[0]) == 1 or word[0] in _UNITS and short in _POWERS
    return end.endswith(")") and short in _POWERS
