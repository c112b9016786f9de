"""XLSX, XLSM and XLS: each sheet is a page, each row a line; hidden sheets are left out.

calamine returns the values without their number formats; this module restores the percentages of XLSX.
A formula is read as its saved result, an error as an empty cell. Hidden rows and columns are read.
"""

from __future__ import annotations

import datetime
import io
import math
import re
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
from ingest.parsers.damage import broken
from ingest.parsers.formats import Extract, Source
from ingest.parsers.grid import Grid, Span
from ingest.parsers.titles import sensible
from ragbot.errors import BrokenError, LockedError, ReadError

MAX_RECTANGLE_CELLS = 10_000_000
"""The limit for the bounding rectangle of a sheet, which calamine keeps in memory in full."""
_BOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_STYLES, _STRINGS, _CORE = "xl/styles.xml", "xl/sharedstrings.xml", "docprops/core.xml"
_PACKAGE = "_rels/.rels"
_MAX_ROWS, _MAX_COLUMNS = 1 << 20, 1 << 14
_PLACE = re.compile(r"([A-Za-z]{0,3})([0-9]{1,7})")
_MAX_EXACT_INTEGER = 2.0**53
"""A float represents every integer below this exactly."""
_PERCENT_FORMATS = frozenset({"9", "10"})  # ECMA-376, part 1, 18.8.30
_QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')

_Value = int | float | str | bool | datetime.time | datetime.date | datetime.datetime | datetime.timedelta
_Places = frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Book:
    """The bytes for calamine, the (row, column) of percentages by sheet, from 0, and the properties."""

    data: io.BytesIO
    percents: Mapping[str, _Places]
    title: str = ""
    author: str = ""


