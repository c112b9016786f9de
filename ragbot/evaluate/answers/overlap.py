"""Overlap of a reply with the reference answers: the measures of SQuAD (Rajpurkar and others 2016)."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

from ragbot.text.tokens import CJK

MAX_REPEATABLE_WORDS = 12
"""A longer reference answer is free text: no reply repeats it word for word, so its citations decide instead."""

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation, " ") | dict.fromkeys("，。！？；：、“”‘’（）《》【】·—…", " "))
_CJK = re.compile(f"([{CJK}])")


def exact(reply: str, answers: Sequence[str]) -> float:
    """1 if the reply equals one of the answers, apart from case, articles and punctuation; else 0."""
    reply_words = words(reply)
    return float(any(words(answer) == reply_words for answer in answers))


def f1(reply: str, answers: Sequence[str]) -> float:
    """F1 of the words of the reply, for the answer where it is highest."""
    return max((_f1(words(reply), words(answer)) for answer in answers), default=0.0)


def holds(reply: str, answers: Sequence[str]) -> float:
    """1 if the reply contains one of the answers word for word; else 0."""
    reply_words = f" {' '.join(words(reply))} "
    return float(any(f" {' '.join(answer_words)} " in reply_words for answer in answers if (answer_words := words(answer))))


def is_long(answers: Sequence[str]) -> bool:
    """Whether all answers have more than MAX_REPEATABLE_WORDS words."""
    return bool(answers) and all(len(words(answer)) > MAX_REPEATABLE_WORDS for answer in answers)


def words(text: str) -> list[str]:
    """The words in lower case, without articles and punctuation; CJK text is split into characters."""
    plain = unicodedata.normalize("NFKC", text).lower().translate(_PUNCTUATION)
    return _CJK.sub(r" \1 ", _ARTICLES.sub(" ", plain)).split()


def _f1(reply_words: Sequence[str], answer_words: Sequence[str]) -> float:
    common = (Counter(reply_words) & Counter(answer_words)).total()
    return 2 * common / (len(reply_words) + len(answer_words)) if common else 0.0
