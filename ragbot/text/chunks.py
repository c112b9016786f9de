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
from datetime import datetime
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple

from ragbot.text.sentences import CJK_STOPS, CLOSERS, ITEM, sentences
from ragbot.text.tokens import CJK, tokens

MAX_LENGTH = 900
"""Longest passage, in letters. The default embedder reads 256 tokens, about 1,000 letters."""
MIN_LENGTH = 250
CJK_WEIGHT = 3
"""A CJK character fills about as many tokens as three Latin letters."""

MOST_WHOLE = 4_000
"""A row of a table, or a Chinese, Japanese or Korean sentence, is never cut up to this length; CJK_WEIGHT counts here, too."""

_CJK_CHAR = re.compile(f"[{CJK}]")
_BLOCK = re.compile(r"\S[^\n]*(?:\n[ \t]*\S[^\n]*)*")
_LINE = re.compile(r"[^\n]+")
_HEADING = re.compile(r"#(?:(?<=^#)|(?<=^ #))(#{0,5})[ \t]+(?!\|)(\S(?:[^\n]*[^ \t#\n])?)[ \t#]*$", re.MULTILINE)
"""Indented by one space at most: CommonMark allows three, but comments in code are indented by two and more."""
_UNDERLINED = re.compile(
    r"(?:(?P<over>([=^\"*+-])\2{2,})[ \t]*\n[ \t]*)?"
    r"(?P<name>(?=[^\n]{1,200}+\n[=~^\"*+-])(?=[^\n]*[^\W_])(?![-*+•>#|]+ |<|\.\. |```|~~~)\S+(?: \S+)*)[ \t]*\n"
    r"(?P<line>([=^\"*+-])\5{2,}|~{4,})[ \t]*$",
    re.MULTILINE,
)
"""A heading by the rules of Markdown (Setext) or reStructuredText. Three tildes are a fence."""
_SIGNS = '*=-~^"+'
"""What headings are underlined with, from the top one down, as most authors do; with a line above, each ranks higher."""
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?=\w[^\n:]*:)(?:[^\n]*\n)*?(?:---|\.\.\.)[ \t]*$", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})([^`\n]*)$", re.MULTILINE)
_ROW = re.compile(r"[ \t]*\||[^\n]* \|(?!\S)")
_RULE = re.compile(r"[\s|:+=-]+")
_ITEM = re.compile(rf"^[ \t\u3000]*(?:{ITEM})", re.MULTILINE)
_NAME_LONGEST = 200
"""What the passages below carry of a heading or a header."""
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
    """Whether it begins a passage, unless nothing but headings stands before it: a heading, or a definition."""
    titles: bool
    """Whether it is a heading, or a comment by itself."""


def passages(text: str, pages: Sequence[int] = (), *, code: bool = False, rows: bool = False) -> list[Passage]:
    """Cut `text` into passages of at most MAX_LENGTH letters, in order, none overlapping.

    `pages` holds the offset at which each page begins; no passage spans two pages. Of program text
    (`code`) the definitions that a passage stands in take the place of headings; of `rows` each line is
    one. Rows are never cut; the further passages of a table carry its first row in their heading.
    """
    found: list[Passage] = []
    run: list[_Block] = []
    for block in _definitions(text) if code else _blocks(text, pages, rows=rows):
        if run and (_length(text, run[0].start, block.end) > MAX_LENGTH or _begins(block, run)):
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


def tokens_of(title: str, heading: str, text: str, said_at: datetime | None = None) -> list[str]:
    """The tokens by which a passage is found: those of what its vector stands for, and of the day on which it was said."""
    return tokens("\n".join((embedded(title, heading, text), day(said_at))))


def day(said_at: datetime | None) -> str:
    """The day on which something was said, as people ask for it; "" for what nobody said."""
    return f"{said_at.day} {said_at:%B %Y}, {said_at.year}年{said_at.month}月" if said_at else ""


def _passage(run: list[_Block]) -> Passage:
    return Passage(run[0].start, run[-1].end, run[0].page, run[0].heading)


def _begins(block: _Block, run: Sequence[_Block]) -> bool:
    return block.page != run[0].page or block.opens and not all(before.titles for before in run)


