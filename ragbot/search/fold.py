"""Which passages say the same in the same words. Pure functions.

White space, Markdown, quotes, articles, a capital at the beginning of a word, and stops and commas at the end of one may
differ; and one may hold whole sentences of the other. Nothing else may: of texts that are only much alike, a day, a
minus or a "not" is the whole difference between two rules.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

MOST_COPIES = 500
"""How many copies a passage names."""

_FEW_WORDS = 5
"""Less than this is held by many texts by chance."""

_TYPED = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»", '"'),
        **dict.fromkeys("‘’‚‛", "'"),
        **{"。": ". ", "！": "! ", "？": "? ", "\r": " "},
        **dict.fromkeys("\u00ad\u200b\u2060\ufeff"),
    }
)
"""Quotes and stops as they are typed in English, and nothing for what has no width."""
_MARK = re.compile(
    r"^(?:[ \t|:+]*([-=_~`])\1\1[-=_~`|:+ \t]*$"  # a rule, also that of a table, or a fence
    r"|[ \t]*(?:#{1,6}[ \t]+"  # a heading
    r"|[-*•>][ \t]+(?![ \t]|\W?\d)"  # an item or quotation; before a number it may be a minus, or "more than"
    r"|\|(?=.*\|[ \t]*$)))",  # a row
    re.MULTILINE,
)
_PAIR = re.compile(r"([*_`\"'](?<!\w.)\*{0,2})(?=\S)((?:(?!\1|\n\n).)+)(?<=\S)\1(?!\w)", re.DOTALL)
"""What stands in quotes or is emphasized. One such mark alone may be a foot, an inch or a product."""
_STOP = re.compile(r"[.?!](?<![\s.]\.)(?!\S)")
_COMMA = re.compile(r"[,;:，、；：](?:(?<=\S[,;:])(?!\S)|(?<=[，、；：])(?!\d))")
_BREAK = re.compile(r"\n\s*\n")
_ARTICLE = re.compile(r" (?:the|an?)(?= [^\W\d_])")

_Item = TypeVar("_Item")


def wording(text: str) -> str:
    """The words of a text with the signs that count: a space before each word, a line break around each sentence."""
    text = _MARK.sub("\n\n", unicodedata.normalize("NFC", text).translate(_TYPED))
    text = "\n".join(line.rstrip(" \t|") for line in text.split("\n"))  # the ends of rows
    while (bare := _PAIR.sub(r"\2", text)) != text:
        text = bare
    text = _STOP.sub(lambda stop: stop[0].strip(".") + "\n\n", text.rstrip().rstrip("!"))
    parts = [part.split() for part in _BREAK.split(_COMMA.sub(" ", text))]
    lines = [" ".join(["", *(word if word.islower() else _small(word) for word in words)]) for words in parts if words]
    return _ARTICLE.sub("", "\n".join(["", *lines, ""]))


def _small(word: str) -> str:
    """The word as it is within a sentence. What has more capitals is a name or a unit: MW is no mW."""
    return word.lower() if word[1:].islower() else word


def folded(
    items: Iterable[tuple[_Item, str, str]], most: int, worded: Callable[[str], str] = wording
) -> list[tuple[_Item, Sequence[_Item]]]:
    """The first `most` of the items, best first with heading and text, that repeat no better one; each with what repeats it.

    After the last of these it takes `most` items more, which may be copies of them. `worded` is `wording`, or remembers it.
    """
    kept: list[tuple[_Item, list[_Item]]] = []
    last = 0
    same: dict[tuple[str, str], list[_Item]] = {}
    holders: defaultdict[tuple[str, str], list[tuple[str, list[_Item]]]] = defaultdict(list)
    for seen, (item, heading, text) in enumerate(items, 1):
        above, sentences = worded(heading), worded(text)
        words = sentences.replace("\n", "")
        also = same.get((above, words))
        each = {(above, sentence) for sentence in sentences.split("\n") if sentence}
        if also is None and words.count(" ") >= _FEW_WORDS:
            fewest = min((holders.get(one, []) for one in each), key=len)
            also = next((others for whole, others in fewest if sentences in whole), None)
        if also is not None:
            same[above, words] = also
            if len(also) < MOST_COPIES:
                also.append(item)
        elif len(kept) < most:
            same[above, words] = also = []
            kept.append((item, also))
            last = seen
            for one in each:
                holders[one].append((sentences, also))
        if len(kept) == most and seen == last + most:
            break
    return list(kept)
