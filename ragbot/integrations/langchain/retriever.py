"""Recall as a retriever of LangChain."""
# ruff: noqa: ANN401 (the signatures are LangChain's)

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables.config import run_in_executor
from pydantic import Field

from ragbot.errors import InputError
from ragbot.memory import Memory
from ragbot.safety.gate import harmless, harmless_name
from ragbot.types import EVERYONE, Citation, Hit

TAKES = ("k", "scopes", "kinds", "uris", "since", "until", "as_of", "known_at", "history", "why")


class RagbotRetriever(BaseRetriever):
    """The passages that a memory recalls, each with its place and its score. `invoke` takes what the fields take, too."""

    memory: Memory = Field(default_factory=Memory.open, exclude=True, repr=False)
    """By default the one in RAGBOT_HOME, else `indexes`."""
    scopes: tuple[str, ...] = (EVERYONE,)
    """Whose knowledge is read."""
    k: int = 5
    kinds: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    """Addresses of documents; * stands for anything."""
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None
    """What held then."""
    known_at: datetime | None = None
    """What was known then."""
    history: tuple[tuple[str, str], ...] = ()
    """(role, text) of what was said before, oldest first."""
    why: bool = False
    """Whether the metadata say why each passage was found."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return self._recalled(query, kwargs)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        return await run_in_executor(None, self._recalled, query, kwargs)

    def _recalled(self, query: str, kwargs: Mapping[str, Any]) -> list[Document]:
        if unknown := [name for name in kwargs if name not in TAKES]:
            raise InputError(f"the retriever takes no {unknown[0]!r}; it takes {', '.join(TAKES)}")
        given = {name: getattr(self, name) for name in TAKES} | dict(kwargs)
        why = given.pop("why")
        return [_document(hit, why) for hit in self.memory.recall(query, **given)]


def _document(hit: Hit, why: bool) -> Document:
    chunk = hit.chunk
    said_at = None if chunk.kind == "file" else chunk.valid_from
    place = Citation(
        chunk.id,
        chunk.uri,
        chunk.start,
        chunk.end,
        chunk.text,
        chunk.kind,
        chunk.page,
        chunk.line,
        chunk.heading,
        said_at,
        hit.name,
    )
    metadata = {
        "source": harmless_name(hit.name or chunk.uri),
        "uri": chunk.uri,
        "where": place.where,
        "score": hit.score,
        "chunk_id": chunk.id,
        "start": chunk.start,
        "kind": chunk.kind,
        "scope": chunk.scope,
        "valid_from": chunk.valid_from.isoformat(),
        "page": chunk.page,
        "line": chunk.line or None,
        "heading": harmless(chunk.heading) or None,
        "set_aside_by": sorted({one.uri for one in hit.disputes}) or None,
        "why": hit.why if why else None,
    }
    known = {name: value for name, value in metadata.items() if value is not None}
    return Document(id=str(chunk.id), page_content=harmless(chunk.text), metadata=known)
