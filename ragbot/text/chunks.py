"""Text to passages with their character spans.

Passages end where the author ended something (a heading, a paragraph, a page, a sentence). Inside
a section the ends depend on the paragraphs themselves and not on how many stand before them
(content-defined chunking, Muthitacharoen, Chen and Mazieres 2001), so that an edited paragraph
changes the passage that holds it and not every one after it.
"""

from __future__ import annotations

import re
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ragbot.text.tokens import CJK, tokens

MAX_LENGTH = 900
"""Longest passage, in letters. The default embedder reads 256 tokens, about 1,000 letters."""
MIN_LENGTH = 250
CJK_WEIGHT = 3
"""A CJK character fills about as many tokens as three Latin letters."""

_CJK_CHAR = re.compile(f"[{CJK}]")
_BLOCK = re.compile(r"\S[^\n]*(?:\n[ \t]*\S[^\n]*)*")
_HEADING = re.compile(r"(#{1,6})[ \t]+(\S[^\n]*?)[ \t#]*$", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)
_SEPARATORS = ["\n\n", "\n", "。", "！", "？", "；", ". ", "! ", "? ", "; ", "，", ", ", " ", ""]


class Passage(NamedTuple):
    """`text[start:end]` of the document, the page it is on, and the headings above it."""

    start: int
    end: int
    page: int | None
    heading: str


class _Block(NamedTuple):
    start: int
    end: int
    page: int | None
    heading: str
    opens: bool
    """Whether it must begin a passage: a heading, or the first of a page."""


def passages(text: str, pages: Sequence[int] = ()) -> list[Passage]:
    """Cut `text` into passages of at most MAX_LENGTH letters, in order, none overlapping.

    `pages` holds the offset at which each page begins; no passage spans two pages.
    """
    found: list[Passage] = []
    run: list[_Block] = []
    for block in _blocks(text, pages):
        if run and (block.opens and not _only_headings(text, run) or _length(text, run[0].start, block.end) > MAX_LENGTH):
            found.append(_passage(run))
            run = []
        run.append(block)
        if _length(text, run[0].start, block.end) >= MIN_LENGTH and _cuts_after(text, block):
            found.append(_passage(run))
            run = []
    if run:
        found.append(_passage(run))
    return found


def embedded(title: str, heading: str, text: str) -> str:
    """What the vector of a passage stands for: its text under its title and headings."""
    return "\n".join(part for part in (title, heading, text) if part)


def tokens_of(title: str, heading: str, text: str) -> list[str]:
    """The tokens by which a passage is found: those of what its vector stands for."""
    return tokens(embedded(title, heading, text))


def _passage(run: list[_Block]) -> Passage:
    return Passage(run[0].start, run[-1].end, run[0].page, run[0].heading)


def _only_headings(text: str, run: list[_Block]) -> bool:
    return all(_HEADING.match(text, block.start, block.end) and "\n" not in text[block.start : block.end] for block in run)


def _length(text: str, start: int, end: int) -> int:
    return end - start + (CJK_WEIGHT - 1) * len(_CJK_CHAR.findall(text, start, end))


def _cuts_after(text: str, block: _Block) -> bool:
    return zlib.crc32(text[block.start : block.end].encode("utf-8", "replace")) % 3 == 0


def _blocks(text: str, pages: Sequence[int]) -> Iterator[_Block]:
    above: list[tuple[int, str]] = []
    page: int | None = None
    for start, end in _paragraphs(text, pages):
        now = bisect_right(pages, start) if pages else None
        head = _HEADING.match(text, start, end)
        if head:
            above = [(level, name) for level, name in above if level < len(head[1])]
        path = " > ".join(name for _, name in above)
        opens = bool(head) or now != page
        for first, (piece_start, piece_end) in enumerate(_fitting(text, start, end)):
            yield _Block(piece_start, piece_end, now, path, opens and first == 0)
        if head:
            above.append((len(head[1]), head[2]))
        page = now


def _paragraphs(text: str, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of lines without a blank one, cut at pages and before headings; fenced code stays whole."""
    cuts = sorted({0, *pages, len(text)})
    for begin, stop in zip(cuts, cuts[1:], strict=False):
        held: tuple[int, int] | None = None
        for block in _BLOCK.finditer(text, begin, stop):
            start, end = block.span()
            if held:
                start = held[0]
            if len(_FENCE.findall(text, start, end)) % 2:
                held = (start, end)
                continue
            held = None
            yield from _at_headings(text, start, end)
        if held:
            yield from _at_headings(text, *held)


def _at_headings(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    if _FENCE.search(text, start, end):
        yield start, end
        return
    for head in _HEADING.finditer(text, start, end):
        if start < head.start() and text[head.start() - 1] == "\n":
            yield start, head.start() - 1
            start = head.start()
    yield start, end


def _fitting(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The paragraph itself, or the pieces of one that is too long."""
    if _length(text, start, end) <= MAX_LENGTH:
        return [(start, end)]
    # Imported here: it takes half a second, and most paragraphs never come this far.
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        separators=_SEPARATORS,
        keep_separator="end",
        chunk_size=MAX_LENGTH,
        chunk_overlap=0,
        length_function=lambda piece: _length(piece, 0, len(piece)),
        strip_whitespace=False,
    )
    spans: list[tuple[int, int]] = []
    for piece in splitter.split_text(text[start:end]):
        spans.append((start, start + len(piece)))
        start += len(piece)
    return [(a, b) for a, b in spans if text[a:b].strip()]
