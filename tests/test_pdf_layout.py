"""A PDF page is read as a person sees it: columns, headings, running titles, page breaks, raised figures, hidden text."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
import pypdf
import pytest
from fpdf import FPDF
from fpdf.enums import TextMode
from PIL import Image
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, StreamObject, TextStringObject

from ingest.parsers import read
from ingest.parsers.hyphens import dehyphenated
from ingest.parsers.pdf_breaks import with_whole_sentences
from ingest.parsers.pdf_lines import Line, Page
from ragbot.types import Document

LEFT = """The reading room opens at nine on
weekdays and stays open until late in
the evening, so that people who work
in the day can come after their shift
and read the papers of the week or
return the books that they have had
at home since the start of the month."""
RIGHT = """Members may take out twelve books at
a time, and keep each of them for four
weeks unless another member asks for
it, in which case the desk sends them
a letter and they bring it back before
the end of the next week at the latest
or pay a small fee for every day more."""


def document() -> FPDF:
    made = FPDF()
    made.set_auto_page_break(False)
    made.set_font("Helvetica", size=11)
    made.add_page()
    return made


def get(folder: Path, made: FPDF | bytes) -> Document:
    path = folder / "a.pdf"
    path.write_bytes(made if isinstance(made, bytes) else bytes(made.output()))
    return read(path, "a.pdf")


def lines(made: FPDF, text: str, x: float = 20, y: float = 30, step: float = 6) -> None:
    for number, line in enumerate(text.split("\n")):
        made.text(x, y + step * number, line)


def plain_page(text: str, y: float = 30) -> bytes:
    made = document()
    lines(made, text, y=y)
    return bytes(made.output())


# Columns


@pytest.mark.parametrize("lower", [0, 2.5])
def test_columns_drawn_row_by_row_are_read_one_after_the_other(tmp_path: Path, lower: float) -> None:
    made = document()
    made.text(20, 20, "The library has two pages of rules, and all members have to know every one of them.")
    for number, (left, right) in enumerate(zip(LEFT.split("\n"), RIGHT.split("\n"), strict=True)):
        made.text(20, 30 + 6 * number, left)
        made.text(110, 30 + 6 * number + lower, right)
    made.text(20, 80, "All of these rules hold from the first day of May, and until the members change them again.")
    first, *rest, last = get(tmp_path, made).text.split("\n")
    assert rest == [*LEFT.split("\n"), *RIGHT.split("\n")]
    assert first.startswith("The library has") and last.startswith("All of these")


def test_three_columns_drawn_row_by_row_are_read_one_after_the_other(tmp_path: Path) -> None:
    columns = [
        [
            "the first of the three",
            "columns tells that the",
            "kiln is fired on every",
            "day but not on Sunday,",
            "when no one is around",
        ]
    ]
    columns.append(
        [
            "the second column says",
            "that the glaze is kept",
            "in the cupboard of the",
            "back room, and the key",
            "hangs beside the door.",
        ]
    )
    columns.append(
        [
            "the third one reminds",
            "all of the members of",
            "the fee which they pay",
            "at the start of a year",
            "or else in two halves.",
        ]
    )
    made = document()
    for number, row in enumerate(zip(*columns, strict=True)):
        for x, text in zip((15, 75, 135), row, strict=True):
            made.text(x, 30 + 6 * number, text)
    assert get(tmp_path, made).text.split("\n") == [line for column in columns for line in column]


def test_tables_stay_row_by_row(tmp_path: Path) -> None:
    made = document()
    rows = [("Monday morning", "the pottery class of Deirdre"), ("Tuesday evening", "open workshop for members")] * 4
    for number, (left, right) in enumerate(rows):
        made.text(20, 30 + 6 * number, left)
        made.text(110, 30 + 6 * number, right)
    assert get(tmp_path, made).text.split("\n") == [f"{left} {right}" for left, right in rows]


def test_a_ruled_table_of_long_texts_stays_row_by_row(tmp_path: Path) -> None:
    made = document()
    for number, (left, right) in enumerate(zip(LEFT.split("\n"), RIGHT.split("\n"), strict=True)):
        made.text(20, 30 + 6 * number, left)
        made.text(110, 30 + 6 * number, right)
    made.line(18, 44, 190, 44)
    assert get(tmp_path, made).text.split("\n")[0] == f"{LEFT.split(chr(10))[0]} {RIGHT.split(chr(10))[0]}"


def test_a_table_with_cells_of_several_lines_stays_row_by_row(tmp_path: Path) -> None:
    made = document()
    y = 30.0
    for number, (left, right) in enumerate(zip(LEFT.split("\n"), RIGHT.split("\n"), strict=True)):
        made.text(20, y, left)
        made.text(110, y, right)
        y += 9 if number in (1, 4) else 5
    assert get(tmp_path, made).text.split("\n")[0] == f"{LEFT.split(chr(10))[0]} {RIGHT.split(chr(10))[0]}"


@pytest.mark.parametrize("rows", [2, 3, 4])
def test_each_row_is_named_by_the_cell_that_spans_it(tmp_path: Path, rows: int) -> None:
    ages = [("adult", "61 euros"), ("child", "33 euros"), ("senior", "40 euros"), ("guest", "9 euros")][:rows]
    made = document()
    made.set_y(20)
    with made.table() as table:
        table.row(("Area", "Age", "Price"))
        for area in ("Glacier", "Valley"):
            for number, cells in enumerate(ages):
                row = table.row()
                if not number:
                    row.cell(area, rowspan=rows)
                for cell in cells:
                    row.cell(cell)
    named = [f"{area} {age} {price}" for area in ("Glacier", "Valley") for age, price in ages]
    assert get(tmp_path, made).text.split("\n") == ["Area Age Price", *named]


def test_a_line_above_a_table_names_no_row(tmp_path: Path) -> None:
    made = document()
    made.text(20, 24, "Prices")
    for number, (left, right) in enumerate((("adult", "61 euros"), ("child", "33 euros"), ("senior", "40 euros"))):
        made.text(60, 30 + 6 * number, left)
        made.text(120, 30 + 6 * number, right)
    assert get(tmp_path, made).text == "Prices\nadult 61 euros\nchild 33 euros\nsenior 40 euros"


# Sentences across pages


def test_a_sentence_cut_by_a_page_break_stands_on_the_page_where_it_begins(tmp_path: Path) -> None:
    made = document()
    lines(made, "The kiln is fired on Thursday.\nThe key of the glaze cupboard hangs", y=200)
    made.add_page()
    lines(made, "behind the door of the office. Nobody may\ntake it home.")
    found = get(tmp_path, made)
    first, second = found.text[: found.pages[1]], found.text[found.pages[1] :]
    assert first == "The kiln is fired on Thursday.\nThe key of the glaze cupboard hangs\nbehind the door of the office.\n\n"
    assert second == "Nobody may\ntake it home."


def test_a_sentence_goes_on_over_the_notes_of_a_page(tmp_path: Path) -> None:
    made = document()
    lines(made, "The kiln is fired on Thursday.\nThe key of the glaze cupboard hangs", y=200)
    made.set_font_size(8)
    made.text(20, 230, "3 Measured by Grimmer.")
    made.set_font_size(11)
    made.add_page()
    lines(made, "behind the door of the office. Nobody may\ntake it home.")
    first = get(tmp_path, made).text.split("\n\n")[0]
    assert first.endswith("hangs\nbehind the door of the office.\n3 Measured by Grimmer.")


def test_a_word_cut_by_a_page_break_is_whole(tmp_path: Path) -> None:
    made = document()
    lines(made, "The lift is closed for main-", y=200)
    made.add_page()
    lines(made, "tenance in May. It opens in June.")
    assert get(tmp_path, made).text == "The lift is closed for maintenance\nin May.\n\nIt opens in June."


@pytest.mark.parametrize(
    ("end", "start"),
    [
        ("The kiln is fired on Thursday.", "and other sayings of the potter."),
        ("The rules of the house", "Nobody may take the key home."),
        ("Clean the following parts:", "a lens and a mirror."),
        ("Bring what you need", "a) a pen and paper."),
    ],
)
def test_a_page_that_begins_anew_keeps_its_text(tmp_path: Path, end: str, start: str) -> None:
    made = document()
    lines(made, f"This is a page of text.\n{end}", y=200)
    made.add_page()
    lines(made, f"{start}\nThis is the second page.")
    found = get(tmp_path, made)
    assert found.text[found.pages[1] :].startswith(start)


def test_a_chinese_sentence_goes_on_after_a_full_line() -> None:
    def page(*texts: str) -> Page:
        return Page(tuple(Line(text, 50, 50 + 10 * len(text), 700 - 12 * at, 10) for at, text in enumerate(texts)), 0, 842)

    first, second = with_whole_sentences([page("图书馆每天上午九点开门", "星期天和节假日图书馆都"), page("不开门。请提前查询。")])
    assert (first.text, second.text) == ("图书馆每天上午九点开门\n星期天和节假日图书馆都\n不开门。", "请提前查询。")
    short = [page("图书馆每天上午九点开门", "开放时间"), page("图书馆的规定如下。")]
    assert with_whole_sentences(short) == short


# Words at line ends


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ("regular main-\ntenance work", "regular maintenance\nwork"),
        ("a fee of twenty-\nfive euros", "a fee of twenty-five\neuros"),
        ("the Twenty-\nFirst day", "the Twenty-First\nday"),
        ("the self-\nservice desk", "the self-service\ndesk"),
        ("a self-\nish man", "a selfish\nman"),
        ("the well-\nkept house", "the well-kept\nhouse"),
        ("for all-\nday use", "for all-day\nuse"),
        ("we all-\now dogs", "we allow\ndogs"),
        ("a half-\neaten pear", "a half-eaten\npear"),
        ("the non-\nsmoking room", "the non-smoking\nroom"),
        ("all non-\nsense here", "all nonsense\nhere"),
        ("her ex-\nhusband left", "her ex-husband\nleft"),
        ("an ex-\nample here", "an example\nhere"),
        ("the co-\noperative pays", "the co-operative\npays"),
        ("a co-\nherent plan", "a coherent\nplan"),
        ("Call 555-\n0188 if it leaks", "Call 555-0188\nif it leaks"),
        ("Loss 450-\n3000\n", "Loss 450-\n3000\n"),
        ("Loss 450-\n12. Gains", "Loss 450-\n12. Gains"),
        ("the docu\xad\nment is here", "the document\nis here"),
        ("the Non\xad\nStop train", "the NonStop\ntrain"),
        ("docu\xadment", "document"),
    ],
)
def test_compounds_keep_their_hyphen_and_soft_hyphens_go(cut: str, whole: str) -> None:
    assert dehyphenated([cut]) == [whole]


# Running headers and footers


def bodies(count: int) -> list[str]:
    names = ["kiln", "wheel", "glaze", "clay", "oven"]
    return [f"This page tells all about the {name}.\nIt stands in room {7 * at}." for at, name in enumerate(names[:count])]


def paged(texts: list[str], header: str = "", footer: str = "") -> FPDF:
    """Pages with a header and a footer in which {n} is the page number."""
    made = document()
    for number, text in enumerate(texts, 1):
        if number > 1:
            made.add_page()
        for y, words in ((12, header), (288, footer)):
            made.text(20, y, words.replace("{n}", str(number)))
        lines(made, text, y=60)
    return made


def test_running_headers_and_footers_are_no_text(tmp_path: Path) -> None:
    made = paged(bodies(3), "Handbook 2026 - confidential", "Page {n} of 3")
    text = get(tmp_path, made).text
    assert text == "\n\n".join(["Handbook 2026 - confidential\n\n" + bodies(3)[0], *bodies(3)[1:]])


def test_headers_that_take_turns_are_kept_once_before_all_text(tmp_path: Path) -> None:
    made = document()
    for number, text in enumerate(bodies(4)):
        if number:
            made.add_page()
        made.text(20, 12, ("Canal House Rules", "Issued by the Board")[number % 2])
        lines(made, text, y=60)
    assert get(tmp_path, made).text == "\n\n".join(["Canal House Rules\nIssued by the Board", *bodies(4)])


def test_a_header_that_begins_on_a_later_page_stands_under_no_heading(tmp_path: Path) -> None:
    made = document()
    for number, text in enumerate(bodies(4)):
        if number:
            made.add_page()
            made.text(20, 12, "Handbook of the workshop")
        made.set_font("Helvetica", "B", 16)
        made.text(20, 50, f"Part {'ABCD'[number]}")
        made.set_font("Helvetica", "", 11)
        lines(made, text, y=60)
    text = get(tmp_path, made).text
    assert text.startswith("Handbook of the workshop\n\n# Part A\n") and text.count("Handbook") == 1


def test_lines_at_the_top_of_two_pages_that_take_no_turns_are_kept(tmp_path: Path) -> None:
    made = document()
    for number, (text, name) in enumerate(zip(bodies(4), ("Pottery", "Opening hours", "Pottery", "Weaving"), strict=True)):
        if number:
            made.add_page()
        made.text(20, 12, name)
        lines(made, text, y=60)
    assert get(tmp_path, made).text.count("Pottery") == 2


def test_a_header_that_is_said_elsewhere_is_not_kept(tmp_path: Path) -> None:
    texts = ["Rules of the workshop\n" + bodies(1)[0], *bodies(3)[1:]]
    assert get(tmp_path, paged(texts, "Rules of the workshop", "- {n} -")).text == "\n\n".join(texts)


def test_page_numbers_of_two_pages_are_no_text(tmp_path: Path) -> None:
    assert get(tmp_path, paged(bodies(2), "", "Page {n} of 2")).text == "\n\n".join(bodies(2))


def test_a_footer_with_an_address_is_kept_once(tmp_path: Path) -> None:
    text = get(tmp_path, paged(bodies(3), "", "Write to desk@example.org - Page {n}")).text
    assert text.count("desk@example.org") == 1 and "Page" not in text


@pytest.mark.parametrize("header", ["Invoice 47{n}1", "Day {n}"])
def test_numbers_that_are_not_of_pages_make_other_lines(tmp_path: Path, header: str) -> None:
    text = get(tmp_path, paged(bodies(3), header)).text
    assert all(header.replace("{n}", str(number)) in text for number in (1, 2, 3))


def test_what_repeats_further_in_is_text(tmp_path: Path) -> None:
    made = paged([f"{text}\n\n\n\n\n\nNotes:\nnone" for text in bodies(3)], "", "Page {n} of 3")
    assert get(tmp_path, made).text.count("Notes:") == 3


def test_the_header_of_a_table_that_goes_on_is_kept(tmp_path: Path) -> None:
    made = document()
    for page in range(3):
        if page:
            made.add_page()
        for number in range(5):
            row = (
                ("Part", "Price", "Stock")
                if not number
                else (f"bolt {page}{number}", f"{page + number} euro", f"{3 * number + page} left")
            )
            for x, cell in zip((20, 80, 140), row, strict=True):
                made.text(x, 25 + 8 * number, cell)
    assert get(tmp_path, made).text.count("Part Price Stock") == 3


def test_a_section_name_on_pages_far_apart_is_no_running_header(tmp_path: Path) -> None:
    texts = [f"Chapter text {at} tells of the {chr(97 + at)}-part.\nIt is long." for at in range(18)]
    made = document()
    for at, text in enumerate(texts):
        if at:
            made.add_page()
        made.text(20, 15, "Exercises" if at in (2, 9, 16) else f"{chr(97 + at)} is the letter of this page")
        lines(made, text, y=35)
    assert get(tmp_path, made).text.count("Exercises") == 3


# Headings


def styled(*parts: tuple[str, str, float]) -> FPDF:
    made = document()
    y = 25.0
    for text, style, size in parts:
        made.set_font("Helvetica", style, size)
        for line in text.split("\n"):
            made.text(20, y, line)
            y += size * 0.5
        y += 3
    return made


BODY = "The fee is due on the first day of each quarter of the year.\nIt is paid at the desk or by transfer to the account."


def test_lines_larger_or_bolder_than_the_text_are_headings(tmp_path: Path) -> None:
    made = styled(
        *(("Rules of the workshop", "", 20), (BODY, "", 11), ("2 Money", "B", 14), (BODY, "", 11)),
        *(("2.3 Fees", "B", 11), (BODY, "", 11), ("A very long heading that goes on\nin a second line", "B", 14), (BODY, "", 11)),
    )
    marked = [line for line in get(tmp_path, made).text.split("\n") if line.startswith("#")]
    assert marked == [
        "# Rules of the workshop",
        "## 2 Money",
        "### 2.3 Fees",
        "## A very long heading that goes on in a second line",
    ]


def test_a_short_page_has_headings_too(tmp_path: Path) -> None:
    made = styled(
        ("Opening hours", "B", 11), ("Nine to five on weekdays.", "", 11), ("Prices", "B", 11), ("Two euros a day.", "", 11)
    )
    assert get(tmp_path, made).text == "# Opening hours\nNine to five on weekdays.\n# Prices\nTwo euros a day."


@pytest.mark.parametrize(
    "rows",
    [
        "Parking permit  41 euros\nBicycle box  19 euros\nSpare key  27 euros",
        "Parking permit 41 euros\nBicycle box 19 euros\nSpare key 27 euros",
        "Room 1: 11 seats\nThe curtains of hall A are red.",
        "The cafe opens at 6:45.\nThe cafe has four tables.",
    ],
)
def test_a_row_of_a_list_is_no_title(tmp_path: Path, rows: str) -> None:
    found = get(tmp_path, styled((rows, "", 11)))
    assert found.title == "a" and found.text == rows.replace("  ", " ")


def test_a_row_of_a_table_is_no_title(tmp_path: Path) -> None:
    made = document()
    for number, (left, right) in enumerate((("Parking permit", "41 euros"), ("Bicycle box", "19 euros"), ("Spare key", "27"))):
        made.text(20, 30 + 8 * number, left)
        made.text(130, 30 + 8 * number, right)
    assert get(tmp_path, made).title == "a"


@pytest.mark.parametrize("title", ["Prices", "Fees of 2026", "Article 5 Fees"])
def test_a_line_above_the_rows_is_their_title(tmp_path: Path, title: str) -> None:
    size = 16 if title.startswith("Article") else 11
    assert get(tmp_path, styled((title, "", size), ("Parking permit 41 euros\nBicycle box 19 euros", "", 11))).title == title


def test_larger_rows_are_no_headings(tmp_path: Path) -> None:
    rows = "Parking permit 41 euros\nBicycle box 19 euros\nSpare key 27 euros"
    assert "#" not in get(tmp_path, styled((BODY, "", 11), (rows, "", 14), (BODY, "", 11))).text


def test_bold_words_in_a_paragraph_are_no_heading(tmp_path: Path) -> None:
    made = document()
    made.set_xy(20, 30)
    made.multi_cell(
        90,
        6,
        "The house has rules. **Never leave the kiln alone while it is hot, and never open its door** before noon. " * 4,
        markdown=True,
    )
    assert "#" not in get(tmp_path, made).text


def test_bold_tables_labels_and_pages_are_no_headings(tmp_path: Path) -> None:
    made = styled((BODY, "", 11), ("Total:", "B", 11), (BODY, "", 11))
    made.set_font("Helvetica", "B", 11)
    for x, cell in ((20, "Part"), (80, "Price"), (140, "Stock")):
        made.text(x, 100, cell)
    made.set_font("Helvetica", "", 11)
    for x, cell in ((20, "bolt"), (80, "3 euro"), (140, "12")):
        made.text(x, 106, cell)
    made.add_page()
    made.set_font("Helvetica", "B", 11)
    lines(made, "This page is bold\nIt has no heading\nNobody knows the reason")
    assert "#" not in get(tmp_path, made).text


# Text that nobody sees

SEEN = "The lab opens at nine on every weekday."


def unseen(tmp_path: Path, made: FPDF | bytes, hidden: str) -> None:
    """Check that only SEEN is read, and that the characters of the hidden text are counted."""
    found = get(tmp_path, made)
    assert found.text == SEEN and found.metadata["hidden_characters"] == str(len(hidden))


def white(made: FPDF, text: str, shade: int = 255) -> None:
    made.set_text_color(shade)
    made.text(20, 60, text)
    made.set_text_color(0)


@pytest.mark.parametrize("shade", [255, 252])
def test_white_text_on_white_paper_is_left_out(tmp_path: Path, shade: int) -> None:
    made = document()
    made.text(20, 30, SEEN)
    white(made, "The lab opens at ten.", shade)
    unseen(tmp_path, made, "The lab opens at ten.")


def test_white_text_on_a_dark_ground_is_read(tmp_path: Path) -> None:
    made = document()
    made.text(20, 30, SEEN)
    made.set_fill_color(0, 0, 100)
    made.rect(15, 50, 100, 20, "F")
    white(made, "Closed in August.")
    found = get(tmp_path, made)
    assert found.text == f"{SEEN}\nClosed in August." and "hidden_characters" not in found.metadata


def test_text_of_the_colour_of_its_ground_is_left_out(tmp_path: Path) -> None:
    made = document()
    made.text(20, 30, SEEN)
    made.set_fill_color(0)
    made.rect(15, 50, 100, 20, "F")
    made.text(20, 60, "The lab opens at ten.")
    unseen(tmp_path, made, "The lab opens at ten.")


def test_tiny_text_and_text_off_the_page_are_left_out(tmp_path: Path) -> None:
    made = document()
    made.text(20, 30, SEEN)
    made.text(20, 400, "Below the page.")
    made.set_font_size(1)
    made.text(20, 60, "The lab opens at ten.")
    unseen(tmp_path, made, "Below the page.The lab opens at ten.")


def test_text_outside_of_the_crop_box_is_left_out(tmp_path: Path) -> None:
    made = document()
    made.text(20, 30, SEEN)
    made.text(20, 250, "The lab opens at ten.")
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(bytes(made.output())))
    writer.pages[0].cropbox.lower_left = (0, 400)
    out = io.BytesIO()
    writer.write(out)
    unseen(tmp_path, out.getvalue(), "The lab opens at ten.")


def test_invisible_text_is_read_only_over_a_picture(tmp_path: Path) -> None:
    made = document()
    made.text(20, 30, SEEN)
    with made.local_context(text_mode=TextMode.INVISIBLE):
        made.text(20, 60, "The lab opens at ten.")
    unseen(tmp_path, made, "The lab opens at ten.")
    scan = document()
    scan.image(Image.effect_noise((400, 600), 80), x=0, y=0, w=scan.w)
    with scan.local_context(text_mode=TextMode.INVISIBLE):
        scan.text(20, 30, SEEN)
    assert get(tmp_path, scan).text == SEEN


def test_covered_text_is_left_out_unless_a_picture_covers_it(tmp_path: Path) -> None:
    made = document()
    made.text(20, 30, SEEN)
    made.text(20, 60, "The lab opens at ten.")
    made.set_fill_color(255)
    made.rect(15, 50, 100, 20, "F")
    unseen(tmp_path, made, "The lab opens at ten.")
    scan = document()
    scan.text(20, 30, SEEN)
    scan.image(Image.effect_noise((400, 600), 80), x=0, y=0, w=scan.w)
    assert get(tmp_path, scan).text == SEEN


def test_text_below_a_picture_that_does_not_fill_the_page_is_left_out(tmp_path: Path) -> None:
    made = document()
    made.text(20, 30, SEEN)
    made.text(20, 60, "The lab opens at ten.")
    made.image(Image.effect_noise((400, 60), 80), x=15, y=50, w=120)
    unseen(tmp_path, made, "The lab opens at ten.")


@pytest.mark.parametrize("width", [30, 210])
def test_invisible_text_on_a_small_or_blank_picture_is_left_out(tmp_path: Path, width: int) -> None:
    made = document()
    made.image(Image.new("RGB", (200, 300), (255, 255, 255)), x=0, y=50, w=width)
    made.text(20, 30, SEEN)
    with made.local_context(text_mode=TextMode.INVISIBLE):
        made.text(1, 70, "The lab opens at ten.")
    unseen(tmp_path, made, "The lab opens at ten.")


def test_text_below_a_picture_through_which_it_shines_is_read(tmp_path: Path) -> None:
    made = document()
    made.text(20, 30, SEEN)
    made.image(Image.new("RGBA", (200, 40), (0, 0, 200, 40)), x=15, y=20, w=120)
    assert get(tmp_path, made).text == SEEN


@pytest.mark.parametrize("thickness", [0, 0.3])
def test_a_struck_figure_is_left_out(tmp_path: Path, thickness: float) -> None:
    made = document()
    made.text(20, 30, "The crypt fee is")
    made.text(55, 30, "17")
    made.text(62, 30, "23 euros.")
    if thickness:
        made.rect(54.5, 28.9, 5, thickness, "F")
    else:
        made.line(54.5, 29, 59.5, 29)
    found = get(tmp_path, made)
    assert found.text == "The crypt fee is 23 euros." and found.metadata["hidden_characters"] == "2"


def test_struck_words_of_a_paragraph_are_left_out(tmp_path: Path) -> None:
    made = document()
    made.set_xy(20, 30)
    made.multi_cell(150, 6, "The fee of the year is ~~17 euros~~ 23 euros for all of the members of the house.", markdown=True)
    assert get(tmp_path, made).text == "The fee of the year is 23 euros for all of the members of the house."


def test_lines_below_and_beside_words_strike_nothing_out(tmp_path: Path) -> None:
    made = document()
    lines(made, "The crypt fee is 23 euros.\nSign here")
    made.line(20, 30.4, 68, 30.4)
    made.line(20, 35, 120, 35)
    made.set_draw_color(255)
    made.line(20, 29, 68, 29)
    assert get(tmp_path, made).text == "The crypt fee is 23 euros.\nSign here"


def test_a_page_read_from_right_to_left_leaves_out_white_text_too(tmp_path: Path) -> None:
    made = document()
    made.add_font("DejaVu", "", f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf")
    made.set_font("DejaVu", size=11)
    made.text(20, 30, "שלום לכולם במעבדה")
    white(made, "The lab opens at ten.")
    found = get(tmp_path, made)
    assert found.text.isprintable() and "lab" not in found.text and found.metadata["hidden_characters"] == "21"


def test_text_that_is_drawn_twice_is_read(tmp_path: Path) -> None:
    made = document()
    made.image(Image.effect_noise((400, 600), 20), x=0, y=0, w=made.w)
    made.set_text_color(255)
    made.text(20, 30, SEEN)
    made.text(20, 30, SEEN)
    assert get(tmp_path, made).text == SEEN


def test_clipped_text_is_left_out(tmp_path: Path) -> None:
    made = document()
    made.text(20, 30, SEEN)
    with made.rect_clip(100, 100, 50, 50):
        made.text(20, 60, "The lab opens at ten.")
    unseen(tmp_path, made, "The lab opens at ten.")


def layered(form: bool, on: bool) -> bytes:
    """A page with SEEN, and with a sentence on a layer: marked in the page, or in a form that belongs to the layer."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(plain_page(SEEN)))
    page, other = writer.pages[0], pypdf.PdfReader(io.BytesIO(plain_page("The lab opens at ten.", y=60))).pages[0]
    layer = writer._add_object(
        DictionaryObject({NameObject("/Type"): NameObject("/OCG"), NameObject("/Name"): TextStringObject("Draft")})
    )
    resources, contents, words = page["/Resources"], page.get_contents(), other.get_contents()
    assert isinstance(resources, DictionaryObject) and contents is not None and words is not None
    if form:
        drawn = StreamObject()
        drawn.set_data(words.get_data())
        drawn |= {
            NameObject("/Type"): NameObject("/XObject"),
            NameObject("/Subtype"): NameObject("/Form"),
            NameObject("/OC"): layer,
        }
        drawn |= {NameObject("/BBox"): page.mediabox, NameObject("/Resources"): other["/Resources"].clone(writer)}
        resources[NameObject("/XObject")] = DictionaryObject({NameObject("/F"): writer._add_object(drawn)})
        added = b"/F Do"
    else:
        resources[NameObject("/Properties")] = DictionaryObject({NameObject("/L"): layer})
        added = b"/OC /L BDC " + words.get_data() + b" EMC"
    marked = StreamObject()
    marked.set_data(contents.get_data() + b"\n" + added)
    page[NameObject("/Contents")] = writer._add_object(marked)
    state = DictionaryObject({NameObject("/ON" if on else "/OFF"): ArrayObject([layer])})
    properties = {NameObject("/OCGs"): ArrayObject([layer]), NameObject("/D"): state}
    writer.root_object[NameObject("/OCProperties")] = DictionaryObject(properties)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize("form", [False, True])
