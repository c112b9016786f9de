"""One order out of several: meaning, words, and the turns beside a turn. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from ragbot.types import HitFeatures

Floats = NDArray[np.floating]
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
class Ranking:
    """n passages in their order, best first, each with its features: one array a feature, of n each; NaN where there is none."""

    ids: Ints
    scores: Floats
    cosines: Floats | None = None
    bm25: Floats | None = None
    dense_rank: Mapping[int, int] = field(default_factory=dict)
    lexical_rank: Mapping[int, int] = field(default_factory=dict)
    neighbours: Floats | None = None
    feedback: Floats | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def features(self, at: int) -> HitFeatures:
        """The features of the passage at a place, which counts from 0."""
        id = int(self.ids[at])
        return HitFeatures(
            cosine=_at(self.cosines, at),
            dense_rank=self.dense_rank.get(id),
            bm25=_at(self.bm25, at),
            lexical_rank=self.lexical_rank.get(id),
            neighbours=_at(self.neighbours, at) or 0.0,
            feedback=_at(self.feedback, at),
        )


def _at(values: Floats | None, at: int) -> float | None:
    return None if values is None else float(values[at])


def _ranks(found: Found) -> dict[int, int]:
    return {id: rank for rank, (id, _) in enumerate(found, 1)}


def _columns(found: Found) -> tuple[Ints, Floats]:
    ids, scores = zip(*found, strict=True) if found else ((), ())
    return np.array(ids, np.int64), np.array(scores, np.float64)


def by_meaning(dense: Found) -> Ranking:
    """The nearest by meaning, in their order."""
    ids, cosines = _columns(dense)
    return Ranking(ids, cosines, cosines=cosines, dense_rank=_ranks(dense))


def by_words(lexical: Found) -> Ranking:
    """The best by words, in their order."""
    ids, bm25 = _columns(lexical)
    return Ranking(ids, bm25, bm25=bm25, lexical_rank=_ranks(lexical))


@dataclass(frozen=True, slots=True)
class Measured:
    """n passages, each with its cosine and its BM25, whichever part found it; `ids` ascend."""

    ids: Ints
    cosines: Floats
    aligned: Floats
    """The cosines on the scale of the reference space (`ragbot.search.calibration`)."""
    bm25: Floats
    full: float = 0.0
    """The BM25 that counts as a full match; 0 if the best here does."""

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
) -> Ranking:
    """Order the candidates by aligned cosine plus `words` times BM25, best first; ties go to the newer chunk.

    BM25 counts relative to its best here, or to `measured.full` where that is more: the best of what shares but a word or two
    with the question is a poor match. A convex sum keeps the distances that reciprocal ranks throw away (Bruch, Gai and Ingber
    2023). A turn takes part of its score from those `beside` it: (n, 4) ids, -1 for none.
    """
    own = measured.at(candidates)
    cosines, bm25 = measured.aligned[own], measured.bm25[own]
    there = beside >= 0
    around = measured.at(np.where(there, beside, candidates[:, None]))
    shares = there * weights.neighbour_meaning
    meaning = (cosines + (measured.aligned[around] * shares).sum(1)) / (1 + shares.sum(1))
    matches = bm25 + (measured.bm25[around] * there * weights.neighbour_words).sum(1)
    # In a tiny memory BM25 is near nothing, and the best of nothing is no evidence.
    top = max(float(matches.max(initial=0.0)), 1.0, measured.full)
    scores = np.round(meaning + words * matches / top, 5)
    added = np.where(there.any(1), scores - (cosines + words * bm25 / top), 0.0)
    order = np.lexsort((-candidates, -scores))
    return Ranking(
        ids=candidates[order],
        scores=scores[order],
        cosines=measured.cosines[own][order],
        bm25=matches[order],
        dense_rank=_ranks(dense),
        lexical_rank=_ranks(lexical),
        neighbours=added[order],
    )


def fed_back(ranking: Ranking, cosines: Floats, aligned: Floats, weight: float) -> Ranking:
    """The same ordered again by likeness to the best: pseudo-relevance feedback (Rocchio 1971, Li et al. 2021).

    `cosines` (n,) are those to the best together, `aligned` the same on the reference scale.
    """
    scores = np.round(ranking.scores.astype(np.float64) + weight * aligned.astype(np.float64), 5)
    order = np.lexsort((-ranking.ids, -scores))
    return replace(
        ranking,
        ids=ranking.ids[order],
        scores=scores[order],
        cosines=_ordered(ranking.cosines, order),
        bm25=_ordered(ranking.bm25, order),
        neighbours=_ordered(ranking.neighbours, order),
        feedback=cosines[order],
    )


def _ordered(values: Floats | None, order: Ints) -> Floats | None:
    return None if values is None else values[order]
