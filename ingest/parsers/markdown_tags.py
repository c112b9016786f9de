"""The HTML tags in a Markdown text; writes raised digits and tables in characters, in place: bare of tags, they would be glued.

10<sup>4</sup> is "10⁴", and a row of a table is written on the line where it begins. Lines keep their numbers.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from bs4 import BeautifulSoup
from bs4.element import Tag

from ingest.parsers import grid as grids
from ingest.parsers import rows
from ingest.parsers.html import BREAKING, cells_of, is_layout
from ingest.parsers.nesting import bound
from ingest.parsers.scripts import raised, subscript

Span: TypeAlias = "tuple[int, int]"
Edit: TypeAlias = "tuple[int, int, str]"
"""The text from one place to another, and what is written instead."""

VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
_TAG = re.compile(r"""<!--|<(/?)([A-Za-z][\w-]*)((?:[\s/](?:[^<>"']++|"[^"]{0,5000}+"|'[^']{0,5000}+')*+)?)>""")
_BARE = re.compile(r"<[^<>]{0,200}>|[*_]+")
"""What stands between digits and what is raised after them without being seen."""
_PLAIN = frozenset("a b i em strong span small u var code".split())
_MAX_SCRIPT_CHARACTERS = 200
_CONTEXT_CHARACTERS = 120
_SENTENCE_END = re.compile(r"[.!?:;。！？]\Z")


@dataclass(frozen=True, slots=True)
class Mark:
    """A tag or a comment of the text, and where it stands."""

    start: int
    end: int
    name: str = ""
    closes: bool = False
    attributes: str = ""


def marks(text: str) -> list[Mark]:
    """The tags and comments of a text without its code."""
    found: list[Mark] = []
    at = 0
    while match := _TAG.search(text, at):
        at = match.end()
        if match[0] != "<!--":
            found.append(Mark(*match.span(), match[2].lower(), bool(match[1]), match[3]))
            continue
        end = text.find("-->", match.end())
        if end < 0 and text[text.rfind("\n", 0, match.start()) + 1 : match.start()].strip():
            break  # a comment that begins in a line and is never closed is shown as it stands, and so is all that follows
        at = end + 3 if end >= 0 else len(text)
        found.append(Mark(match.start(), at))
    return found


def pairs_of(marks: list[Mark]) -> dict[int, int]:
    """The number of the closing tag of each opening one that has one."""
    open_marks: dict[str, list[int]] = {}
    pairs: dict[int, int] = {}
    for at, mark in enumerate(marks):
        if mark.closes and open_marks.get(mark.name):
            pairs[open_marks[mark.name].pop()] = at
        elif not mark.closes and mark.name not in VOID:
            open_marks.setdefault(mark.name, []).append(at)
    return pairs


def written(text: str, masked: str, hidden: Iterable[Span], marks: Sequence[Mark], pairs: dict[int, int]) -> str:
    """The text without what is hidden, with its raised and lowered characters and its tables in characters.

    `masked` is the text with its code masked: a table that holds code is not rewritten.
    """
    edits = sorted([*((*span, "") for span in hidden), *_scripts(text, marks, pairs)], key=_outer_first)
    tables = [one for one in _tables(text, edits, marks, pairs) if masked[one[0] : one[1]] == text[one[0] : one[1]]]
    return _edited(text, (0, len(text)), sorted([*edits, *tables, *_bars(text, marks)], key=_outer_first))


def _outer_first(edit: Edit) -> tuple[int, int, str]:
    return edit[0], -edit[1], edit[2]


def _edited(text: str, part: Span, edits: Iterable[Edit]) -> str:
    """A part of the text with these edits, the ends of lines kept. An edit within another one is passed over."""
    pieces, last = [], part[0]
    for start, end, instead in edits:
        if end <= last or instead and start < last:
            continue
        start = max(start, last)
        pieces += [text[last:start], instead or "\n" * text.count("\n", start, end)]
        last = end
    return "".join([*pieces, text[last : part[1]]])


def _scripts(text: str, marks: Sequence[Mark], pairs: dict[int, int]) -> Iterator[Edit]:
    """The raised and lowered texts with nothing but plain tags in them."""
    for at, mark in enumerate(marks):
        if mark.name not in {"sup", "sub"} or at not in pairs:
            continue
        closing = marks[pairs[at]]
        short = closing.start - mark.end <= _MAX_SCRIPT_CHARACTERS
        if not short or any(one.name not in _PLAIN for one in marks[at + 1 : pairs[at]]):
            continue
        inner = _BARE.sub("", text[mark.end : closing.start])
        before = _BARE.sub("", text[max(0, mark.start - _CONTEXT_CHARACTERS) : mark.start])
        after = _BARE.sub("", text[closing.end : closing.end + _CONTEXT_CHARACTERS])
        instead = "" if not inner else raised(inner, before, after) if mark.name == "sup" else subscript(inner, before)
        if instead.count("\n") == text.count("\n", mark.start, closing.end):
            yield mark.start, closing.end, instead


def _tables(text: str, edits: Sequence[Edit], marks: Sequence[Mark], pairs: dict[int, int]) -> Iterator[Edit]:
    """The tables that are in no other one, as lines."""
    starts = [start for start, _, _ in edits]
    last = 0
    for at, mark in enumerate(marks):
        if mark.name != "table" or at not in pairs or mark.start < last:
            continue
        start, last = mark.start, marks[pairs[at]].end
        inner = _edited(text, (start, last), edits[bisect_left(starts, start) : bisect_left(starts, last)])
        lines = _table(inner) if inner.count("\n") == text.count("\n", start, last) else []
        if any(lines):
            around = (" " if text[place : place + 1].strip() else "" for place in (start - 1, last) if place >= 0)
            before, after = next(around) if start else "", next(around)
            yield start, last, before + "\n".join(lines) + after


def _bars(text: str, marks: Sequence[Mark]) -> Iterator[Edit]:
    """A bar before each cell or row that follows another one on its line, for the tables that stay as they are."""
    for before, mark in pairwise(marks):
        between = text[before.end : mark.start]
        alike = any(before.name in names and mark.name in names for names in ({"td", "th"}, {"tr"}))
        if alike and before.closes and not mark.closes and not between.strip() and "\n" not in between:
            yield mark.start, mark.end, " | "


def _table(markup: str) -> list[str]:
    """A table's rows on the lines where they begin; [] if it only places things. Rows on one line are sentences of it."""
    soup = BeautifulSoup(markup, "lxml")
    bound(soup, BREAKING)
    table = soup.table
    if table is None or is_layout(table):
        return []
    texts, spans = cells_of(table)
    filled = grids.filled(texts, spans)
    if _is_headed(table):
        said = list(rows.written(filled.rows, filled.remarks))
    else:
        said = [" | ".join(" ".join(cell.split()) for cell in row).strip(" |") for row in filled.rows]
    begins = [markup.count("\n", 0, mark.start) for mark in marks(markup) if mark.name == "tr" and not mark.closes]
    lines = [" ".join(table.caption.get_text().split()) if table.caption else "", *[""] * markup.count("\n")]
    for number, row in enumerate(said):
        line = begins[min(number, len(begins) - 1)] if begins else 0
        lines[line] += f"{'' if _SENTENCE_END.search(lines[line]) else '.'} {row}" if row and lines[line] else row
    return lines


def _is_headed(table: Tag) -> bool:
    """Whether the names of the columns, and nothing else, are marked as such."""
    first = table.tr
    return first is not None and first.td is None and len(first.find_all("th")) == len(table.find_all("th")) > 0
