"""XLSX, XLSM and XLS: every sheet a page, every row a line. What is hidden as a whole sheet is left out.

calamine gives the values, without their number formats; of those the percentages of XLSX are put back here.
Formulas come as the results that were saved with them, errors as nothing. Hidden rows and columns are read.
"""

from __future__ import annotations

import datetime
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lxml.etree import _Element as Element  # type: ignore[import-untyped]
from python_calamine import CalamineSheet, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from ingest.readers import archive, blocks, markup, rows
from ingest.readers.archive import Archive
from ingest.readers.blocks import Block
from ingest.readers.damage import broken
from ingest.readers.formats import Extract, Source
from ingest.readers.titles import sensible
from ragbot.errors import BrokenError, LockedError, ReadError

_MOST_AREA = 10_000_000
"""calamine keeps a sheet as a full rectangle, so that two cells far apart would take all memory."""
_BOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_STYLES, _STRINGS, _CORE = "xl/styles.xml", "xl/sharedstrings.xml", "docprops/core.xml"
_PACKAGE = "_rels/.rels"
_PLACE = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{0,3})(\d{1,7})["'](?:\s+s="(\d+)")?""")
_PERCENT_FORMATS = frozenset({"9", "10"})  # ECMA-376, part 1, 18.8.30
_QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')

_Value = int | float | str | bool | datetime.time | datetime.date | datetime.datetime | datetime.timedelta
_Places = frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Book:
    """What calamine gets to read, and what it will not tell: the cells, by sheet, that are percentages."""

    data: io.BytesIO
    percents: Mapping[str, _Places]
    title: str = ""
    author: str = ""


def extract(source: Source) -> Extract:
    """The sheets that are to be seen, in the order of their tabs."""
    book = _prepared(source) if source.data.startswith(b"PK") else _Book(io.BytesIO(source.data), {})
    try:
        tally = rows.Tally(source.name)
        workbook = CalamineWorkbook.from_filelike(book.data)
        pages = [_page(sheet, book, tally) for sheet in _visible(workbook, source)]
    except PasswordError as cause:
        raise LockedError(f"{source.name}: encrypted, which is not read; save it without a password") from cause
    except (ReadError, MemoryError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as damage:  # a panic of its Rust code is not an Exception
        raise broken(source.name, Exception(*damage.args)) from damage
    text, starts = blocks.write_pages(pages)
    return Extract(text, title=book.title, author=book.author, pages=starts)


def _visible(workbook: CalamineWorkbook, source: Source) -> Iterator[CalamineSheet]:
    for number, sheet in enumerate(workbook.sheets_metadata):
        if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible:
            source.alive()
            yield workbook.get_sheet_by_index(number)


def _page(sheet: CalamineSheet, book: _Book, tally: rows.Tally) -> list[Block]:
    if sheet.height * sheet.width > _MOST_AREA:
        raise rows.too_large(tally.name)
    top, left = sheet.start or (0, 0)
    percents = book.percents.get(sheet.name, frozenset())
    lines = []
    for number, row in enumerate(sheet.iter_rows(), top):
        texts = [_text(value, (number, column) in percents) for column, value in enumerate(row, left)]
        tally.add(texts)
        if any(texts):
            lines.append(texts)
    return sheet_blocks(sheet.name, lines)


def sheet_blocks(name: str, lines: Sequence[Sequence[str]]) -> list[Block]:
    """A sheet as blocks; none if it is empty."""
    written = "\n".join(rows.written(lines))
    return [Block("heading", name), Block("table", written)] if written else []


def _text(value: _Value, percent: bool) -> str:
    """A value as a sheet shows it; dates by ISO 8601, numbers with the 15 digits that Excel keeps."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case int() | float():
            return f"{value * 100:.12g}%" if percent else f"{value + 0:.15g}"  # + 0: no minus before a zero
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
    """A copy that holds what is read and no more: calamine unpacks without a limit, and takes any place for a cell."""
    opened = Archive(source)
    opened.refuse_entities()
    by_lower = {name.lower(): name for name in sorted(opened.names)}
    wanted = (_PACKAGE, _BOOK, _RELATIONS, _STYLES, _STRINGS)
    members = {by_lower[name]: opened.read(by_lower[name]) for name in wanted if name in by_lower}
    if _BOOK not in by_lower or _RELATIONS not in by_lower:
        raise BrokenError(f"{source.name}: damaged (its list of sheets is missing); fetch it again or export it anew")
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
    return _Book(archive.stored(members), percents, title, author)


def _sheets(book: Element, relations: Element) -> Iterator[tuple[str, str]]:
    """The name of each sheet, and the member that holds it."""
    targets = {relation.get("Id"): relation.get("Target") or "" for relation in relations}
    for sheet in book.iterfind("{*}sheets/{*}sheet"):
        ids = [value for key, value in sheet.attrib.items() if key.endswith("}id")]
        target = targets.get(ids[0] if ids else None, "")
        inside = target.startswith(("/", "xl/"))
        yield sheet.get("name") or "", target.lstrip("/") if inside else f"xl/{target}"


def _percent_styles(data: bytes, name: str) -> frozenset[bytes]:
    """The numbers, as written in a cell, of the styles that show percentages."""
    if not data:
        return frozenset()
    root = markup.parse(data, name)
    formats = _PERCENT_FORMATS | {
        entry.get("numFmtId")
        for entry in root.iterfind("{*}numFmts/{*}numFmt")
        if "%" in _QUOTED.sub("", entry.get("formatCode") or "")
    }
    styles = enumerate(root.iterfind("{*}cellXfs/{*}xf"))
    return frozenset(str(number).encode() for number, style in styles if style.get("numFmtId") in formats)


def _scanned(data: bytes, styles: frozenset[bytes], name: str, sheet: str) -> _Places:
    """The places of the percentages of a sheet. Raises BrokenError if its places span too large a rectangle."""
    percents, columns = set(), {b""}
    least, most = 1 << 30, 0
    for letters, digits, style in _PLACE.findall(data):
        row = int(digits)
        least, most = min(least, row), max(most, row)
        columns.add(letters)
        if style in styles:
            percents.add((row - 1, _column(letters)))
    numbers = [_column(letters) for letters in columns - {b""}] or [0]
    if max(most - least + 1, 1) * (max(numbers) - min(numbers) + 1) > _MOST_AREA:
        raise BrokenError(f"{name}: the cells of its sheet {sheet!r} lie too far apart; delete what is empty between them")
    return frozenset(percents)


def _column(letters: bytes) -> int:
    """The number, from 0, of a column: A is 0, Z is 25, AA is 26."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number - 1


def properties(core: bytes, name: str) -> tuple[str, str]:
    """Title and author by the core properties of an Office file (ECMA-376, part 2, 11)."""
    root = markup.parse(core, name)
    title, author = (root.findtext(f"{{http://purl.org/dc/elements/1.1/}}{key}") or "" for key in ("title", "creator"))
    return sensible(title), "" if author == "openpyxl" else author.strip()
