"""What a page, a table or a scan looks like: hyphens, shapes, buttons, section rows, grey levels; and files that say too much."""

from __future__ import annotations

import io
from pathlib import Path

import docx
import numpy as np
import pypdf
import pytest
import samples
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from fpdf import FPDF
from PIL import Image
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, TextStringObject

from ingest.parsers import image, ods, read, sheets
from ingest.parsers import pdf as pdf_reader
from ingest.parsers.formats import Source
from ingest.parsers.hyphens import dehyphenated
from ragbot.errors import BrokenError, ReadError
from ragbot.types import Document


def get(folder: Path, name: str, data: bytes | str) -> Document:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read(path, name)


def refusal(folder: Path, name: str, data: bytes | str, kind: type[ReadError] = BrokenError) -> str:
    with pytest.raises(kind) as caught:
        get(folder, name, data)
    assert str(caught.value).startswith(f"{name}: ")
    return str(caught.value)


def pages(*texts: str) -> bytes:
    made = FPDF()
    made.set_font("Helvetica", size=11)
    for text in texts:
        made.add_page()
        for line in text.split("\n"):
            made.cell(0, 7, line, new_x="LMARGIN", new_y="NEXT")
    return bytes(made.output())


# PDF


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ("The docu-\nmentation is here.", "The documentation\nis here."),
        ("A long-term plan. The long-\nterm plan.", "A long-term plan. The long-term\nplan."),
        ("It is well known. The well-\nknown man.", "It is well known. The well-known\nman."),
        ("state-of-the-\nart machines", "state-of-the-art\nmachines"),
        ("an interpreter-\nto-trace call", "an interpreter-to-trace\ncall"),
        ("made for COVID-\n19 work", "made for COVID-19\nwork"),
        ("a pre-\nWar house", "a pre-War\nhouse"),
        ("an A-\nbomb and an x-\nray", "an A-bomb\nand an x-ray"),
        ("two-\nand three-fold", "two- and\nthree-fold"),
        ("see pages 10-\n12 of it", "see pages 10-12\nof it"),
        ("to get her together and to-\ngether", "to get her together and together"),
        ("A mis is a match, no mis-\nmatch", "A mis is a match, no mismatch"),
        ("THE INFOR-\nMATION DESK", "THE INFORMATION\nDESK"),
    ],
)
def test_hyphens_of_words_stay_and_those_of_line_ends_go(tmp_path: Path, cut: str, whole: str) -> None:
    assert get(tmp_path, "a.pdf", pages(cut)).text == whole
    assert dehyphenated([cut]) == [whole]


def test_scripts_without_capitals_hyphenate_nothing() -> None:
    assert dehyphenated(["אבג-\nדהו"]) == ["אבג-דהו"]


def test_hyphens_are_told_by_the_whole_document() -> None:
    assert dehyphenated(["the re-\nuse", "of re-use"]) == ["the re-use", "of re-use"]
    assert dehyphenated(["the data-\nbase", "a database of data, the base"]) == ["the database", "a database of data, the base"]


def test_headings_of_one_name_are_each_marked(tmp_path: Path) -> None:
    made = FPDF()
    made.set_font("Helvetica", size=11)
    made.add_page()
    for words in ("first", "second"):
        made.start_section("Notes")
        made.multi_cell(0, 7, f"Notes\nThe {words} words are here.", new_x="LMARGIN", new_y="NEXT")
    text = get(tmp_path, "a.pdf", bytes(made.output())).text
    assert text == "# Notes\nThe first words are here.\n# Notes\nThe second words are here."


