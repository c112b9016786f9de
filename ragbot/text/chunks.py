"""Split text into passages with their character spans.

A passage ends at a boundary that the author set: a heading, a paragraph, a page, a sentence or a row. Inside
a section the boundaries depend on the content of the paragraphs and not on how many precede them
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

MAX_PASSAGE_CHARACTERS = 900
"""Length limit of a passage, in characters. The default embedder reads 256 tokens, about 1,000 characters of English."""
MIN_PASSAGE_CHARACTERS = 250
"""A shorter passage ends only at a heading, a page, or where the next block would make it too long."""
CJK_WEIGHT = 3
"""Each CJK character counts as this many: it takes about as many tokens as three Latin letters."""

MAX_WHOLE_CHARACTERS = 4_000
"""A table row or a CJK sentence up to this length is never cut. Characters are weighted by CJK_WEIGHT here too."""

_CJK_CHAR = re.compile(f"[{CJK}]")
_BLOCK = re.compile(r"\S[^\n]*(?:\n[ \t]*\S[^\n]*)*")
_LINE = re.compile(r"[^\n]+")
_HEADING = re.compile(r"#(?:(?<=^#)|(?<=^ #))(#{0,5})[ \t]+(?!\|)(\S(?:[^\n]*[^ \t#\n])?)[ \t#]*$", re.MULTILINE)
"""An indent of at most one space: CommonMark allows three, but comments in code are indented by two or more."""
_UNDERLINED = re.compile(
    r"(?:(?P<over>([=^\"*+-])\2{2,})[ \t]*\n[ \t]*)?"
    r"(?P<name>(?=[^\n]{1,200}+\n[=~^\"*+-])(?=[^\n]*[^\W_])(?![-*+•>#|]+ |<|\.\. |```|~~~)\S+(?: \S+)*)[ \t]*\n"
    r"(?P<line>([=^\"*+-])\5{2,}|~{4,})[ \t]*$",
    re.MULTILINE,
)
"""A heading underlined as in Markdown (Setext) or reStructuredText. Three tildes are a code fence instead."""
_UNDERLINES = '*=-~^"+'
"""Underline characters by heading level, the top one first, as is usual. A heading with an overline ranks above all others."""
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?=\w[^\n:]*:)(?:[^\n]*\n)*?(?:---|\.\.\.)[ \t]*$", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})([^`\n]*)$", re.MULTILINE)
_ROW = re.compile(r"[ \t]*\||[^\n]* \|(?!\S)")
_RULE = re.compile(r"[\s|:+=-]+")
_ITEM = re.compile(rf"^[ \t\u3000]*(?:{ITEM})", re.MULTILINE)
_MAX_HEADING_CHARACTERS = 200
"""A heading or table header is cut to this length in the heading path of the passages below it."""
_DEFINITION = re.compile(
    r"^([ \t]*)((?:(?:export|default|public|private|protected|internal|static|final|abstract|async|pub(?:\([a-z]+\))?|unsafe|"
    r"virtual|override|inline|extern)[ \t]+)*(?:class|def|function|func|fun|fn|interface|struct|enum|trait|impl|module|namespace|"
    r"type|record|object)\b[^\n{:]*)",
    re.MULTILINE | re.IGNORECASE,
)
_SEPARATORS = ["\n\n", "\n", "。", "！", "？", "；", ". ", "! ", "? ", "; ", "，", ", ", " ", ""]


class Passage(NamedTuple):
    """`text[start:end]` of the document, its page (from 1), and the headings above it, joined by " > "."""

    start: int
    end: int
    page: int | None
    heading: str


class _Block(NamedTuple):
    start: int
    end: int
    page: int | None
    heading: str
    starts_passage: bool
    """Whether it is a heading or a top-level definition, and so begins a passage, unless only headings precede it."""
    is_heading: bool
    """Whether it is a heading, or in program text a comment line of the same form."""


def passages(text: str, pages: Sequence[int] = (), *, code: bool = False, rows: bool = False) -> list[Passage]:
    """Split `text` into ordered passages of at most MAX_PASSAGE_CHARACTERS weighted characters, without overlaps.

    `pages` holds the offset at which each page begins; no passage spans two pages. With `code`, the text is a
    program: the enclosing definitions take the place of headings. With `rows`, each line is a table row. A row
    or CJK sentence is kept whole up to MAX_WHOLE_CHARACTERS; later passages of a table have its first row in
    their heading.
    """
    found: list[Passage] = []
    run: list[_Block] = []
    for block in _definitions(text) if code else _blocks(text, pages, rows=rows):
        if run and (_weighted_length(text, run[0].start, block.end) > MAX_PASSAGE_CHARACTERS or _starts_passage(block, run)):
            found.append(_passage(run))
            run = []
        run.append(block)
        if _weighted_length(text, run[0].start, block.end) >= MIN_PASSAGE_CHARACTERS and _ends_by_content(text, block):
            found.append(_passage(run))
            run = []
    if run:
        found.append(_passage(run))
    return found


def embedded(title: str, heading: str, text: str) -> str:
    """The text to embed for a passage: title, heading path and text, one below the other."""
    return "\n".join(part for part in (title, heading, text) if part)


def tokens_of(title: str, heading: str, text: str, said_at: datetime | None = None) -> list[str]:
    """The tokens of a passage for BM25: those of its embedded text and of the day on which it was said."""
    return tokens("\n".join((embedded(title, heading, text), day(said_at))))


def day(said_at: datetime | None) -> str:
    """The day of a message as text, in English and Chinese as users write it; "" without a date."""
    return f"{said_at.day} {said_at:%B %Y}, {said_at.year}年{said_at.month}月" if said_at else ""


def _passage(run: list[_Block]) -> Passage:
    return Passage(run[0].start, run[-1].end, run[0].page, run[0].heading)


def _starts_passage(block: _Block, run: Sequence[_Block]) -> bool:
    return block.page != run[0].page or block.starts_passage and not all(before.is_heading for before in run)


def _weighted_length(text: str, start: int, end: int) -> int:
    return end - start + (CJK_WEIGHT - 1) * len(_CJK_CHAR.findall(text, start, end))


def _ends_by_content(text: str, block: _Block) -> bool:
    return zlib.crc32(text[block.start : block.end].encode("utf-8", "replace")) % 3 == 0


def _blocks(text: str, pages: Sequence[int], *, rows: bool) -> Iterator[_Block]:
    above: list[tuple[int, str]] = []
    for start, end in _paragraphs(text, pages, rows=rows):
        now = bisect_right(pages, start) if pages else None
        title = _heading_of(text, start, end)
        if title:
            above = [(level, name) for level, name in above if level < title[0]]
        path = " > ".join(name for _, name in above)
        for piece_start, piece_end, header in _split_paragraph(text, start, end, rows=rows):
            below = " > ".join(filter(None, (path, header)))
            yield _Block(piece_start, piece_end, now, below, title is not None and piece_start == start, title is not None)
        if title:
            above.append(title)


def _paragraphs(text: str, pages: Sequence[int], *, rows: bool = False) -> Iterator[tuple[int, int]]:
    """Spans of paragraphs, split at pages and around headings; fenced code and front matter stay whole.

    With `rows`, fences and headings are not looked for: a cell may hold any text.
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
                yield from _split_at_headings(text, start, block.end())
        if held is not None:  # a fence that is never closed: taken as a mistake, so its text is split as usual
            for block in _BLOCK.finditer(text, held, stop):
                yield from _split_at_headings(text, *block.span())


