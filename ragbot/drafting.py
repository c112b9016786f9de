"""A document as passages that are ready to be stored: their text, their place, and what their vectors stand for."""

from __future__ import annotations

import hashlib
import re

from ragbot.store import Draft
from ragbot.text import chunks as chunking
from ragbot.types import Document

RECORDS = re.compile("csv|tab-separated|jsonl|spreadsheet|ms-excel")
"""Content types of which a line is a record."""


def drafts_of(document: Document) -> list[Draft]:
    """The passages of a document as the store takes them."""
    drafts, line, counted = list[Draft](), 1, 0
    kind = document.metadata.get("content_type", "")
    code, rows = kind.startswith("text/x-"), bool(RECORDS.search(kind))
    for passage in chunking.passages(document.text, document.pages, code=code, rows=rows):
        text = document.text[passage.start : passage.end]
        embedded = chunking.embedded(document.title, passage.heading, text)
        line, counted = line + document.text.count("\n", counted, passage.start), passage.start
        drafts.append(
            Draft(
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
    return drafts
