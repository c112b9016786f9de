"""XLSX, XLSM and XLS: each sheet is a page, each row a line.

calamine returns the values without their number formats; this module writes those of XLSX that say more than the number
itself. A formula is read as its saved result, an error as an empty cell. Hidden sheets and struck-out text are left out;
so are the rows, columns and cells of an XLSX file that nobody sees, and all that is left out for that is counted.
"""

from __future__ import annotations

import datetime
import io
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter

from lxml.etree import _Element as Element  # type: ignore[import-untyped]
from python_calamine import CalamineSheet, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from ingest.parsers import archive, blocks, grid, markup, rows
from ingest.parsers.archive import Archive
from ingest.parsers.blocks import Block
from ingest.parsers.cell_formats import CellFormat, cell_formats
from ingest.parsers.damage import broken
from ingest.parsers.formats import Extract, Source
from ingest.parsers.grid import Grid, Span
from ingest.parsers.sheet_layout import MAX_RECTANGLE_CELLS, Layout, layout_of
from ingest.parsers.titles import sensible
from ingest.parsers.xlsx_comments import comments_of
from ingest.parsers.xlsx_repairs import repaired
from ragbot.errors import BrokenError, LockedError, ReadError

_BOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_STYLES, _STRINGS, _CORE = "xl/styles.xml", "xl/sharedstrings.xml", "docprops/core.xml"
_PACKAGE = "_rels/.rels"
_MAX_EXACT_INTEGER = 2.0**53
"""A float represents every integer below this exactly."""

_Value = int | float | str | bool | datetime.time | datetime.date | datetime.datetime | datetime.timedelta
_Place = tuple[int, int]
"""Row and column, from 0."""
_NO_LAYOUT = Layout()
_PLAIN = CellFormat()


@dataclass(frozen=True, slots=True)
class _Book:
    """The bytes for calamine, the layouts by sheet, and the properties."""

    data: io.BytesIO
    layouts: Mapping[str, Layout]
    title: str = ""
    author: str = ""


