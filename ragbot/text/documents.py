"""Prepare a document for the store: check it, replace what cannot be stored, split it into new chunks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from ragbot.errors import InputError
from ragbot.text import chunks as chunking
from ragbot.text import storable
from ragbot.text.characters import without_unseen
from ragbot.text.tokens import has_words
from ragbot.types import Document, NewChunk, SourceState

RECORDS = re.compile("csv|tab-separated|jsonl|spreadsheet|ms-excel")
"""Matches content types in which each line is a record."""
GROUP_DOCUMENTS, GROUP_PASSAGES = 256, 256
"""How many documents, or passages, share a pass through the embedder and a transaction."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that is to be remembered, with its passages; none if it has not changed."""

    document: Document
    new_chunks: Sequence[NewChunk] | None
    state: SourceState | None = None
    """What is known of its source."""

    @property
    def key(self) -> tuple[str, str]:
        """Scope and uri."""
        return self.document.scope, self.document.uri


_One = TypeVar("_One", bound="Prepared | tuple[Document, InputError]")


def new_chunks_of(document: Document) -> list[NewChunk]:
    """Split a document into chunks, each with its span, page, line, heading, embedded text and its SHA-256."""
    new_chunks, line, counted = list[NewChunk](), 1, 0
    kind = document.metadata.get("content_type", "")
    code, rows = kind.startswith("text/x-"), bool(RECORDS.search(kind))
    for passage in chunking.passages(document.text, document.pages, code=code, rows=rows):
        text = document.text[passage.start : passage.end]
        embedded = chunking.embedded(document.title, passage.heading, text)
        line, counted = line + document.text.count("\n", counted, passage.start), passage.start
        new_chunks.append(
            NewChunk(
                text=text,
                start=passage.start,
                end=passage.end,
                page=passage.page,
                line=line if document.lines and not document.pages else 0,
                heading=passage.heading,
                embedded=embedded,
                sha256=hashlib.sha256(embedded.encode("utf-8", "replace")).hexdigest(),
            )
        )
    return new_chunks


def storable_document(document: Document) -> Document:
    """A copy of the document whose texts hold what can be stored, and nothing unseen that steers a screen (`without_unseen`)."""
    text, pages = without_unseen(storable(document.text), document.pages)
    return replace(
        document,
        uri=storable(document.uri),
        text=text,
        pages=pages,
        title=without_unseen(storable(document.title)).text,
        scope=storable(document.scope),
        metadata={storable(key): storable(value) for key, value in document.metadata.items()},
    )


def need_words(document: Document) -> None:
    """Raise InputError if the document has no uri, an empty scope, or no word to search for."""
    if not document.uri.strip():
        raise InputError("a document needs a uri: the address that its citations name")
    if not document.scope.strip():
        raise InputError(f"{document.uri}: its scope is empty; name one, or leave it out to show the document to everyone")
    if not has_words(document.text):
        raise InputError(f"{document.uri}: holds no words; nothing was remembered of it")


def grouped(prepared: Iterable[_One]) -> Iterator[list[_One]]:
    """Lists of what comes, each as large as is worth a transaction."""
    group: list[_One] = []
    passages = 0
    for one in prepared:
        group.append(one)
        passages += len(one.new_chunks or ()) if isinstance(one, Prepared) else 0
        if len(group) >= GROUP_DOCUMENTS or passages >= GROUP_PASSAGES:
            yield group
            group, passages = [], 0
    if group:
        yield group