def _length(text: str, start: int, end: int) -> int:
    return end - start + (CJK_WEIGHT - 1) * len(_CJK_CHAR.findall(text, start, end))


def _cuts_after(text: str, block: _Block) -> bool:
    return zlib.crc32(text[block.start : block.end].encode("utf-8", "replace")) % 3 == 0


def _blocks(text: str, pages: Sequence[int], *, rows: bool) -> Iterator[_Block]:
    above: list[tuple[int, str]] = []
    for start, end in _paragraphs(text, pages, rows=rows):
        now = bisect_right(pages, start) if pages else None
        title = _title(text, start, end)
        if title:
            above = [(level, name) for level, name in above if level < title[0]]
        path = " > ".join(name for _, name in above)
        for piece_start, piece_end, header in _fitting(text, start, end, rows=rows):
            below = " > ".join(filter(None, (path, header)))
            yield _Block(piece_start, piece_end, now, below, title is not None and piece_start == start, title is not None)
        if title:
            above.append(title)


def _paragraphs(text: str, pages: Sequence[int], *, rows: bool = False) -> Iterator[tuple[int, int]]:
    """Runs of lines without a blank one, cut at pages and around headings; fenced code and front matter stay whole.

    Among `rows` nothing is code or a heading: a cell may hold anything.
    """
    cuts = sorted({0, *pages, len(text)})
    for begin, stop in zip(cuts, cuts[1:], strict=False):
        if rows:
            yield from (block.span() for block in _BLOCK.finditer(text, begin, stop))
            continue
        if front := _FRONT_MATTER.match(text, begin, stop):
            yield front.span()
            begin = front.end()
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


def _line_of(text: str, at: int) -> int:
    """Where the line begins: a block begins behind its indent."""
    return text.rfind("\n", 0, at) + 1


def _open_fence(text: str, start: int, end: int, fence: str) -> str:
    """The fence open at `end`, if `fence` is at `start`; "" for none. With words after it, it closes none (CommonMark)."""
    if not fence and (title := _underlined(text, start, end)):  # perhaps with tildes
        start = title.end()
    for found in _FENCE.finditer(text, _line_of(text, start), end):
        if not fence:
            fence = found[1]
        elif found[1].startswith(fence) and not found[2].strip():
            fence = ""
    return fence


