"""The passages of one space as of one transaction: what a search sees. A view never changes, so that many threads search it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ragbot.index import bm25, postings
from ragbot.index.columns import Filter, Ints
from ragbot.index.hnsw import Vectors
from ragbot.index.segment import Segment, best
from ragbot.index.turn_neighbours import TurnNeighbours
from ragbot.types import Manifest, Space


@dataclass(frozen=True, slots=True)
class View:
    """Sealed segments and what came since. `Follower` makes each view out of the one before, with which it shares segments."""

    space: Space | None = None
    manifest: Manifest | None = None
    sealed: Mapping[str, Segment] = field(default_factory=dict)
    unsealed: tuple[Segment, ...] = ()
    """What no segment on the disk holds."""
    damaged: tuple[str, ...] = ()
    """Segments that the manifest names and that cannot be read."""
    covered: int = 0
    last_id: int = 0
    transaction: tuple[int, str] = (0, "")
    """Number and token of the last transaction that is seen; (0, ""): none yet."""

    @property
    def segments(self) -> Sequence[Segment]:
        """All of them."""
        return *self.sealed.values(), *self.unsealed

    def nearest(self, query: Vectors, k: int, wanted: Filter) -> list[tuple[int, float]]:
        """The k best (id, cosine) that `wanted` shows, best first, ties by id. `query` is (dim,)."""
        parts = [segment.nearest(query, k, wanted) for segment in self._searched(wanted)]
        if not parts:
            return []
        ids, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
        return best(ids, scores, k)

    def cosines(self, query: Vectors, ids: Ints) -> Vectors:
        """(n,): how near each of these passages is."""
        found = np.full(len(ids), -1, np.float32)
        for segment in self.segments:
            here, cosines = segment.cosines(query, ids)
            found[here] = cosines
        return found

    def vectors(self, ids: Ints) -> Vectors:
        """(m, dim): the vectors of those of the passages that are here."""
        found = [segment.vectors[segment.rows_of(ids)[0]] for segment in self.segments]
        return np.concatenate(found)

    def words(self, asked: Mapping[str, float], wanted: Filter) -> bm25.TermQuery:
        """A search for tokens, each with how often it counts as asked."""
        return bm25.TermQuery(self._searched(wanted), asked, wanted)

    def count_holders(self, tokens: Sequence[str], wanted: Filter) -> Ints:
        """(n,): how many of the passages that `wanted` shows hold each token; for many that mostly nobody holds."""
        terms, found = np.array([postings.digest(token) for token in tokens], np.uint64), np.zeros(len(tokens), np.int64)
        for segment in self._searched(wanted):
            found += segment.count_holders(terms, wanted)
        return found

    def talk(self, wanted: Filter) -> TurnNeighbours:
        """The turns among what `wanted` shows."""
        return TurnNeighbours(self._searched(wanted), wanted)

    def _searched(self, wanted: Filter) -> list[Segment]:
        return [segment for segment in self.segments if wanted.as_of is not None or not segment.past]
