"""Takes out of a Markdown text, in place, what its reader is not shown: comments, hidden HTML, struck words, what could run.

Lines keep their numbers. Code is shown as it is written, and stays. markdown-it tells the blocks; the HTML between them is
judged by the code that judges a page's (visibility.py). What is left of it is written in characters (markdown_tags.py).
"""

from __future__ import annotations

import html
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any
from urllib.parse import unquote

from bs4 import BeautifulSoup
from bs4.element import Tag
from markdown_it import MarkdownIt
from markdown_it.common.utils import normalizeReference

from ingest.parsers.markdown_tags import VOID, Mark, Span, marks, pairs_of, written
from ingest.parsers.visibility import take_out_unseen

_ACTIVE = frozenset("script style iframe object embed svg form input button template noscript link meta base applet".split())
"""Elements whose tags say nothing, or whose content is not shown or could run."""
_SILENT = ("script", "style", "iframe", "object", "embed", "svg", "template", "noscript", "applet")
_STRUCK_NAMES = ("s", "strike", "del")
_SAYING_NOTHING = _ACTIVE.union(_STRUCK_NAMES)
_STYLED = re.compile(r"\s(?:style|hidden|class|id|color|bgcolor)\b", re.IGNORECASE)
_HANDLER = re.compile(r"""[\s"'/]on[a-z]+\s*=""", re.IGNORECASE)
_LINK = re.compile(r"\]\([ \t]*|^ {0,3}\[[^\[\]\n]+\]:[ \t]*|<(?=[a-z]{4,10}:)", re.MULTILINE | re.IGNORECASE)
_RUNS = re.compile(r"[\x00-\x20]*(?:javascript|vbscript|data)[\x00-\x20]*:", re.IGNORECASE)
_MAX_SCHEME_CHARACTERS = 200
_STRUCK = re.compile(r"(?<![~\\])~~(?=[^\s~])(?:(?!~~|\n[ \t]*\n).)+?(?<=\S)~~(?!~)", re.DOTALL)
_LABEL = re.compile(r"\[([^\[\]\n]{1,500})\](?!:)")
_BACKTICKS = re.compile(r"(?<!\\)`+")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE)
_PLACE = re.compile("\ue000(\\d+)\ue001")

_NOT_LINE_END = re.compile(r"[^\n]")
_TARGET_END = re.compile(r"[()\s>]")
_NOT_READ = frozenset({*_STRUCK_NAMES, *_SILENT}) - {"style"}
_JUDGED = frozenset({*_STRUCK_NAMES, *_SILENT, "dialog"})


@dataclass(frozen=True, slots=True)
class Shown:
    """What a reader is shown of a text, and how many characters its HTML hides."""

    text: str
    hidden: int


def shown(text: str) -> Shown:
    """The text without what is not shown. Its lines keep their numbers."""
    if not re.search(r"<|~~|\]:|\]\(", text):
        return Shown(text, 0)
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    found: dict[str, Any] = {}
    tokens = parser.parse(text, found)
    placed = [(token.type, starts[token.map[0]], starts[token.map[1]]) for token in tokens if token.map]
    code = [(start, end) for kind, start, end in placed if kind in {"fence", "code_block"}]
    if front := _FRONT_MATTER.match(text):
        code.append(front.span())
    masked = _masked(text, code)
    masked = _masked(masked, _code_spans(masked, [(start, end) for kind, start, end in placed if kind == "inline"]))
    tags = marks(masked)
    pairs = pairs_of(tags)
    spans, hidden = _html_spans(masked, tags, pairs)
    spans += [match.span() for match in _STRUCK.finditer(masked)]
    spans += _active_targets(masked)
    spans += _comment_definitions(masked, found, starts)
    return Shown(written(text, masked, spans, tags, pairs), hidden)


def _masked(text: str, spans: Iterable[Span]) -> str:
    """The text with an x for each character of these spans, except the ends of lines."""
    pieces, last = [], 0
    for start, end in sorted(spans):
        if start >= last:
            pieces += [text[last:start], _NOT_LINE_END.sub("x", text[start:end])]
            last = end
    return "".join([*pieces, text[last:]])


def _code_spans(text: str, regions: Iterable[Span]) -> Iterator[Span]:
    """The code between backticks in each of the regions: a run of them ends at the next one as long."""
    for start, end in regions:
        runs = [match.span() for match in _BACKTICKS.finditer(text, start, end)]
        following: dict[int, int] = {}
        closing = [0] * len(runs)
        for at in range(len(runs) - 1, -1, -1):
            length = runs[at][1] - runs[at][0]
            closing[at] = following.get(length, 0)
            following[length] = at
        at = 0
        while at < len(runs):
            if closing[at]:
                yield runs[at][0], runs[closing[at]][1]
            at = max(at, closing[at]) + 1