def _at_headings(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A paragraph, cut before and after each heading in it."""
    fence, seen = "", start
    for head in _HEADING.finditer(text, start, end):
        fence = _open_fence(text, seen, head.start(), fence)
        seen = head.start()
        if not fence and not _is_row(text, *head.span(), start, end):
            yield from _at_underlined(text, start, head.start())
            yield head.span()
            start = head.end()
    yield from _at_underlined(text, start, end)


def _is_row(text: str, start: int, end: int, first: int, last: int) -> bool:
    """Whether a line is a row of a table. "# of parts | Price" may be one or a heading: the line before or after it tells."""
    before = max(first, text.rfind("\n", first, start - 1) + 1)
    near = _ROW.match(text, before, start) or _ROW.match(text, min(end + 1, last), last)
    return near is not None and _ROW.match(text, start, end) is not None


def _at_underlined(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The same of a part without other headings."""
    end = start + len(text[start:end].rstrip())
    while start < end:
        if text[start].isspace():
            start += 1
            continue
        title = _underlined(text, start, end)
        yield title.span() if title else (start, end)
        start = title.end() if title else end


def _underlined(text: str, start: int, end: int) -> re.Match[str] | None:
    """The heading with a line below it that begins at `start`. A row, a list item or a sentence is none."""
    found = _UNDERLINED.match(text, start, end)
    if not found:
        return None
    over, name, line = found.group("over", "name", "line")
    short = len(line) < len(name)
    if _ROW.match(name) or over and (short or over != line):
        return None
    if short and (line[0] not in "=-" or _ITEM.match(name) or name.endswith(tuple(".,;。，；"))):
        return None
    return found


def _title(text: str, start: int, end: int) -> tuple[int, str] | None:
    """The level and the name of the heading that `text[start:end]` is."""
    if head := _HEADING.fullmatch(text, start, end):
        return 1 + len(head[1]), " ".join(head[2].split())[:_NAME_LONGEST]
    under = _underlined(text, start, end)
    if not under or under.end() < end:
        return None
    return _SIGNS.index(under["line"][0]) - (len(_SIGNS) if under["over"] else 0), under["name"]


def _definitions(text: str) -> Iterator[_Block]:
    """The blocks of program text, under the definitions that they are indented in."""
    above: list[tuple[int, str]] = []
    for block in _BLOCK.finditer(text):
        start, end = block.span()
        start = text.rfind("\n", 0, start) + 1
        depth = len(text[start:end]) - len(text[start:end].lstrip())
        above = [(indent, name) for indent, name in above if indent < depth]
        for piece_start, piece_end in _pieces(text, start, end):
            path = " > ".join(name for _, name in above)
            titles = _HEADING.fullmatch(text, piece_start, piece_end) is not None
            yield _Block(piece_start, piece_end, None, path, not depth and piece_start == start, titles)
            for found in _DEFINITION.finditer(text, piece_start, piece_end):
                indent = len(found[1])
                above = [*((deep, name) for deep, name in above if deep < indent), (indent, " ".join(found[2].split()))]


def _fitting(text: str, start: int, end: int, *, rows: bool) -> Iterator[tuple[int, int, str]]:
    """The paragraph itself, or of one that is too long its rows, items or sentences; with a row, the first of its table."""
    if _length(text, start, end) <= MAX_LENGTH:
        yield start, end, ""
    elif _FENCE.match(text, _line_of(text, start), end):
        yield from ((*piece, "") for piece in _pieces(text, start, end))
    elif rows:
        yield from _rows(text, start, end, header=all(table for *_, table in _stretches(text, start, end)))
    else:
        for number, (first, last, table) in enumerate(_stretches(text, start, end)):
            if table:
                yield from _rows(text, first, last, header=number <= 1)
            else:
                yield from ((*piece, "") for piece in _items(text, first, last))


def _stretches(text: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """The paragraph cut where a table in it begins and ends, and whether each part is one.

    It takes two rows to be one: a bar may stand in a sentence. A single line between rows is of their table.
    """
    lines = [line.span() for line in _LINE.finditer(text, start, end)]
    rows = [_ROW.match(text, *line) is not None for line in lines]
    rows = [row or before and after for before, row, after in _with_neighbours(rows)]
    tables = [row and (before or after) for before, row, after in _with_neighbours(rows)]
    for table, group in groupby(zip(lines, tables, strict=True), key=itemgetter(1)):
        spans = [span for span, _ in group]
        yield spans[0][0], spans[-1][1], table


def _with_neighbours(flags: list[bool]) -> Iterator[tuple[bool, bool, bool]]:
    return zip([False, *flags], flags, [*flags[1:], False], strict=False)


def _rows(text: str, start: int, end: int, *, header: bool) -> Iterator[tuple[int, int, str]]:
    """The lines, and with each but the first the first one, if it is a `header` or has a rule below it."""
    rows = [row.span() for row in _LINE.finditer(text, start, end)]
    head = 2 if len(rows) > 1 and _RULE.fullmatch(text, *rows[1]) else 1  # a header and its rule belong together
    above = " ".join(text[slice(*rows[0])].strip(" |").split())[:_NAME_LONGEST] if header or head == 2 else ""
    for row in [(start, rows[head - 1][1]), *rows[head:]]:
        yield from ((*piece, above if row[0] > start else "") for piece in _whole(text, *row, MOST_WHOLE))


def _items(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    items = [start, *(item.start() for item in _ITEM.finditer(text, start + 1, end))]
    for item in _spans(text, items, end):
        yield from [item] if _length(text, *item) <= MAX_LENGTH else _sentences(text, *item)


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    starts = [start, *(start + span.start for span in sentences(text[start:end])[1:])]
    for first, last in _spans(text, starts, end):
        dense = len(_CJK_CHAR.findall(text, first, last)) > 0.3 * (last - first)
        whole = dense or text[first:last].rstrip(CLOSERS).endswith(tuple(CJK_STOPS))
        yield from _whole(text, first, last, MOST_WHOLE if whole else MAX_LENGTH)


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
