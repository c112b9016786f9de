"""Join the words that are hyphenated at a line end. Pure functions.

Whether a hyphen belongs to the word is decided by what the document has elsewhere, then by the form of the word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_CUT_WORD = re.compile(r"(?<![\w-])([\w-]*[^\W\d_])([-\xad])\n(\w+)(\S*)(?: ?\n| |$)?")
"""A word hyphenated at a line end. No digit may precede the hyphen: some reports write a minus after a number."""
_CUT_NUMBER = re.compile(r"(?<=\d\d)-\n(?!\d\d[.)]\s)(\d\d\S*)(?: ?\n| |$)?")
"""A number that goes on after its hyphen, if words stand around it; no item of a numbered list."""
_LETTERS = re.compile(r"[^\W\d_]{2}")
_SOFT_HYPHEN = "\xad"
_UNUSED_SOFT_HYPHEN = re.compile(r"\xad(?!\n)")
_WORD = re.compile(r"(?<![-\xad]\n)\b[^\W\d_]+\b(?![-\xad]\n)")
_COMPOUND = re.compile(r"(?<!\w)(\w+)-(?=(\w+))")
_CONJUNCTIONS = frozenset({"and", "or", "und", "oder"})
_MAX_PREFIX_LETTERS = 3
_TENS = frozenset("twenty thirty forty fifty sixty seventy eighty ninety".split())
_UNITS = re.compile(
    r"(?:one|two|three|four|five|six|seven|eight|nine|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)s?"
)
_HYPHENATED_PREFIXES = frozenset({"half", "quasi", "self", "well"})
"""English words with these prefixes have a hyphen. "Self" has none before a suffix: selfish, selfless."""
_SOMETIMES_HYPHENATED = {
    "all": re.compile(r"(?:around|day|electric|inclusive|important|night|purpose|round|season|star|time|weather|wheel|year)s?"),
    "co": re.compile(r"(?:author|chair|driv|edit|educat|exist|found|host|op|operat|ordinat|own|pilot|sponsor|star|work)\w*"),
    "ex": re.compile(r"(?:chair|husband|mayor|member|minister|partner|president|wife|wives|worker)\w*"),
    "non": re.compile(r"(?!agon|chal|des|e\b|ethe|ne\b|nes\b|plus|sens)\w*"),
}
"""What follows these after a hyphen; otherwise they are the first syllable of a word: allow, coherent, example, nonsense."""
_SUFFIXES = ("ish", "less", "hood", "same", "dom")


def dehyphenated(texts: Sequence[str]) -> list[str]:
    """Join words that are hyphenated at a line end; the line then ends after the word.

    The hyphen stays if the text has the compound elsewhere, or if the form of the word asks for it. Otherwise the
    typesetter added it, and it is removed. A soft hyphen is never part of the word.
    """
    if any(_SOFT_HYPHEN in text for text in texts):
        texts = [_UNUSED_SOFT_HYPHEN.sub("", text) for text in texts]
    texts = [_CUT_NUMBER.sub(_joined_number, text) for text in texts]
    if not any(_CUT_WORD.search(text) for text in texts):
        return list(texts)
    words = {word.lower() for text in texts for word in _WORD.findall(text)}
    compounds = {(left.lower(), right.lower()) for text in texts for left, right in _COMPOUND.findall(text)}

    def hyphen(left: str, right: str, rest: str) -> str:
        last, first = left.rpartition("-")[2].lower(), right.lower()
        if (last, first) in compounds:
            return "-"
        if last + first in words:
            return ""
        if last in _TENS and _UNITS.fullmatch(first) or last in _HYPHENATED_PREFIXES and not first.startswith(_SUFFIXES):
            return "-"
        if (follows := _SOMETIMES_HYPHENATED.get(last)) and follows.fullmatch(first):
            return "-"
        if first in _CONJUNCTIONS:  # "two- and three-dimensional"
            return "- "
        sides = left[-1] + right[0]
        alike = (sides.islower() or sides.isupper()) and sides.isalpha()  # only scripts with letter case hyphenate at line ends
        formed = not alike or "-" in left or rest.startswith("-") or 1 in (len(left), len(right))
        return "-" if formed or len(last) > _MAX_PREFIX_LETTERS and {last, first} <= words else ""

    def joined(match: re.Match[str]) -> str:
        left, sign, right, rest = match.groups()
        between = "" if sign == _SOFT_HYPHEN else hyphen(left, right, rest)
        end = "\n" if match.end() < len(match.string) else ""
        return f"{left}{between}{right}{rest}{end}"

    return [_CUT_WORD.sub(joined, text) for text in texts]


def _joined_number(match: re.Match[str]) -> str:
    """The parts of a number without the line end between them; unchanged in a column of figures."""
    text, rest = match.string, match[1]
    start = text.rfind("\n", 0, match.start()) + 1
    end = text.find("\n", match.end(1))
    before = _LETTERS.search(text, start, match.start())
    after = rest[-1] in ".,;:)" or _LETTERS.search(text, match.end(1), end if end >= 0 else len(text))
    if not before or not after:
        return match[0]
    return f"-{rest}" + ("\n" if match.end() < len(text) else "")