def _html_spans(text: str, marks: list[Mark], pairs: dict[int, int]) -> tuple[list[Span], int]:
    """What the HTML of the text hides, comments and tags that say nothing; and how many characters are hidden."""
    spans = [(mark.start, mark.end) for mark in marks if not mark.name]
    for at, mark in enumerate(marks):
        real = at in pairs or bool(mark.attributes.strip(" /"))  # List<object> is no tag
        attributes = mark.attributes
        runs = _HANDLER.search(attributes) or any(map(_is_active, re.findall(r"=\s*[\"']?([^\s\"']+)", attributes)))
        if real and mark.name in _SAYING_NOTHING or runs:
            spans += [(one.start, one.end) for one in (mark, marks[pairs.get(at, at)])]
    if not any(mark.name in _JUDGED or _STYLED.search(mark.attributes) for mark in marks):
        return spans, 0
    unseen, hidden = _unseen(text, marks, pairs)
    return spans + unseen, hidden


def _unseen(text: str, marks: list[Mark], pairs: dict[int, int]) -> tuple[list[Span], int]:
    """The texts between tags that are not seen, and their characters without those that are struck out or could run.

    A page is made in which each text is only its number. A bare tag that is never closed is more often a word, as in
    Vec<S>, than the beginning of something that reaches to the end of the file.
    """
    closing = set(pairs.values())
    pieces: list[Span] = []
    sheets: list[Span] = []
    page: list[str] = []
    last = 0
    for at, mark in enumerate([*marks, Mark(len(text), len(text))]):
        if mark.name == "style" and mark.closes and at in closing:
            page.append(text[last : mark.start])
            sheets.append((last, mark.start))
        elif text[last : mark.start].strip():
            page.append(f"\ue000{len(pieces)}\ue001")
            pieces.append((last, mark.start))
        last = mark.end
        if mark.name in VOID and _STYLED.search(mark.attributes):  # a picture has words too
            page.append(f"<span{mark.attributes}>\ue000{len(pieces)}\ue001</span>")
            pieces.append((mark.start, mark.end))
        elif mark.name and mark.name not in VOID and (at in pairs or at in closing or mark.attributes.strip(" /")):
            page.append(text[mark.start : mark.end])
    soup = BeautifulSoup(f"<html><body>{''.join(page)}</body></html>", "lxml")
    _take_out(soup, _NOT_READ)
    before = _numbers(soup)
    take_out_unseen(soup)
    after = _numbers(soup)
    unseen = [piece for number, piece in enumerate(pieces) if number not in after]
    unseen += _emptied(marks, pairs, pieces, after)
    return unseen + sheets, sum(len("".join(text[slice(*pieces[number])].split())) for number in before - after)


def _take_out(soup: BeautifulSoup, names: frozenset[str]) -> None:
    todo: list[Tag] = [soup]
    while todo:
        tag = todo.pop()
        for at in range(len(tag.contents) - 1, -1, -1):
            child = tag.contents[at]
            if isinstance(child, Tag) and child.name in names:
                child.extract(at)
            elif isinstance(child, Tag):
                todo.append(child)


def _emptied(marks: list[Mark], pairs: dict[int, int], pieces: list[Span], seen: set[int]) -> Iterator[Span]:
    """The elements that hold texts of which none is seen."""
    starts = [start for start, _ in pieces]
    seen_before = [0, *accumulate(number in seen for number in range(len(pieces)))]
    for opening, closing in pairs.items():
        first, last = bisect_left(starts, marks[opening].end), bisect_left(starts, marks[closing].start)
        if first < last and seen_before[first] == seen_before[last]:
            yield marks[opening].start, marks[closing].end


def _numbers(soup: BeautifulSoup) -> set[int]:
    return {int(number) for number in _PLACE.findall(soup.get_text())}


def _is_active(target: str) -> bool:
    """Whether a link target would run or show what it holds, however its letters are written."""
    return bool(_RUNS.match(unquote(html.unescape(target[:_MAX_SCHEME_CHARACTERS]))))


def _active_targets(text: str) -> Iterator[Span]:
    """The targets of links and pictures that would run something, or hold it themselves."""
    end = 0
    for match in _LINK.finditer(text):
        start = match.end()
        if start < end or not _is_active(text[start : start + _MAX_SCHEME_CHARACTERS].lstrip("<")):
            continue
        end, depth = len(text), 0
        for sign in _TARGET_END.finditer(text, start):
            depth += {"(": 1, ")": -1}.get(sign[0], 0)
            if depth < 0 or sign[0] not in "()":
                end = sign.start()
                break
        yield start, end


def _comment_definitions(text: str, found: Mapping[str, Any], starts: list[int]) -> Iterator[Span]:
    """The definitions of links that no link uses, with words in them: "[//]: # (words)" is the comment of Markdown."""
    used = {normalizeReference(label) for label in _LABEL.findall(text)}
    repeated = [(one["label"], one) for one in found.get("duplicate_refs", ())]
    for label, reference in [*found.get("references", {}).items(), *repeated]:
        if label not in used and (reference["title"] or reference["href"] in {"", "#"}):
            first, last = reference["map"]
            yield starts[first], starts[last] - 1
