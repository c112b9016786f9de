"""Whether two statements are about the same and say otherwise, and which pairs of many do. Rules that a person can read."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from ragbot.text.numbers import numbers
from ragbot.text.polarity import NEGATION, is_negated
from ragbot.text.tokens import content

SAME_MATTER = 0.65
"""Two sentences that share this part of all their words, numbers aside, are about the same."""
MIN_WORDS = 2
"""With fewer words a sentence says not what it is about."""
_NUMBER = re.compile(r"(?<![a-z])\d[\d.,:]*(?![a-z])|[零一二三四五六七八九十百千万两\d]+", re.IGNORECASE)


def words(text: str) -> frozenset[str]:
    """The words of a sentence without its numbers and what negates it."""
    return frozenset(content(_NUMBER.sub(" ", NEGATION.sub(" ", text))))


def same_matter(first: frozenset[str], second: frozenset[str]) -> bool:
    """Whether sentences of these words are about the same."""
    return len(first & second) >= max(1, SAME_MATTER * len(first | second))


def say_otherwise(one: str, other: str) -> bool:
    """Whether two sentences are about the same, and their numbers, or what they negate, are not."""
    first, second = words(one), words(other)
    if not same_matter(first, second):
        return False
    own, others = list(numbers(one)), list(numbers(other))
    if own and others:
        return not any(a & b for a in own for b in others)
    return first == second and {is_negated(one), is_negated(other)} == {True, False}


def pairs_that_say_otherwise(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Places of all pairs of texts that say otherwise, each once, in order of the second.

    Only those are compared that share one of their rarest words, which pairs of one matter must (prefix filtering, Chaudhuri,
    Ganti and Kaushik 2006).
    """
    held = [words(text) for text in texts]
    often = Counter(word for some in held for word in some)
    by_word = defaultdict[str, list[int]](list)
    for at, some in enumerate(held):
        if len(some) < MIN_WORDS:
            continue
        rarest = sorted(some, key=lambda word: (often[word], word))
        prefix = rarest[: len(rarest) - math.ceil(SAME_MATTER * len(rarest)) + 1]
        for before in sorted({earlier for word in prefix for earlier in by_word[word]}):
            if say_otherwise(texts[before], texts[at]):
                yield before, at
        for word in prefix:
            by_word[word].append(at)
