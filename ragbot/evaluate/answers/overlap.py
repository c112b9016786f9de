"""How near a reply is to the answers that are due: the measures of SQuAD (Rajpurkar and others 2016)."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

from ragbot.text.tokens import CJK

LONG = 12
"""An answer of more words was written by a judge: no reply repeats it word by word, and its passage tells whether it is right."""

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation, " ") | dict.fromkeys("，。！？；：、“”‘’（）《》【】·—…", " "))
_CJK = re.compile(f"([{CJK}])")


def exact(reply: str, answers: Sequence[str]) -> float:
    """1 if the reply is one of the answers but for case, articles and punctuation."""
    said = words(reply)
    return float(any(words(answer) == said for answer in answers))


def f1(reply: str, answers: Sequence[str]) -> float:
    """The harmonic mean of precision and recall of words, for the answer where it is highest."""
    return max((_f1(words(reply), words(answer)) for answer in answers), default=0.0)


def holds(reply: str, answers: Sequence[str]) -> float:
    """1 if one of the answers stands in the reply, word by word."""
    said = f" {' '.join(words(reply))} "
    return float(any(f" {' '.join(due)} " in said for answer in answers if (due := words(answer))))


def is_long(answers: Sequence[str]) -> bool:
    """Whether all answers are longer than a reply could repeat."""
    return bool(answers) and all(len(words(answer)) > LONG for answer in answers)


def words(text: str) -> list[str]:
    """Words in small letters, without articles and punctuation; what is written without spaces is split by character."""
    plain = unicodedata.normalize("NFKC", text).lower().translate(_PUNCTUATION)
    return _CJK.sub(r" \1 ", _ARTICLES.sub(" ", plain)).split()


def _f1(said: Sequence[str], due: Sequence[str]) -> float:
    common = (Counter(said) & Counter(due)).total()
    return 2 * common / (len(said) + len(due)) if common else 0.0