def test_an_answer_in_a_form_is_read_to_its_end(tmp_path: Path) -> None:
    answer = "Please repair the lathe. " * 20 + "\nThe end"
    form = pypdf.PdfWriter(clone_from=io.BytesIO(pages("Request form of the workshop")))
    field = DictionaryObject(
        {
            NameObject("/FT"): NameObject("/Tx"),
            NameObject("/T"): TextStringObject("Reason"),
            NameObject("/V"): TextStringObject(answer),
        }
    )
    fields = ArrayObject([form._add_object(field)])
    form.root_object[NameObject("/AcroForm")] = DictionaryObject({NameObject("/Fields"): fields})
    out = io.BytesIO()
    form.write(out)
    assert get(tmp_path, "a.pdf", out.getvalue()).text.endswith(f"Reason: {' '.join(answer.split())}")


def test_a_page_that_cannot_be_looked_at_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: object) -> str:
        raise RuntimeError("no picture of it")

    monkeypatch.setattr(pdf_reader, "_recognize", failing)
    found = get(tmp_path, "a.pdf", pages("A page that has its own words", "7"))
    assert (found.text, found.metadata["pages_failed"]) == ("A page that has its own words\n\n7", "2")


def test_reading_stops_where_a_file_says_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.parsers.damage.MAX_TEXT_CHARACTERS", 100)
    seen: list[object] = []
    of_page = pdf_reader._by_pdfium
    monkeypatch.setattr(pdf_reader, "_by_pdfium", lambda page, layers: seen.append(page) or of_page(page, layers))
    assert "more than 100 characters" in refusal(tmp_path, "a.pdf", pages(*["Forty letters are on each of these pages"] * 9))
    assert len(seen) == 3
    chapters = samples.book({"OPS/two.xhtml": f"<html><body><p>{'words ' * 50}</p></body></html>"})
    assert "more than 100 characters" in refusal(tmp_path, "a.epub", chapters)
    for name in ("a.xlsx", "a.ods"):
        monkeypatch.setattr("ingest.parsers.damage.MAX_TEXT_CHARACTERS", 20)
        made = samples.workbook() if name == "a.xlsx" else samples.spreadsheet()
        assert "more than 20 characters" in refusal(tmp_path, name, made)


# Pictures


@pytest.mark.parametrize(
    "values",
    [
        np.array([[0, 1000], [3000, 4000]], np.uint16),
        np.array([[0, 1000], [3000, 4000]], ">u2"),
        np.array([[-10, 240], [740, 990]], np.int32),
        np.array([[0, 0.25], [0.75, 1]], np.float32),
    ],
)
def test_grey_of_any_depth_reaches_from_black_to_white(values: np.ndarray) -> None:
    seen = image._picture(Image.fromarray(values))
    assert seen.shape == (2, 2, 3) and seen[:, :, 0].tolist() == [[0, 63], [191, 255]]


def test_grey_that_is_no_number_or_all_the_same() -> None:
    assert image._picture(Image.fromarray(np.full((2, 2), 7, np.uint16))).max() == 0
    assert image._picture(Image.fromarray(np.array([[np.nan, np.inf], [0, 1]], np.float32)))[:, :, 0].tolist() == [
        [0, 0],
        [0, 255],
    ]


# HTML


NINE, KILN = "The first article says that the lab opens at nine. " * 6, "The second one says that the kiln is hot. " * 4


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (f"<article><p>{NINE}</article><article><p>{KILN}</article>", f"{NINE.strip()}\n\n{KILN.strip()}"),
        (
            f"<p>Besides</p><div><div><article><p>{NINE}</article></div><article><p>{KILN}</article></div>",
            f"{NINE.strip()}\n\n{KILN.strip()}",
        ),
        (f"<p>Besides</p><article><p>{NINE}<article>A comment</article></article>", f"{NINE.strip()}\n\nA comment"),
    ],
)
def test_several_articles_are_all_read(tmp_path: Path, page: str, text: str) -> None:
    assert get(tmp_path, "a.html", f"<html><body>{page}</body></html>").text == text


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<h2><button>How do I reset it?</button></h2><p>Hold it.", "## How do I reset it?\n\nHold it."),
        ("<h2>Hours <button>#</button></h2>", "## Hours"),
        ("<dl><dt><button>Where?</button><dd>Here.</dl>", "Where?\n\nHere."),
        ("<p>Press <button>Save</button> to keep <button>all</button></p>", "Press Save to keep all"),
        ("<p>words</p><div><button>Send</button> <button>Cancel</button></div>", "words"),
        ("<pre>x = 1 <button>Copy</button></pre>", "```\nx = 1\n```"),
        ("<table><tr><th><button>Room</button><th>Seats<tr><td>Lab<td>12</table>", "Room | Seats\nLab | 12"),
    ],
)
def test_buttons_that_say_something(tmp_path: Path, page: str, text: str) -> None:
    assert get(tmp_path, "a.html", f"<html><body>{page}</body></html>").text == text


