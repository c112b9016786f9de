"""How a question finds its passages: what each part finds, one order out of them, copies folded, and why each is there.

Works on one view of the index and one snapshot of the database. Knows no model but the vectors that it is given.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragbot.index.columns import Filter
from ragbot.index.view import View
from ragbot.search import explain, fold, fuse
from ragbot.text import chunks as chunking
from ragbot.text.tokens import has_cjk
from ragbot.types import Chunk, Hit, Part

Vector = NDArray[np.float32]
Read = Callable[[Sequence[int]], Mapping[int, Chunk]]
"""Chunks by id, as far as they may be seen."""

POOL = 100
"""How many candidates each part of a recall puts forward."""
MOST = 10_000
"""How many passages one recall may give, and how many candidates each part of it may put forward where copies fill the pool."""
MOST_READ = 500
"""How many passages are read at a time in search of one that is no copy."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: a vector, and tokens with what each counts."""

    text: str
    vector: Vector
    words: Mapping[str, float]


class Search:
    """One question to one view. `part` asks one part alone."""

    def __init__(self, view: View, asked: Query, only: Filter, part: Part | None) -> None:
        self._view, self._asked, self._only, self._part = view, asked, only, part
        self._words = view.words(asked.words, only)

    def hits(self, k: int, read: Read) -> list[Hit]:
        """The k best, best first; those that say the same in the same words are one."""
        pool, found, worded = max(k, POOL), dict[int, Chunk](), functools.cache(fold.wording)
        while True:
            ranked = self._ranked(pool)
            kept = fold.folded(_read_in_turn(ranked, 2 * k, read, found), k, worded)
            if len(kept) == k or len(ranked) < pool or pool >= MOST:
                return [self._hit(one, found[one.id], [found[copy.id] for copy in also]) for one, also in kept]
            pool = min(10 * pool, MOST)  # the same passage, over and over: there is more behind it

    def _ranked(self, pool: int) -> list[fuse.Ranked]:
        dense = [] if self._part == "lexical" else self._view.nearest(self._asked.vector, pool, self._only)
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
        measured = fuse.Measured(ids, self._view.cosines(self._asked.vector, ids), self._words.scores(ids))
        if has_cjk(self._asked.text):
            return fuse.fuse(dense, lexical, candidates, around, measured, fuse.WORDS_WEIGHT_CJK)
        return self._fed_back(fuse.fuse(dense, lexical, candidates, around, measured))

    def _fed_back(self, ranked: list[fuse.Ranked]) -> list[fuse.Ranked]:
        if not ranked or any(one.beside for one in ranked[: fuse.BELIEVED]):
            return ranked  # in a conversation much is like the best that does not answer: LoCoMo loses .013 of recall@10
        best = self._view.vectors(np.array([one.id for one in ranked[: fuse.BELIEVED]], np.int64)).sum(0)
        ids = np.array([one.id for one in ranked], np.int64)
        return fuse.fed_back(ranked, self._view.cosines(best / (np.linalg.norm(best) or 1), ids))

    def _hit(self, one: fuse.Ranked, chunk: Chunk, also: Sequence[Chunk]) -> Hit:
        return Hit(chunk, one.score, "\n".join(self._reasons(one, chunk, len(also))), tuple(also))

    def _reasons(self, one: fuse.Ranked, chunk: Chunk, copies: int) -> Iterator[str]:
        if one.cosine is not None:
            yield f"meaning {one.cosine:.2f} ({_place(one.dense_rank)})"
        if one.bm25:
            day = chunking.day(None if chunk.kind == "file" else chunk.valid_from)
            said = ", ".join(explain.matched(f"{chunk.title} {chunk.heading} {chunk.text}\n{day}", self._words.weights))
            yield f"words {one.bm25:.1f} ({_place(one.lexical_rank)}): {said}"
            quoted = explain.sentence(chunk.text, self._words.weights)
            if quoted:
                yield f"best sentence “{quoted}”"
        if one.like_best:
            yield f"near the best {fuse.BELIEVED} {one.like_best:.2f}"
        if one.beside:
            yield f"turns beside it {one.beside:+.2f}"
        if chunk.kind != "file":
            by = f" by {chunk.title}" if chunk.kind == "turn" and chunk.title else ""
            yield f"{'said' if chunk.kind == 'turn' else 'corrected'} {chunk.valid_from:%Y-%m-%d}{by}"
        if copies:
            yield f"says the same as {copies} other{'s' if copies > 1 else ''}"


def _place(rank: int | None) -> str:
    return f"place {rank}" if rank else "not among the first"


def _read_in_turn(
    ranked: Sequence[fuse.Ranked], few: int, read: Read, found: dict[int, Chunk]
) -> Iterator[tuple[fuse.Ranked, str, str]]:
    """What was ranked, with heading and text, as far as it may be seen; more at a time as more is asked for, none twice."""
    at = 0
    while some := ranked[at : at + few]:
        found |= read([one.id for one in some if one.id not in found])
        yield from ((one, found[one.id].heading, found[one.id].text) for one in some if one.id in found)
        at, few = at + few, min(2 * few, MOST_READ)
