"""Source code and configuration files: text kept line by line. The title is the name of the file."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import unquote

from ingest.parsers.characters import decode
from ingest.parsers.formats import Extract, Source


def extract(source: Source) -> Extract:
    """The decoded text; its line numbers are those of the file."""
    path = source.name.partition("?")[0].replace("\\", "/")
    return Extract(decode(source.data), title=unquote(PurePosixPath(path).name), lines=True)
