"""Tokens for matching words: English stems, and pairs of characters for Chinese, Japanese, Korean.

The stemmer is Porter's second (snowballstem.org). Scripts that write no spaces are cut into
overlapping pairs, the usual dictionary-free unit for them (Nie, Gao, Zhang and Zhou 2000), and
single characters beside these: some words are no longer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import snowballstemmer

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_CJK_CHAR = re.compile(f"[{CJK}]")
_WORD = re.compile(f"[{CJK}]+|[^\\W_{CJK}]+(?:['’][^\\W_{CJK}]+)?")
_POSSESSIVE = re.compile(r"['’]s$")

STOP_WORDS = frozenset(
    """a about after again all also am an and any are as at be because been before being but by can could did do
    does doing done for from get had has have having he her here hers him his how i if in into is it its just let
    me may might more most much must my no not of off on once only or other our out over own please same shall she
    should so some such tell than that the their them then there these they this those through to too under up us
    very was we were what when where which while who whom whose why will with would yes you your
    now actually currently
    many long there's what's it's i'm know give anything something someone anyone somebody everyone""".split()
)
"""Words that say nothing about the subject of a question."""

_CJK_PHRASES = "|".join(
    """什么时候 为什么 什么 怎么样 怎么 怎样 如何 哪里 哪儿 哪些 哪个 哪 多少 多久
    多长时间 请问 是否 可以 能不能 一下 我们 你们 他们 这个 那个""".split()
)
_CJK_PARTICLES = "的了吗呢吧啊嘛呀是在和与有我你他她它这那谁几请能会也都"
_CJK_PHRASE = re.compile(_CJK_PHRASES)
_CJK_STOP = re.compile(f"{_CJK_PHRASES}|[{_CJK_PARTICLES}]")
"""Question words and particles: what stands between them is what a question is about."""


def has_cjk(text: str) -> bool:
    """Whether `text` has a Chinese, Japanese or Korean character."""
    return _CJK_CHAR.search(text) is not None


def has_words(text: str) -> bool:
    """Whether `text` has a token."""
    return _WORD.search(_folded(text)) is not None


def tokens(text: str) -> list[str]:
    """Every token of `text`, stop words too: those by which it is found."""
    return [token for word in _WORD.findall(_folded(text)) for token in _tokens(word)]


def written(text: str) -> list[tuple[str, str]]:
    """Every token of `text` with the word that it stands for, in order."""
    return [(token, word) for word in _WORD.findall(_folded(text)) for token in _tokens(word)]


def content(text: str) -> list[str]:
    """The tokens of `text` that say what it is about, in order."""
    return _telling(text, lambda run: [token for part in _CJK_STOP.split(run) if part for token in _token(part)])


def sought(text: str) -> list[str]:
    """The tokens to look for when `text` is asked for.

    A particle may be part of a word (会 of 会议, meeting), so pairs with one in them are looked for too.
    """
    return _telling(text, _pairs)


def _pairs(run: str) -> list[str]:
    pairs = [token for part in _CJK_PHRASE.split(run) if part for token in _token(part)]
    return [pair for pair in pairs if not set(pair) <= set(_CJK_PARTICLES)]


def _telling(text: str, of_run: Callable[[str], list[str]]) -> list[str]:
    """Tokens of words that are no stop words; those of a run of Chinese, Japanese or Korean are given by `of_run`."""
    found: list[str] = []
    for match in _WORD.finditer(_folded(text)):
        word = match.group().replace("’", "'").lower()
        if _CJK_CHAR.match(word):
            found += of_run(word)
        elif word not in STOP_WORDS and _POSSESSIVE.sub("", word) not in STOP_WORDS:
            found.extend(_token(word))
    return found


def _folded(text: str) -> str:
    """Ligatures, full-width letters and the like as plain ones (NFKC), as people type them."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _tokens(word: str) -> Iterable[str]:
    return (*_token(word), *word) if len(word) > 1 and _CJK_CHAR.match(word) else _token(word)


@lru_cache(maxsize=1 << 17)
def _token(word: str) -> tuple[str, ...]:
    if _CJK_CHAR.match(word):
        return (word,) if len(word) == 1 else tuple(word[i : i + 2] for i in range(len(word) - 1))
    return (str(_stemmer().stemWord(_POSSESSIVE.sub("", word.replace("’", "'").lower()))),)


@lru_cache(maxsize=1)
def _stemmer() -> snowballstemmer.stemmer:
    import snowballstemmer

    return snowballstemmer.stemmer("english")
