"""The blocks of a parsed text, and their rendering as plain Markdown.

The chunker relies on the headings and blank lines written here. This module knows no file format.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from ingest.parsers import grid as grids
from ingest.parsers.grid import Span
from ingest.parsers.rows import written

_GAP = "\n\n"


@dataclass(frozen=True, slots=True)
class Block:
    """A unit of text. `level` is the rank of a heading or the depth of a list item, from 1."""

    kind: Literal["heading", "paragraph", "item", "table", "pre"]
    text: str
    level: int = 1


def write(blocks: Iterable[Block]) -> str:
    """Render the blocks as text, with a blank line between them except between list items."""
    pieces: list[str] = []
    before: Block | None = None
    for block in blocks:
        if before:
            pieces.append("\n" if before.kind == block.kind == "item" else _GAP)
        pieces.append(_written(block))
        before = block
    return "".join(pieces)


def write_pages(pages: Iterable[Iterable[Block]]) -> tuple[str, tuple[int, ...]]:
    """Render the blocks of all pages as one text; also return the offset at which each page begins."""
    texts = [write(page) for page in pages]
    starts = accumulate((len(text) + len(_GAP) for text in texts[:-1]), initial=0)
    return _GAP.join(texts), tuple(starts)


def table(rows: Iterable[Sequence[str]], spans: Sequence[Span] = ()) -> Block | None:
    """A table block with one line per row, without empty rows and columns; None if nothing is left.

    `spans` are the merged cells, which are written out; below a header of several lines each value follows the name of
    its column. A row with a single filled cell ends with a bar, which marks it as a row.
    """
    grid = grids.filled(list(rows), spans)
    if len(grid.header) == 1:
        grid.rows[grid.header[0]] = _once(grid.rows[grid.header[0]])
    full = [[" ".join(cell.split()) for cell in row] for row in grid.rows]
    full = [row for row in full if any(row)]
    if len(grid.header) > 1 and next(row for row in full if sum(map(bool, row)) > 1)[0]:  # the first name marks the rows
        return Block("table", "\n".join(filter(None, written(grid.rows, grid.remarks))))
    used = sorted({at for row in full for at, cell in enumerate(row) if cell})
    lines = [" | ".join(row[at] for at in used[: bisect_left(used, len(row))]).rstrip(" |") for row in full]
    if len(used) > 1:
        lines = [line if " | " in line else f"{line} |" for line in lines]
    return Block("table", "\n".join(lines)) if full else None


def _once(names: Sequence[str]) -> list[str]:
    """The names of columns, each in the first of its columns only."""
    return ["" if before == name else name for before, name in zip(["", *names], names, strict=False)]


def first_heading(blocks: Iterable[Block]) -> str:
    """The text of the first heading, or ""."""
    return next((block.text for block in blocks if block.kind == "heading"), "")


def _written(block: Block) -> str:
    match block.kind:
        case "heading":
            return f"{'#' * min(block.level, 6)} {' '.join(block.text.split())}"
        case "item":
            indent = "  " * (block.level - 1)
            return f"{indent}- " + block.text.replace("\n", f"\n{indent}  ")
        case "pre":
            return _fenced(block.text)
        case _:
            return block.text


def _fenced(text: str) -> str:
    """Put a code fence around the text, so that a comment in it is not taken for a heading."""
    longest = max((len(run) for run in re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{text}\n{fence}"
