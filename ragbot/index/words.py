"""BM25 (Robertson and Zaragoza 2009) over segments, as if they were one.

What a word weighs is counted over the current passages alone, so that a score does not depend on
what is sealed, merged or retired.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ragbot.index.columns import Filter
from ragbot.index.postings import term
from ragbot.index.segment import Segment

K1, B = 1.2, 0.75


def search(segments: Sequence[Segment], tokens: Sequence[str], k: int, wanted: Filter) -> list[tuple[int, float]]:
    """The k best (id, BM25) for any of the tokens, best first; ties by id. Only what `wanted` shows."""
    n = sum(segment.holding for segment in segments)
    mean = sum(segment.tokens for segment in segments) / max(1, n)
    terms = [term(token) for token in dict.fromkeys(tokens)]
    found = [[segment.words.of(one) for one in terms] for segment in segments]
    weights = []
    for at in range(len(terms)):
        holding = sum(int(np.count_nonzero(s.current[of[at][0]])) for s, of in zip(segments, found, strict=True))
        weights.append(float(np.log1p((n - holding + 0.5) / (holding + 0.5))))
    best: list[tuple[int, float]] = []
    for segment, postings in zip(segments, found, strict=True):
        best += _best(segment, postings, weights, mean, k, wanted)
    return sorted(best, key=lambda hit: (-hit[1], hit[0]))[:k]


def _best(
    segment: Segment,
    postings: Sequence[tuple[NDArray[np.uint32], NDArray[np.uint8]]],
    weights: Sequence[float],
    mean: float,
    k: int,
    wanted: Filter,
) -> list[tuple[int, float]]:
    total = sum(len(rows) for rows, _ in postings)
    shown = segment.shown(wanted) if total else None
    if shown is None or not shown.count:
        return []
    scores = np.zeros(len(segment), np.float32)
    lengths = segment.words.lengths
    for (rows, counts), weight in zip(postings, weights, strict=True):
        often = counts.astype(np.float32)
        norm = np.float32(K1 * (1 - B)) + np.float32(K1 * B / max(mean, 1.0)) * lengths[rows].astype(np.float32)
        scores[rows] += np.float32(weight * (K1 + 1)) * often / (often + norm)
    if total * 4 < len(scores):
        touched = np.unique(np.concatenate([rows for rows, _ in postings]))
    else:
        touched = np.flatnonzero(scores)
    touched = touched[shown.mask[touched]]
    of_touched = np.round(scores[touched], 5)
    if len(touched) > k:
        least = np.partition(of_touched, len(touched) - k)[len(touched) - k]
        touched, of_touched = touched[of_touched >= least], of_touched[of_touched >= least]
    return [(int(id), round(float(s), 5)) for id, s in zip(segment.columns.ids[touched], of_touched, strict=True)]
