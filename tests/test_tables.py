"""Tables with merged cells: each row says all that stands beside and above it, whatever the format."""

from __future__ import annotations

import io
import time
from pathlib import Path

import docx
import pptx
import pytest
import samples
import xlsxwriter
from pptx.util import Inches

from ingest.parsers import grid, read
from ingest.parsers.grid import Span

Merged = tuple[str, int, int]
"""The text of a cell, and how many rows and columns it covers."""
Table = list[list[str | Merged]]

FARES: Table = [
    ["Island", "Age", "Fare"],
    [("Elm Island", 2, 1), "Child", "4"],
    ["Adult", "8"],
    [("Oak Island", 3, 1), "Child", ("6", 2, 1)],
    ["Student"],
    ["Adult", "9"],
]
FARE_ROWS = [
    ("Elm Island", "Child", "4"),
    ("Elm Island", "Adult", "8"),
    ("Oak Island", "Student", "6"),
    ("Oak Island", "Adult", "9"),
]
GROUPS: Table = [
    ["Age", "Fare"],
    [("Elm Island", 1, 2)],
    ["Child", "4"],
    [("Oak Island", 1, 2)],
    ["Child", "6"],
    [("Prices include the return.", 1, 2)],
    ["Adult", "9"],
]
TIMES: Table = [
    [("Island", 2, 1), ("Weekdays", 1, 2), ("Weekend", 1, 2)],
    ["Morning", "Evening", "Morning", "Evening"],
    ["Elm", "7", "18", "9", "20"],
    ["Oak", "8", "19", ("on request", 1, 2)],
]


def placed(table: Table) -> list[tuple[int, int, str, int, int]]:
    """(row, column, text, height, width) of each cell."""
    taken: set[tuple[int, int]] = set()
    found = []
    for row, cells in enumerate(table):
        column = 0
        for cell in cells:
            text, height, width = (cell, 1, 1) if isinstance(cell, str) else cell
            while (row, column) in taken:
                column += 1
            taken |= {(row + down, column + right) for down in range(height) for right in range(width)}
            found.append((row, column, text, height, width))
    return found


def width_of(table: Table) -> int:
    return max(column + width for _, column, _, _, width in placed(table))


def as_html(table: Table) -> bytes:
    rows: dict[int, str] = {}
    for row, _, text, height, width in placed(table):
        rows[row] = rows.get(row, "") + f'<td rowspan="{height}" colspan="{width}">{text}</td>'
    body = "".join(f"<tr>{cells}</tr>" for cells in rows.values())
    return f"<!doctype html><main><p>The fares of the ferry.</p><table>{body}</table></main>".encode()


def as_docx(table: Table) -> bytes:
    word = docx.Document()
    made = word.add_table(len(table), width_of(table))
    for row, column, text, height, width in placed(table):
        cell = made.cell(row, column)
        if height * width > 1:
            cell = cell.merge(made.cell(row + height - 1, column + width - 1))
        cell.text = text
    return saved(word)


def as_pptx(table: Table) -> bytes:
    show = pptx.Presentation()
    shapes = show.slides.add_slide(show.slide_layouts[6]).shapes
    made = shapes.add_table(len(table), width_of(table), Inches(1), Inches(1), Inches(6), Inches(3)).table
    for row, column, text, height, width in placed(table):
        if height * width > 1:
            made.cell(row, column).merge(made.cell(row + height - 1, column + width - 1))
        made.cell(row, column).text = text
    return saved(show)


def as_xlsx(table: Table) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet("Fares")
        for row, column, text, height, width in placed(table):
            value = float(text) if text.isdecimal() else text
            if height * width > 1:
                sheet.merge_range(row, column, row + height - 1, column + width - 1, value)
            else:
                sheet.write(row, column, value)
    return out.getvalue()


def open_document(table: Table) -> str:
    cells = {(row, column): (text, height, width) for row, column, text, height, width in placed(table)}
    rows = ""
    for row in range(len(table)):
        rows += "<table:table-row>"
        for column in range(width_of(table)):
            text, height, width = cells.get((row, column), ("", 0, 0))
            spans = f'table:number-rows-spanned="{height}" table:number-columns-spanned="{width}"'
            rows += (
                f"<table:table-cell {spans}><text:p>{text}</text:p></table:table-cell>" if text else "<table:covered-table-cell/>"
            )
        rows += "</table:table-row>"
    return f'<table:table table:name="Fares">{rows}</table:table>'


