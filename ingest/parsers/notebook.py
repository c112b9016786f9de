"""Jupyter notebooks (nbformat 3 and 4): text cells as Markdown, code and its output fenced, without images and errors."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ingest.parsers import blocks
from ingest.parsers.blocks import Block
from ingest.parsers.characters import clean, decode
from ingest.parsers.damage import broken
from ingest.parsers.formats import Extract, Source
from ingest.parsers.markdown_hidden import shown
from ingest.parsers.records import Value, parsed, too_deep
from ragbot.errors import BrokenError

_MAX_OUTPUT_CHARACTERS = 5_000
"""The output of a cell is cut to this length: a longer one is a log."""


def extract(source: Source) -> Extract:
    """The text of the cells in order."""
    try:
        book = parsed(decode(source.data))
    except json.JSONDecodeError as cause:
        raise broken(source.name, cause) from cause
    except RecursionError as cause:
        raise too_deep(source.name) from cause
    cells = list(_cells(book))
    if not cells and _entry(book, "nbformat") is None:
        raise BrokenError(f"{source.name}: is JSON but no notebook; rename it to .json")
    hidden: list[int] = []
    found = [block for cell in cells for block in _blocks(cell, hidden)]
    return Extract(blocks.write(found), title=_title(found), hidden=sum(hidden))


def _cells(book: Value) -> Iterator[Value]:
    sheets = _entry(book, "worksheets")
    for sheet in [book, *(sheets if isinstance(sheets, list) else [])]:
        cells = _entry(sheet, "cells")
        yield from cells if isinstance(cells, list) else []


def _blocks(cell: Value, hidden: list[int]) -> Iterator[Block]:
    """The blocks of a cell; the number of its hidden characters is added to `hidden`."""
    text, kind = _text(cell, "source") or _text(cell, "input"), _entry(cell, "cell_type")
    if kind != "code":
        if kind != "raw":  # which is shown as it is written
            seen = shown(text)
            hidden.append(seen.hidden)
            text = seen.text.strip("\n")
        if text.strip():
            yield Block("paragraph", text)
        return
    if text:
        yield Block("pre", text)
    outputs = _entry(cell, "outputs")
    for output in outputs if isinstance(outputs, list) else []:
        if printed := _printed(output):
            yield Block("pre", printed[:_MAX_OUTPUT_CHARACTERS])


def _printed(output: Value) -> str:
    """The text of an output; "" for an image, whose only text is the name of its class."""
    data = _entry(output, "data")
    if isinstance(data, dict) and any(kind.startswith("image/") for kind in data):
        return ""
    return _text(output, "text") or _text(data, "text/plain")


def _title(found: list[Block]) -> str:
    """The first heading in a text cell, or ""."""
    lines = (line for block in found if block.kind == "paragraph" for line in block.text.split("\n"))
    return next((line.strip("# ") for line in lines if line.startswith("#")), "")


def _entry(value: Value, key: str) -> Value:
    return value.get(key) if isinstance(value, dict) else None


def _text(value: Value, key: str) -> str:
    """The text of an entry, which nbformat stores as one string or as a list of lines."""
    entry = _entry(value, key)
    lines = entry if isinstance(entry, list) else [entry]
    return clean("".join(line for line in lines if isinstance(line, str))).strip("\n")
