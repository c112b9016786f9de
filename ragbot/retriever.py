"""One question to a home: the space that answers, a view of the index, and a snapshot of the database of the same moment."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ragbot.errors import BusyError, InputError
from ragbot.index.columns import Filter
from ragbot.index.follower import Follower, Moved, Replaced
from ragbot.index.view import View
from ragbot.maintenance.spaces import Spaces
from ragbot.models.reranker import Reranker
from ragbot.runtime import Runtime
from ragbot.search import query as query_text
from ragbot.search import spelling
from ragbot.search.calibration import Calibration
from ragbot.search.candidates import Query, Search
from ragbot.search.filter import Selection
from ragbot.search.newer import newer_first
from ragbot.search.rerank import MAX_RERANKED, reranked
from ragbot.settings import NONE, Settings
from ragbot.store import Snapshot, Store
from ragbot.text.chunks import tokens_of
from ragbot.text.messages import contextualize
from ragbot.types import Chunk, Dispute, Hit, Part, Space

TRIES = 20

Found = TypeVar("Found")


class Retriever:
    """Retrieves from one home. Safe to use from several threads: they search at the same time."""

    def __init__(self, home: Path, store: Store, spaces: Spaces, runtime: Runtime, settings: Settings) -> None:
        self._home, self._store, self._spaces = home, store, spaces
        self._runtime, self._settings = runtime, settings
        self._follower = Follower(home, tokens_of)
        # More searches at a time than cores take turns at the interpreter's lock, and each turn costs more than it gives:
        # 16 threads on 2 cores got .7 of what one gets.
        self._admitted = threading.BoundedSemaphore(os.cpu_count() or 1)
        self.rerank_budget_s: float | None = settings.rerank_ms / 1000
        """How long a reranker may read for each question; None: as long as it takes, so that no order depends on the machine."""

    @property
    def view(self) -> View:
        """The index as the last retrieval saw it."""
        return self._follower.view

    def retrieve(
        self, query: str, k: int, selection: Selection, history: Sequence[tuple[str, str]], part: Part | None
    ) -> list[Hit]:
        """The k passages of a selection that fit a query best, best first. `part` asks one part of recall alone."""
        reranker = self._reranker_for(part)
        most = max(k, MAX_RERANKED) if reranker else k

        def retrieve(space: Space) -> list[Hit]:
            # Before the snapshot: a model that loads or computes must hold up no one else.
            asked = self._query(space, query, self._corrected(space, query, selection), history, part, selection.scopes)

            def look(snapshot: Snapshot, view: View) -> list[Hit]:
                wanted = selection.at(snapshot)
                search = Search(view, asked, wanted.filter(snapshot), part)
                hits = search.hits(most, lambda ids: snapshot.chunks(ids, wanted.scopes, wanted.as_of, wanted.known_at))
                return _with_names(with_disputes(hits, snapshot, wanted), snapshot)

            found = self._seen(space, look)
            wanted = contextualize(asked.text, history)
            ordered = reranked(wanted, found, reranker, self.rerank_budget_s, asked.weights.rerank)
            return (newer_first(wanted, ordered, self._settings.authority) if part is None else ordered)[:k]

        return self._in_its_space(retrieve) or []

    def nearest(self, vector: Sequence[float] | NDArray[np.float32], k: int, selection: Selection) -> list[Hit]:
        """The k passages of a selection that are nearest to a vector of the space that answers; their scores are cosines."""

        def nearest(space: Space) -> list[Hit]:
            asked = Query("", _unit(vector, space), {})

            def look(snapshot: Snapshot, view: View) -> list[Hit]:
                wanted = selection.at(snapshot)
                search = Search(view, asked, wanted.filter(snapshot), "dense")
                hits = search.hits(k, lambda ids: snapshot.chunks(ids, wanted.scopes, wanted.as_of))
                return _with_names(with_disputes(hits, snapshot, wanted), snapshot)

            return self._seen(space, look)

        return self._in_its_space(nearest) or []

    def _query(
        self,
        space: Space,
        query: str,
        read: Mapping[str, str],
        history: Sequence[tuple[str, str]],
        part: Part | None,
        scopes: frozenset[str],
    ) -> Query:
        query = spelling.as_meant(query, read)
        messages = query_text.weighted_messages(query, history)
        words = query_text.term_weights(messages)
        if part == "lexical":
            return Query(query, self._spaces.mixed(space, [], scopes), words, read=read)
        calibration = self._spaces.calibration(space)
        vector = self._spaces.mixed(space, messages[:1] if self._settings.recall == "fast" else messages, scopes)
        return Query(query, vector, words, calibration.rank_weights({}), calibration, read)

    def corrected(self, question: str, selection: Selection) -> Mapping[str, str]:
        """What misspelt words of a question are read as, by the passages of a selection alone."""
        return self._in_its_space(lambda space: self._corrected(space, question, selection)) or {}

    def _corrected(self, space: Space, question: str, selection: Selection) -> Mapping[str, str]:
        knows = self._spaces.embedder_of(space).knows_word
        doubtful = spelling.doubtful(question, knows)

        def look(snapshot: Snapshot, view: View) -> Mapping[str, str]:
            held = functools.partial(view.count_holders, wanted=selection.at(snapshot).filter(snapshot))
            return spelling.misspelt(doubtful, held, knows)

        return self._seen(space, look) if doubtful else {}

    def _reranker_for(self, part: Part | None) -> Reranker | None:
        """The configured reranker, if this part of recall has a use for it."""
        name = self._settings.reranker
        if part == "reranked" and name == NONE:
            raise InputError("no reranker is configured; set `reranker` in ragbot.toml, or leave this part out")
        if name == NONE or part not in (None, "reranked") or (part is None and self._settings.recall == "fast"):
            return None
        return self._runtime.reranker(name)

    def turns_around(self, chunk: Chunk, reach: int) -> list[Chunk]:
        """The turns up to `reach` places before and after a turn in its conversation, in order, without itself."""

        def look(snapshot: Snapshot, view: View) -> list[Chunk]:
            beside = view.talk(Filter(frozenset([chunk.scope]))).beside(np.array([chunk.id]))[0]
            near = beside[max(0, len(beside) // 2 - reach) : len(beside) // 2 + reach]
            found = snapshot.chunks(near.tolist(), (chunk.scope,))
            return [found[id] for id in sorted(found)]

        return self._in_its_space(lambda space: self._seen(space, look)) or []

    def _in_its_space(self, ask: Callable[[Space], Found]) -> Found | None:
        """What `ask` finds in the space that answers; None in a new home."""
        space = self.view.space or self._active_space()  # most likely the one that was seen last still answers
        for _ in range(TRIES):
            if space is None:
                return None
            try:
                return ask(space)
            except Moved:
                space = self._active_space()
        raise BusyError(f"{self._home}: its embedding model kept changing; try again")

    def answering_space(self) -> Space:
        """The space that answers, as far as it was seen; a new home makes one."""
        return self.view.space or self._spaces.active()

    def calibration(self) -> Calibration:
        """The numbers of the space that answers."""
        return self._spaces.calibration(self.answering_space())

    def _active_space(self) -> Space | None:
        with self._store.reading() as snapshot:
            return snapshot.active_space()

    def _seen(self, space: Space, look: Callable[[Snapshot, View], Found]) -> Found:
        """What `look` finds in a snapshot and the view of that very moment. Raises Moved if another space answers now."""
        try:
            with self._admitted, self._follower.level_with(self._store.reading, space) as (snapshot, view):
                return look(snapshot, view)
        except Replaced as cause:
            raise BusyError(f"{self._home}: its index kept changing; try again") from cause


def _unit(vector: Sequence[float] | NDArray[np.float32], space: Space) -> NDArray[np.float32]:
    unit = np.asarray(vector, np.float32)
    length = float(np.linalg.norm(unit)) if unit.shape == (space.dim,) else 0.0
    if not np.isfinite(length) or length == 0.0:
        raise InputError(f"the vector is not of {space.model}: it takes {space.dim} numbers, not all of them 0")
    scaled: NDArray[np.float32] = unit / np.float32(length)
    return scaled


def with_disputes(hits: Sequence[Hit], snapshot: Snapshot, selection: Selection) -> list[Hit]:
    """The hits with the spans of them that corrections set aside."""
    found: dict[int, list[Dispute]] = {}
    ids, at = [hit.chunk.id for hit in hits], (selection.as_of, selection.known_at)
    for chunk_id, start, end, uri in snapshot.disputed(ids, selection.scopes, *at):
        found.setdefault(chunk_id, []).append(Dispute(start, end, uri))
    return [replace(hit, disputes=tuple(found[hit.chunk.id])) if hit.chunk.id in found else hit for hit in hits]


def _with_names(hits: Sequence[Hit], snapshot: Snapshot) -> list[Hit]:
    """The hits with the names of their sources."""
    names = snapshot.names_of_sources([hit.chunk.id for hit in hits])
    return [replace(hit, name=names[hit.chunk.id]) if hit.chunk.id in names else hit for hit in hits]