def as_odt(table: Table) -> bytes:
    return samples.odf("text", open_document(table))


def as_ods(table: Table) -> bytes:
    return samples.odf("spreadsheet", open_document(table))


def saved(file) -> bytes:
    out = io.BytesIO()
    file.save(out)
    return out.getvalue()


KINDS = {"html": as_html, "docx": as_docx, "pptx": as_pptx, "odt": as_odt, "xlsx": as_xlsx, "ods": as_ods}
SHEETS = ("xlsx", "ods")


def lines(folder: Path, kind: str, table: Table) -> list[str]:
    path = folder / f"a.{kind}"
    path.write_bytes(KINDS[kind](table))
    return read(path, path.name).text.split("\n")


def has(found: list[str], *cells: str) -> bool:
    """Whether a line has all these cells, whole, and in this order."""
    rows = [[cell.rpartition(": ")[2] for cell in line.replace(" – ", " | ").replace("; ", " | ").split(" | ")] for line in found]
    return any([cell for cell in row if cell in cells] == list(cells) for row in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_has_the_cells_that_are_merged_over_it(tmp_path: Path, kind: str) -> None:
    found = lines(tmp_path, kind, FARES)
    assert all(has(found, *row) for row in FARE_ROWS), found
    assert not has(found, "Elm Island", "Child", "6")


@pytest.mark.parametrize("kind", KINDS)
def test_rows_stand_under_the_title_above_them_and_a_remark_is_none(tmp_path: Path, kind: str) -> None:
    found = lines(tmp_path, kind, GROUPS)
    assert (
        has(found, "Elm Island", "Child", "4")
        and has(found, "Oak Island", "Child", "6")
        and has(found, "Oak Island", "Adult", "9")
    )
    assert "Elm Island" not in [line.strip(" |") for line in found]
    assert "Prices include the return." in [line.strip(" |") for line in found]


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_of_two_lines_names_its_columns_fully(tmp_path: Path, kind: str) -> None:
    found = lines(tmp_path, kind, TIMES)
    assert "Island: Elm; Weekdays Morning: 7; Weekdays Evening: 18; Weekend Morning: 9; Weekend Evening: 20" in found
    assert found[-1].endswith("Weekend Morning: on request; Weekend Evening: on request")


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_column_may_have_a_name_in_both_lines_of_a_header(tmp_path: Path, kind: str) -> None:
    header: Table = [["Season", ("Summer", 1, 2)], ["Station", "opens", "closes"]]
    found = lines(tmp_path, kind, [*header, ["North hut", "6:40", "21:10"], ["South hut", "7:20", "20:15"]])
    assert found[-1] == "Season Station: South hut; Summer opens: 7:20; Summer closes: 20:15"


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_of_words_is_no_second_line_of_the_header(tmp_path: Path, kind: str) -> None:
    found = lines(tmp_path, kind, [["Name", ("Contact", 1, 2)], ["Anna", "office", "Bonn"], ["Ben", "555", "Kiel"]])
    assert has(found, "Anna", "office", "Bonn")


@pytest.mark.parametrize("kind", KINDS)
def test_the_title_of_a_table_stands_above_it_alone(tmp_path: Path, kind: str) -> None:
    found = lines(tmp_path, kind, [[("Fares of 2026", 1, 2)], ["Age", "Fare"], ["Child", "4"], ["Adult", "8"]])
    assert [line.strip(" |") for line in found].count("Fares of 2026") == 1
    assert sum("Fares of 2026" in line for line in found) == 1
    first = "Age: Child; Fare: 4" if kind in SHEETS else "Child | 4"
    assert first in found


def test_groups_with_the_header_repeated_under_each_title() -> None:
    rows = [["Elm"], ["Age", "Fare"], ["Child", "4"], ["Oak"], ["Age", "Fare"], ["Child", "6"], ["Total", "10"]]
    titles = [Span(0, 0, 1, 2), Span(3, 0, 1, 2)]
    assert [row for row in grid.filled(rows, titles).rows if row] == [
        ["Age", "Fare"],
        ["Elm – Child", "4"],
        ["Oak – Child", "6"],
        ["Total", "10"],
    ]


def test_titles_of_two_ranks() -> None:
    rows = [["Age", "Fare"], ["North"], ["Elm"], ["Child", "4"], ["Oak"], ["Child", "6"], ["South"], ["Ash"], ["Child", "7"]]
    titles = [Span(number, 0, 1, 2) for number in (1, 2, 4, 6, 7)]
    found = [row[0] for row in grid.filled(rows, titles).rows if row]
    assert found == ["Age", "North – Elm – Child", "North – Oak – Child", "South – Ash – Child"]


def test_records_under_wide_names_are_no_second_line_of_the_header() -> None:
    rows = [["Contact", "", "Address", ""], ["Ana", "office", "Main street", "Berlin"], ["Bo", "shop", "Side street", "Rome"]]
    found = grid.filled(rows, [Span(0, 0, 1, 2), Span(0, 2, 1, 2)])
    assert found.rows[1:] == rows[1:] and len(found.header) == 1


def test_merged_cells_without_measure_copy_little(tmp_path: Path) -> None:
    wide = [Span(0, column, 1_000_000, 1_000) for column in range(21)]
    found = grid.filled([["word " * 50, *["x"] * 20], *[["", *[""] * 20, "z"] for _ in range(2_000)]], wide)
    assert sum(len(cell) for row in found.rows for cell in row) < 300_000
    long = grid.filled([["a" * 400], *[["", "b"]] * 50], [Span(0, 0, 51, 9)])
    assert sum(len(cell) for row in long.rows for cell in row) == 450
    cells = '<td rowspan="65534" colspan="1000">long words</td>' * 100
    page = f"<main><p>Fares.</p><table><tr>{cells}</tr>{'<tr><td>x</td></tr>' * 5_000}</table></main>".encode()
    (tmp_path / "a.html").write_bytes(page)
    start = time.monotonic()
    assert len(read(tmp_path / "a.html", "a.html").text) < 1_000_000 and time.monotonic() - start < 20


def test_merged_cells_that_overlap_without_measure_take_no_time() -> None:
    rows = [[str(row), *["x"] * 20, *["", "y"] * 20] for row in range(5_000)]
    spans = [Span(row, column, 1_000_000, 16_000) for row in range(5_000) for column in range(20)]
    titles = [["Some title"] for _ in range(20_000)] + [["a", "b"] for _ in range(20_000)]
    start = time.monotonic()
    grid.filled(rows, spans)
    grid.filled(titles, [Span(row, 0, 1, 2) for row in range(20_000)])
    assert time.monotonic() - start < 20


def test_cells_merged_down_over_many_rows_keep_their_text() -> None:
    rows = [["Island", "Day", "Fare"], ["Elm", "1", "4"], *[["", str(day), "4"] for day in range(2, 300)]]
    assert all(row[0] == "Elm" for row in grid.filled(rows, [Span(1, 0, 299, 1)]).rows[1:])


def test_merged_cells_beside_an_empty_row_and_in_a_further_table(tmp_path: Path) -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet("S")
        sheet.merge_range(0, 0, 0, 2, "Fares of 2026")
        for number, row in (
            (2, ["Island", "Age", "Fare"]),
            (3, ["", "Child", 4]),
            (4, ["", "Adult", 8]),
            (6, ["Pier", "", "Boat"]),
        ):
            sheet.write_row(number, 0, row)
        sheet.merge_range(3, 0, 4, 0, "Elm")
        sheet.merge_range(7, 0, 8, 0, "North")
        sheet.write_row(7, 2, [1])
        sheet.write_row(8, 2, [2])
    (tmp_path / "a.xlsx").write_bytes(out.getvalue())
    assert read(tmp_path / "a.xlsx", "a.xlsx").text == (
        "# S\n\nFares of 2026\nIsland | Age | Fare\nIsland: Elm; Age: Child; Fare: 4\nIsland: Elm; Age: Adult; Fare: 8\n"
        "Pier |  | Boat\nPier: North; Boat: 1\nPier: North; Boat: 2"
    )


def test_titles_that_leave_the_last_column_empty() -> None:
    rows = [["Age", "Fare", "Note"], ["Elm"], ["Child", "4", "a"], ["Oak"], ["Child", "6", "b"], ["Total", "", ""]]
    found = grid.filled(rows, [Span(number, 0, 1, 2) for number in (1, 3, 5)]).rows
    assert [row[0] for row in found if row] == ["Age", "Elm – Child", "Oak – Child", "Total"]
