"""Prepare a document for the store: check it, replace what cannot be stored, split it into new chunks."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

from ragbot.errors import InputError
from ragbot.text import chunks as chunking
from ragbot.text import storable
from ragbot.text.tokens import has_words
from ragbot.types import Document, NewChunk

RECORDS = re.compile("csv|tab-separated|jsonl|spreadsheet|ms-excel")
"""Matches content types in which each line is a record."""


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
    """A copy of the document with lone surrogates replaced in every text field (see `storable`)."""
    return replace(
        document,
        uri=storable(document.uri),
        text=storable(document.text),
        title=storable(document.title),
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
