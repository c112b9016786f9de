"""Which words of a question are misspelt, and what they are read as.

Norvig's way (norvig.com/spell-correct.html): every word that one edit makes of it is looked up, here in the passages that a
reader may see. Pure functions; no list of words is kept.

A word is left alone where a passage holds it, or where somebody knows it (`Knows`): "sauna" is no misspelt "fauna".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ragbot.text.sentences import sentences
from ragbot.text.tokens import STOP_WORDS, stems

Held = Callable[[Sequence[str]], NDArray[np.int64]]
"""In how many of the passages that a reader may see each of some stems stands."""
Knows = Callable[[str], bool]
"""Whether a word, in small letters, is one."""

LEAST, MOST = 4, 24
"""A shorter word is never corrected, since too many others are one edit away; nor is a longer one, which is none."""
MOST_WORDS = 8
"""So many words of a question are corrected, the first ones."""
TWICE = 7
"""Words of so many letters are corrected at two places."""
PART = 4
"""The least letters of either of two words that were run together."""
CONSONANTS = 5
"""In a shorter word no other letter stands in place of a consonant: "sate" is no "same"."""
_LETTERS, _VOWELS = "abcdefghijklmnopqrstuvwxyz", "aeiouy"
_PLAIN = ("s", "es", "ed", "ing", "er", "est")
_CONTRACTED = ("", "nt", "t", "s", "re", "ve", "ll", "d")
_WORD = re.compile(r"(?<![\w'’@./\\-])[A-Za-z]+(?![\w@/\\-]|['’](?!s\b)|\.\w)")
"""A word of letters alone, and no part of a code or an address."""


def doubtful(question: str, knows: Knows) -> list[str]:
    """What may be misspelt in a question, as it is written: words, and pairs of words that may be one.

    That takes no index; most questions have none. Names are left out: words with a capital within a sentence.
    """
    words = [word for word in _words(question) if LEAST <= len(word) <= MOST and not _is_right(word.lower(), knows)]
    pairs = [pair for pair in _pairs(question) if knows("".join(pair.split())) or not set(words).isdisjoint(pair.split())]
    return [*pairs[:MOST_WORDS], *words]


def misspelt(doubtful: Sequence[str], held: Held, knows: Knows) -> dict[str, str]:
    """What those of `doubtful` that no passage holds are read as; without those that are near nothing held."""
    found = dict[str, str]()
    for pair in doubtful:
        if len(parts := pair.split()) > 1:
            whole, *each = held(stems(["".join(parts), *parts])).tolist()
            if whole and not all(each):
                found[pair] = "".join(parts)
    words = [word for word in doubtful if word.isalpha() and not any(word in pair.split() for pair in found)]
    counts = held(stems([word.lower() for word in words]))
    for word in [word for word, count in zip(words, counts, strict=True) if not count][:MOST_WORDS]:
        if read := _nearest(word.lower(), held, knows):
            found[word] = read.capitalize() if word[0].isupper() else read
    return found


def as_meant(text: str, read: Mapping[str, str]) -> str:
    """`text` with each word of `read` replaced by what it is read as."""
    for written, meant in read.items():
        text = re.sub(rf"(?<!\w){re.escape(written)}(?!\w)", meant, text)
    return text


def _words(question: str) -> Iterator[str]:
    """The words that may be looked at, each once: no stop words; with a capital only where a sentence begins."""
    found = dict[str, None]()
    for span in sentences(question):
        for at, match in enumerate(_WORD.finditer(question, span.start, span.end)):
            word = match.group()
            if (word.islower() or at == 0 and word.istitle()) and not _is_stop_word(word.lower()):
                found[word] = None
    return iter(found)


def _is_stop_word(word: str) -> bool:
    """Whether it is one, also with "not", "is" or the like after it and the apostrophe left out: "wasnt"."""
    return any(word.removesuffix(end) in STOP_WORDS for end in _CONTRACTED)


def _pairs(question: str) -> Iterator[str]:
    """Words beside each other, with what stands between them."""
    for first, second in pairwise(_WORD.finditer(question)):
        both = first.group(), second.group()
        apart = question[first.start() : second.end()]
        whole = stems(["".join(both)])  # "partially" is one word, "first fully" are two
        if apart.islower() and apart.split() == [*both] and not any(map(_is_stop_word, both)) and whole[0] not in stems(both):
            yield apart


def _nearest(word: str, held: Held, knows: Knows) -> str:
    """The word that is held and most likely meant; "" if none is near."""
    once = _edits(word, consonants=len(word) >= CONSONANTS)
    if best := _best(once, held, lambda candidate, stem: _is_word(candidate, stem, knows) or not knows(stem), knows):
        return best
    if best := _divided(word, held):
        return best
    twice = _words_among(_edited_twice(word, once), held, knows) if len(word) >= TWICE else {}
    return _best(twice, held, lambda candidate, stem: _is_word(candidate, stem, knows), knows)


def _words_among(candidates: Mapping[str, int], held: Held, knows: Knows) -> dict[str, int]:
    """Those that `_is_word` may say so of: to stem all of them takes twice as long as to make them and look them up."""
    counts = held([word if word.endswith("ss") else word.removesuffix("s") for word in candidates])
    return {word: cost for (word, cost), count in zip(candidates.items(), counts, strict=True) if count or knows(word)}


def _best(candidates: Mapping[str, int], held: Held, fits: Callable[[str, str], bool], knows: Knows) -> str:
    """Of the candidates that are held and `fits`, with their stem, the likeliest; of these the one that most passages hold."""
    words = list(candidates)
    stemmed = stems(words)
    counts = held(stemmed)
    found = [
        (candidates[words[at]], -int(counts[at]), not knows(words[at]), words[at])
        for at in np.flatnonzero(counts).tolist()
        if fits(words[at], stemmed[at])
    ]
    return min(found)[-1] if found else ""


def _is_word(word: str, stem: str, knows: Knows) -> bool:
    """Whether it is known, or its stem with nothing or an "s" after it: "opene" has the stem of "open", and is no word."""
    return word in (stem, f"{stem}s") or knows(word)


def _is_right(word: str, knows: Knows) -> bool:
    """Whether it is known, or a plain form of what is."""
    (stem,) = stems([word])
    return knows(word) or any(word == stem + end for end in _PLAIN) and knows(stem)


def _divided(word: str, held: Held) -> str:
    """Two words that were run together; "" if there are none."""
    halves = [(word[:at], word[at:]) for at in range(PART, len(word) - PART + 1)]
    halves = [both for both in halves if not STOP_WORDS.intersection(both)]
    if not halves:
        return ""
    counts = held(stems([part for both in halves for part in both])).reshape(-1, 2).min(axis=1)
    return " ".join(halves[int(counts.argmax())]) if counts.any() else ""


def _edits(word: str, consonants: bool = True) -> dict[str, int]:
    """What one slip could have made this word of, and how unlikely it is: 0 for letters exchanged, doubled or not, and for a
    vowel in place of another, 1 for all else. The first letter is right, or exchanged with the second. Without `consonants`
    no letter stands in place of another but a vowel in that of a vowel.
    """
    found = dict[str, int]()
    for at in range(1, len(word) + 1):
        before, after = word[:at], word[at:]
        for letter in _LETTERS:
            found[before + letter + after] = 0 if letter in (before[-1], after[:1]) else 1
        if after:
            vowel = after[0] in _VOWELS
            for letter in _LETTERS if consonants else _VOWELS if vowel else "":
                found.setdefault(before + letter + after[1:], 0 if vowel and letter in _VOWELS else 1)
            found[before + after[1:]] = 0 if before[-1] == after[0] else 1
            found[before[:-1] + after[0] + before[-1] + after[1:]] = 0
    found.pop(word, None)
    return found


def _edited_twice(word: str, once: Mapping[str, int]) -> dict[str, int]:
    """What two slips could have made this word of, one of them a likely one, the other no consonant in place of another."""
    found = dict[str, int]()
    for between, cost in once.items():
        if cost == 0:
            for candidate, more in _edits(between, consonants=False).items():
                found[candidate] = min(more, found.get(candidate, more))
    return found
