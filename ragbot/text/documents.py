"""Prepare a document for the store: check it, replace what cannot be stored, split it into new chunks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from numbers import Integral
from typing import TypeVar, get_args

from ragbot.errors import InputError
from ragbot.text import chunks as chunking
from ragbot.text import storable
from ragbot.text.characters import without_unseen
from ragbot.text.tokens import has_words
from ragbot.types import Document, Kind, NewChunk, SourceState

ABOUT = "about"
"""The key, in the metadata of what a person told, of what it is about, where its own words do not say so: it is its heading."""
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
    about = document.metadata.get(ABOUT, "") if document.kind == "turn" else ""
    for passage in chunking.passages(document.text, document.pages, code=code, rows=rows):
        text = document.text[passage.start : passage.end]
        heading = passage.heading or about
        embedded = chunking.embedded(document.title, heading, text)
        line, counted = line + document.text.count("\n", counted, passage.start), passage.start
        new_chunks.append(
            NewChunk(
                text=text,
                start=passage.start,
                end=passage.end,
                page=passage.page,
                line=line if document.lines and not document.pages else 0,
                heading=heading,
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


def need_sound(document: Document) -> None:
    """Raise InputError if the document is none, a field of it cannot be stored, or it has no word to search for."""
    if not isinstance(document, Document):
        raise InputError(f"{document!r:.60} is no Document; give Document(uri, text)")
    _need_address("uri", document.uri, "a document", "the address that its citations name")
    _need_address("scope", document.scope, document.uri, "leave it out to show the document to everyone")
    for field, value in (("text", document.text), ("title", document.title)):
        if not isinstance(value, str):
            raise InputError(f"{document.uri}: its {field} is {value!r:.60}; it takes a text")
    if document.kind not in get_args(Kind):
        raise InputError(f"{document.uri}: its kind is {document.kind!r:.60}; it takes one of {', '.join(get_args(Kind))}")
    if not isinstance(document.lines, bool):
        raise InputError(f"{document.uri}: its lines are {document.lines!r:.60}; it takes True or False")
    _need_metadata(document)
    _need_pages(document)
    if not has_words(document.text):
        raise InputError(f"{document.uri}: holds no words; nothing was remembered of it")


def _need_address(field: str, value: object, whose: str, use: str) -> None:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise InputError(f"{whose}: its {field} is {value!r:.60}; it takes a text without zero bytes: {use}")


def _need_metadata(document: Document) -> None:
    entries = document.metadata.items() if isinstance(document.metadata, Mapping) else [(None, document.metadata)]
    for entry in entries:
        if not all(isinstance(part, str) for part in entry):
            raise InputError(f"{document.uri}: its metadata holds {entry!r:.60}; it takes texts by their names, which are texts")


def _need_pages(document: Document) -> None:
    pages = document.pages if isinstance(document.pages, tuple | list) else (document.pages,)
    counts = all(isinstance(page, Integral) and not isinstance(page, bool) for page in pages)
    if not counts or any(one > other for one, other in pairwise([0, *pages, len(document.text)])):
        takes = f"offsets in its text, 0 to {len(document.text)}, ascending"
        raise InputError(f"{document.uri}: its pages are {document.pages!r:.60}; it takes {takes}")


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
