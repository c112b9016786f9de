"""The blocks that a text is made of, and how they are written down: as plain Markdown.

The chunker reads the headings and blank lines written here. Nothing here knows a file format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

_GAP = "\n\n"


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of text that stands by itself. `level` is a heading's rank or an item's depth, from 1."""

    kind: Literal["heading", "paragraph", "item", "table", "pre"]
    text: str
    level: int = 1


def write(blocks: Iterable[Block]) -> str:
    """The blocks as text, with blank lines between them, save between the items of a list."""
    pieces: list[str] = []
    before: Block | None = None
    for block in blocks:
        if before:
            pieces.append("\n" if before.kind == block.kind == "item" else _GAP)
        pieces.append(_written(block))
        before = block
    return "".join(pieces)


def write_pages(pages: Iterable[Iterable[Block]]) -> tuple[str, tuple[int, ...]]:
    """The blocks of each page, with a blank line between pages, and the offsets at which the pages begin."""
    texts = [write(page) for page in pages]
    starts = accumulate((len(text) + len(_GAP) for text in texts[:-1]), initial=0)
    return _GAP.join(texts), tuple(starts)


def table(rows: Iterable[Sequence[str]]) -> Block | None:
    """A table with one line a row. Empty rows and columns are left out; None if nothing is left.

    A row with a single cell in it ends with a bar, by which it is known for a row.
    """
    full = [[" ".join(cell.split()) for cell in row] for row in rows]
    full = [row for row in full if any(row)]
    used = sorted({at for row in full for at, cell in enumerate(row) if cell})
    lines = [" | ".join(row[at] if at < len(row) else "" for at in used).rstrip(" |") for row in full]
    if len(used) > 1:
        lines = [line if " | " in line else f"{line} |" for line in lines]
    return Block("table", "\n".join(lines)) if full else None


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
    """Fenced, so that a comment in code is not taken for a heading."""
    longest = max((len(run) for run in re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{text}\n{fence}"
