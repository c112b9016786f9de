"""One order out of several: what meaning found, what words found, and what stands beside. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

WORDS_WEIGHT = 0.5
"""What the best match of words adds to a cosine, in an alphabet that the embedder knows."""
WORDS_WEIGHT_CJK = 1.0
"""The bundled embedder is English: for Chinese, Japanese and Korean the words decide."""
BESIDE_MEANING = np.array([0.1, 0.5, 0.3, 0.1], np.float32)
BESIDE_WORDS = np.array([0.4 * 0.6, 0.4, 0.4, 0.4 * 0.6], np.float32)
"""What the turns beside a turn count, from the second before it to the second after it: an answer rarely repeats its question."""

BELIEVED, LIKE_BEST = 3, 0.4
"""So many of the best are taken for right, and what it counts to be like them."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Found = Sequence[tuple[int, float]]
"""Ids with scores, best first."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A chunk id in its place, with what each part had to say (None: it was not asked)."""

    id: int
    score: float
    cosine: float | None = None
    dense_rank: int | None = None
    """Its place among what meaning found; None if others were nearer."""
    bm25: float | None = None
    lexical_rank: int | None = None
    beside: float = 0.0
    """What the turns beside it added to the score, or took from it."""
    like_best: float | None = None
    """Its cosine to the best together."""


def by_meaning(dense: Found) -> list[Ranked]:
    """What meaning found, in its order."""
    return [Ranked(id, cosine, cosine=cosine, dense_rank=rank) for rank, (id, cosine) in enumerate(dense, 1)]


def by_words(lexical: Found) -> list[Ranked]:
    """What words found, in their order."""
    return [Ranked(id, bm25, bm25=bm25, lexical_rank=rank) for rank, (id, bm25) in enumerate(lexical, 1)]


@dataclass(frozen=True, slots=True)
class Measured:
    """n passages, each with its cosine and its BM25, whichever part found it; `ids` ascend."""

    ids: Ints
    cosines: Floats
    bm25: Floats

    def at(self, ids: Ints) -> Ints:
        """Where these are."""
        return np.searchsorted(self.ids, ids)


def fuse(
    dense: Found, lexical: Found, candidates: Ints, beside: Ints, measured: Measured, words_weight: float = WORDS_WEIGHT
) -> list[Ranked]:
    """Order the candidates by cosine plus weighted BM25, best first; ties go to the newer chunk.

    BM25 counts relative to its best here. A convex sum keeps the distances that reciprocal ranks
    throw away (Bruch, Gai and Ingber 2023). A turn takes part of its score from those `beside` it: (n, 4)
    ids, -1 for none.
    """
    own = measured.at(candidates)
    cosines, bm25 = measured.cosines[own], measured.bm25[own]
    there = beside >= 0
    around = measured.at(np.where(there, beside, candidates[:, None]))
    weights = there * BESIDE_MEANING
    meaning = (cosines + (measured.cosines[around] * weights).sum(1)) / (1 + weights.sum(1))
    words = bm25 + (measured.bm25[around] * there * BESIDE_WORDS).sum(1)
    # In a tiny memory BM25 is near nothing, and the best of nothing is no evidence.
    top = max(float(words.max(initial=0.0)), 1.0)
    scores = np.round(meaning + words_weight * words / top, 5)
    added = np.where(there.any(1), scores - (cosines + words_weight * bm25 / top), 0.0)
    dense_rank = {id: rank for rank, (id, _) in enumerate(dense, 1)}
    lexical_rank = {id: rank for rank, (id, _) in enumerate(lexical, 1)}
    order = np.lexsort((-candidates, -scores))
    columns = (column[order].tolist() for column in (candidates, scores, cosines, bm25, added))
    return [
        Ranked(id, score, cosine, dense_rank.get(id), words, lexical_rank.get(id), extra)
        for id, score, cosine, words, extra in zip(*columns, strict=True)
    ]


def fed_back(ranked: Sequence[Ranked], like_best: Floats) -> list[Ranked]:
    """In order anew by what they are like the best of them, (n,): pseudo-relevance feedback (Rocchio 1971, Li et al. 2021)."""
    found = [
        replace(one, score=round(one.score + LIKE_BEST * like, 5), like_best=like)
        for one, like in zip(ranked, like_best.tolist(), strict=True)
    ]
    return sorted(found, key=lambda one: (-one.score, -one.id))
