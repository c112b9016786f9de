"""A memory as a vector store of LangChain: the maintained successor of its FAISS store."""
# ruff: noqa: ANN401 (the signatures are LangChain's)

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from ragbot.errors import InputError, NotFoundError
from ragbot.integrations.langchain.documents import is_same, to_langchain, to_ragbot
from ragbot.integrations.langchain.embeddings import RagbotEmbeddings, memory_with
from ragbot.integrations.langchain.search import DocumentSearch, Found, Narrow
from ragbot.memory import Memory
from ragbot.store import Transaction
from ragbot.text import storable
from ragbot.text.tokens import has_cjk
from ragbot.types import EVERYONE

Scored = list[tuple[Document, float]]


class RagbotVectorStore(VectorStore):
    """The documents of one scope of a memory. An id is the uri of a document; the same id again is its next version.

    Searches take `filter` (metadata, as LangChain's FAISS store does), `uris`, `kinds`, `since` and `until`, and give k
    documents wherever there are k. Scores are higher for what fits better.
    """

    def __init__(
        self,
        memory: Memory | str | Path | None = None,
        *,
        scope: str = EVERYONE,
        embedding: Embeddings | None = None,
        passages: bool = False,
    ) -> None:
        """Over an open memory, or the home in a folder, which is opened (None: RAGBOT_HOME, else `indexes`).

        `embedding` is for homes that LangChain embeds: None lets ragbot do so. With `passages`, searches give the passages
        that fit instead of their whole documents. Raises ConfigError if the home is embedded with another model.
        """
        self.memory, self._opened = memory_with(memory, embedding)
        self.scope = storable(scope)
        self.passages = passages

    def close(self) -> None:
        """Let go of the memory, if it was opened here."""
        if self._opened:
            self.memory.close()

    @property
    def embeddings(self) -> RagbotEmbeddings:
        """The embedder of the memory."""
        return RagbotEmbeddings(memory=self.memory)

    # Write

    def add_documents(self, documents: list[Document], ids: Sequence[str | None] | None = None, **kwargs: Any) -> list[str]:
        """Add documents, or their next versions, and give their ids, in order. They are searchable when this returns.

        Ids come from `ids`, else from the documents, else they are made. Raises InputError for a document without words.
        """
        given = [document.id for document in documents] if ids is None else list(ids)
        if len(given) != len(documents):
            raise InputError(f"there are {len(given)} ids for {len(documents)} documents; give one for each, or none")
        names = [str(uuid4()) if id is None else storable(id) for id in given]
        last = {id: to_ragbot(document, id, self.scope) for id, document in zip(names, documents, strict=True)}
        with self.memory.store.reading() as snapshot:
            new = [one for id, one in last.items() if not is_same(snapshot.document(self.scope, id), one)]
        self.memory.remember(new, also=_whatever_is_new)
        return names

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts, or their next versions, and give their ids, in order."""
        texts = list(texts)
        if metadatas and len(metadatas) != len(texts):
            raise InputError(f"there are {len(metadatas)} metadatas for {len(texts)} texts; give one for each, or none")
        documents = [
            Document(page_content=text, metadata=metadata)
            for text, metadata in zip(texts, metadatas or [{} for _ in texts], strict=True)
        ]
        return self.add_documents(documents, ids=ids, **kwargs)

    def delete(self, ids: Sequence[str] | None = None, **kwargs: Any) -> bool:
        """Erase documents, every version of them, and the answers that quoted them; None: all of the scope.

        Ids that are not there are passed over.
        """
        if isinstance(ids, str):
            raise InputError(f"ids is {ids!r:.60}; it takes a list of ids")
        with self.memory.store.reading() as snapshot:
            if ids is None:
                there = [stored.uri for stored in snapshot.documents([self.scope])]
            else:
                there = [id for id in dict.fromkeys(map(storable, ids)) if snapshot.document(self.scope, id)]
        if there:
            with contextlib.suppress(NotFoundError):  # somebody else erased one of them just now; the others are gone
                self.memory.forget_each(there, scope=self.scope)
        return True

    # Read

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The whole documents with these ids, in their order; what is not there is left out."""
        with self.memory.store.reading() as snapshot:
            found = [snapshot.document(self.scope, storable(id)) for id in ids]
            return [
                to_langchain(stored, snapshot.chunks_of(self.scope, stored.uri))
                for stored in found
                if stored and stored.retired_at is None
            ]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The k documents that fit a question best, by meaning and words together."""
        return [one.document for one in self._search(kwargs).by_text(query, k)]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> Scored:
        """The same with their scores: higher is better, and they compare within one search."""
        return [(one.document, one.hit.score) for one in self._search(kwargs).by_text(query, k)]

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """The k documents that are nearest to a vector of the memory's embedder."""
        return [document for document, _ in self.similarity_search_with_score_by_vector(embedding, k, **kwargs)]

    def similarity_search_with_score_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> Scored:
        """The same with their cosines."""
        return [(one.document, one.hit.score) for one in self._search(kwargs).by_vector(embedding, k)]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """The k of the `fetch_k` documents that fit best which are near to a question and far from each other."""
        found = self._search(kwargs).by_text(query, max(k, fetch_k))
        vector = self.memory.encode_query(storable(query), scopes=(self.scope,))
        return self._diverse(vector, found, k, lambda_mult)

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """The same of a vector."""
        found = self._search(kwargs).by_vector(embedding, max(k, fetch_k))
        return self._diverse(np.asarray(embedding, np.float32), found, k, lambda_mult)

    def _similarity_search_with_relevance_scores(self, query: str, k: int = 4, **kwargs: Any) -> Scored:
        """Documents, with which part of the best possible score each has, 0 to 1."""
        found = self._search(kwargs).by_text(query, k)
        if not found:
            return []
        weights, cjk = self.memory.calibration().rank_weights({}), has_cjk(query)
        best = 1 + (weights.words_cjk + weights.feedback_cjk if cjk else weights.words + weights.feedback)
        best += weights.rerank if any(one.hit.features.rerank is not None for one in found) else 0
        return [(one.document, min(1.0, max(0.0, one.hit.score / best))) for one in found]

    async def _asimilarity_search_with_relevance_scores(self, query: str, k: int = 4, **kwargs: Any) -> Scored:
        return await run_in_executor(None, self._similarity_search_with_relevance_scores, query, k, **kwargs)

    def _search(self, given: dict[str, Any]) -> DocumentSearch:
        given = {name: value for name, value in given.items() if name != "fetch_k"}  # FAISS needed it for its filters
        try:
            narrow = Narrow(**given)
        except TypeError:
            fields = list(Narrow.__dataclass_fields__)
            unknown = next(name for name in given if name not in fields)
            raise InputError(f"a search takes no {unknown!r}; it takes k and {', '.join(fields)}") from None
        return DocumentSearch(self.memory, self.scope, narrow, self.passages)

    def _diverse(self, vector: Any, found: Sequence[Found], k: int, lambda_mult: float) -> list[Document]:
        space = self.memory.retriever.answering_space()
        with self.memory.store.reading() as snapshot:
            vectors = snapshot.vectors(space, [one.chunk.id for one in found])
        there = [one for one in found if one.chunk.id in vectors]
        order = maximal_marginal_relevance(vector, [vectors[one.chunk.id].tolist() for one in there], lambda_mult, k)
        return [there[at].document for at in order]

    # Make

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        memory: Memory | str | Path | None = None,
        scope: str = EVERYONE,
        passages: bool = False,
        **kwargs: Any,
    ) -> Self:
        """A store over a memory, or a home, to which texts were added. `embedding` None: ragbot embeds."""
        store = cls(memory, scope=scope, embedding=embedding, passages=passages)
        with ExitStack() as unless_added:
            unless_added.callback(store.close)
            store.add_texts(texts, metadatas, ids=ids, **kwargs)
            unless_added.pop_all()
        return store


def _whatever_is_new(transaction: Transaction) -> None:
    """Written beside each document, so that one of which only the metadata are new is not skipped."""
