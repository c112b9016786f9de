"""Plain text: characters as they are, line for line. Its title is its name, so none is given here."""

from __future__ import annotations

from ingest.parsers.characters import decode
from ingest.parsers.formats import Extract, Source


def extract(source: Source) -> Extract:
    """The text, whose lines are the file's own."""
    return Extract(decode(source.data), lines=True)
