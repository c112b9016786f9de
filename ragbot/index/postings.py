"""Which word stands in which passage, and how often: an inverted index in plain arrays.

Postings of a term lie together, terms in the order of their 64-bit digests (XXH3), so that they can
be mapped from a file, looked up by bisection, and merged by copying.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xxhash
from numpy.typing import NDArray

MOST = 255
"""Where the count of a word in one passage stops: beyond it BM25 does not move."""
BLOCK = 1 << 22
"""How many postings are merged at a time."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Postings:
    """The words of n passages, which are rows 0 to n - 1.

    Term i (of t) stands in `rows[starts[i]:starts[i + 1]]`, as often as `counts` says beside it.
    """

    terms: NDArray[np.uint64]
    starts: NDArray[np.int64]
    rows: NDArray[np.uint32]
    counts: NDArray[np.uint8]
    lengths: NDArray[np.uint32]
    """(n,): how many tokens each passage has."""

    def places(self, terms: NDArray[np.uint64]) -> Rows:
        """(n,): which term of these postings each is; -1 for one that nobody holds."""
        at = self.terms.searchsorted(terms)
        known = at < len(self.terms)
        known[known] = self.terms[at[known]] == terms[known]
        return np.where(known, at, -1)

    def of(self, terms: Sequence[int]) -> list[tuple[NDArray[np.uint32], NDArray[np.uint8]]]:
        """For each term the rows that hold it, ascending, and how often."""
        found = []
        for at in self.places(np.array(terms, np.uint64)).tolist():
            span = slice(int(self.starts[at]), int(self.starts[at + 1])) if at >= 0 else slice(0)
            found.append((self.rows[span], self.counts[span]))
        return found


def digest(token: str) -> int:
    """What stands for a token: 64 bits of its digest."""
    return int(xxhash.xxh3_64_intdigest(token.encode("utf-8", "replace")))


term = lru_cache(maxsize=1 << 18)(digest)
"""The same, remembered: for tokens that are there."""


def build(passages: Sequence[Sequence[str]]) -> Postings:
    """The postings of passages that are given as their tokens."""
    terms: list[int] = []
    counts: list[int] = []
    distinct: list[int] = []
    for tokens in passages:
        counted = Counter(tokens)
        terms += map(term, counted)
        counts += counted.values()
        distinct.append(len(counted))
    of_each = np.array(terms, np.uint64)
    order = np.argsort(of_each, kind="stable")
    unique, first = np.unique(of_each[order], return_index=True)
    return Postings(
        terms=unique,
        starts=np.append(first, len(order)).astype(np.int64),
        rows=np.repeat(np.arange(len(passages), dtype=np.uint32), distinct)[order],
        counts=np.minimum(np.array(counts, np.int64), MOST).astype(np.uint8)[order],
        lengths=np.array([len(tokens) for tokens in passages], np.uint32),
    )


def lengths(parts: Sequence[Postings], places: Sequence[Rows], n: int) -> NDArray[np.uint32]:
    """The lengths of merged passages: row i of a part goes to `places[part][i]`, or nowhere if that is -1."""
    merged = np.zeros(n, np.uint32)
    for part, place in zip(parts, places, strict=True):
        merged[place[place >= 0]] = part.lengths[place >= 0]
    return merged


def merge(
    parts: Sequence[Postings], places: Sequence[Rows]
) -> Iterator[tuple[NDArray[np.uint64], Rows, NDArray[np.uint32], NDArray[np.uint8]]]:
    """Blocks of merged postings: terms, how many postings each has, rows, counts. Terms that nobody holds are left out."""
    terms = np.unique(np.concatenate([part.terms for part in parts])) if parts else np.empty(0, np.uint64)
    total = np.zeros(len(terms), np.int64)
    for part in parts:
        total[np.searchsorted(terms, part.terms)] += np.diff(part.starts)
    block_of = np.cumsum(total) // BLOCK
    for block in np.unique(block_of):
        chosen = terms[np.searchsorted(block_of, block) : np.searchsorted(block_of, block, side="right")]
        yield _merged(parts, places, chosen)


def _merged(
    parts: Sequence[Postings], places: Sequence[Rows], terms: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], Rows, NDArray[np.uint32], NDArray[np.uint8]]:
    of_each, rows, counts = [], [], []
    for part, place in zip(parts, places, strict=True):
        low, high = np.searchsorted(part.terms, terms[0]), np.searchsorted(part.terms, terms[-1], side="right")
        span = slice(int(part.starts[low]), int(part.starts[high]))
        moved = place[part.rows[span]]
        kept = moved >= 0
        at = np.searchsorted(terms, part.terms[low:high])
        of_each.append(np.repeat(at, np.diff(part.starts[low : high + 1]))[kept])
        rows.append(moved[kept].astype(np.uint32))
        counts.append(part.counts[span][kept])
    which = np.concatenate(of_each)
    order = np.lexsort((np.concatenate(rows), which))
    found = np.bincount(which, minlength=len(terms))
    return terms[found > 0], found[found > 0], np.concatenate(rows)[order], np.concatenate(counts)[order]


def in_memory(parts: Sequence[Postings], places: Sequence[Rows], n: int) -> Postings:
    """The merged postings as one."""
    blocks = list(merge(parts, places))
    if not blocks:
        return build([[]] * n)
    terms, found, rows, counts = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return Postings(terms, np.append(0, np.cumsum(found)), rows, counts, lengths(parts, places, n))
