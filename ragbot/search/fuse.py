"""One order out of several: meaning, words, and the turns beside a turn. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from ragbot.types import HitFeatures

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Found = Sequence[tuple[int, float]]
"""Ids with scores, best first."""


@dataclass(frozen=True, slots=True)
class RankWeights:
    """What each feature counts in the order of hits: the part of recall that a policy may change."""

    words: float = 0.5
    """What the best match of words adds to a cosine, in an alphabet that the embedder knows."""
    words_cjk: float = 1.0
    """The same for Chinese, Japanese and Korean: with an English embedder the words decide."""
    previous_2_meaning: float = 0.1
    previous_1_meaning: float = 0.5
    next_1_meaning: float = 0.3
    next_2_meaning: float = 0.1
    """What the cosines of the turns beside a turn count, from the second before it to the second after it."""
    previous_2_words: float = 0.24
    previous_1_words: float = 0.4
    next_1_words: float = 0.4
    next_2_words: float = 0.24
    """What their words count: an answer rarely repeats its question."""
    feedback: float = 0.4
    """What it counts to be like the best FEEDBACK_HITS (pseudo-relevance feedback)."""
    feedback_cjk: float = 0.0
    """The same for Chinese, Japanese and Korean: the cosines of an English embedder say little of them."""
    rerank: float = 1.0
    """What the best that a reranker can say adds to the score."""

    @classmethod
    def of(cls, weights: Mapping[str, float]) -> RankWeights:
        """The weights of a policy; what it does not name keeps its default. Raises ValueError for an unknown name."""
        if unknown := sorted(weights.keys() - {field.name for field in fields(cls)}):
            raise ValueError(f"there is no ranking weight {unknown[0]!r}")
        return cls(**weights)

    def as_mapping(self) -> dict[str, float]:
        """The weights by name, as a policy keeps them."""
        return asdict(self)

    @property
    def neighbour_meaning(self) -> Floats:
        """(4,): the weights of the cosines of neighbours, in their order."""
        both = (self.previous_2_meaning, self.previous_1_meaning, self.next_1_meaning, self.next_2_meaning)
        return np.array(both, np.float32)

    @property
    def neighbour_words(self) -> Floats:
        """(4,): the weights of the words of neighbours, in their order."""
        return np.array((self.previous_2_words, self.previous_1_words, self.next_1_words, self.next_2_words), np.float32)


FEEDBACK_HITS = 3
"""So many of the best are taken for relevant."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A chunk id in its place, with the features that put it there."""

    id: int
    score: float
    features: HitFeatures


def by_meaning(dense: Found) -> list[Ranked]:
    """The nearest by meaning, in their order."""
    return [Ranked(id, cosine, HitFeatures(cosine=cosine, dense_rank=rank)) for rank, (id, cosine) in enumerate(dense, 1)]


def by_words(lexical: Found) -> list[Ranked]:
    """The best by words, in their order."""
    return [Ranked(id, bm25, HitFeatures(bm25=bm25, lexical_rank=rank)) for rank, (id, bm25) in enumerate(lexical, 1)]


@dataclass(frozen=True, slots=True)
class Measured:
    """n passages, each with its cosine and its BM25, whichever part found it; `ids` ascend."""

    ids: Ints
    cosines: Floats
    aligned: Floats
    """The cosines on the scale of the reference space (`ragbot.search.calibration`)."""
    bm25: Floats

    def at(self, ids: Ints) -> Ints:
        """Where these ids are."""
        return np.searchsorted(self.ids, ids)


def fuse(
    dense: Found,
    lexical: Found,
    candidates: Ints,
    beside: Ints,
    measured: Measured,
    weights: RankWeights,
    words: float,
) -> list[Ranked]:
    """Order the candidates by aligned cosine plus `words` times BM25, best first; ties go to the newer chunk.

    BM25 counts relative to its best here. A convex sum keeps the distances that reciprocal ranks
    throw away (Bruch, Gai and Ingber 2023). A turn takes part of its score from those `beside` it: (n, 4)
    ids, -1 for none.
    """
    own = measured.at(candidates)
    cosines, bm25 = measured.aligned[own], measured.bm25[own]
    there = beside >= 0
    around = measured.at(np.where(there, beside, candidates[:, None]))
    shares = there * weights.neighbour_meaning
    meaning = (cosines + (measured.aligned[around] * shares).sum(1)) / (1 + shares.sum(1))
    matches = bm25 + (measured.bm25[around] * there * weights.neighbour_words).sum(1)
    # In a tiny memory BM25 is near nothing, and the best of nothing is no evidence.
    top = max(float(matches.max(initial=0.0)), 1.0)
    scores = np.round(meaning + words * matches / top, 5)
    added = np.where(there.any(1), scores - (cosines + words * bm25 / top), 0.0)
    dense_rank = {id: rank for rank, (id, _) in enumerate(dense, 1)}
    lexical_rank = {id: rank for rank, (id, _) in enumerate(lexical, 1)}
    order = np.lexsort((-candidates, -scores))
    columns = (column[order].tolist() for column in (candidates, scores, measured.cosines[own], bm25, added))
    return [
        Ranked(id, score, HitFeatures(cosine, dense_rank.get(id), match, lexical_rank.get(id), extra))
        for id, score, cosine, match, extra in zip(*columns, strict=True)
    ]


def fed_back(ranked: Sequence[Ranked], cosines: Floats, aligned: Floats, weight: float) -> list[Ranked]:
    """The same ordered again by likeness to the best: pseudo-relevance feedback (Rocchio 1971, Li et al. 2021).

    `cosines` (n,) are those to the best together, `aligned` the same on the reference scale.
    """
    found = [
        Ranked(one.id, round(one.score + weight * like, 5), replace(one.features, feedback=cosine))
        for one, cosine, like in zip(ranked, cosines.tolist(), aligned.tolist(), strict=True)
    ]
    return sorted(found, key=lambda one: (-one.score, -one.id))
