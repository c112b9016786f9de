"""Some passages of one space, made searchable by meaning and by words: in memory, or mapped from a file.

Rows lie in the order of scope and id, so that what one reader may see are a few slices. A segment never changes: where
passages are hidden, because they were retired or erased, another segment takes its place that shares all else with it.
"""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ragbot.index.columns import BLANK, FOREVER, Columns, Filter, Ints
from ragbot.index.hnsw import HnswIndex, Vectors
from ragbot.index.postings import Postings
from ragbot.index.shown import Mask, Shown, Span

MAX_FILTERS = 16
"""How many filters a segment remembers what it shows for."""
MAX_SPANS = 16
"""With more slices than this, one mask over all of them is quicker to search."""
SPARE = 16
"""How many rows more than asked for are scored exactly."""
GATHERED = 8192
STEP = 32
"""So many rows are scored one after the other in the time in which a graph looks at one more."""
ENOUGH = 0.7
"""With this share of the shown rows that a search should pass by, it has looked far enough: by chance they are fewer at times."""


class Segment:
    """n passages: their columns, words, and vectors (n, dim), with a graph if there are many.

    Raises ValueError if the rows are not in the order of scope.
    """

    def __init__(
        self, columns: Columns, words: Postings, vectors: Vectors, graph: HnswIndex | None = None, *, txn: int, past: bool = False
    ) -> None:
        self._made = columns
        self.words = words
        self.vectors = vectors
        self.graph = graph
        self.txn = txn
        """The transaction up to which what was retired or erased was known when it was made."""
        self.past = past
        """Whether all of it was retired when it was sealed: only searches of the past look here."""
        self._starts = columns.scope_starts()
        self.erased: Mask = columns.scope == BLANK
        self.current: Mask = (columns.retired_at == FOREVER) & ~self.erased
        """Which rows hold now."""
        self._retired: tuple[Ints, Ints] = np.empty(0, np.int64), np.empty(0, np.int64)
        """Rows that were retired since it was made, and when."""
        self._shown: dict[Filter, Shown] = {}

    def __len__(self) -> int:
        return len(self._made)

    @property
    def ids(self) -> Ints:
        """(n,): the chunks."""
        return self._made.ids

    @property
    def valid_from(self) -> Ints:
        """(n,): when each began to hold."""
        return self._made.valid_from

    @cached_property
    def columns(self) -> Columns:
        """What is known of the rows, ends of validity included that came since the segment was made."""
        rows, times = self._retired
        if not len(rows):
            return self._made
        retired_at = self._made.retired_at.copy()
        retired_at[rows] = times
        return replace(self._made, retired_at=retired_at)

    @cached_property
    def _by_id(self) -> Ints:
        return np.argsort(self.ids, kind="stable")

    def rows_of(self, ids: Ints) -> tuple[Ints, Mask]:
        """The rows of those of the ids that are here, and which of them are."""
        order = self._by_id
        at = np.searchsorted(self.ids, ids, sorter=order)
        at = np.minimum(at, len(order) - 1)
        here = self.ids[order[at]] == ids if len(order) else np.zeros(len(ids), np.bool_)
        return order[at[here]], here

    def hiding(self, retired: Ints, times: Ints, erased: Ints) -> Segment:
        """The segment without passages that were retired at these times, or erased; itself if it shows none of them.

        Passages by id; those that are not here, or ended before, are passed over. What it costs is a copy of one bit mask.
        """
        rows, here = self.rows_of(retired)
        times = times[here]
        late = self.current[rows]
        late[~late] = times[~late] < self.columns.retired_at[rows[~late]]  # it was to end later
        rows, times = rows[late], times[late]
        gone, _ = self.rows_of(erased)
        gone = gone[~self.erased[gone]]
        if not len(rows) and not len(gone):
            return self
        made = copy.copy(self)
        made._shown = {}
        made.__dict__.pop("columns", None)
        made._retired = np.append(self._retired[0], rows), np.append(self._retired[1], times)
        if len(gone):
            made.erased = self.erased.copy()
            made.erased[gone] = True
        hidden = np.union1d(rows[self.current[rows]], gone[self.current[gone]])
        made.current = self.current.copy()
        made.current[hidden] = False
        if "_totals" in self.__dict__:
            counts, tokens = (column.copy() for column in self._totals)
            of = np.searchsorted(self._starts, hidden, side="right") - 1
            np.subtract.at(counts, of, 1)
            np.subtract.at(tokens, of, self.words.lengths[hidden].astype(np.int64))
            made._totals = counts, tokens
        return made

    @cached_property
    def _totals(self) -> tuple[Ints, Ints]:
        """(scopes,) each: how many passages are current, and how many tokens they have together."""
        counts, tokens = (np.zeros(len(self._starts) - 1, np.int64) for _ in range(2))
        held = np.flatnonzero(np.diff(self._starts))
        if len(held):
            starts = self._starts[:-1][held]
            counts[held] = np.add.reduceat(self.current, starts, dtype=np.int64)
            tokens[held] = np.add.reduceat(np.where(self.current, self.words.lengths, 0), starts, dtype=np.int64)
        return counts, tokens

    @cached_property
    def holding(self) -> int:
        """How many passages are current."""
        return int(np.count_nonzero(self.current))

    def shown(self, wanted: Filter) -> Shown:
        """The rows that a filter shows."""
        found = self._shown.get(wanted)
        if found is None:
            found = self._filtered(wanted)
            if len(self._shown) >= MAX_FILTERS:
                self._shown = {}  # not emptied: another thread may be about to write to it
            self._shown[wanted] = found
        return found

    def _filtered(self, wanted: Filter) -> Shown:
        codes = sorted(code for scope in wanted.scopes if (code := self._code(scope)) is not None)
        columns = self._made if wanted.as_of is None else self.columns
        spans, tokens = list[Span](), 0
        for start, stop in _joined((int(self._starts[code]), int(self._starts[code + 1])) for code in codes):
            rows = slice(start, stop)
            mask = self.current[rows] if wanted.as_of is None else ~self.erased[rows]
            if (fits := columns.fits(rows, wanted)) is not None:
                mask = mask & fits
            if mask.any():
                spans.append(Span(start, stop, None if mask.all() else mask))
        if wanted == Filter(wanted.scopes):
            tokens = int(self._totals[1][codes].sum())
        else:
            tokens = sum(int(self.words.lengths[span.rows()].sum(dtype=np.int64)) for span in spans)
        return Shown(spans if len(spans) <= MAX_SPANS else [_as_one(spans)], tokens)

    def _code(self, scope: str) -> int | None:
        """Where a scope is among those of the segment, which are in order."""
        at = bisect_left(self._made.scopes, scope)
        return at if at < len(self._made.scopes) and self._made.scopes[at] == scope else None

    def shown_of(self, kind: str, scope: str, wanted: Filter) -> Ints:
        """The rows of one kind in one scope, as far as a filter shows them."""
        code, kinds = self._code(scope), self._made.kinds
        if code is None or kind not in kinds:
            return np.empty(0, np.int64)
        first, last = self._starts[code : code + 2].tolist()
        rows = np.flatnonzero(self._made.kind[first:last] == kinds.index(kind)) + first
        found: Ints = rows[self.shown(wanted).contains(rows)]
        return found

    def count_holders(self, terms: NDArray[np.uint64], wanted: Filter) -> Ints:
        """(n,): how many of the passages that `wanted` shows hold each of these terms."""
        shown, words, found = self.shown(wanted), self.words, np.zeros(len(terms), np.int64)
        if shown.count:
            places = words.places(terms)
            for at in np.flatnonzero(places >= 0).tolist():
                rows = words.rows[words.starts[places[at]] : words.starts[places[at] + 1]]
                found[at] = np.count_nonzero(shown.contains(rows))
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
        rows, scores = proposed or self._all_scores(query, shown)
        if len(rows) > k:
            best = np.argpartition(-scores, k - 1)[:k]
            # Of equal scores at the edge argpartition takes any: the order must be the same everywhere.
            tied = np.flatnonzero(scores == scores[best].min())
            above = best[scores[best] > scores[best].min()]
            first = tied[np.argsort(self.ids[rows[tied]])][: k - len(above)]
            keep = np.concatenate([above, first])
            rows, scores = rows[keep], scores[keep]
        return self.ids[rows], scores

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
        rows, visible = rows[~is_orphan[rows]], shown.contains(graph.orphans)
        scores = np.concatenate([self._scores(query, rows), _rounded(vectors @ query)[visible]])
        return np.concatenate([rows, graph.orphans[visible]]), scores

    def _found(self, query: Vectors, k: int, shown: Shown, graph: HnswIndex) -> Ints | None:
        """About the nearest k rows that are shown, and some more; None where the graph is the dearer way to them."""
        wanted = k + SPARE + k // 4
        enough, everything = max(graph.ef, wanted), shown.count == len(self)
        look = enough * len(self) / shown.count
        while look * STEP < shown.count:
            rows = graph.search(query, wanted if everything else round(look), round(look))
            rows = rows if everything else rows[shown.contains(rows)]
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
        return _rounded(self._products(query, rows))

    def _products(self, query: Vectors, rows: Ints) -> Vectors:
        parts = [_dot(self.vectors[rows[at : at + GATHERED]], query) for at in range(0, len(rows), GATHERED)]
        return np.concatenate(parts) if parts else np.empty(0, np.float32)

    def _all_scores(self, query: Vectors, shown: Shown) -> tuple[Ints, Vectors]:
        """Every row that is shown, with its cosine."""
        found, scores = [], []
        for span in shown.spans:
            rows = span.rows()
            found.append(rows)
            first, last = int(rows[0]), int(rows[-1]) + 1
            few = len(rows) * 2 < last - first
            scores.append(self._products(query, rows) if few else _dot(self.vectors[first:last], query)[rows - first])
        return np.concatenate(found), _rounded(np.concatenate(scores))


