"""Find the headings of a PDF: the lines that its outline names, and lines that are larger or bolder than the text around them.

Pure functions but for the outline. The level of a heading is that of the outline, else the rank of its size and weight.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise

import pypdfium2

from ingest.parsers.characters import clean
from ingest.parsers.pdf_lines import Line, Page
from ingest.parsers.titles import first_line, one_line

log = logging.getLogger(__name__)

_MIN_LARGER = 1.12
"""A line with characters this many times as large as those of the body may be a heading."""
_MAX_HEADING_CHARACTERS = 120
_MAX_HEADING_LINES = 3
_MAX_LEVEL = 6
_MAX_PAGE_SHARE = 0.6
"""Where headings would hold a larger share of the letters of a page, only its largest lines are headings."""
_MAX_BOLD_SHARE = 0.6
"""Where a larger share of the body of a page is bold, bold marks no headings on it."""
_MAX_LINE_STEP_SIZES = 1.6
"""The lines of one heading are at most this far apart, in font sizes."""
_MIN_BOLD_SIZE = 0.95
"""A bold heading has at least this share of the size of the body."""
_MAX_SHORT = 0.7
"""A line that ends before this share of the width of its page ends a paragraph."""
_MIN_ALIKE = 0.9
"""Sizes that differ by less make one level."""
_MAX_LEVEL_BY_STYLE = 4
_NUMBERED = re.compile(r"\s*(?:(?:[A-Z]\.?)?\d+(?:\.\d+)*|[A-Z]|[IVX]+)[.)]?\s")
"""A section number, which a tab may part from the words."""
_END = re.compile(r"[.,;:!。，；：！…–—-]$")
_STOP = re.compile(r"[.!?:。！？：]\W*$")
_NO_HEADING = re.compile(
    r"(?i:^(?:fig(?:ure)?|table|tab|abb(?:ildung)?|tabelle|listing|algorithm|图|表|圖)\.? ?\d)"  # a caption
    r"|[^\W\d_]{3,}[.!?] [A-Z][a-z]|\.{4}|(?:\. ){4}|…{2}|(?:,.*){3}|@|://|www\.|^[^\w\s(\[\"'“‘«§¿¡]"
)
"""A caption, more than one sentence, the leaders of a table of contents, names of people, an address, a list item."""
_VALUE = re.compile(
    r":\s*[^\w\s]?\d|\s{2,}[^\w\s]?\d"  # after a label or a gap
    r"|(?<!\d)(?!(?:19|20)\d\d(?!\d))\d[\d.,:]*\s?(?:[^\W\d_]+|[%€$£¥])$"  # a figure with its unit
    r"|\d.*[.!]$"  # a sentence
)
"""What a row of a list says, and no title: it would stand before all of the other rows."""
_TITLE_PAGES = 3
_MIN_LETTERS = 3
_MAX_ADVANCE = 0.8
"""A line that is wider for each of its characters, in font sizes, has cells that PDFium does not tell apart."""
_LETTERS = re.compile(r"[^\W\d_]")

Style = tuple[float, bool]
"""Size in points, and whether bold. All lines larger than the body count as bold: one line of a title may have a light word."""


def with_headings(pages: Sequence[Page], file: pypdfium2.PdfDocument) -> list[Page]:
    """The pages with the levels of their headings."""
    found = _by_outline(pages, file)
    body = _body(pages)
    if not body[0]:
        return found
    candidates = [_candidates(page, body) for page in found]
    levels = _levels(found, candidates, body)
    return [_marked(page, chosen, levels, body) for page, chosen in zip(found, candidates, strict=True)]


def title_of(pages: Sequence[Page]) -> str:
    """The first line of the first pages that can serve as a title; "" if it is a row of a list, or there is none."""
    for page in pages[:_TITLE_PAGES]:
        if title := first_line(page.text):
            lines = [line for line in page.lines if line.text.strip()]
            at = next((at for at, line in enumerate(lines) if one_line(line.text) == title), 0)
            return "" if _is_row(lines[at], lines[at + 1 : at + 2]) else title
    return ""


def _is_row(line: Line, after: Sequence[Line]) -> bool:
    """Whether a line holds a value and looks like the line after it."""
    alike = all(other.bold is line.bold and abs(other.size - line.size) < 1 for other in after)
    return alike and not line.level and _has_value(line)


def _has_value(line: Line) -> bool:
    text = line.text.strip()
    return bool(_VALUE.search(text) or len(line.cells) > 1 and not _NUMBERED.match(text) and re.search(r"\d", text))


def _body(pages: Sequence[Page]) -> Style:
    """The style of most characters."""
    counts: Counter[Style] = Counter()
    for page in pages:
        for line in page.lines:
            counts[line.size, line.bold] += len(line.text) if line.size else 0
    return max(counts, key=lambda style: counts[style], default=(0.0, False))


def _style(line: Line, body: Style) -> Style:
    return line.size, line.bold or _is_larger(line, body)


def _candidates(page: Page, body: Style) -> set[int]:
    """The numbers of the lines of a page that look like headings."""
    lines = page.lines
    edge = max((line.right for line in lines), default=0.0)
    letters = Counter({bold: sum(len(line.text) for line in lines if line.bold is bold and line.size) for bold in (True, False)})
    bold_counts = not body[1] and letters[True] <= _MAX_BOLD_SHARE * letters.total()
    chosen: set[int] = set()
    for number, line in enumerate(lines):
        larger = _is_larger(line, body)
        if (larger or bold_counts and line.bold) and _is_short(line) and (larger or _stands_out(lines, number, body, edge)):
            chosen.add(number)
    for series in _series(lines, chosen, body):
        rows = len(series) > 1 and all(_has_value(lines[at]) for at in series)
        if len(series) > _MAX_HEADING_LINES or rows:  # a list or a legend
            chosen.difference_update(series)
    held = sum(len(lines[number].text) for number in chosen)
    if held > _MAX_PAGE_SHARE * letters.total():
        largest = max(lines[number].size for number in chosen)
        chosen = {number for number in chosen if lines[number].size == largest}
        if sum(len(lines[number].text) for number in chosen) > _MAX_PAGE_SHARE * letters.total():
            return set()
    return chosen


def _is_short(line: Line) -> bool:
    text = line.text.strip()
    letters = len(_LETTERS.findall(text))
    return (
        0 < len(text) <= _MAX_HEADING_CHARACTERS
        and len(line.cells) <= (2 if _NUMBERED.match(text) else 1)
        and letters >= (_MIN_LETTERS if text.isascii() else 2)
        and 2 * letters >= len(text) - text.count(" ")
        and line.right - line.left <= line.size * sum(_MAX_ADVANCE if char.isascii() else 2 * _MAX_ADVANCE for char in text)
        and not _END.search(text)
        and not _NO_HEADING.search(text)
    )


def _is_larger(line: Line, body: Style) -> bool:
    return line.size >= _MIN_LARGER * body[0]


def _stands_out(lines: Sequence[Line], number: int, body: Style, edge: float) -> bool:
    """Whether a bold line has the size of the body, and is alone and not part of a paragraph or of a table."""
    line = lines[number]
    if line.size < _MIN_BOLD_SIZE * body[0]:
        return False
    before = lines[number - 1] if number else None
    after = lines[number + 1] if number + 1 < len(lines) else None
    if after and (after.text.strip()[:1].islower() or _side_by_side(line, after)) or before and _side_by_side(line, before):
        return False
    goes_on = before and not before.bold and before.text.strip() and not _STOP.search(before.text) and _next(before, line)
    return not goes_on or before is not None and before.right < _MAX_SHORT * edge


def _side_by_side(one: Line, other: Line) -> bool:
    return abs(one.baseline - other.baseline) < 0.8 * one.size and bool(other.text.strip())


def _next(before: Line, line: Line) -> bool:
    """Whether a line stands directly below another one, as in a paragraph."""
    return 0 < before.baseline - line.baseline <= _MAX_LINE_STEP_SIZES * max(line.size, before.size)


def _series(lines: Sequence[Line], chosen: Collection[int], body: Style) -> list[list[int]]:
    """The numbers of the chosen lines, those of one style in one list where they follow each other."""
    found: list[list[int]] = []
    for number in sorted(chosen):
        follows = found and found[-1][-1] == number - 1 and _style(lines[number - 1], body) == _style(lines[number], body)
        if follows and not lines[number - 1].level and not lines[number].level:
            found[-1].append(number)
        else:
            found.append([number])
    return found


def _levels(pages: Sequence[Page], candidates: Sequence[set[int]], body: Style) -> dict[Style, int]:
    """The level of each style of headings: that of the outline if it names some of this style, else one below the style above."""
    known: dict[Style, int] = {}
    for line in (line for page in pages for line in page.lines if line.level):
        style = _style(line, body)
        known[style] = min(line.level, known.get(style, _MAX_LEVEL))
    styles = {_style(page.lines[number], body) for page, chosen in zip(pages, candidates, strict=True) for number in chosen}
    levels: dict[Style, int] = {}
    above, level = (0.0, False), 0
    for style in sorted(styles | known.keys(), reverse=True):
        alike = style[1] is above[1] and style[0] >= _MIN_ALIKE * above[0]
        if style in known:
            level = known[style]
        elif not alike:
            level = min(level + 1, _MAX_LEVEL_BY_STYLE)
        levels[style] = level or 1
        above = style
    return levels


def _marked(page: Page, chosen: set[int], levels: dict[Style, int], body: Style) -> Page:
    """The page with the levels of its headings, each on one line."""
    wrapped = {
        number
        for series in _series(page.lines, chosen, body)
        for before, number in pairwise(series)
        if _next(page.lines[before], page.lines[number]) and not _NUMBERED.match(page.lines[number].text)
    }
    lines: list[Line] = []
    for number, line in enumerate(page.lines):
        if line.level or number not in chosen:
            lines.append(line)
        elif number not in wrapped:
            lines.append(replace(line, level=levels[_style(line, body)]))
        else:
            space = "" if lines[-1].text.endswith("-") else " "
            lines[-1] = replace(lines[-1], text=f"{lines[-1].text.strip()}{space}{line.text.strip()}")
    return page.with_lines(lines)


def _by_outline(pages: Sequence[Page], file: pypdfium2.PdfDocument) -> list[Page]:
    """The pages with the levels of the lines that the outline of the file names."""
    lines = [list(page.lines) for page in pages]
    places: dict[int, dict[str, list[int]]] = {}
    try:
        for entry in file.get_toc(max_depth=_MAX_LEVEL):
            at, name = _target(entry), _bare(one_line(clean(entry.get_title())))
            if at is None or not 0 <= at < len(lines) or not name:
                continue
            if at not in places:
                places[at] = _by_name(lines[at])
            if numbers := places[at].get(name):
                number = numbers.pop()
                lines[at][number] = replace(lines[at][number], level=min(entry.level + 1, _MAX_LEVEL))
    except pypdfium2.PdfiumError as damage:
        log.info("the outline is unreadable: %s", damage)
    return [page.with_lines(each) for page, each in zip(pages, lines, strict=True)]


def _target(entry: pypdfium2.PdfBookmark) -> int | None:
    dest = entry.get_dest()
    return dest.get_index() if dest else None


def _by_name(lines: Sequence[Line]) -> dict[str, list[int]]:
    """The numbers of the lines of each name, the first one last."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for number in reversed(range(len(lines))):
        found[_bare(lines[number].text)].append(number)
    return found


def _bare(text: str) -> str:
    """The letters and digits of a heading, without its section number, in lower case."""
    return re.sub(r"[\W_]", "", re.sub(r"^[\d.\s]+", "", text)).lower()
