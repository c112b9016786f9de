"""The files that documents were read from, kept with them: of the types whose pages are shown as pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ragbot.types import Document, Original

MAX_BYTES = 32 * 1024 * 1024
"""A larger file is not kept: its text is shown."""
PICTURED = ("application/pdf", "image/")
"""What the media types begin with of which a page is a picture."""


def with_original(document: Document, path: Path) -> Document:
    """The document with the file that it was read from, if that is kept. One that is gone by now is not."""
    content_type = document.metadata.get("content_type", "")
    try:
        if not content_type.startswith(PICTURED) or path.stat().st_size > MAX_BYTES:
            return document
        return replace(document, original=Original(content_type, path.read_bytes()))
    except OSError:
        return document