@pytest.mark.parametrize("tag", ["main", "article", "section"])
def test_what_stands_aside_in_the_content_is_read(tmp_path: Path, tag: str) -> None:
    note, links = "<aside class=warning><p>Never use solvent.</aside>", "<aside><a href=x>More</a> <a href=y>News</a></aside>"
    page = f"<html><body>{note}<{tag}><p>Clean the lens.</p>{note}{links}</{tag}></body></html>"
    assert get(tmp_path, "a.html", page).text == "Clean the lens.\n\nNever use solvent."


def test_glosses_do_not_break_words(tmp_path: Path) -> None:
    page = "<html><body><p><ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp>字<rt>じ</rt></ruby>を読む。</p></body></html>"
    assert get(tmp_path, "a.html", page).text == "漢字を読む。"
    made = docx.Document()
    paragraph = made.add_paragraph("読む ")
    for gloss, sign in (("かん", "漢"), ("じ", "字")):
        run = f"<w:rt><w:r><w:t>{gloss}</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>{sign}</w:t></w:r></w:rubyBase>"
        paragraph._p.append(parse_xml(f"<w:r {nsdecls('w')}><w:ruby>{run}</w:ruby></w:r>"))
    out = io.BytesIO()
    made.save(out)
    assert get(tmp_path, "a.docx", out.getvalue()).text == "読む 漢字"


# Tables and shapes of office files


def test_a_row_with_one_cell_can_be_told_for_a_row(tmp_path: Path) -> None:
    head = "<table><tr><th>No<th>Name<th>Rule</tr><tr><td colspan=3>Hand tools</tr>"
    rows = "<tr><td>1<td>saw<td>a | b</tr><tr><td><td>axe</tr><tr><td colspan=3>Ask first.</tr>"
    page = f"<html><body>{head}{rows}</table></body></html>"
    assert get(tmp_path, "a.html", page).text == (
        "No | Name | Rule\nHand tools – 1 | saw | a | b\n | Hand tools – axe\nAsk first. |"
    )
    single = "<html><body><table><tr><td>one</tr><tr><td>two</tr></table></body></html>"
    assert get(tmp_path, "b.html", single).text == "one\ntwo"


def test_strict_office_files_are_named_as_such(tmp_path: Path) -> None:
    word = io.BytesIO()
    docx.Document().save(word)
    for name, data in (("a.docx", word.getvalue()), ("a.pptx", samples.slides())):
        made = samples.members(data)
        relations = made["_rels/.rels"]
        assert isinstance(relations, bytes)
        strict = relations.replace(
            b"http://schemas.openxmlformats.org/officeDocument/2006/", b"http://purl.oclc.org/ooxml/officeDocument/"
        )
        message = refusal(tmp_path, name, samples.zipped(made | {"_rels/.rels": strict}))
        assert "is Strict Open XML, which is not read; save it as" in message and f"({Path(name).suffix})" in message


def test_shapes_of_open_document_text(tmp_path: Path) -> None:
    shape = "<draw:custom-shape><text:p>In a shape</text:p><text:p>Below</text:p></draw:custom-shape>"
    group = "<draw:g><draw:frame><draw:text-box><text:p>Grouped</text:p></draw:text-box></draw:frame></draw:g>"
    body = f"<text:p>It ends here.{shape}</text:p>{group}<draw:rect><text:p>By itself</text:p></draw:rect><text:p>End</text:p>"
    assert get(tmp_path, "a.odt", samples.odf("text", body)).text == (
        "It ends here.\n\nIn a shape\n\nBelow\n\nGrouped\n\nBy itself\n\nEnd"
    )


