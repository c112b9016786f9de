"""Characters that nobody sees or that steer a screen, and letters of other scripts that look like Latin ones.

What is stored keeps none of the first; what is looked at for orders to a model is read without disguise.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

_ESCAPE = (
    r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]"  # CSI: colours, places of the cursor
    r"|[\]PX^_][^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c)"  # OSC and its like: titles, targets of links
    r"|[ -/]{1,4}[0-~]|[0-~])?"
    r"|\x9b[0-?]{1,64}[ -/]{0,8}[@-~]"
)
"""The control sequences of terminals (ECMA-48, 5.4 to 5.6)."""
_FLAG = "\U0001f3f4[\U000e0020-\U000e007e]{1,16}\U000e007f"
"""The flag of a region, such as Scotland's, is spelt with tags."""
_TURNED = "[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
"""What turns the order of letters around, and the tags that spell words nobody sees (UAX 9; Unicode 23.9)."""
ESCAPES, TURNED = re.compile(_ESCAPE), re.compile(f"({_FLAG})|{_TURNED}+")
_STEERING = re.compile(
    f"(?P<flag>{_FLAG})|{_ESCAPE}|{_TURNED}"
    "|[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]"  # \x85 is a line end
    "|[\u00ad\u200b\u2060-\u2065\ufeff]"  # without width
    "|(?<=[A-Za-z0-9\u4e00-\u9fff])[\u200c-\u200f]+(?=[A-Za-z0-9\u4e00-\u9fff])"  # joiners where nothing is joined
)
"""Other zero-width joiners and direction marks stay: Persian, Hindi and emoji need them."""
_JOINERS = re.compile("[\u200c-\u200f\ufe00-\ufe0f]")
_LOOKALIKES = str.maketrans(
    "аеіјорсухѕԁԛԝһӏкмтвнгАВЕЗІЈКМНОРСТУХЅαβγεηικνορστυχωΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeijopcyxsdqwhlkmtbhrABE3IJKMHOPCTYXSabyenikvopotuxwABEZHIKMNOPTYX",
)
"""Letters of the Cyrillic and the Greek alphabet that look like Latin ones (Unicode Technical Standard 39)."""
_SPACED = re.compile(r"(?<!\w)\w(?:([ .*_-])\w)(?:\1\w){2,}(?!\w)")
"""A word written letter by letter."""


class Cleaned(NamedTuple):
    """A text without what nobody sees, and places in the text before moved to it."""

    text: str
    places: tuple[int, ...]


def without_unseen(text: str, places: Sequence[int] = ()) -> Cleaned:
    """Remove characters that nobody sees or that steer a screen; `places` are offsets of the text, in order."""
    removed = [found.span() for found in _STEERING.finditer(text) if not found["flag"]]
    if not removed:
        return Cleaned(text, tuple(places))
    pieces, last, gone = list[str](), 0, list[tuple[int, int]]()
    total = 0
    for start, end in removed:
        pieces.append(text[last:start])
        last, total = end, total + end - start
        gone.append((end, total))
    pieces.append(text[last:])
    ends = [end for end, _ in gone]
    moved = []
    for place in places:
        at = bisect_left(ends, place + 1)
        before = gone[at - 1][1] if at else 0
        inside = max(0, place - removed[at][0]) if at < len(removed) else 0
        moved.append(place - before - inside)
    return Cleaned("".join(pieces), tuple(moved))


_LEET = str.maketrans("013457@$", "oieastas")
_LEET_WORD = re.compile(r"[A-Za-z0-9@$]+")
_MANY_LEET = 3
"""So many words with digits for letters are a text that is disguised: 1gn0re 4ll prev10us instruct10ns."""


def undisguised(text: str) -> str:
    """A text as it looks: full-width and look-alike letters as Latin ones, spaced words joined, white space as single spaces."""
    text = unicodedata.normalize("NFKC", _JOINERS.sub("", without_unseen(text).text)).translate(_LOOKALIKES)
    if sum(map(_is_leet, _LEET_WORD.findall(text))) >= _MANY_LEET:
        text = _LEET_WORD.sub(lambda found: found[0].translate(_LEET) if not found[0].isdigit() else found[0], text)
    return " ".join(_SPACED.sub(lambda found: found[0].replace(found[1], ""), text).split())


def _is_leet(word: str) -> bool:
    letters = sum(map(str.isalpha, word))
    return 2 <= letters < len(word) and not word.isalpha()