def _joined(slices: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ascending slices, those that touch as one."""
    found = list[tuple[int, int]]()
    for start, stop in slices:
        if found and found[-1][1] == start:
            start = found.pop()[0]
        found.append((start, stop))
    return found


def _as_one(spans: Sequence[Span]) -> Span:
    start, stop = spans[0].start, spans[-1].stop
    mask = np.zeros(stop - start, np.bool_)
    for span in spans:
        mask[span.start - start : span.stop - start] = True if span.mask is None else span.mask
    return Span(start, stop, mask)


def _dot(vectors: Vectors, query: Vectors) -> Vectors:
    """(n,): the products of each vector with the query."""
    # Row by row: BLAS would share even a few rows among threads of its own, for which searches in parallel would wait.
    products: Vectors = np.vecdot(vectors, query)
    return products


def best(ids: Ints, scores: Vectors, k: int) -> list[tuple[int, float]]:
    """The k best (id, score to 5 decimals), best first, ties by id."""
    first = np.lexsort((ids, -scores))[:k]
    return [(id, round(score, 5)) for id, score in zip(ids[first].tolist(), scores[first].tolist(), strict=True)]


def _rounded(scores: Vectors) -> Vectors:
    """Cosines to 5 decimals: the last bits depend on how many are computed at a time."""
    rounded: Vectors = np.round(scores, 5)
    return rounded
