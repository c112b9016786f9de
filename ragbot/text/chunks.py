"""Text to passages with their character spans.

Passages end where the author ended something (a heading, a paragraph, a page, a sentence, a row). Inside
a section the ends depend on the paragraphs themselves and not on how many stand before them
(content-defined chunking, Muthitacharoen, Chen and Mazieres 2001), so that an edited paragraph
changes the passage that holds it and not every one after it.
"""

from __future__ import annotations

import re
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from ragbot.text.sentences import sentences
from ragbot.text.tokens import CJK, tokens

MAX_LENGTH = 900
"""Longest passage, in letters. The default embedder reads 256 tokens, about 1,000 letters."""
MIN_LENGTH = 250
CJK_WEIGHT = 3
"""A CJK character fills about as many tokens as three Latin letters."""

MOST_WHOLE = 4_000
"""A row of a table is never cut up to this length, a Chinese, Japanese or Korean sentence up to half of it, in letters."""

_CJK_CHAR = re.compile(f"[{CJK}]")
_BLOCK = re.compile(r"\S[^\n]*(?:\n[ \t]*\S[^\n]*)*")
_HEADING = re.compile(r"(#{1,6})[ \t]+(\S[^\n]*?)[ \t#]*$", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})([^`\n]*)$", re.MULTILINE)
_ROW = re.compile(r"[ \t]*\||[^\n]* \| ")
_RULE = re.compile(r"[\s|:+=-]+")
_ITEM = re.compile(r"^[ \t]*(?:[-*+•][ \t]|\d{1,3}[.)][ \t])", re.MULTILINE)
_HEADER_LONGEST = 200
_DEFINITION = re.compile(
    r"^([ \t]*)((?:(?:export|default|public|private|protected|internal|static|final|abstract|async|pub(?:\([a-z]+\))?|unsafe|"
    r"virtual|override|inline|extern)[ \t]+)*(?:class|def|function|func|fun|fn|interface|struct|enum|trait|impl|module|namespace|"
    r"type|record|object)\b[^\n{:]*)",
    re.MULTILINE | re.IGNORECASE,
)
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


def passages(text: str, pages: Sequence[int] = (), *, code: bool = False, rows: bool = False) -> list[Passage]:
    """Cut `text` into passages of at most MAX_LENGTH letters, in order, none overlapping.

    `pages` holds the offset at which each page begins; no passage spans two pages. Of program text
    (`code`) the definitions that a passage stands in take the place of headings; of `rows` each line is
    one. Rows are never cut; the further passages of a table carry its first row in their heading.
    """
    found: list[Passage] = []
    run: list[_Block] = []
    for block in _definitions(text) if code else _blocks(text, pages, rows=rows):
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


def _blocks(text: str, pages: Sequence[int], *, rows: bool) -> Iterator[_Block]:
    above: list[tuple[int, str]] = []
    page: int | None = None
    for start, end in _paragraphs(text, pages):
        now = bisect_right(pages, start) if pages else None
        head = _HEADING.match(text, start, end)
        if head:
            above = [(level, name) for level, name in above if level < len(head[1])]
        path = " > ".join(name for _, name in above)
        opens = bool(head) or now != page
        table = _is_table(text, start, end)
        for first, (piece_start, piece_end) in enumerate(_fitting(text, start, end, table=table or rows)):
            below = _under(path, text[start : text.find("\n", start)]) if table and first else path
            yield _Block(piece_start, piece_end, now, below, opens and first == 0)
        if head:
            above.append((len(head[1]), head[2]))
        page = now


def _paragraphs(text: str, pages: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of lines without a blank one, cut at pages and before headings; fenced code stays whole."""
    cuts = sorted({0, *pages, len(text)})
    for begin, stop in zip(cuts, cuts[1:], strict=False):
        held: int | None = None
        fence = ""
        for block in _BLOCK.finditer(text, begin, stop):
            fence = _open_fence(text, *block.span(), fence)
            start = block.start() if held is None else held
            held = start if fence else None
            if not fence:
                yield from _at_headings(text, start, block.end())
        if held is not None:  # never closed: a slip of the author's
            for block in _BLOCK.finditer(text, held, stop):
                yield from _at_headings(text, *block.span())


def _open_fence(text: str, start: int, end: int, fence: str) -> str:
    """The fence open at `end`, if `fence` is at `start`; "" for none. With words after it, it closes none (CommonMark)."""
    for found in _FENCE.finditer(text, start, end):
        if not fence:
            fence = found[1]
        elif found[1].startswith(fence) and not found[2].strip():
            fence = ""
    return fence


def _at_headings(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    if _FENCE.search(text, start, end):
        yield start, end
        return
    for head in _HEADING.finditer(text, start, end):
        if start < head.start() and text[head.start() - 1] == "\n":
            yield start, head.start() - 1
            start = head.start()
    yield start, end


def _definitions(text: str) -> Iterator[_Block]:
    """The blocks of program text, under the definitions that they are indented in."""
    above: list[tuple[int, str]] = []
    for block in _BLOCK.finditer(text):
        start, end = block.span()
        start = text.rfind("\n", 0, start) + 1
        depth = len(text[start:end]) - len(text[start:end].lstrip())
        above = [(indent, name) for indent, name in above if indent < depth]
        for piece_start, piece_end in _pieces(text, start, end):
            yield _Block(piece_start, piece_end, None, " > ".join(name for _, name in above), not depth and piece_start == start)
            for found in _DEFINITION.finditer(text, piece_start, piece_end):
                indent = len(found[1])
                above = [*((deep, name) for deep, name in above if deep < indent), (indent, " ".join(found[2].split()))]


def _is_table(text: str, start: int, end: int) -> bool:
    lines = text[start:end].split("\n")
    return len(lines) > 1 and all(_ROW.match(line) for line in lines)


def _under(path: str, header: str) -> str:
    header = " ".join(header.strip(" |").split())
    return " > ".join(part for part in (path, header[:_HEADER_LONGEST]) if part)


def _fitting(text: str, start: int, end: int, *, table: bool = False) -> list[tuple[int, int]]:
    """The paragraph itself, or of one that is too long its rows or sentences."""
    if _length(text, start, end) <= MAX_LENGTH:
        return [(start, end)]
    if _FENCE.match(text, start, end):
        return _pieces(text, start, end)
    if table:
        rows = [(start + row.start(), start + row.end()) for row in re.finditer(r"[^\n]+", text[start:end])]
        head = 2 if len(rows) > 1 and _RULE.fullmatch(text, *rows[1]) else 1  # a header and its rule belong together
        return [piece for row in [(start, rows[head - 1][1]), *rows[head:]] for piece in _whole(text, *row, MOST_WHOLE)]
    items = [start, *(item.start() for item in _ITEM.finditer(text, start + 1, end))]
    spans = _spans(text, items, end)
    return [piece for span in spans for piece in ([span] if _length(text, *span) <= MAX_LENGTH else _sentences(text, *span))]


def _sentences(text: str, start: int, end: int) -> list[tuple[int, int]]:
    starts = [start, *(start + span.start for span in sentences(text[start:end])[1:])]
    found = []
    for first, last in _spans(text, starts, end):
        dense = len(_CJK_CHAR.findall(text, first, last)) > 0.3 * (last - first)
        found += _whole(text, first, last, MOST_WHOLE // 2 if dense else MAX_LENGTH)
    return found


def _spans(text: str, starts: list[int], end: int) -> list[tuple[int, int]]:
    """From each start to the next one, without the white space between."""
    return [(one, one + len(text[one:stop].rstrip())) for one, stop in pairwise([*starts, end])]


def _whole(text: str, start: int, end: int, most: int) -> list[tuple[int, int]]:
    return [(start, end)] if _length(text, start, end) <= most else _pieces(text, start, end)


def _pieces(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The pieces of what has no better ends: at lines if it can be, else at any sign."""
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
