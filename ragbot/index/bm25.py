"""BM25 (Robertson and Zaragoza 2009) over segments, as if they were one.

What a word weighs is counted over the passages that a search shows, and over no other: a score does not depend
on what is sealed, merged or retired, nor on what others told in scopes of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ragbot.index.columns import Filter, Ints
from ragbot.index.postings import term
from ragbot.index.segment import Segment, best

Scores = NDArray[np.float32]

K1, B = 1.2, 0.75
LOOKED_UP = 4096
"""A word in more passages than this is worth a look whether it can still change who is among the best."""
EDGE = np.float32(1e-4)
"""More than what rounding can move a score."""


class TermQuery:
    """Words that are looked for among the passages that `wanted` shows.

    `words` says how often each counts as terms: once for a word of the question, less for one of what was said before.
    """

    def __init__(self, segments: Sequence[Segment], words: Mapping[str, float], wanted: Filter) -> None:
        self._segments, self._wanted = segments, wanted
        shown = [segment.shown(wanted) for segment in segments]
        n = sum(one.count for one in shown)
        self._mean = max(1.0, sum(one.tokens for one in shown) / max(1, n))
        found = [[segment.words.of(term(word)) for word in words] for segment in segments]
        self.weights: dict[str, float] = {}
        """What a word counts, by its rarity."""
        for at, (word, often) in enumerate(words.items()):
            holding = sum(one.holding(of[at][0]) for one, of in zip(shown, found, strict=True))
            self.weights[word] = often * float(np.log1p((n - holding + 0.5) / (holding + 0.5)))
        weights = list(self.weights.values())
        # The rarest first, in all segments alike: sums depend on their order.
        order = sorted(range(len(weights)), key=lambda at: (-weights[at], at))
        self._asked = [
            [_QueryTerm(*of[at], np.float32(weights[at] * (K1 + 1))) for at in order if len(of[at][0])] for of in found
        ]

    def best(self, k: int) -> list[tuple[int, float]]:
        """The k best (id, BM25), best first; ties by id."""
        parts = [
            _Search(segment, k, self._wanted, self._mean).best(terms)
            for segment, terms in zip(self._segments, self._asked, strict=True)
            if terms and segment.shown(self._wanted).count
        ]
        if not parts:
            return []
        ids, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
        return best(ids, scores, k)

    def scores(self, ids: Ints) -> Scores:
        """(n,): the BM25 of each of these passages; 0 for one that holds none of the words, or is not shown."""
        found = np.zeros(len(ids), np.float32)
        for segment, terms in zip(self._segments, self._asked, strict=True):
            rows, here = segment.rows_of(ids)
            if len(rows):
                found[here] = _Search(segment, len(rows), self._wanted, self._mean).of(terms, rows)
        return found


class _QueryTerm(NamedTuple):
    """A word of a query, as one segment has it."""

    rows: NDArray[np.uint32]
    counts: NDArray[np.uint8]
    bound: np.float32
    """No passage gets more for it."""


class _Search:
    """The best of one segment.

    Frequent words are looked up only for passages that can still be among the best (MaxScore, Turtle and Flood 1995).
    """

    def __init__(self, segment: Segment, k: int, wanted: Filter, mean: float) -> None:
        self._lengths, self._ids = segment.words.lengths, segment.columns.ids
        self._k = k
        self._shown = segment.shown(wanted).mask
        self._scores = np.zeros(len(segment), np.float32)
        self._length_norm = np.float32(K1 * B / mean)

    def best(self, terms: Sequence[_QueryTerm]) -> tuple[Ints, Scores]:
        """Ids and scores of the best k, and of those that tie with the last of them; the rarest word comes first."""
        left = np.cumsum([one.bound for one in terms][::-1])[::-1]
        for at, one in enumerate(terms):
            if at and len(one.rows) > LOOKED_UP:
                rows = self._scored()
                least = self._least(self._scores[rows])
                if least > left[at] + EDGE:
                    rows = rows[self._scores[rows] >= least - left[at] - EDGE]
                    for other in terms[at:]:
                        self._look_up(other, rows)
                    return self._cut(rows)
            self._scores[one.rows] += self._of(one, one.rows, one.counts)
        return self._cut(self._scored())

    def of(self, terms: Sequence[_QueryTerm], rows: Ints) -> Scores:
        """The scores of some rows, in their order."""
        order = np.sort(rows)
        for one in terms:
            self._look_up(one, order)
        scores: Scores = np.where(self._shown[rows], np.round(self._scores[rows], 5), np.float32(0))
        return scores

    def _scored(self) -> Ints:
        return np.flatnonzero((self._scores > 0) & self._shown)

    def _least(self, scores: Scores) -> np.float32:
        """The k-th best; 0 if there are fewer."""
        if len(scores) < self._k:
            return np.float32(0)
        at = len(scores) - self._k
        return np.float32(np.partition(scores, at)[at])

    def _look_up(self, one: _QueryTerm, rows: Ints) -> None:
        narrow = rows.astype(np.uint32)  # as the postings are, or all of them would be widened
        at = np.minimum(np.searchsorted(one.rows, narrow), len(one.rows) - 1)
        here = one.rows[at] == narrow
        self._scores[rows[here]] += self._of(one, rows[here], one.counts[at[here]])

    def _of(self, one: _QueryTerm, rows: NDArray[Any], counts: NDArray[np.uint8]) -> Scores:
        often = counts.astype(np.float32)
        norm = np.float32(K1 * (1 - B)) + self._length_norm * self._lengths[rows].astype(np.float32)
        scores: Scores = one.bound * often / (often + norm)
        return scores

    def _cut(self, rows: Ints) -> tuple[Ints, Scores]:
        scores = np.round(self._scores[rows], 5)
        best = scores >= self._least(scores)
        return self._ids[rows[best]], scores[best]