def extract(source: Source) -> Extract:
    """The text of the visible sheets, in the order of their tabs."""
    book = _prepared(source) if source.data.startswith(b"PK") else _Book(io.BytesIO(source.data), {})
    try:
        tally = rows.Tally(source.name)
        workbook = CalamineWorkbook.from_filelike(book.data)
        pages = []
        hidden = 0
        for number, described in enumerate(workbook.sheets_metadata):
            if described.typ != SheetTypeEnum.WorkSheet:
                continue
            source.alive()
            sheet = workbook.get_sheet_by_index(number)
            if described.visible == SheetVisibleEnum.Visible:
                page = _Page(sheet, book.layouts.get(sheet.name, _NO_LAYOUT), tally)
                pages.append(page.blocks())
                hidden += page.hidden
            else:
                hidden += _length(sheet)
    except PasswordError as cause:
        raise LockedError(f"{source.name}: encrypted, which is not read; save it without a password") from cause
    except (ReadError, MemoryError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as damage:  # a panic in calamine's Rust code is not an Exception
        raise broken(source.name, Exception(*damage.args)) from damage
    text, starts = blocks.write_pages(pages)
    return Extract(text, title=book.title, author=book.author, pages=starts, hidden=hidden)


def _length(sheet: CalamineSheet) -> int:
    """How many characters the cells of a hidden sheet hold; 0 for one that is too large to be looked at."""
    if sheet.height * sheet.width > MAX_RECTANGLE_CELLS:
        return 0
    return sum(len(_text(value)) for row in sheet.iter_rows() for value in row if value != "")


class _Page:
    """Reads a visible sheet."""

    def __init__(self, sheet: CalamineSheet, layout: Layout, tally: rows.Tally) -> None:
        self._sheet = sheet
        self._layout = layout
        self._tally = tally
        self.hidden = 0
        """How many characters that nobody sees were left out so far."""

    def blocks(self) -> list[Block]:
        """The sheet as blocks; none if it is empty."""
        if self._sheet.height * self._sheet.width > MAX_RECTANGLE_CELLS:
            raise rows.too_large(self._tally.name)
        return sheet_blocks(self._sheet.name, *self._lines())

    def _lines(self) -> tuple[list[list[str]], list[Span], dict[int, list[str]]]:
        """The rows that are shown, with an empty one between tables, and by line their merged cells and their comments."""
        top, left = self._sheet.start or (0, 0)
        merged = self._merged()
        moved = {first: shown for shown, first, _ in merged if shown != first}
        arrived: dict[_Place, str] = {}
        lines: list[list[str]] = []
        places: dict[int, int] = {}  # row of the sheet → line
        for number, row in enumerate(self._sheet.iter_rows(), top):
            texts = [self._shown(value, (number, column), moved, arrived) for column, value in enumerate(row, left)]
            self._tally.add(texts)
            if number not in self._layout.hidden_rows and (any(texts) or lines and any(lines[-1])):
                places[number] = len(lines)
                lines.append(texts)
        shown = sorted(places)
        spans = [
            Span(places[row], column - left, bisect_right(shown, last[0]) - bisect_left(shown, row), last[1] - column + 1)
            for (row, column), _, last in merged
            if row in places and column >= left
        ]
        return lines, spans, self._comments(places, len(lines))

    def _comments(self, places: Mapping[int, int], end: int) -> dict[int, list[str]]:
        """The comments on cells that are shown, by line in the order of columns; those beside the lines stand at the `end`."""
        found: dict[int, list[str]] = {}
        for (row, column), text in sorted(self._layout.comments.items()):
            if row in self._layout.hidden_rows or column in self._layout.hidden_columns:
                self.hidden += len(text)
            elif text:
                self._tally.add([text])
                found.setdefault(places.get(row, end), []).append(text)
        return found

    def _merged(self) -> list[tuple[_Place, _Place, _Place]]:
        """The first place that is shown of each merged cell that is, its first place, and its last."""
        ranges = self._sheet.merged_cell_ranges or ()
        return [(shown, first, last) for first, last in ranges if (shown := self._layout.first_shown(first, last))]

    def _shown(self, value: _Value, place: _Place, moved: Mapping[_Place, _Place], arrived: dict[_Place, str]) -> str:
        """What a cell shows. What stands in a hidden part of a merged cell has `moved` to its first part that is shown."""
        if value == "" and place not in arrived:
            return ""
        layout, format = self._layout, self._layout.formats.get(place, _PLAIN)
        text = arrived.pop(place, "") or _text(value, format)
        if place in moved:
            arrived[moved[place]] = text
            return ""
        unseen = place[0] in layout.hidden_rows or place[1] in layout.hidden_columns
        if unseen or layout.hides(format) or not format.shows(value):
            self.hidden += len(text)
            return ""
        return "" if format.struck else text


def sheet_blocks(
    name: str, lines: Sequence[list[str]], spans: Sequence[Span], comments: Mapping[int, Sequence[str]] | None = None
) -> list[Block]:
    """A sheet as blocks; none if it is empty.

    `spans` are the merged cells by row, which are written out. The `comments` on a line stand at its end.
    """
    merged = _filled(lines, spans) if spans else None
    by_line = [*(rows.written(merged.rows, merged.remarks) if merged else rows.written(lines)), ""]
    for number, texts in (comments or {}).items():
        by_line[number] = "; ".join(filter(None, [by_line[number], *texts]))
    written = "\n".join(filter(None, by_line))
    return [Block("heading", name), Block("table", written)] if written else []


def _filled(lines: Sequence[list[str]], spans: Sequence[Span]) -> Grid:
    """The lines with merged cells written out in each table, which ends at an empty line."""
    starts = [0, *(number for number, line in enumerate(lines) if not any(line)), len(lines)]
    todo = deque(sorted(spans, key=attrgetter("row")))
    whole: list[list[str]] = []
    remarks: set[int] = set()
    for start, end in pairwise(starts):
        inside: list[Span] = []
        while todo and todo[0].row < end:
            inside.append(replace(todo[0], row=todo.popleft().row - start))
        table = grid.filled(lines[start:end], inside)
        whole += table.rows
        remarks |= {start + number for number in table.remarks}
    return Grid(whole, remarks=frozenset(remarks))


def _text(value: _Value, format: CellFormat = _PLAIN) -> str:
    """A value as text: dates by ISO 8601, numbers with the 15 digits that Excel keeps and what their format says."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case int() | float() if (written := format.number(value)) is not None:
            return written
        case int() | float():  # + 0 removes the sign of -0.0; a long integer is a card or account number
            return str(int(value)) if 1e15 <= abs(value) < _MAX_EXACT_INTEGER else f"{value + 0:.15g}"
        case datetime.datetime() if not (value.hour or value.minute or value.second):
            return value.date().isoformat()
        case datetime.datetime():
            return value.isoformat(" ", "seconds" if value.second else "minutes")
        case datetime.time():
            return value.isoformat("seconds" if value.second else "minutes")
        case datetime.timedelta():
            minutes, seconds = divmod(round(value.total_seconds()), 60)
            return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return str(value).strip()


def _prepared(source: Source) -> _Book:
    """A checked copy with only the parts that are read: calamine unpacks without a limit and accepts any cell position."""
    opened = Archive(source)
    opened.refuse_entities()
    by_lower = {name.lower(): name for name in sorted(opened.names)}
    wanted = (_PACKAGE, _BOOK, _RELATIONS, _STYLES, _STRINGS)
    members = {by_lower[name]: opened.read(by_lower[name]) for name in wanted if name in by_lower}
    if _BOOK not in by_lower or _RELATIONS not in by_lower:
        raise BrokenError(f"{source.name}: damaged (its list of sheets is missing); fetch it again or export it again")
    book = markup.parse(members[by_lower[_BOOK]], source.name)
    relations = markup.parse(members[by_lower[_RELATIONS]], source.name)
    if _STRINGS in by_lower:
        members[by_lower[_STRINGS]] = repaired(members[by_lower[_STRINGS]], source.name)
    formats = cell_formats(members.get(by_lower.get(_STYLES, ""), b""), source.name)
    layouts = {}
    for sheet, member in _sheets(book, relations):
        if member.lower() not in by_lower:
            continue
        name = by_lower[member.lower()]
        members[name] = data = repaired(opened.read(name), source.name)
        layout = layout_of(data, formats, source.name, sheet)
        try:
            layouts[sheet] = replace(layout, comments=comments_of(opened, name, source.name))
        except BrokenError:  # the sheet can be read without its comments
            layouts[sheet] = layout
    title, author = properties(opened.read(by_lower[_CORE]), source.name) if _CORE in by_lower else ("", "")
    return _Book(archive.uncompressed(members), layouts, title, author)


def _sheets(book: Element, relations: Element) -> Iterator[tuple[str, str]]:
    """(name, archive member) of each sheet."""
    targets = {relation.get("Id"): relation.get("Target") or "" for relation in relations}
    for sheet in book.iterfind("{*}sheets/{*}sheet"):
        ids = [value for key, value in sheet.attrib.items() if key.endswith("}id")]
        target = targets.get(ids[0] if ids else None, "")
        inside = target.startswith(("/", "xl/"))
        yield sheet.get("name") or "", target.lstrip("/") if inside else f"xl/{target}"


def properties(core: bytes, name: str) -> tuple[str, str]:
    """Title and author in the core properties of an Office file (ECMA-376, part 2, 11)."""
    root = markup.parse(core, name)
    title, author = (root.findtext(f"{{http://purl.org/dc/elements/1.1/}}{key}") or "" for key in ("title", "creator"))
    return sensible(title), "" if author == "openpyxl" else author.strip()