def test_a_layer_is_read_only_if_it_is_on(tmp_path: Path, form: bool) -> None:
    assert get(tmp_path, layered(form, on=True)).text == f"{SEEN}\nThe lab opens at ten."
    unseen(tmp_path, layered(form, on=False), "The lab opens at ten.")


# Raised figures


@pytest.mark.parametrize(
    ("base", "mark", "after", "whole"),
    [
        ("The house was built in 1963", "2", " by the town.", "The house was built in 1963[^2] by the town."),
        ("It has 10", "4", " parts in all.", "It has 10⁴ parts in all."),
        ("a hall of 40 m", "2", " and a yard", "a hall of 40 m² and a yard"),
        ("", "3", "Measured by Grimmer.", "3 Measured by Grimmer."),
        ("on the 1", "st", " of May we meet", "on the 1st of May we meet"),
    ],
)
def test_raised_figures_do_not_join_the_number_before_them(tmp_path: Path, base: str, mark: str, after: str, whole: str) -> None:
    made = document()
    x = 20.0
    for text, size, y in ((base, 12, 40.0), (mark, 7, 38.5), (after, 12, 40.0)):
        made.set_font_size(size)
        made.text(x, y, text)
        x += made.get_string_width(text)
    assert get(tmp_path, made).text == whole


def test_a_fraction_is_no_raised_figure(tmp_path: Path) -> None:
    made = document()
    x = 20.0
    for text, size, y in (("a pipe of ", 12, 40.0), ("1", 7, 38.5), ("/", 12, 40.0), ("4", 7, 40.0), (" inch", 12, 40.0)):
        made.set_font_size(size)
        made.text(x, y, text)
        x += made.get_string_width(text)
    assert get(tmp_path, made).text == "a pipe of 1/4 inch"
