"""Of passages about the same, the more authoritative or newer one first; what was set aside, last. Pure functions."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import replace

from ragbot.temporal.conflicts import same_matter, words
from ragbot.text.tokens import content
from ragbot.types import Chunk, Hit

MAX_COMPARED = 50
"""So many of the best hits are compared."""
REMEMBERED = 4096

_words = functools.lru_cache(maxsize=REMEMBERED)(words)
"""A passage never changes its text, and the same ones are found again and again."""


@functools.lru_cache(maxsize=32)
def _patterns(authority: str) -> tuple[re.Pattern[str], ...]:
    """Patterns of addresses and names, from the most authoritative down: "policies/*, wiki/*"."""
    given = filter(None, (one.strip() for one in authority.split(",")))
    return tuple(re.compile(".*".join(map(re.escape, re.split(r"\*+", one))), re.DOTALL) for one in given)


def rank(chunk: Chunk, name: str, authority: str) -> int:
    """Which place among `authority` a passage's source has, from 0, the most authoritative; behind all of them for others."""
    patterns = _patterns(authority)
    return next((at for at, one in enumerate(patterns) if one.fullmatch(name) or one.fullmatch(chunk.uri)), len(patterns))


def outranks(one: Hit, other: Hit, authority: str) -> bool:
    """Whether one source is to lead where both say something about the same: by its authority, else by how new it is."""
    ranks = rank(one.chunk, one.name, authority), rank(other.chunk, other.name, authority)
    return ranks[0] < ranks[1] or (ranks[0] == ranks[1] and one.chunk.valid_from > other.chunk.valid_from)


def newer_first(query: str, hits: Sequence[Hit], authority: str = "") -> list[Hit]:
    """The hits, each behind those of other documents that are about the same, outrank it, and hold as many words of the query."""
    asked = frozenset(content(query))
    found = list[Hit]()
    for hit in hits[:MAX_COMPARED]:
        place = len(found)
        for at in range(len(found) - 1, -1, -1):
            if _replaces(hit, found[at], asked, authority):
                place = at
        if place < len(found):
            features = replace(hit.features, newer_than=found[place].chunk.id)
            hit = replace(hit, features=features)
        found.insert(place, hit)
    found += hits[MAX_COMPARED:]
    return [*(hit for hit in found if not hit.is_set_aside), *(hit for hit in found if hit.is_set_aside)]


def _replaces(one: Hit, other: Hit, asked: frozenset[str], authority: str) -> bool:
    if one.chunk.uri == other.chunk.uri or one.chunk.kind != "file" or other.chunk.kind != "file":
        return False
    first, second = _words(one.chunk.text), _words(other.chunk.text)
    return same_matter(first, second) and asked & second <= first and outranks(one, other, authority)
