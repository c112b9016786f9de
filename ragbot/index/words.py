"""BM25 (Robertson and Zaragoza 2009) over segments, as if they were one.

What a word weighs is counted over the current passages alone, so that a score does not depend on
what is sealed, merged or retired.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def search(segments: Sequence[Segment], tokens: Sequence[str], k: int, wanted: Filter) -> list[tuple[int, float]]:
    """The k best (id, BM25) for any of the tokens, best first; ties by id. Only what `wanted` shows."""
    n = sum(segment.holding for segment in segments)
    mean = max(1.0, sum(segment.tokens for segment in segments) / max(1, n))
    terms = [term(token) for token in dict.fromkeys(tokens)]
    found = [[segment.words.of(one) for one in terms] for segment in segments]
    weights = []
    for at in range(len(terms)):
        holding = sum(_holding(s, of[at][0]) for s, of in zip(segments, found, strict=True))
        weights.append(float(np.log1p((n - holding + 0.5) / (holding + 0.5))))
    # The rarest first, in all segments alike: sums depend on their order.
    order = sorted(range(len(terms)), key=lambda at: (-weights[at], at))
    parts = []
    for segment, of in zip(segments, found, strict=True):
        asked = [_Asked(*of[at], np.float32(weights[at] * (K1 + 1))) for at in order if len(of[at][0])]
        if asked and segment.shown(wanted).count:
            parts.append(_Search(segment, k, wanted, mean).best(asked))
    if not parts:
        return []
    ids, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    return best(ids, scores, k)


def _holding(segment: Segment, rows: NDArray[np.uint32]) -> int:
    """How many current passages are among the rows."""
    return len(rows) if segment.holding == len(segment) else int(np.count_nonzero(segment.current[rows]))


class _Asked(NamedTuple):
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

    def best(self, asked: Sequence[_Asked]) -> tuple[Ints, Scores]:
        """Ids and scores of the best k, and of those that tie with the last of them; the rarest word comes first."""
        left = np.cumsum([one.bound for one in asked][::-1])[::-1]
        for at, one in enumerate(asked):
            if at and len(one.rows) > LOOKED_UP:
                rows = self._scored()
                least = self._least(self._scores[rows])
                if least > left[at] + EDGE:
                    rows = rows[self._scores[rows] >= least - left[at] - EDGE]
                    for other in asked[at:]:
                        self._look_up(other, rows)
                    return self._cut(rows)
            self._scores[one.rows] += self._of(one, one.rows, one.counts)
        return self._cut(self._scored())

    def _scored(self) -> Ints:
        return np.flatnonzero((self._scores > 0) & self._shown)

    def _least(self, scores: Scores) -> np.float32:
        """The k-th best; 0 if there are fewer."""
        if len(scores) < self._k:
            return np.float32(0)
        at = len(scores) - self._k
        return np.float32(np.partition(scores, at)[at])

    def _look_up(self, one: _Asked, rows: Ints) -> None:
        narrow = rows.astype(np.uint32)  # as the postings are, or all of them would be widened
        at = np.minimum(np.searchsorted(one.rows, narrow), len(one.rows) - 1)
        here = one.rows[at] == narrow
        self._scores[rows[here]] += self._of(one, rows[here], one.counts[at[here]])

    def _of(self, one: _Asked, rows: NDArray[Any], counts: NDArray[np.uint8]) -> Scores:
        often = counts.astype(np.float32)
        norm = np.float32(K1 * (1 - B)) + self._length_norm * self._lengths[rows].astype(np.float32)
        scores: Scores = one.bound * often / (often + norm)
        return scores

    def _cut(self, rows: Ints) -> tuple[Ints, Scores]:
        scores = np.round(self._scores[rows], 5)
        best = scores >= self._least(scores)
        return self._ids[rows[best]], scores[best]
