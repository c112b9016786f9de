"""Plain text, kept line by line. No title is returned: the caller takes the name of the file."""

from __future__ import annotations

from ingest.parsers.characters import decode
from ingest.parsers.formats import Extract, Source


def extract(source: Source) -> Extract:
    """The decoded text; its line numbers are those of the file."""
    return Extract(decode(source.data), lines=True)