def extract(source: Source) -> Extract:
    """The text of the visible sheets, in the order of their tabs."""
    book = _prepared(source) if source.data.startswith(b"PK") else _Book(io.BytesIO(source.data), {})
    try:
        tally = rows.Tally(source.name)
        workbook = CalamineWorkbook.from_filelike(book.data)
        pages = [_page(sheet, book, tally) for sheet in _visible(workbook, source)]
    except PasswordError as cause:
        raise LockedError(f"{source.name}: encrypted, which is not read; save it without a password") from cause
    except (ReadError, MemoryError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as damage:  # a panic in calamine's Rust code is not an Exception
        raise broken(source.name, Exception(*damage.args)) from damage
    text, starts = blocks.write_pages(pages)
    return Extract(text, title=book.title, author=book.author, pages=starts)


def _visible(workbook: CalamineWorkbook, source: Source) -> Iterator[CalamineSheet]:
    for number, sheet in enumerate(workbook.sheets_metadata):
        if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible:
            source.alive()
            yield workbook.get_sheet_by_index(number)


def _page(sheet: CalamineSheet, book: _Book, tally: rows.Tally) -> list[Block]:
    if sheet.height * sheet.width > MAX_RECTANGLE_CELLS:
        raise rows.too_large(tally.name)
    top, left = sheet.start or (0, 0)
    percents = book.percents.get(sheet.name, frozenset())
    lines: list[list[str]] = []
    places: dict[int, int] = {}  # row of the sheet → line
    for number, row in enumerate(sheet.iter_rows(), top):
        texts = [_text(value, (number, column) in percents) for column, value in enumerate(row, left)]
        tally.add(texts)
        if any(texts) or lines and any(lines[-1]):
            places[number] = len(lines)
            lines.append(texts)
    spans = [
        Span(places[first], column - left, last - first + 1, end - column + 1)
        for (first, column), (last, end) in sheet.merged_cell_ranges or ()
        if first in places and column >= left
    ]
    return sheet_blocks(sheet.name, lines, spans)


def sheet_blocks(name: str, lines: Sequence[list[str]], spans: Sequence[Span]) -> list[Block]:
    """A sheet as blocks; none if it is empty. `spans` are the merged cells by row, which are written out."""
    merged = _filled(lines, spans) if spans else None
    by_line = rows.written(merged.rows, merged.remarks) if merged else rows.written(lines)
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


def _text(value: _Value, percent: bool) -> str:
    """A value as text: dates by ISO 8601, numbers with the 15 digits that Excel keeps."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case int() | float() if percent:
            return f"{value * 100:.12g}%"
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
    styles = _percent_styles(members.get(by_lower.get(_STYLES, ""), b""), source.name)
    percents = {}
    for sheet, member in _sheets(book, relations):
        if member.lower() not in by_lower:
            continue
        name = by_lower[member.lower()]
        members[name] = data = opened.read(name)
        percents[sheet] = _scanned(data, styles, source.name, sheet)
    title, author = properties(opened.read(by_lower[_CORE]), source.name) if _CORE in by_lower else ("", "")
    return _Book(archive.uncompressed(members), percents, title, author)


def _sheets(book: Element, relations: Element) -> Iterator[tuple[str, str]]:
    """(name, archive member) of each sheet."""
    targets = {relation.get("Id"): relation.get("Target") or "" for relation in relations}
    for sheet in book.iterfind("{*}sheets/{*}sheet"):
        ids = [value for key, value in sheet.attrib.items() if key.endswith("}id")]
        target = targets.get(ids[0] if ids else None, "")
        inside = target.startswith(("/", "xl/"))
        yield sheet.get("name") or "", target.lstrip("/") if inside else f"xl/{target}"


def _percent_styles(data: bytes, name: str) -> frozenset[str]:
    """The style numbers, as cells refer to them, that display percentages."""
    if not data:
        return frozenset()
    root = markup.parse(data, name)
    formats = _PERCENT_FORMATS | {
        entry.get("numFmtId")
        for entry in root.iterfind("{*}numFmts/{*}numFmt")
        if "%" in _QUOTED.sub("", entry.get("formatCode") or "")
    }
    styles = enumerate(root.iterfind("{*}cellXfs/{*}xf"))
    return frozenset(str(number) for number, style in styles if style.get("numFmtId") in formats)


class _Walk:
    """Walks the cells of a sheet as calamine does; a cell without a position follows the one before."""

    def __init__(self, styles: frozenset[str]) -> None:
        self._styles = styles
        self._row, self._column = -1, 0
        self._rows: set[int] = set()
        self._columns: set[int] = set()
        self.percents: set[tuple[int, int]] = set()
        self.lost = False
        """Whether a cell has a position outside the limits of a sheet."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Called by the XML parser for each element."""
        kind = tag.rpartition("}")[2]
        if kind == "row":
            row, _ = self._place(attributes, (self._row + 1, 0))
            self._row, self._column = row, 0
        elif kind == "c":
            row, column = self._place(attributes, (max(self._row, 0), self._column))
            self._column = column + 1
            if row >= _MAX_ROWS or column >= _MAX_COLUMNS:
                self.lost = True
                return
            self._rows.add(row)
            self._columns.add(column)
            if attributes.get("s") in self._styles:
                self.percents.add((row, column))

    def close(self) -> None:
        """Called by the XML parser at the end."""

    def _place(self, attributes: Mapping[str, str], following: tuple[int, int]) -> tuple[int, int]:
        reference = attributes.get("r")
        if not reference:
            return following
        place = _PLACE.fullmatch(reference)
        if not place:
            self.lost = True
            return following
        return int(place[2]) - 1, _column(place[1])

    @property
    def area(self) -> int:
        """Number of cells in the bounding rectangle of the sheet."""
        sides = (max(numbers) - min(numbers) + 1 if numbers else 0 for numbers in (self._rows, self._columns))
        return math.prod(sides)


def _scanned(data: bytes, styles: frozenset[str], name: str, sheet: str) -> _Places:
    """The positions of the percentages of a sheet. Raises BrokenError if its bounding rectangle is too large."""
    walk = _Walk(styles)
    markup.walk(data, walk, name)
    if walk.lost or walk.area > MAX_RECTANGLE_CELLS:
        raise BrokenError(
            f"{name}: the cells of its sheet {sheet!r} lie too far apart; delete the empty rows and columns between them"
        )
    return frozenset(walk.percents)


def _column(letters: str) -> int:
    """The number of a column, from 0: A is 0, Z is 25, AA is 26."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number - 1


def properties(core: bytes, name: str) -> tuple[str, str]:
    """Title and author in the core properties of an Office file (ECMA-376, part 2, 11)."""
    root = markup.parse(core, name)
    title, author = (root.findtext(f"{{http://purl.org/dc/elements/1.1/}}{key}") or "" for key in ("title", "creator"))
    return sensible(title), "" if author == "openpyxl" else author.strip()
