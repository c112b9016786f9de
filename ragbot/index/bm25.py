"""BM25 (Robertson and Zaragoza 2009) over segments, as if they were one.

What a word weighs is counted over the passages that a search shows, and over no other: a score does not depend
on what is sealed, merged or retired, nor on what others told in scopes of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ragbot.index.columns import Filter, Ints
from ragbot.index.postings import term
from ragbot.index.segment import Segment, best
from ragbot.index.shown import Span

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
        terms = [term(word) for word in words]
        searched = [(segment, segment.shown(wanted)) for segment in segments]
        searched = [(segment, shown) for segment, shown in searched if shown.count]
        postings = [segment.words.of(terms) for segment, _ in searched]
        spans = [
            (segment, span, [_within(span, len(segment), *one) for one in found])
            for (segment, shown), found in zip(searched, postings, strict=True)
            for span in shown.spans
        ]
        n = sum(shown.count for _, shown in searched)
        mean = max(1.0, sum(shown.tokens for _, shown in searched) / max(1, n))
        self._length_norm = np.float32(K1 * B / mean)
        self.weights: dict[str, float] = {}
        """What a word counts, by its rarity."""
        for at, (word, often) in enumerate(words.items()):
            holding = sum(_count(span, found[at][0]) for _, span, found in spans)
            self.weights[word] = often * float(np.log1p((n - holding + 0.5) / (holding + 0.5)))
        weights = list(self.weights.values())
        # The rarest first, in all segments alike: sums depend on their order.
        order = sorted(range(len(weights)), key=lambda at: (-weights[at], at))
        bounds = [np.float32(weight * (K1 + 1)) for weight in weights]
        self._segments = [
            (segment, shown, [_QueryTerm(*found[at], bounds[at]) for at in order if len(found[at][0])])
            for (segment, shown), found in zip(searched, postings, strict=True)
        ]
        self._spans = [
            (segment, span, [_QueryTerm(*found[at], bounds[at]) for at in order if len(found[at][0])])
            for segment, span, found in spans
        ]

    @property
    def possible(self) -> float:
        """The BM25 of a passage of mean length that holds each word once."""
        return sum(self.weights.values())

    def best(self, k: int) -> list[tuple[int, float]]:
        """The k best (id, BM25), best first; ties by id."""
        parts = [_SpanSearch(segment, span, k, self._length_norm).best(terms) for segment, span, terms in self._spans if terms]
        if not parts:
            return []
        ids, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
        return best(ids, scores, k)

    def scores(self, ids: Ints) -> Scores:
        """(n,): the BM25 of each of these passages; 0 for one that holds none of the words, or is not shown."""
        found = np.zeros(len(ids), np.float32)
        for segment, shown, terms in self._segments:
            rows, here = segment.rows_of(ids)
            if len(rows):
                scores = np.zeros(len(rows), np.float32)
                for one in terms:
                    _look_up(one, rows, segment.words.lengths, self._length_norm, scores)
                found[here] = np.round(scores, 5) * shown.contains(rows)
        return found


class _QueryTerm(NamedTuple):
    """A word of a query, as one segment or one span of it has it."""

    rows: NDArray[np.uint32]
    counts: NDArray[np.uint8]
    bound: np.float32
    """No passage gets more for it."""


def _within(
    span: Span, n: int, rows: NDArray[np.uint32], counts: NDArray[np.uint8]
) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """The postings of a segment of n rows that lie in a span, counted from its first row."""
    if len(span) == n or not len(rows):
        return rows, counts
    inside = span.within(rows)
    return rows[inside] - np.uint32(span.start), counts[inside]


def _count(span: Span, rows: NDArray[np.uint32]) -> int:
    """How many of some rows of a span are shown."""
    return len(rows) if span.mask is None else int(np.count_nonzero(span.mask[rows]))


def _look_up(one: _QueryTerm, rows: Ints, lengths: NDArray[np.uint32], length_norm: np.float32, scores: Scores) -> None:
    """Add to the score of each row, (n,), what it gets for a word."""
    narrow = rows.astype(np.uint32)  # as the postings are, or all of them would be widened
    at = np.minimum(one.rows.searchsorted(narrow), len(one.rows) - 1)
    here = one.rows[at] == narrow
    scores[here] += _gain(one, lengths[rows[here]], one.counts[at[here]], length_norm)


def _gain(one: _QueryTerm, lengths: NDArray[np.uint32], counts: NDArray[np.uint8], length_norm: np.float32) -> Scores:
    """What passages of these lengths get for a word that they hold so often."""
    often = counts.astype(np.float32)
    norm: Scores = np.float32(K1 * (1 - B)) + length_norm * lengths.astype(np.float32)
    scores: Scores = one.bound * often / (often + norm)
    return scores


class _SpanSearch:
    """The best of one span of a segment, with rows counted from the first of it.

    Frequent words are looked up only for passages that can still be among the best (MaxScore, Turtle and Flood 1995).
    """

    def __init__(self, segment: Segment, span: Span, k: int, length_norm: np.float32) -> None:
        self._lengths, self._ids = segment.words.lengths[span.start : span.stop], segment.ids[span.start : span.stop]
        self._k = k
        self._mask = span.mask
        self._scores = np.zeros(len(span), np.float32)
        self._length_norm = length_norm

    def best(self, terms: Sequence[_QueryTerm]) -> tuple[Ints, Scores]:
        """Ids and scores of the best k, and of those that tie with the last of them; the rarest word comes first."""
        left = np.cumsum([one.bound for one in terms][::-1])[::-1]
        for at, one in enumerate(terms):
            if at and len(one.rows) > LOOKED_UP:
                rows = self._scored()
                scores = self._scores[rows]
                least = self._least(scores)
                if least > left[at] + EDGE:
                    can = scores >= least - left[at] - EDGE
                    rows, scores = rows[can], scores[can]
                    for other in terms[at:]:
                        _look_up(other, rows, self._lengths, self._length_norm, scores)
                    return self._cut(rows, scores)
            self._scores[one.rows] += _gain(one, self._lengths[one.rows], one.counts, self._length_norm)
        rows = self._scored()
        return self._cut(rows, self._scores[rows])

    def _scored(self) -> Ints:
        scored = self._scores > 0
        return np.flatnonzero(scored if self._mask is None else scored & self._mask)

    def _least(self, scores: Scores) -> np.float32:
        """The k-th best; 0 if there are fewer."""
        if len(scores) < self._k:
            return np.float32(0)
        at = len(scores) - self._k
        return np.float32(np.partition(scores, at)[at])

    def _cut(self, rows: Ints, scores: Scores) -> tuple[Ints, Scores]:
        scores = np.round(scores, 5)
        best = scores >= self._least(scores)
        return self._ids[rows[best]], scores[best]
