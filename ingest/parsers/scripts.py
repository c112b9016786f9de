"""Write raised and lowered characters in plain text so that their digits do not join those before them. Knows no file format.

10 with a raised 4 is "10⁴", not 104; 1963 with the mark of note 2 is "1963[^2]", not 19632; the "st" of "1st" stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Literal

Script = Literal["", "raised", "lowered"]

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
_FUNCTIONS = frozenset("cos tg ctg ln lg sinh cosh tanh coth arcsin arccos arctan".split())
_FUNCTIONS_OR_WORDS = frozenset("sin tan cot csc log exp".split())
"""Names of functions that are words too: they are functions before an argument."""
_ARGUMENT = re.compile(r"\(| ?[b-hj-zB-HJ-ZͰ-Ͽ](?!\w)")
_FORMULA_BEFORE = re.compile(r"(?:[=+−×·±≈]\s*[0-9.,]*[^\W\d_]{1,3}|(?<![^\W\d_])[Ͱ-Ͽ][A-Za-z]{1,2})\Z")
"""The end of a formula with letters that are multiplied: "= mc", "4πr"."""
_BASE_SIGNS = ")∆∇∂"
_FRACTION_AFTER = re.compile(r"\s?[/⁄]\s?([0-9]{1,3})(?![0-9])")
_FRACTION_BEFORE = re.compile(r"[0-9]\s?[/⁄]\s?\Z")
_BASES = frozenset({"10", "2"})
_POWERS = frozenset("23")
"""The exponents of most units: a square or a cube. Elsewhere a raised number is more often the mark of a note."""
_MAX_FACTOR_DIGITS = 3
_CONTEXT_CHARACTERS = 40


def superscript(text: str) -> str:
    """Write an exponent: in Unicode superscripts if all characters have one, else after a "^": "⁴", "^x", "^(a+b)".

    Signs such as those of degrees stay as they are.
    """
    inner = text.strip()
    if _SIGNS.fullmatch(inner):
        return text
    if all(ord(character) in _SUPERSCRIPTS for character in inner):
        return text.translate(_SUPERSCRIPTS)
    return text.replace(inner, f"^{inner}" if len(inner) == 1 else f"^({inner})")


def subscript(text: str, before: str = "") -> str:
    """Write an index: in Unicode subscripts if all characters have one, else as it is: "H₂O", "Vmax", and 1/2 after "1/"."""
    if _FRACTION_BEFORE.search(before[-_CONTEXT_CHARACTERS:]):
        return text
    return text.translate(_SUBSCRIPTS) if all(ord(character) in _SUBSCRIPTS for character in text.strip()) else text


def raised(text: str, before: str, after: str = "") -> str:
    """Write raised characters that follow `before`: an exponent, the mark of a note ("[^2]"), a fraction, the ending of a word.

    Only the last characters of `before` and the first ones of `after` matter.
    """
    inner, end = text.strip(), before[-_CONTEXT_CHARACTERS:]
    if _is_numerator(inner, end, after):
        return f" {text}" if end[-1:].isdecimal() else text
    if inner[:1] in "[(" or _ENDING.fullmatch(inner) or _SIGNS.fullmatch(inner):
        return text
    if end.strip() and not end[-1].isspace() and _NOTE.fullmatch(inner) and not _takes_exponent(end, inner, after):
        return text.replace(inner, f"[^{inner}]")
    if _EXPONENT.fullmatch(inner):
        return superscript(text)
    return text if text[0].isspace() else f" {text}"


def _is_numerator(inner: str, end: str, after: str) -> bool:
    """Whether a raised text begins a fraction, alone or after a whole number: 1 with a raised 1 before "/2" is "1 1/2"."""
    below = _FRACTION_AFTER.match(after)
    if below is None or not inner.isdecimal() or len(inner) > _MAX_FACTOR_DIGITS or int(inner) >= int(below[1]):
        return False
    return not end.strip() or end[-1].isspace() or end[-1].isdecimal()


def _takes_exponent(end: str, short: str, after: str) -> bool:
    """Whether a short raised text after the text that ends so is an exponent rather than the mark of a note."""
    if number := _NUMBER_BEFORE.search(end):
        return number[0] in _BASES and short.isdecimal() or len(number[0]) <= _MAX_FACTOR_DIGITS and short in _POWERS
    if word := _WORD_BEFORE.search(end):
        function = word[0] in _FUNCTIONS or word[0] in _FUNCTIONS_OR_WORDS and _ARGUMENT.match(after)
        return len(word[0]) == 1 or short in _POWERS and bool(word[0] in _UNITS or function or _FORMULA_BEFORE.search(end))
    return end[-1] in _BASE_SIGNS and short in _POWERS


def joined(pieces: Iterable[tuple[Script, str]]) -> str:
    """Join the pieces of a text, each with how it is set."""
    whole = [""]
    runs = [(script, "".join(piece for _, piece in run)) for script, run in groupby(pieces, key=itemgetter(0))]
    for at, (script, text) in enumerate(runs):
        match script:
            case "raised":
                whole.append(raised(text, "".join(whole[-3:]), "".join(after for _, after in runs[at + 1 : at + 3])))
            case "lowered":
                whole.append(subscript(text, "".join(whole[-3:])))
            case _:
                whole.append(text)
    return "".join(whole)