def _line_start(text: str, at: int) -> int:
    """The offset at which the line of `at` begins; a block span starts after the indent."""
    return text.rfind("\n", 0, at) + 1


def _open_fence(text: str, start: int, end: int, fence: str) -> str:
    """The code fence open at `end`, given the one open at `start`; "" for none.

    A closing fence has no words after it (CommonMark).
    """
    if not fence and (title := _underlined(text, start, end)):  # its underline may be tildes, which also open a fence
        start = title.end()
    for found in _FENCE.finditer(text, _line_start(text, start), end):
        if not fence:
            fence = found[1]
        elif found[1].startswith(fence) and not found[2].strip():
            fence = ""
    return fence


def _split_at_headings(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The span of a paragraph, split before and after each heading in it."""
    fence, seen = "", start
    for head in _HEADING.finditer(text, start, end):
        fence = _open_fence(text, seen, head.start(), fence)
        seen = head.start()
        if not fence and not _is_row(text, *head.span(), start, end):
            yield from _split_at_underlined(text, start, head.start())
            yield head.span()
            start = head.end()
    yield from _split_at_underlined(text, start, end)


def _is_row(text: str, start: int, end: int, first: int, last: int) -> bool:
    """Whether a line that looks like a heading ("# of parts | Price") is a table row: the line before or after it is one."""
    before = max(first, text.rfind("\n", first, start - 1) + 1)
    near = _ROW.match(text, before, start) or _ROW.match(text, min(end + 1, last), last)
    return near is not None and _ROW.match(text, start, end) is not None


def _split_at_underlined(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Split a part that has no "#" headings before and after each underlined one."""
    end = start + len(text[start:end].rstrip())
    while start < end:
        if text[start].isspace():
            start += 1
            continue
        title = _underlined(text, start, end)
        yield title.span() if title else (start, end)
        start = title.end() if title else end


def _underlined(text: str, start: int, end: int) -> re.Match[str] | None:
    """Match an underlined heading that begins at `start`; None for a table row, a list item or a sentence."""
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


def _heading_of(text: str, start: int, end: int) -> tuple[int, str] | None:
    """Level and text of the heading `text[start:end]`; None if it is not a heading. Lower levels rank higher."""
    if head := _HEADING.fullmatch(text, start, end):
        return 1 + len(head[1]), " ".join(head[2].split())[:_MAX_HEADING_CHARACTERS]
    under = _underlined(text, start, end)
    if not under or under.end() < end:
        return None
    return _UNDERLINES.index(under["line"][0]) - (len(_UNDERLINES) if under["over"] else 0), under["name"]


def _definitions(text: str) -> Iterator[_Block]:
    """The blocks of program text, each with the path of the definitions that enclose it by indentation."""
    above: list[tuple[int, str]] = []
    for block in _BLOCK.finditer(text):
        start, end = block.span()
        start = text.rfind("\n", 0, start) + 1
        depth = len(text[start:end]) - len(text[start:end].lstrip())
        above = [(indent, name) for indent, name in above if indent < depth]
        for piece_start, piece_end in _pieces(text, start, end):
            path = " > ".join(name for _, name in above)
            is_heading = _HEADING.fullmatch(text, piece_start, piece_end) is not None
            yield _Block(piece_start, piece_end, None, path, not depth and piece_start == start, is_heading)
            for found in _DEFINITION.finditer(text, piece_start, piece_end):
                indent = len(found[1])
                above = [*((deep, name) for deep, name in above if deep < indent), (indent, " ".join(found[2].split()))]


def _split_paragraph(text: str, start: int, end: int, *, rows: bool) -> Iterator[tuple[int, int, str]]:
    """(start, end, header) of a paragraph, or of its rows, items or sentences if it is too long.

    `header` is the first row of the table for a later row of it, else "".
    """
    if _weighted_length(text, start, end) <= MAX_PASSAGE_CHARACTERS:
        yield start, end, ""
    elif _FENCE.match(text, _line_start(text, start), end):
        yield from ((*piece, "") for piece in _pieces(text, start, end))
    elif rows:
        yield from _rows(text, start, end, header=all(table for *_, table in _table_parts(text, start, end)))
    else:
        for number, (first, last, table) in enumerate(_table_parts(text, start, end)):
            if table:
                yield from _rows(text, first, last, header=number <= 1)
            else:
                yield from ((*piece, "") for piece in _items(text, first, last))


def _table_parts(text: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """(start, end, is a table) of the parts of a paragraph, split where a table begins and ends.

    A table has at least two rows, since a sentence may hold a bar. A single line between rows belongs to their table.
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
    """(start, end, header) of each row; `header` is the first row if it is a `header` or has a rule below it, else ""."""
    rows = [row.span() for row in _LINE.finditer(text, start, end)]
    head = 2 if len(rows) > 1 and _RULE.fullmatch(text, *rows[1]) else 1  # a header and its rule belong together
    above = " ".join(text[slice(*rows[0])].strip(" |").split())[:_MAX_HEADING_CHARACTERS] if header or head == 2 else ""
    for row in [(start, rows[head - 1][1]), *rows[head:]]:
        yield from ((*piece, above if row[0] > start else "") for piece in _split_above(text, *row, MAX_WHOLE_CHARACTERS))


def _items(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    items = [start, *(item.start() for item in _ITEM.finditer(text, start + 1, end))]
    for item in _spans_between(text, items, end):
        yield from [item] if _weighted_length(text, *item) <= MAX_PASSAGE_CHARACTERS else _sentences(text, *item)


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    starts = [start, *(start + span.start for span in sentences(text[start:end])[1:])]
    for first, last in _spans_between(text, starts, end):
        dense = len(_CJK_CHAR.findall(text, first, last)) > 0.3 * (last - first)
        whole = dense or text[first:last].rstrip(CLOSERS).endswith(tuple(CJK_STOPS))
        yield from _split_above(text, first, last, MAX_WHOLE_CHARACTERS if whole else MAX_PASSAGE_CHARACTERS)


def _spans_between(text: str, starts: list[int], end: int) -> list[tuple[int, int]]:
    """Spans from each start to the next one, without trailing white space."""
    return [(one, one + len(text[one:stop].rstrip())) for one, stop in pairwise([*starts, end])]


def _split_above(text: str, start: int, end: int, max_characters: int) -> list[tuple[int, int]]:
    return [(start, end)] if _weighted_length(text, start, end) <= max_characters else _pieces(text, start, end)


def _pieces(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Split text without other boundaries: at lines where possible, else at punctuation, spaces or any character."""
    if _weighted_length(text, start, end) <= MAX_PASSAGE_CHARACTERS:
        return [(start, end)]
    # Imported here: the import takes half a second, and few paragraphs get this far.
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        separators=_SEPARATORS,
        keep_separator="end",
        chunk_size=MAX_PASSAGE_CHARACTERS,
        chunk_overlap=0,
        length_function=lambda piece: _weighted_length(piece, 0, len(piece)),
        strip_whitespace=False,
    )
    spans: list[tuple[int, int]] = []
    for piece in splitter.split_text(text[start:end]):
        spans.append((start, start + len(piece)))
        start += len(piece)
    return [(a, b) for a, b in spans if text[a:b].strip()]
