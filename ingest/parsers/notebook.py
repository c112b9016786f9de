"""Jupyter notebooks: texts as they are, code and what it printed fenced. Pictures and errors stay out (nbformat 3 and 4)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ingest.parsers import blocks
from ingest.parsers.blocks import Block
from ingest.parsers.characters import clean, decode
from ingest.parsers.damage import broken
from ingest.parsers.formats import Extract, Source
from ingest.parsers.records import Value, parsed, too_deep
from ragbot.errors import BrokenError

_MOST_PRINTED = 5_000
"""What a cell printed is read up to so many letters: more is a log."""


def extract(source: Source) -> Extract:
    """The cells in their order."""
    try:
        book = parsed(decode(source.data))
    except json.JSONDecodeError as cause:
        raise broken(source.name, cause) from cause
    except RecursionError as cause:
        raise too_deep(source.name) from cause
    cells = list(_cells(book))
    if not cells and _entry(book, "nbformat") is None:
        raise BrokenError(f"{source.name}: is JSON but no notebook; rename it to .json")
    found = [block for cell in cells for block in _blocks(cell)]
    return Extract(blocks.write(found), title=_title(found))


def _cells(book: Value) -> Iterator[Value]:
    sheets = _entry(book, "worksheets")
    for sheet in [book, *(sheets if isinstance(sheets, list) else [])]:
        cells = _entry(sheet, "cells")
        yield from cells if isinstance(cells, list) else []


def _blocks(cell: Value) -> Iterator[Block]:
    text = _text(cell, "source") or _text(cell, "input")
    if _entry(cell, "cell_type") != "code":
        if text:
            yield Block("paragraph", text)
        return
    if text:
        yield Block("pre", text)
    outputs = _entry(cell, "outputs")
    for output in outputs if isinstance(outputs, list) else []:
        if printed := _printed(output):
            yield Block("pre", printed[:_MOST_PRINTED])


def _printed(output: Value) -> str:
    """The text of an output; of a picture there is only the name of its class, which says nothing."""
    data = _entry(output, "data")
    if isinstance(data, dict) and any(kind.startswith("image/") for kind in data):
        return ""
    return _text(output, "text") or _text(data, "text/plain")


def _title(found: list[Block]) -> str:
    """The first heading of a text."""
    lines = (line for block in found if block.kind == "paragraph" for line in block.text.split("\n"))
    return next((line.strip("# ") for line in lines if line.startswith("#")), "")


def _entry(value: Value, key: str) -> Value:
    return value.get(key) if isinstance(value, dict) else None


def _text(value: Value, key: str) -> str:
    """A text, which nbformat writes whole or as a list of lines."""
    said = _entry(value, key)
    lines = said if isinstance(said, list) else [said]
    return clean("".join(line for line in lines if isinstance(line, str))).strip("\n")
