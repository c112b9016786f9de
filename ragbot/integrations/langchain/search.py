"""How a vector store finds k documents: passages are found, their documents taken, and the search widened until there are k."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from langchain_core.documents import Document

from ragbot.integrations.langchain.documents import metadata_of, passage, to_langchain
from ragbot.integrations.langchain.metadata_filter import Filter, wanted_by
from ragbot.memory import Memory
from ragbot.search import filter
from ragbot.search.candidates import MAX_HITS
from ragbot.store import Snapshot
from ragbot.types import Chunk, Hit

WIDER = 4
"""So many times as many passages are looked for, each time that there were too few documents among them."""
WIDEST = 1_024
"""From so many passages on, the documents that may be found are listed instead, and only they are searched."""
Recall = Callable[[int, Collection[str]], Sequence[Hit]]
"""The best so many passages of the documents with some uris; none: of all."""


@dataclass(frozen=True, slots=True)
class Narrow:
    """What a search is narrowed to, in the words of LangChain and of ragbot."""

    filter: Filter | None = None
    uris: Collection[str] = ()
    kinds: Collection[str] = ()
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A document, and the passage of it that fits best."""

    document: Document
    chunk: Chunk
    hit: Hit
    """The hit that led to it, which may be on a copy of that passage."""


class DocumentSearch:
    """One search for documents of a scope; with `passages`, for passages."""

    def __init__(self, memory: Memory, scope: str, narrow: Narrow, passages: bool) -> None:
        self._memory, self._scope, self._narrow, self._passages = memory, scope, narrow, passages
        self._wanted = wanted_by(narrow.filter)
        self._read: dict[str | int, Document | None] = {}

    def by_text(self, query: str, k: int) -> list[Found]:
        """The k documents that fit a question best, by meaning and words together."""

        def recall(many: int, uris: Collection[str]) -> list[Hit]:
            narrow = self._narrow
            return self._memory.recall(
                query, many, scopes=(self._scope,), kinds=narrow.kinds, uris=uris, since=narrow.since, until=narrow.until
            )

        return self._find(recall, k)

    def by_vector(self, vector: Sequence[float], k: int) -> list[Found]:
        """The k documents that are nearest to a vector; their scores are cosines."""
        return self._find(lambda many, uris: self._nearest(vector, many, uris), k)

    def _nearest(self, vector: Sequence[float], many: int, uris: Collection[str]) -> list[Hit]:
        narrow = self._narrow
        return self._memory.recall_by_vector(
            vector, many, scopes=(self._scope,), kinds=narrow.kinds, uris=uris, since=narrow.since, until=narrow.until
        )

    def _find(self, recall: Recall, k: int) -> list[Found]:
        filter.need_query("documents", k)
        many = k if self._wanted is None else min(WIDER * k, MAX_HITS)
        while True:
            hits = recall(many, self._narrow.uris)
            found = self._documents(hits, k)
            if len(found) == k:
                return found
            if len(hits) < many or many >= WIDEST:
                return self._with_others(found, recall, k)
            many = min(WIDER * many, WIDEST)

    def _with_others(self, found: list[Found], recall: Recall, k: int) -> list[Found]:
        """What was found, and then the best of all other documents that may be: they rank low, or are copies nobody named."""
        there = {one.chunk.uri for one in found}
        left = {uri for uri in self._uris() if uri not in there}
        many = min(WIDER * k, MAX_HITS)
        while left and len(found) < k:
            hits = recall(many, left)
            more = [one for one in self._documents(hits, MAX_HITS) if one.chunk.uri in left]  # a star in an id matches others
            if not more and (len(hits) < many or many == MAX_HITS):
                break  # what is left does not hold now
            many = many if more else MAX_HITS
            found = [*found, *more]
            left -= {one.chunk.uri for one in more}
        return found[:k]

    def _uris(self) -> list[str]:
        """The documents that may be found, by uri."""
        with self._memory.store.reading() as snapshot:
            like = snapshot.documents_like(filter.names(self._narrow.uris)) if self._narrow.uris else None
            stored = [one for one in snapshot.documents([self._scope]) if like is None or one.id in like]
        return [one.uri for one in stored if self._wanted is None or self._wanted(metadata_of(one))]

    def _documents(self, hits: Sequence[Hit], most: int) -> list[Found]:
        """The first `most` documents of passages and their copies, each once; those that the filter wants."""
        found = dict[str | int, Found]()
        with self._memory.store.reading() as snapshot:
            for hit in hits:
                for chunk in (hit.chunk, *hit.also):
                    key = chunk.id if self._passages else chunk.uri
                    if key not in found and (document := self._document(key, chunk, snapshot)):
                        found[key] = Found(document.model_copy(deep=True), chunk, hit)
                        if len(found) == most:
                            return list(found.values())
        return list(found.values())

    def _document(self, key: str | int, chunk: Chunk, snapshot: Snapshot) -> Document | None:
        """What a passage stands for; None where it is not wanted, or gone since it was found."""
        if key not in self._read:
            self._read[key] = None
            stored = snapshot.document(chunk.scope, chunk.uri)
            if stored and stored.retired_at is None and (self._wanted is None or self._wanted(metadata_of(stored))):
                if self._passages and stored.chunks > 1:
                    self._read[key] = passage(stored, chunk)
                else:
                    self._read[key] = to_langchain(stored, snapshot.chunks_of(chunk.scope, chunk.uri))
        return self._read[key]
