"""What an answer stands on, in messages of LangChain: as plain data, and as annotations of its standard content blocks."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.block_translators import register_translator
from langchain_core.messages.content import Citation as Annotation
from langchain_core.messages.content import ContentBlock, TextContentBlock

from ragbot.text import layout
from ragbot.types import Citation, Turn

PROVIDER = "ragbot"
KEY = "citations"


def kept(turn: Turn, shown: int) -> dict[str, Any]:
    """The citations of the claims within the first `shown` characters of an answer, for `additional_kwargs`.

    Each names its place in the answer, the place and the words in the source, and the source itself.
    """
    found = [
        _kept(cited, start, min(end, shown))
        for claim, start, end in layout.places_of_claims(turn)
        if start < shown
        for cited in claim.citations
    ]
    return {KEY: found}


def _kept(cited: Citation, start: int, end: int) -> dict[str, Any]:
    known = {
        "start_index": start,
        "end_index": end,
        "quote": cited.quote,
        "where": cited.where,
        "uri": cited.uri,
        "chunk_id": cited.chunk_id,
        "start": cited.start,
        "end": cited.end,
        "kind": cited.kind,
        "page": cited.page,
        "line": cited.line or None,
        "heading": cited.heading or None,
        "said_at": cited.said_at and cited.said_at.isoformat(),
        "valid_from": cited.valid_from and cited.valid_from.isoformat(),
    }
    return {name: value for name, value in known.items() if value is not None}


def _annotation(cited: dict[str, Any]) -> Annotation:
    beside = ("uri", "chunk_id", "start", "end", "kind", "page", "line", "heading", "said_at", "valid_from")
    found = Annotation(
        type="citation",
        title=cited["where"],
        start_index=cited["start_index"],
        end_index=cited["end_index"],
        cited_text=cited["quote"],
        extras={name: cited[name] for name in beside if name in cited},
    )
    if "://" in cited["uri"]:
        found["url"] = cited["uri"]
    return found


def _blocks(message: AIMessage | AIMessageChunk) -> list[ContentBlock]:
    """The text of a message as one block, with its citations; the last piece of a stream has them and no text."""
    if not isinstance(message.content, str):
        return cast("list[ContentBlock]", message.content)
    annotations = [_annotation(one) for one in message.additional_kwargs.get(KEY, ())]
    if not message.content and not annotations:
        return []
    block = TextContentBlock(type="text", text=message.content)
    if annotations:
        block["annotations"] = list(annotations)
    return [block]


register_translator(PROVIDER, _blocks, _blocks)
