"""Tokenize text for lexical matching: English stems, and character bigrams for Chinese, Japanese and Korean (CJK).

The stemmer is Porter2 (snowballstem.org). Scripts without spaces are split into overlapping
bigrams, the usual unit without a dictionary (Nie, Gao, Zhang and Zhou 2000), and into
single characters as well, since some words have only one. Traditional characters are read as simplified ones.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib import resources
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
"""Words that carry no topic: they are left out of content and query tokens."""

ENGLISH = 0.1
"""The least share of stop words in an English text; markup, names and codes have fewer."""
_LETTERS = re.compile(r"[a-zA-Z\u00c0-\u024f]{2,}")
_CJK_PHRASES = "|".join(
    """什么时候 为什么 什么 怎么样 怎么 怎样 如何 哪里 哪儿 哪些 哪个 哪 多少 多久
    多长时间 请问 是否 可以 能不能 一下 我们 你们 他们 这个 那个""".split()
)
_CJK_PARTICLES = "的了吗呢吧啊嘛呀是在和与有我你他她它这那谁几请能会也都"
_CJK_PHRASE = re.compile(_CJK_PHRASES)
_CJK_STOP = re.compile(f"{_CJK_PHRASES}|[{_CJK_PARTICLES}]")
"""Chinese question words and particles: the stop words between the content words."""


def has_cjk(text: str) -> bool:
    """Whether `text` has a Chinese, Japanese or Korean character."""
    return _CJK_CHAR.search(text) is not None


def in_other_language(text: str, cjk: bool) -> bool:
    """Whether `text` is English where the question is Chinese (`cjk`), or Chinese where the question is English.

    Figures, names and markup are neither.
    """
    characters, words = len(_CJK_CHAR.findall(text)), _LETTERS.findall(text.lower())
    if not cjk:
        return characters > len(words)
    return characters < len(words) and sum(word in STOP_WORDS for word in words) >= len(words) * ENGLISH


def has_words(text: str) -> bool:
    """Whether `text` has a token."""
    return _WORD.search(_normalized(text)) is not None


def tokens(text: str) -> list[str]:
    """Every token of `text`, stop words included, as the index stores them."""
    return [token for word in _WORD.findall(_normalized(text)) for token in _tokens(word)]


def tokens_with_words(text: str) -> list[tuple[str, str]]:
    """Every (token, word as it stands in the text) of `text`, in order."""
    return [(token, word) for word in _WORD.findall(_normalized(text)) for token in _tokens(word)]


def content(text: str) -> list[str]:
    """The content tokens of `text` in order: those that are not stop words."""
    return _content_tokens(text, lambda run: [token for part in _CJK_STOP.split(run) if part for token in _token(part)])


def query_tokens(text: str) -> list[str]:
    """The tokens to search for when `text` is the query.

    Unlike in `content`, bigrams that contain one particle stay, since a particle may be part of a word (会 in 会议, meeting).
    """
    return _content_tokens(text, _pairs)


def _pairs(run: str) -> list[str]:
    pairs = [token for part in _CJK_PHRASE.split(run) if part for token in _token(part)]
    return [pair for pair in pairs if not set(pair) <= set(_CJK_PARTICLES)]


def _content_tokens(text: str, tokens_of_run: Callable[[str], list[str]]) -> list[str]:
    """Tokens of all words except stop words; `tokens_of_run` tokenizes each run of CJK characters."""
    found: list[str] = []
    for match in _WORD.finditer(_normalized(text)):
        word = match.group().replace("’", "'").lower()
        if _CJK_CHAR.match(word):
            found += tokens_of_run(word)
        elif word not in STOP_WORDS and _POSSESSIVE.sub("", word) not in STOP_WORDS:
            found.extend(_token(word))
    return found


def stems(words: Sequence[str]) -> list[str]:
    """The token of each English word in small letters; unlike `tokens`, it remembers none of them: most may be no words."""
    found: list[str] = _stemmer().stemWords(list(words))
    return found


def _normalized(text: str) -> str:
    """Normalize by NFKC: ligatures, full-width letters and the like become the characters that people type; `simplified`."""
    return text if text.isascii() else simplified(unicodedata.normalize("NFKC", text))


def simplified(text: str) -> str:
    """`text` with simplified Chinese characters in place of traditional ones, each in its place.

    Japanese shares many of them. Its words become other characters in passages and questions alike, so they are found as before;
    会議 finds 会议 then, which means the same.
    """
    return text.translate(_to_simplified()) if has_cjk(text) else text


@lru_cache(maxsize=1)
def _to_simplified() -> dict[int, str]:
    """The first choice of OpenCC for each character; what becomes a character beyond `CJK` stays, or it would be of no word."""
    table = resources.files("opencc").joinpath("dictionary/TSCharacters.txt").read_text(encoding="utf-8")
    pairs = (line.split()[:2] for line in table.splitlines())
    return {ord(old): new for old, new in pairs if old != new and len(old) == 1 and _CJK_CHAR.fullmatch(new)}


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


CHARACTERS_PER_TOKEN = 4
"""Of English in the tokenizers of language models; a Chinese character is about one token."""


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has for a language model. None is asked: the figure does not depend on what is loaded."""
    wide = sum(character >= "⺀" for character in text)
    return wide + -(-(len(text) - wide) // CHARACTERS_PER_TOKEN)