@pytest.mark.parametrize(
    "cell",
    ['r="B2" s="1"', 's="1" r="B2"', 'r="B2" t="n" s="1"', "s='1' x='a > b' r = 'B2'"],
)
def test_percentages_wherever_their_style_is_said(tmp_path: Path, cell: str) -> None:
    rows = samples.sheet_row(1, "Room", "Used") + f'<row r="2"><c r="A2"><v>7</v></c><c {cell}><v>0.25</v></c></row>'
    assert get(tmp_path, "a.xlsx", samples.workbook({"S": rows})).text == "# S\n\nRoom | Used\nRoom: 7; Used: 25%"


def test_percentages_of_cells_that_do_not_say_where_they_are(tmp_path: Path) -> None:
    rows = '<row><c s="1"><v>0.25</v></c><c><v>7</v></c></row><row r="4"><c><v>8</v></c><c s="1"><v>0.5</v></c></row>'
    assert get(tmp_path, "a.xlsx", samples.workbook({"S": rows})).text == "# S\n\n25% | 7\n8 | 50%"


@pytest.mark.parametrize(
    "far",
    [
        '<row r="99999999"><c r="XFD99999999"><v>2</v></c></row>',
        '<row r="2"><c r="A99999999999999999999"><v>2</v></c></row>',
        '<row r="2"><c r="ZZZZZZ2"><v>2</v></c></row>',
        f'<row>{"<c><v>1</v></c>" * 100}</row><row r="1048576"><c><v>1</v></c></row>',
        '<row x=">" r="1048576"><c x=">" r="XFD1048576"><v>2</v></c></row>',
    ],
)
def test_cells_that_lie_too_far_apart(tmp_path: Path, far: str) -> None:
    data = samples.workbook({"S": f'<row r="1"><c r="A1"><v>1</v></c></row>{far}'})
    with pytest.raises(BrokenError, match="'S' lie too far apart"):
        sheets._prepared(Source("a.xlsx", data))  # and no further: calamine would end this process


def cell(text: str, repeated: int = 1) -> str:
    words = f"<text:p>{text}</text:p>" if text else ""
    return f'<table:table-cell table:number-columns-repeated="{repeated}">{words}</table:table-cell>'


def table(*rows: str) -> bytes:
    return samples.spreadsheet(f'<table:table table:name="S">{"".join(rows)}</table:table>')


def test_the_endless_rest_of_a_row_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = cell("", 2) + cell("a") + cell("", 3) + cell("b", 2) + cell("", 16_000) * 2
    made: list[list[str]] = []
    of_row = ods._Sheet.line
    monkeypatch.setattr(ods._Sheet, "line", lambda *given: made.append(of_row(*given)) or made[-1])
    get(tmp_path, "a.ods", table(f"<table:table-row>{cells}</table:table-row>"))
    assert made == [["", "", "a", "", "", "", "b", "b"]]


def test_rows_that_repeat_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = table(f'<table:table-row table:number-rows-repeated="900000">{cell("some words of a cell")}</table:table-row>')
    assert len(get(tmp_path, "a.ods", data).text.split("\n")) == 1_002
    far = table(*[f"<table:table-row>{cell('', 16_000)}{cell('x')}</table:table-row>"] * 20)
    monkeypatch.setattr(ods, "MAX_RECTANGLE_CELLS", 100_000)
    assert "more than 1,000,000 cells" in refusal(tmp_path, "b.ods", far)


def test_long_sheets_say_that_they_are_alive() -> None:
    said: list[None] = []
    rows = [f"<table:table-row>{cell('x')}</table:table-row>"] * 2_500
    ods.extract(Source("a.ods", table(*rows), alive=lambda: said.append(None)))
    assert len(said) == 3


