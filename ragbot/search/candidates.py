"""How a question finds its passages: what each part finds, one order out of them, and copies folded.

Works on one view of the index and one snapshot of the database. Knows no model but the vectors that it is given.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ragbot.index.columns import Filter
from ragbot.index.view import View
from ragbot.search import fold, fuse
from ragbot.search.calibration import Calibration
from ragbot.search.explain import explain
from ragbot.search.fuse import FEEDBACK_HITS, RankWeights
from ragbot.text.tokens import has_cjk
from ragbot.types import Chunk, Hit, Part

Vector = NDArray[np.float32]
Read = Callable[[Sequence[int]], Mapping[int, Chunk]]
"""Chunks by id, as far as they may be seen."""

POOL = 100
"""How many candidates each part of a recall puts forward."""
MAX_HITS = 10_000
"""How many passages one recall may give, and how many candidates each part of it may put forward where copies fill the pool."""
MAX_READ = 500
"""How many passages are read at a time in search of one that is no copy."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: a vector, and tokens with what each counts. What counts how much is in `weights`."""

    text: str
    vector: Vector
    words: Mapping[str, float]
    weights: RankWeights = field(default_factory=RankWeights)
    calibration: Calibration = field(default_factory=Calibration)


class Search:
    """One question to one view. `part` asks one part alone."""

    def __init__(self, view: View, query: Query, only: Filter, part: Part | None) -> None:
        self._view, self._query, self._only, self._part = view, query, only, part
        self._cjk = has_cjk(query.text)
        self._words = view.words(query.words, only)

    def hits(self, k: int, read: Read) -> list[Hit]:
        """The k best, best first; those that say the same in the same words are one."""
        pool, found, worded = max(k, POOL), dict[int, Chunk](), functools.cache(fold.wording)
        while True:
            ranked = self._ranked(pool)
            kept = fold.folded(_read_in_turn(ranked, 2 * k, read, found), k, worded)
            if len(kept) == k or len(ranked) < pool or pool >= MAX_HITS:
                prose = functools.partial(explain, self._words.weights)
                return [
                    Hit(found[one.id], one.score, one.features, tuple(found[copy.id] for copy in also), explain=prose)
                    for one, also in kept
                ]
            pool = min(10 * pool, MAX_HITS)  # the same passage, over and over: there is more behind it

    def _ranked(self, pool: int) -> list[fuse.Ranked]:
        dense = [] if self._part == "lexical" else self._view.nearest(self._query.vector, pool, self._only)
        if self._part == "dense":
            return fuse.by_meaning(dense)
        lexical = self._words.best(pool)
        if self._part == "lexical":
            return fuse.by_words(lexical)
        candidates = np.unique(np.array([id for id, _ in [*dense, *lexical]], np.int64))
        talk = self._view.talk(self._only)
        around = talk.beside(candidates)
        # What stands beside a turn that fits may be the answer to it.
        candidates = np.union1d(candidates, around[around >= 0])
        around = talk.beside(candidates)
        ids = np.union1d(candidates, around[around >= 0])
        cosines = self._view.cosines(self._query.vector, ids)
        measured = fuse.Measured(ids, cosines, self._aligned(cosines), self._words.scores(ids))
        weights = self._query.weights
        words, feedback = (weights.words_cjk, weights.feedback_cjk) if self._cjk else (weights.words, weights.feedback)
        ranked = fuse.fuse(dense, lexical, candidates, around, measured, weights, words)
        return self._fed_back(ranked, feedback) if feedback else ranked

    def _aligned(self, cosines: fuse.Floats) -> fuse.Floats:
        return self._query.calibration.aligned(cosines, self._cjk)

    def _fed_back(self, ranked: list[fuse.Ranked], weight: float) -> list[fuse.Ranked]:
        if not ranked or any(one.features.neighbours for one in ranked[:FEEDBACK_HITS]):
            return ranked  # in a conversation much is like the best that does not answer: LoCoMo loses .013 of recall@10
        best = self._view.vectors(np.array([one.id for one in ranked[:FEEDBACK_HITS]], np.int64)).sum(0)
        cosines = self._view.cosines(best / (np.linalg.norm(best) or 1), np.array([one.id for one in ranked], np.int64))
        return fuse.fed_back(ranked, cosines, self._aligned(cosines), weight)


def _read_in_turn(
    ranked: Sequence[fuse.Ranked], few: int, read: Read, found: dict[int, Chunk]
) -> Iterator[tuple[fuse.Ranked, str, str]]:
    """What was ranked, with heading and text, as far as it may be seen; more at a time as more is asked for, none twice."""
    at = 0
    while some := ranked[at : at + few]:
        found |= read([one.id for one in some if one.id not in found])
        yield from ((one, found[one.id].heading, found[one.id].text) for one in some if one.id in found)
        at, few = at + few, min(2 * few, MAX_READ)
