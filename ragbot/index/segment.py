"""Some passages of one space, made searchable by meaning and by words: in memory, or mapped from a file.

Rows lie in the order of scope and id, so that what one reader may see mostly lies together.
Nothing of a segment changes but what is hidden: passages that were retired or erased since.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ragbot.index.columns import BLANK, FOREVER, Columns, Filter, Ints
from ragbot.index.hnsw import HnswIndex, Vectors
from ragbot.index.postings import Postings

FILTERS = 32
"""How many filters a segment keeps the rows of."""
SPARE = 16
"""How many rows more than asked for are scored exactly."""
GATHERED = 8192
STEP = 32
"""So many rows are scored one after the other in the time in which a graph looks at one more."""
ENOUGH = 0.7
"""With this share of the shown rows that a search should pass by, it has looked far enough: by chance they are fewer at times."""


class Shown:
    """The rows that one filter shows."""

    def __init__(self, mask: NDArray[np.bool_], lengths: NDArray[np.uint32]) -> None:
        self.mask = mask
        self._lengths = lengths
        self.count = int(np.count_nonzero(mask))

    def hide(self, rows: Ints) -> None:
        """Show these no longer."""
        self.mask[rows] = False
        self.count = int(np.count_nonzero(self.mask))
        self.__dict__.pop("rows", None)
        self.__dict__.pop("tokens", None)

    @cached_property
    def rows(self) -> Ints:
        """The rows themselves."""
        return np.flatnonzero(self.mask)

    @cached_property
    def tokens(self) -> int:
        """How many tokens they have together."""
        return int(self._lengths[self.mask].sum(dtype=np.int64))

    def holding(self, rows: NDArray[np.uint32]) -> int:
        """How many of these rows are shown."""
        return len(rows) if self.count == len(self.mask) else int(np.count_nonzero(self.mask[rows]))


class Segment:
    """n passages: their columns, words, and vectors (n, dim), with a graph if there are many."""

    def __init__(
        self, columns: Columns, words: Postings, vectors: Vectors, graph: HnswIndex | None = None, *, txn: int, past: bool = False
    ) -> None:
        self.columns = columns
        self.words = words
        self.vectors = vectors
        self.graph = graph
        self.txn = txn
        """The transaction up to which what was retired or erased is known here."""
        self.past = past
        """Whether all of it was retired when it was sealed: only searches of the past look here."""
        self.erased = columns.scope == BLANK
        self.current = (columns.retired_at == FOREVER) & ~self.erased
        """Which rows hold now."""
        self._shown: OrderedDict[Filter, Shown] = OrderedDict()

    def __len__(self) -> int:
        return len(self.columns)

    @cached_property
    def _by_id(self) -> Ints:
        return np.argsort(self.columns.ids, kind="stable")

    def rows_of(self, ids: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """The rows of those of the ids that are here, and which of them are."""
        order = self._by_id
        at = np.searchsorted(self.columns.ids, ids, sorter=order)
        at = np.minimum(at, len(order) - 1)
        here = self.columns.ids[order[at]] == ids if len(order) else np.zeros(len(ids), np.bool_)
        return order[at[here]], here

    def retire(self, ids: Ints, times: Ints) -> None:
        """Take over when passages were retired; ids that are not here are passed over."""
        rows, here = self.rows_of(ids)
        if not len(rows):
            return
        self.columns.retired_at[rows] = times[here]
        self._hide(rows)

    def erase(self, ids: Ints) -> None:
        """Never show these passages again."""
        rows, _ = self.rows_of(ids)
        if len(rows):
            self.erased[rows] = True
            self._hide(rows)

    def _hide(self, rows: Ints) -> None:
        rows = rows[(self.columns.retired_at[rows] != FOREVER) | self.erased[rows]]
        self.current[rows] = False
        self.__dict__.pop("holding", None)
        for wanted in list(self._shown):
            if wanted.as_of is None:
                self._shown[wanted].hide(rows)
            else:
                del self._shown[wanted]

    @cached_property
    def holding(self) -> int:
        """How many passages are current."""
        return int(np.count_nonzero(self.current))

    def shown(self, wanted: Filter) -> Shown:
        """The rows that a filter shows."""
        found = self._shown.get(wanted)
        if found is None:
            found = Shown(self.columns.shown(wanted) & ~self.erased, self.words.lengths)
            self._shown[wanted] = found
            if len(self._shown) > FILTERS:
                self._shown.popitem(last=False)
        self._shown.move_to_end(wanted)
        return found

    def finds(self, rows: Ints) -> NDArray[np.bool_]:
        """Which rows the graph, where there is one, finds by their own vectors, themselves or ones equal to them."""
        assert self.graph is not None
        return self.graph.finds(self.vectors, rows)

    def nearest(self, query: Vectors, k: int, wanted: Filter) -> tuple[Ints, Vectors]:
        """Ids and cosines of the k nearest passages that `wanted` shows, in no order; about those where there is a graph."""
        shown = self.shown(wanted)
        if not shown.count:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        proposed = self._proposed(query, k, shown, self.graph) if self.graph else None
        rows, scores = proposed or (shown.rows, self._all_scores(query, shown))
        if len(rows) > k:
            best = np.argpartition(-scores, k - 1)[:k]
            # Of equal scores at the edge argpartition takes any: the order must be the same everywhere.
            tied = np.flatnonzero(scores == scores[best].min())
            above = best[scores[best] > scores[best].min()]
            first = tied[np.argsort(self.columns.ids[rows[tied]])][: k - len(above)]
            keep = np.concatenate([above, first])
            rows, scores = rows[keep], scores[keep]
        return self.columns.ids[rows], scores

    def cosines(self, query: Vectors, ids: Ints) -> tuple[NDArray[np.bool_], Vectors]:
        """Which of the ids are here, and the cosines of these."""
        rows, here = self.rows_of(ids)
        return here, self._scores(query, rows)

    def _proposed(self, query: Vectors, k: int, shown: Shown, graph: HnswIndex) -> tuple[Ints, Vectors] | None:
        """Rows near the query, with their cosines: what the graph finds, and what it never finds.

        None where it costs no more to look at all that is shown.
        """
        rows = self._found(query, k, shown, graph)
        if rows is None or not len(graph.orphans):
            return None if rows is None else (rows, self._scores(query, rows))
        is_orphan, vectors = self._orphans
        rows, visible = rows[~is_orphan[rows]], shown.mask[graph.orphans]
        scores = np.concatenate([self._scores(query, rows), _rounded(vectors @ query)[visible]])
        return np.concatenate([rows, graph.orphans[visible]]), scores

    def _found(self, query: Vectors, k: int, shown: Shown, graph: HnswIndex) -> Ints | None:
        """About the nearest k rows that are shown, and some more; None where the graph is the dearer way to them."""
        wanted = k + SPARE + k // 4
        enough, everything = max(graph.ef, wanted), shown.count == len(self)
        look = enough * len(self) / shown.count
        while look * STEP < shown.count:
            rows = graph.search(query, wanted if everything else round(look), round(look))
            rows = rows[shown.mask[rows]]
            if len(rows) >= k and (everything or len(rows) >= ENOUGH * enough):
                return rows[:wanted]
            # What is hidden lies where the question leads, as where a filter goes with a topic: look further around.
            look *= 2
        return None

    @cached_property
    def _orphans(self) -> tuple[NDArray[np.bool_], Vectors]:
        """Which rows they are, and their vectors side by side: gathered for each query, they would cost more than the graph."""
        assert self.graph is not None
        mask = np.zeros(len(self), np.bool_)
        mask[self.graph.orphans] = True
        return mask, self.vectors[self.graph.orphans]

    def _scores(self, query: Vectors, rows: Ints) -> Vectors:
        found = [self.vectors[rows[at : at + GATHERED]] @ query for at in range(0, len(rows), GATHERED)]
        return _rounded(np.concatenate(found) if found else np.empty(0, np.float32))

    def _all_scores(self, query: Vectors, shown: Shown) -> Vectors:
        rows = shown.rows
        first, last = int(rows[0]), int(rows[-1]) + 1
        if shown.count * 2 < last - first:
            return self._scores(query, rows)
        return _rounded((self.vectors[first:last] @ query)[rows - first])


def best(ids: Ints, scores: Vectors, k: int) -> list[tuple[int, float]]:
    """The k best (id, score to 5 decimals), best first, ties by id."""
    first = np.lexsort((ids, -scores))[:k]
    return [(id, round(score, 5)) for id, score in zip(ids[first].tolist(), scores[first].tolist(), strict=True)]


def _rounded(scores: Vectors) -> Vectors:
    """Cosines to 5 decimals: the last bits depend on how many are computed at a time."""
    rounded: Vectors = np.round(scores, 5)
    return rounded
