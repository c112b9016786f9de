"""Write the numbers of lists and clauses: 4 is "d", "iv" or "四". Knows no file format."""

from __future__ import annotations

_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")),
    *((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)
_CHINESE = "零一二三四五六七八九"
_LETTERS = 26
_MAX_NUMBER = 3_999
"""A larger number is written in digits: in any other way it would be long."""


def letter(number: int) -> str:
    """The number in lower-case letters as word processors count: a, b, …, z, aa, bb, …; digits if it is out of range."""
    if not 1 <= number <= _MAX_NUMBER:
        return str(number)
    rounds, place = divmod(number - 1, _LETTERS)
    return chr(ord("a") + place) * (rounds + 1)


def roman(number: int) -> str:
    """The number in lower-case Roman numerals; digits if it is out of range."""
    if not 1 <= number <= _MAX_NUMBER:
        return str(number)
    written = ""
    for value, sign in _ROMAN:
        times, number = divmod(number, value)
        written += sign * times
    return written


def chinese(number: int) -> str:
    """The number in Chinese numerals; digits if it is not between 0 and 99."""
    if not 0 <= number <= 99:
        return str(number)
    tens, ones = divmod(number, 10)
    if not tens:
        return _CHINESE[ones]
    return (_CHINESE[tens] if tens > 1 else "") + "十" + (_CHINESE[ones] if ones else "")