# Books and XML


def test_a_chapter_named_again_is_read_once(tmp_path: Path) -> None:
    package = samples.members(samples.book())["OPS/book.opf"]
    assert isinstance(package, bytes)
    again = package.replace(b'<itemref idref="b"/>', b'<itemref idref="b"/><itemref idref="a"/>' * 100)
    assert get(tmp_path, "a.epub", samples.book({"OPS/book.opf": again})).text == "# One\n\nIt snowed.\n\n# Two\n\nThe end."


@pytest.mark.parametrize(
    "start",
    [
        '<!DOCTYPE a [<!-- ]> --><!ENTITY y "yy">]>',
        '<!DOCTYPE a [<?x ]> ?><!ENTITY y "yy">]>',
        '<!DOCTYPE a [<!ATTLIST a c CDATA "]>"><!ENTITY y "yy">]>',
        f'<!--{"c" * 70_000}--><!DOCTYPE a [<!ENTITY y "yy">]>',
    ],
)
def test_entities_are_found_wherever_they_are_declared(tmp_path: Path, start: str) -> None:
    assert "declares entities" in refusal(tmp_path, "a.xml", f'<?xml version="1.0"?>{start}<a><b c="&y;">words</b></a>')


def test_a_document_type_without_entities_is_read(tmp_path: Path) -> None:
    data = '<?xml version="1.0"?><!-- x --><!DOCTYPE a [<!ELEMENT a ANY><!-- <!ENTITY y "yy"> -->]><a><b>words</b></a>'
    assert get(tmp_path, "a.xml", data).text == "b: words"


@pytest.mark.parametrize("said", ['epub:type="footnote"', 'epub:type="endnote"', 'role="doc-footnote"'])
def test_the_notes_of_a_book_are_kept(tmp_path: Path, said: str) -> None:
    body = f"<p>Moss grows.</p><aside {said}><p>Measured by Grimmer.</p></aside><aside><p>Read more.</p></aside>"
    chapter = f'<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><body>{body}</body></html>'
    text = get(tmp_path, "a.html", f"<!DOCTYPE html>{chapter}").text
    assert "Measured by Grimmer." in text and "Read more." not in text


# What stands turned, or further down


def test_a_page_that_is_shown_turned_is_read_from_its_first_line(tmp_path: Path) -> None:
    made = FPDF()
    made.set_font("Helvetica", size=12)
    made.add_page()
    made.multi_cell(0, 8, "The lease runs for nine years.\nIt was signed in May.\nThe walnut tree must stay.")
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(bytes(made.output())))
    writer.pages[0].rotate(90)
    out = io.BytesIO()
    writer.write(out)
    text = get(tmp_path, "a.pdf", out.getvalue()).text
    assert text.split("\n") == ["The lease runs for nine years.", "It was signed in May.", "The walnut tree must stay."]


def test_the_number_of_a_card_keeps_its_digits() -> None:
    assert sheets._text(4111111111111111.0) == "4111111111111111"
    assert sheets._text(1.5e20) == "1.5e+20" and sheets._text(0.1 + 0.2) == "0.3"


def test_a_further_table_has_names_of_its_own(tmp_path: Path) -> None:
    text = "Fruit,Price\nQuince,3\nPear,4\n\nIn the cellar\nVegetable,Stock\nKohlrabi,40"
    found = get(tmp_path, "a.csv", text).text.split("\n")
    assert found[-3:] == ["In the cellar", "Vegetable | Stock", "Vegetable: Kohlrabi; Stock: 40"]
    assert "Fruit: Pear; Price: 4" in found


def test_an_empty_row_alone_begins_no_table(tmp_path: Path) -> None:
    text = "Name,Room\nAna,Kitchen\n\nBen,Cellar\nIda,Attic\n"
    assert "Name: Ben; Room: Cellar" in get(tmp_path, "a.csv", text).text
