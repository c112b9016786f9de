"""Join what a page break cuts: the rest of a sentence moves to the page on which the sentence begins. Pure functions.

No passage spans two pages, so a sentence that is cut would be in no passage. The next page then begins after it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ingest.parsers.pdf_lines import Line, Page

_MAX_REST_LINES = 12
_MAX_REST_CHARACTERS = 1_200
"""Where a sentence does not end within so many lines and characters of the next page, it stays cut."""
_MIN_FULL = 0.85
"""A line of CJK text goes on after the page only if it reaches this share of the width of its page."""
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_ENDED = re.compile(r"[.!?:;。！？；：…][\"'”’»）)」』\]\[^\d]*$|\[\^[\d,]+\]$")
_CJK_END = re.compile(f"[{_CJK}，、]$")
_CJK_START = re.compile(f"[{_CJK}]")
_MIN_BODY = 0.93
"""Lines at the end of a page that are smaller than this share of its body are notes: the body ends above them."""
_STOP = re.compile(
    r"(?<!\b[^\W\d_])(?<!\b(?:Dr|Mr|St|No|Nr|vs|cf|pp|al|ca))(?<!\b(?:Mrs|Abb|Fig|bzw|etc))[.!?…][\"'”’»)]*(?=\s|$)|[。！？]”?"
)
_ITEM = re.compile(r"\s*(?:[•▪●○·*–—-]|\(?(?:\d{1,3}|[a-z])[.)])\s")


def with_whole_sentences(pages: Sequence[Page]) -> list[Page]:
    """The pages; a sentence that goes on at the top of the next page stands whole on the page where it begins."""
    joined = list(pages)
    for number in range(len(joined) - 1):
        lines, below = joined[number].lines, joined[number + 1].lines
        last = _last_of_body(lines)
        if last is None or not below or not _goes_on(joined[number], lines[last], below[0]):
            continue
        rest, left = _divided(below)
        if rest:
            joined[number] = joined[number].with_lines([*lines[: last + 1], *rest, *lines[last + 1 :]])
            joined[number + 1] = joined[number + 1].with_lines(left)
    return joined


def _last_of_body(lines: Sequence[Line]) -> int | None:
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[line.size] += len(line.text)
    body = max(sizes, key=lambda size: sizes[size], default=0.0)
    return next((at for at in reversed(range(len(lines))) if lines[at].text.strip() and lines[at].size >= _MIN_BODY * body), None)


def _goes_on(page: Page, last: Line, first: Line) -> bool:
    """Whether a sentence goes on from the last line of a page to the first one of the next page."""
    end, start = last.text.rstrip(), first.text.lstrip()
    alike = abs(last.size - first.size) < 1 and last.bold is first.bold
    if not alike or last.level or first.level or max(len(last.cells), len(first.cells)) > 1 or _ENDED.search(end):
        return False
    if _CJK_END.search(end):
        full = last.right >= _MIN_FULL * max(line.right for line in page.lines)
        return full and _CJK_START.match(start) is not None
    return start[:1].islower() and not _ITEM.match(start)


def _divided(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """The rest of the sentence at the beginning of the lines, and what follows it; no rest if it is too long."""
    rest: list[Line] = []
    for number, line in enumerate(lines):
        if rest and (line.level or len(line.cells) > 1 or not line.text.strip() or _ITEM.match(line.text)):
            return rest, list(lines[number:])  # a paragraph without a full stop
        if len(rest) >= _MAX_REST_LINES or sum(len(each.text) for each in rest) > _MAX_REST_CHARACTERS:
            return [], list(lines)
        for stop in _STOP.finditer(line.text):
            after = line.text[stop.end() :].strip()
            if not after[:1].islower():
                left = [replace(line, text=after)] if after else []
                return [*rest, replace(line, text=line.text[: stop.end()])], [*left, *lines[number + 1 :]]
        rest.append(line)
    return rest, []
