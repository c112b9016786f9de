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
from ragbot.search.calibration import Bools, Calibration
from ragbot.search.explain import explain
from ragbot.search.fuse import FEEDBACK_HITS, RankWeights
from ragbot.text.tokens import has_cjk, in_other_language
from ragbot.types import Chunk, Hit, Part

Vector = NDArray[np.float32]
Read = Callable[[Sequence[int]], Mapping[int, Chunk]]
"""Chunks by id, as far as they may be seen."""

POOL = 100
"""How many candidates each part of a recall puts forward."""
MAX_HITS = 10_000
"""How many passages one recall may give, and how many candidates each part of it may put forward where copies fill the pool."""
REMEMBERED_WORDINGS = 4096
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
    read: Mapping[str, str] = field(default_factory=dict)
    """What words that somebody misspelt are read as: `text` holds the latter."""


class Search:
    """One question to one view. `part` asks one part alone."""

    def __init__(self, view: View, query: Query, only: Filter, part: Part | None) -> None:
        self._view, self._query, self._only, self._part = view, query, only, part
        self._cjk = has_cjk(query.text)
        self._words = view.words(query.words, only)

    def hits(self, k: int, read: Read) -> list[Hit]:
        """The k best, best first; those that say the same in the same words are one."""
        pool, found = max(k, POOL), dict[int, Chunk]()
        while True:
            ranking = self._ranking(pool, read, found)
            kept = fold.folded(_read_in_turn(ranking, 2 * k, read, found), k, _wording)
            if len(kept) == k or len(ranking) < pool or pool >= MAX_HITS:
                return [self._hit(ranking, at, [found[int(ranking.ids[copy])] for copy in also], found) for at, also in kept]
            pool = min(10 * pool, MAX_HITS)  # the same passage, over and over: there is more behind it

    def _hit(self, ranking: fuse.Ranking, at: int, also: Sequence[Chunk], found: Mapping[int, Chunk]) -> Hit:
        prose = functools.partial(explain, self._words.weights, self._query.read)
        score = round(float(ranking.scores[at]), 5)
        return Hit(found[int(ranking.ids[at])], score, ranking.features(at), tuple(also), explain=prose)

    def _ranking(self, pool: int, read: Read, found: dict[int, Chunk]) -> fuse.Ranking:
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
        bm25 = self._words.scores(ids)
        across = self._across(ids, bm25, read, found)
        aligned = self._aligned(cosines, across)
        full = self._query.calibration.full_match * self._words.possible
        measured = fuse.Measured(ids, cosines, aligned, bm25, full)
        weights = self._query.weights
        words, feedback = (weights.words_cjk, weights.feedback_cjk) if self._cjk else (weights.words, weights.feedback)
        ranking = fuse.fuse(dense, lexical, candidates, around, measured, weights, words)
        return self._fed_back(ranking, feedback) if feedback else ranking

    def _aligned(self, cosines: fuse.Floats, across: Bools | None = None) -> fuse.Floats:
        return self._query.calibration.aligned(cosines, self._cjk, across)

    def _across(self, ids: fuse.Ints, bm25: fuse.Floats, read: Read, found: dict[int, Chunk]) -> Bools:
        """Which passages are in another language; those are read that share no word with the question, and added to `found`."""
        across = np.zeros(len(ids), np.bool_)
        if self._query.calibration.reads_across:
            places = np.flatnonzero(bm25 == 0)
            apart = ids[places].tolist()
            found |= read([id for id in apart if id not in found])
            across[places] = [id in found and in_other_language(found[id].text, self._cjk) for id in apart]
        return across

    def _fed_back(self, ranking: fuse.Ranking, weight: float) -> fuse.Ranking:
        if not len(ranking) or (ranking.neighbours is not None and ranking.neighbours[:FEEDBACK_HITS].any()):
            return ranking  # in a conversation much is like the best that does not answer: LoCoMo loses .013 of recall@10
        best = self._view.vectors(ranking.ids[:FEEDBACK_HITS]).sum(0)
        cosines = self._view.cosines(best / (np.linalg.norm(best) or 1), ranking.ids)
        return fuse.fed_back(ranking, cosines, self._aligned(cosines), weight)


_wording = functools.lru_cache(maxsize=REMEMBERED_WORDINGS)(fold.wording)
"""A passage never changes its text, and the same ones are found again and again."""


def _read_in_turn(ranking: fuse.Ranking, few: int, read: Read, found: dict[int, Chunk]) -> Iterator[tuple[int, str, str]]:
    """Places of the ranking, with heading and text, as far as they may be seen; more at a time as more is asked for."""
    at, ids = 0, ranking.ids.tolist()
    while some := ids[at : at + few]:
        found |= read([id for id in some if id not in found])
        yield from ((at + n, found[id].heading, found[id].text) for n, id in enumerate(some) if id in found)
        at, few = at + few, min(2 * few, MAX_READ)
