"""Documents of LangChain as documents of ragbot, and back: text and metadata come back as they were given. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.documents import Document

from ragbot import types
from ragbot.errors import InputError
from ragbot.store import Stored
from ragbot.text import chunks as chunking
from ragbot.text.documents import storable_document
from ragbot.types import Chunk

KEY = "langchain"
"""The key, in the metadata of a document, of what only LangChain needs: its metadata, and what its passages leave out."""
SOURCE = "source"
"""Where LangChain's loaders say what a document was read from: citations name it in place of an id that nobody knows."""


def to_ragbot(document: Document, uri: str, scope: str) -> types.Document:
    """A document as it is remembered, under its id. Raises InputError for metadata that JSON does not hold."""
    # Its lines are those of a piece that somebody cut out of something: a citation must not count in them.
    plain = storable_document(types.Document(uri, document.page_content, scope=scope, lines=False))
    kept: dict[str, Any] = {"metadata": document.metadata}
    if plain.text != document.page_content:
        kept["text"] = document.page_content  # it holds characters that ragbot takes out of what it reads
    elif any(gaps := _gaps(plain.text)):
        kept["gaps"] = gaps
    try:
        metadata = {KEY: json.dumps(kept)}
    except (TypeError, ValueError) as cause:
        raise InputError(f"{uri}: its metadata cannot be kept ({cause}); it takes what JSON holds") from cause
    source = document.metadata.get(SOURCE)
    if isinstance(source, str) and source.strip() and source != uri:
        metadata["name"] = source
    return types.Document(uri, document.page_content, scope=scope, metadata=metadata, lines=False)


def metadata_of(stored: Stored) -> dict[str, Any]:
    """The metadata as they were given; of a document that came in another way, those that ragbot has."""
    kept = _kept(stored)
    return dict(stored.metadata) if kept is None else dict(kept["metadata"])


def to_langchain(stored: Stored, chunks: Sequence[Chunk]) -> Document:
    """A whole document as it was given, out of its current passages, in order.

    Of one that came in another way, white space between passages comes back as line ends.
    """
    kept = _kept(stored) or {}
    text = kept.get("text")
    if text is None:
        gaps = kept.get("gaps") or [""] * (len(chunks) + 1) if kept else _line_ends(chunks)
        text = gaps[0] + "".join(chunk.text + gap for chunk, gap in zip(chunks, gaps[1:], strict=False))
    return Document(id=stored.uri, page_content=text, metadata=metadata_of(stored))


def passage(stored: Stored, chunk: Chunk) -> Document:
    """One passage of a document of several, with its id and metadata, and with its place."""
    place = {"start": chunk.start, "page": chunk.page, "heading": chunk.heading or None, "chunk_id": chunk.id}
    metadata = metadata_of(stored) | {name: value for name, value in place.items() if value is not None}
    return Document(id=stored.uri, page_content=chunk.text, metadata=metadata)


def is_same(stored: Stored | None, document: types.Document) -> bool:
    """Whether nothing about a document is new."""
    if stored is None or stored.retired_at is not None or stored.kind != document.kind:
        return False
    plain = storable_document(document)
    return (stored.sha256, stored.metadata) == (plain.sha256, plain.metadata)


def _gaps(text: str) -> list[str]:
    """What stands before, between and after the passages of a text."""
    spans = [(one.start, one.end) for one in chunking.passages(text)]
    cuts = [0, *(cut for span in spans for cut in span), len(text)]
    return [text[start:end] for start, end in zip(cuts[::2], cuts[1::2], strict=True)]


def _line_ends(chunks: Sequence[Chunk]) -> list[str]:
    starts, ends = [chunk.start for chunk in chunks], [0, *(chunk.end for chunk in chunks)]
    return [*("\n" * max(0, start - end) for start, end in zip(starts, ends, strict=False)), ""]


def _kept(stored: Stored) -> dict[str, Any] | None:
    found = stored.metadata.get(KEY)
    kept: dict[str, Any] | None = json.loads(found) if found else None
    return kept
