"""Office files beyond their plain text: raised, struck-out and hidden text, automatic numbers, formats of cells."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import docx
import pptx
import pytest
import samples
import xlsxwriter
from docx.document import Document as WordFile
from docx.enum.dml import MSO_THEME_COLOR
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_COLOR_INDEX
from docx.oxml.ns import nsdecls
from docx.oxml.parser import parse_xml
from docx.shared import Pt, RGBColor
from hypothesis import given
from hypothesis import strategies as st
from pptx.dml.color import RGBColor as RGB
from pptx.enum.shapes import MSO_SHAPE
from pptx.presentation import Presentation
from pptx.slide import Slide
from pptx.text.text import _Run
from pptx.util import Inches
from xlsxwriter.worksheet import Worksheet

from ingest.parsers import number_formats, read
from ingest.parsers.scripts import raised, subscript, superscript
from ragbot.errors import BrokenError
from ragbot.types import Document

DRAWING = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'


@pytest.mark.parametrize(
    ("before", "text", "whole"),
    [
        ("10", "4", "10⁴"),
        ("2", "10", "2¹⁰"),
        ("1.5 × 10", "−3", "1.5 × 10⁻³"),
        ("12 m", "2", "12 m²"),
        ("300 km", "2 ", "300 km² "),
        ("e", "x", "e^x"),
        ("2", "a+b", "2^(a+b)"),
        ("(a + b)", "2", "(a + b)²"),
        ("Ca", "2+", "Ca²⁺"),
        ("E=mc", "2", "E=mc²"),
        ("A = 4πr", "2", "A = 4πr²"),
        ("c = 2ab", "3", "c = 2ab³"),
        ("cos", "2", "cos²"),
        ("∆", "2", "∆²"),
        ("and σ", "2", "and σ²"),
        ("the log", "2", "the log[^2]"),
        ("by the EU", "2", "by the EU[^2]"),
        ("price = fee", "1", "price = fee[^1]"),
        ("in 1963", "2", "in 1963[^2]"),
        ("1,200", "a", "1,200[^a]"),
        ("12.50", "1", "12.50[^1]"),
        ("guests", "1, 2", "guests[^1, 2]"),
        ("the end.", "7", "the end.[^7]"),
        ("the 1", "st", "the 1st"),
        ("le 3", "e", "le 3e"),
        ("Rust", "[1]", "Rust[1]"),
        ("Acme", "®", "Acme®"),
        ("", "14", "¹⁴"),
        ("12", "see below", "12 see below"),
    ],
)
def test_raised_digits_do_not_join_those_before_them(before: str, text: str, whole: str) -> None:
    assert before + raised(text, before) == whole


@pytest.mark.parametrize(
    ("before", "text", "after", "whole"),
    [
        ("1", "1", "/2 cups", "1 1/2 cups"),
        ("about ", "1", "⁄2", "about 1⁄2"),
        ("the log", "2", " n steps", "the log² n steps"),
        ("sin", "2", "(x)", "sin²(x)"),
        ("a sin", "2", " a man", "a sin[^2] a man"),
        ("3 m", "2", "/s", "3 m²/s"),
        ("10", "6", "/ml", "10⁶/ml"),
        ("in 1963", "1", "/1964", "in 1963[^1]/1964"),
    ],
)
def test_what_follows_raised_digits_tells_what_they_are(before: str, text: str, after: str, whole: str) -> None:
    assert before + raised(text, before, after) + after == whole


def test_indexes_and_exponents_are_written_in_unicode_where_it_has_the_characters() -> None:
    assert (superscript("4"), superscript("x"), superscript("a/b")) == ("⁴", "^x", "^(a/b)")
    assert (subscript("2"), subscript("max")) == ("₂", "max")


def word(build: Callable[[WordFile], None]) -> bytes:
    made = docx.Document()
    build(made)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def get(folder: Path, name: str, data: bytes) -> Document:
    path = folder / name
    path.write_bytes(data)
    return read(path, name)


def of_word(folder: Path, build: Callable[[WordFile], None]) -> Document:
    return get(folder, "a.docx", word(build))


def hidden(document: Document) -> int:
    return int(document.metadata.get("hidden_characters", "0"))


def test_raised_and_struck_text_of_word_files(tmp_path: Path) -> None:
    def build(made: WordFile) -> None:
        power = made.add_paragraph("Limit 10")
        power.add_run("4").font.superscript = True
        power.add_run(" of CO")
        power.add_run("2").font.subscript = True
        note = made.styles.add_style("Mark", WD_STYLE_TYPE.CHARACTER)
        note.font.superscript = True
        made.add_paragraph("Built in 1963").add_run("2", style="Mark")
        price = made.add_paragraph("Price: ")
        price.add_run("12 euros").font.strike = True
        price.add_run("20 euros")
        gone = made.styles.add_style("Gone", WD_STYLE_TYPE.PARAGRAPH)
        gone.font.double_strike = True
        made.styles.add_style("Kept", WD_STYLE_TYPE.PARAGRAPH).base_style = gone
        made.styles["Kept"].font.double_strike = False
        made.add_paragraph("Old rule.", style="Gone")
        made.add_paragraph("New rule.", style="Kept")

    found = of_word(tmp_path, build)
    assert found.text == "Limit 10⁴ of CO₂\n\nBuilt in 1963[^2]\n\nPrice: 20 euros\n\nNew rule." and not hidden(found)


def test_text_that_word_moves_up_or_down_is_raised_or_lowered(tmp_path: Path) -> None:
    def build(made: WordFile) -> None:
        line = made.add_paragraph("The anvil weighs 10")
        moved = [("2", 10), (" pounds of H", 0), ("2", -6), ("O, 1", 0), ("5", 1), (" in all.", 0)]
        for text, half_points in moved:
            run = line.add_run(text)
            run._r.get_or_add_rPr().append(parse_xml(f'<w:position {nsdecls("w")} w:val="{half_points}"/>'))
        whole = made.add_paragraph().add_run("120")
        whole._r.get_or_add_rPr().append(parse_xml(f'<w:position {nsdecls("w")} w:val="6"/>'))

    assert of_word(tmp_path, build).text == "The anvil weighs 10² pounds of H₂O, 15 in all.\n\n120"


def test_headers_and_footers_of_word_files_stand_once_at_the_end_unless_known(tmp_path: Path) -> None:
    def build(made: WordFile) -> None:
        made.core_properties.title = "Guest house"
        made.add_paragraph("Breakfast is served from 7:25.")
        second = made.add_section()
        header, footer = made.sections[0].header, made.sections[0].footer
        header.paragraphs[0].text = "GUEST HOUSE\tReception phone: 555-0144"
        header.add_paragraph("Breakfast is served from 7:25.")
        second.header.is_linked_to_previous = False
        second.header.paragraphs[0].text = "Reception phone: 555-0144"
        made.sections[0].first_page_header.paragraphs[0].text = "Of no page."
        field = '<w:fldSimple {} w:instr=" PAGE "><w:r><w:t>3</w:t></w:r></w:fldSimple>'.format(nsdecls("w"))
        numbered = footer.paragraphs[0]
        numbered.add_run("Seite ")
        numbered._p.append(parse_xml(field))
        numbered.add_run(" von ")
        for inside in (
            '<w:fldChar w:fldCharType="begin"/>',
            "<w:instrText>NUMPAGES</w:instrText>",
            '<w:fldChar w:fldCharType="separate"/>',
            "<w:t>9</w:t>",
            '<w:fldChar w:fldCharType="end"/>',
        ):
            numbered._p.append(parse_xml(f"<w:r {nsdecls('w')}>{inside}</w:r>"))
        numbered.add_run("\tIn an emergency call 112")
        footer.add_paragraph("- 7 -")

    found = of_word(tmp_path, build)
    assert found.text == ("Breakfast is served from 7:25.\n\nReception phone: 555-0144\n\nIn an emergency call 112")


def test_exponents_indexes_and_fractions_of_formulas(tmp_path: Path) -> None:
    def build(made: WordFile) -> None:
        run = "<m:r><m:t>{}</m:t></m:r>".format
        power = f"<m:sSup><m:e>{run(10)}</m:e><m:sup>{run(6)}</m:sup></m:sSup>"
        index = f"<m:sSub><m:e>{run('x')}</m:e><m:sub>{run(1)}</m:sub></m:sSub>"
        part = f"<m:f><m:num>{run(1)}</m:num><m:den>{run('2+3')}</m:den></m:f>"
        math = '<m:oMath xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math">'
        made.add_paragraph("Take ")._p.append(parse_xml(f"{math}{power}{index}{part}</m:oMath>"))

    assert of_word(tmp_path, build).text == "Take 10⁶x₁1/(2+3)"


NUMBERING = """<w:abstractNum {names} w:abstractNumId="90">
<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="{top}"/><w:pStyle w:val="Heading1"/><w:lvlText w:val="%1"/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/>{legal}<w:lvlText w:val="%1.%2"/></w:lvl>
<w:lvl w:ilvl="2"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="(%3)"/></w:lvl>
<w:lvl w:ilvl="3"><w:start w:val="1"/><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl></w:abstractNum>"""


def number(made: WordFile, numbered: str, *, top: str = "decimal", legal: str = "") -> None:
    """Adds a numbering and paragraphs, each a line with its level in front: "1 text"; "+" restarts at 5."""
    root = made.part.numbering_part.element
    root.insert(0, parse_xml(NUMBERING.format(names=nsdecls("w"), top=top, legal=legal)))
    override = '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride>'
    for id, extra in ((90, ""), (91, override)):
        root.append(parse_xml(f'<w:num {nsdecls("w")} w:numId="{id}"><w:abstractNumId w:val="90"/>{extra}</w:num>'))
    for line in numbered.splitlines():
        level, _, text = line.partition(" ")
        id = 91 if level.startswith("+") else 90
        inside = f'<w:ilvl w:val="{level.removeprefix("+")}"/><w:numId w:val="{id}"/>'
        made.add_paragraph(text)._p.get_or_add_pPr().append(parse_xml(f"<w:numPr {nsdecls('w')}>{inside}</w:numPr>"))


def test_clauses_have_the_numbers_that_word_gives_them(tmp_path: Path) -> None:
    text = "0 Rooms\n1 Guests leave by ten.\n1 Pets stay out.\n2 Dogs\n2 Cats\n3 Fish\n0 Fees\n1 Pay first.\n+0 Annex\n+0 Map"
    found = of_word(tmp_path, lambda made: number(made, text))
    assert found.text == (
        "- 1 Rooms\n  - 1.1 Guests leave by ten.\n  - 1.2 Pets stay out.\n    - (a) Dogs\n    - (b) Cats\n      - Fish\n"
        "- 2 Fees\n  - 2.1 Pay first.\n- 5 Annex\n- 6 Map"
    )


@pytest.mark.parametrize(
    ("top", "legal", "labels"),
    [
        ("upperRoman", "", ["I", "I.1", "II"]),
        ("upperRoman", "<w:isLgl/>", ["I", "1.1", "II"]),
        ("upperLetter", "", ["A", "A.1", "B"]),
        ("chineseCounting", "", ["一", "一.1", "二"]),
    ],
)
def test_numbers_of_clauses_in_other_signs(tmp_path: Path, top: str, legal: str, labels: list[str]) -> None:
    found = of_word(tmp_path, lambda made: number(made, "0 a\n1 b\n0 c", top=top, legal=legal))
    assert [line.split()[1] for line in found.text.splitlines()] == labels


def test_headings_are_numbered_through_their_style(tmp_path: Path) -> None:
    def build(made: WordFile) -> None:
        number(made, "")
        numbering = parse_xml(f'<w:numPr {nsdecls("w")}><w:numId w:val="90"/></w:numPr>')
        made.styles["Heading 1"].element.get_or_add_pPr().append(numbering)
        made.add_heading("Rooms")
        made.add_paragraph("All of them.")
        made.add_heading("Fees")
        plain = made.add_heading("Imprint")
        plain._p.get_or_add_pPr().append(parse_xml(f'<w:numPr {nsdecls("w")}><w:numId w:val="0"/></w:numPr>'))

    assert of_word(tmp_path, build).text == "# 1 Rooms\n\nAll of them.\n\n# 2 Fees\n\n# Imprint"


def test_what_a_word_file_shows_to_nobody_is_left_out_and_counted(tmp_path: Path) -> None:
    def build(made: WordFile) -> None:
        line = made.add_paragraph("Seen. ")
        line.add_run("vanished").font.hidden = True
        line.add_run("white").font.color.rgb = RGBColor(0xFE, 0xFF, 0xFF)
        line.add_run("tiny").font.size = Pt(1)
        line.add_run("small.").font.size = Pt(5)
        secret = made.styles.add_style("Secret", WD_STYLE_TYPE.CHARACTER)
        secret.font.hidden = True
        line.add_run("styled", style=made.styles.add_style("More", WD_STYLE_TYPE.CHARACTER))
        made.styles["More"].base_style = secret
        removed = f'<w:del {nsdecls("w")} w:id="1"><w:r><w:delText>removed</w:delText></w:r></w:del>'
        line._p.append(parse_xml(removed))
        table = made.add_table(2, 1)
        table.cell(0, 0).paragraphs[0].add_run("White on dark").font.color.rgb = RGBColor(0xFF, 0xFF, 0xFF)
        table.cell(0, 0)._tc.get_or_add_tcPr().append(parse_xml(f'<w:shd {nsdecls("w")} w:val="clear" w:fill="1F4E79"/>'))
        table.cell(1, 0).text = "no row"
        table.rows[1]._tr.get_or_add_trPr().append(parse_xml(f"<w:hidden {nsdecls('w')}/>"))
        marked = made.add_paragraph().add_run("Marked")
        marked.font.color.rgb, marked.font.highlight_color = RGBColor(0xFF, 0xFF, 0xFF), WD_COLOR_INDEX.BLUE

    found = of_word(tmp_path, build)
    assert found.text == "Seen. small.\n\nWhite on dark\n\nMarked"
    assert hidden(found) == len("vanishedwhitetinystyledremovedno row")


def test_what_a_word_file_hides_by_theme_width_or_place_is_left_out_and_counted(tmp_path: Path) -> None:
    def build(made: WordFile) -> None:
        line = made.add_paragraph("Seen.")
        line.add_run("theme").font.color.theme_color = MSO_THEME_COLOR.BACKGROUND_1
        line.add_run("narrow")._r.get_or_add_rPr().append(parse_xml(f'<w:w {nsdecls("w")} w:val="1"/>'))
        on_dark = line.add_run(" On the dark.")
        on_dark.font.color.theme_color = MSO_THEME_COLOR.BACKGROUND_1
        shading = f'<w:shd {nsdecls("w")} w:val="clear" w:fill="FFFFFF" w:themeFill="text1"/>'
        on_dark._r.get_or_add_rPr().append(parse_xml(shading))
        for text, place in (
            ("beside", 'w:w="2000" w:x="-20000" w:hAnchor="page"'),
            ("below", 'w:h="400" w:y="20000" w:vAnchor="page"'),
            ("In the margin.", 'w:w="2000" w:x="-1500" w:y="-300"'),
        ):
            made.add_paragraph(text)._p.get_or_add_pPr().append(parse_xml(f"<w:framePr {nsdecls('w')} {place}/>"))
        for text, offset in (("anchored", -9_000_000), ("In a box.", -400_000)):
            made.add_paragraph().add_run()._r.append(parse_xml(
                f'<w:drawing {nsdecls("w", "wp")}><wp:anchor><wp:positionH relativeFrom="column"><wp:posOffset>{offset}'
                f'</wp:posOffset></wp:positionH><wp:extent cx="900000" cy="900000"/><wp:docPr id="1" name="b"/>'
                f"<w:txbxContent><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:txbxContent></wp:anchor></w:drawing>"
            ))  # fmt: skip

    found = of_word(tmp_path, build)
    assert found.text == "Seen. On the dark.\n\nIn the margin.\n\nIn a box."
    assert hidden(found) == len("themenarrowbesidebelowanchored")


def test_white_text_in_a_coloured_table_style_is_read(tmp_path: Path) -> None:
    def build(made: WordFile) -> None:
        table = made.add_table(2, 2, style="Light Shading Accent 1")
        for cell in table.rows[0].cells:
            cell.paragraphs[0].add_run("Name").font.color.rgb = RGBColor(0xFF, 0xFF, 0xFF)

    assert "Name" in of_word(tmp_path, build).text


def test_white_text_before_a_picture_is_read(tmp_path: Path) -> None:
    def build(made: WordFile) -> None:
        line = made.add_paragraph()
        anchor = f'<w:drawing {nsdecls("w", "wp")}><wp:anchor behindDoc="1"/></w:drawing>'
        line.add_run()._r.append(parse_xml(anchor))
        line.add_run("Annual report").font.color.rgb = RGBColor(0xFF, 0xFF, 0xFF)

    assert of_word(tmp_path, build).text == "Annual report"


@pytest.mark.parametrize("levels", [70, 20_000])
def test_nested_tables_are_read_or_refused_in_time(tmp_path: Path, levels: int) -> None:
    body = "<w:tbl><w:tr><w:tc>" * levels + "<w:p><w:r><w:t>deep</w:t></w:r></w:p>" * 2_000 + "</w:tc></w:tr></w:tbl>" * levels
    parts = samples.members(word(lambda _: None))
    parts["word/document.xml"] = f"<w:document {nsdecls('w')}><w:body>{body}</w:body></w:document>"
    cells = "<table:table><table:table-row><table:table-cell>" * levels
    table = cells + "<text:p>deep</text:p>" * 2_000 + "</table:table-cell></table:table-row></table:table>" * levels
    for name, data in (("a.docx", samples.zipped(parts)), ("a.odt", samples.odf("text", table))):
        start = time.monotonic()
        if levels > 1_000:
            with pytest.raises(BrokenError):
                get(tmp_path, name, data)
        else:
            assert get(tmp_path, name, data).text.count("deep") == 2_000
        assert time.monotonic() - start < 20


def of_slides(folder: Path, build: Callable[[Presentation], None]) -> Document:
    made = pptx.Presentation()
    build(made)
    out = io.BytesIO()
    made.save(out)
    return get(folder, "a.pptx", out.getvalue())


def box(slide: Slide, *runs: str, left: float = 1, top: float = 1) -> list[_Run]:
    """A text box on a slide with these runs."""
    paragraph = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(1)).text_frame.paragraphs[0]
    made = [paragraph.add_run() for _ in runs]
    for run, text in zip(made, runs, strict=True):
        run.text = text
    return made


def blank(made: Presentation) -> Slide:
    return made.slides.add_slide(made.slide_layouts[6])


def test_raised_struck_and_numbered_text_of_slides(tmp_path: Path) -> None:
    def build(made: Presentation) -> None:
        runs = box(blank(made), "10", "4", " of H", "2", "O costs ", "12 euros", "20 euros")
        for run, name, said in (
            (runs[1], "baseline", "30000"),
            (runs[3], "baseline", "-25000"),
            (runs[5], "strike", "sngStrike"),
        ):
            run._r.get_or_add_rPr().set(name, said)
        frame = blank(made).shapes.add_textbox(0, 0, Inches(2), Inches(1)).text_frame
        kinds = [("arabicPeriod", 0), ("alphaLcParenR", 1), ("alphaLcParenR", 1), ("arabicPeriod", 0)]
        for (kind, level), text in zip(kinds, ["Enter", "Knock", "Wait", "Leave"], strict=True):
            paragraph = frame.add_paragraph()
            paragraph.text, paragraph.level = text, level
            paragraph._p.get_or_add_pPr().append(parse_xml(f'<a:buAutoNum {DRAWING} type="{kind}"/>'))

    found = of_slides(tmp_path, build)
    assert found.text == "10⁴ of H₂O costs 20 euros\n\n- 1. Enter\n  - a) Knock\n  - b) Wait\n- 2. Leave"


def test_what_slides_show_to_nobody_is_left_out_and_counted(tmp_path: Path) -> None:
    def build(made: Presentation) -> None:
        first = blank(made)
        white, tiny, small = box(first, "white", "tiny", "Small.")[:3]
        white.font.color.rgb, tiny.font.size, small.font.size = RGB(0xFF, 0xFF, 0xFF), Pt(1), Pt(5)
        box(first, "beside", left=-5)
        box(first, "off", top=3)
        first.shapes[2]._element.nvSpPr.cNvPr.set("hidden", "1")
        second = blank(made)
        box(second, "skipped")
        second._element.set("show", "0")
        third = blank(made)
        third.background.fill.solid()
        third.background.fill.fore_color.rgb = RGB(0x10, 0x20, 0x40)
        box(third, "White on blue.")[0].font.color.rgb = RGB(0xFF, 0xFF, 0xFF)
        fourth = blank(made)
        fourth.shapes.add_shape(MSO_SHAPE.RECTANGLE, Inches(1), Inches(1), Inches(3), Inches(1))
        box(fourth, "On a shape.")[0].font.color.rgb = RGB(0xFF, 0xFF, 0xFF)

    found = of_slides(tmp_path, build)
    pages = [found.text[start:end].strip() for start, end in pairwise([*found.pages, len(found.text)])]
    assert pages == ["Small.", "", "White on blue.", "On a shape."]
    assert hidden(found) == len("whitetinybesideoffskipped")


def test_white_text_is_compared_with_what_lies_behind_it(tmp_path: Path) -> None:
    def build(made: Presentation) -> None:
        white, navy = RGB(0xFF, 0xFF, 0xFF), RGB(0, 0, 0x80)
        for left, top in ((1, 6.9), (1, 3)):  # beside the body, and over it
            slide = made.slides.add_slide(made.slide_layouts[1])
            body = slide.placeholders[1].text_frame.paragraphs[0]
            body.add_run().text = "Four jars."
            hidden_run = body.add_run()
            hidden_run.text, hidden_run.font.color.rgb = "ninety", white
            note = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(3), Inches(0.5))
            note.fill.solid()
            note.fill.fore_color.rgb = navy
        behind = blank(made)
        plate = behind.shapes.add_shape(MSO_SHAPE.RECTANGLE, Inches(0.5), Inches(0.5), Inches(4), Inches(3))
        plate.fill.solid()
        plate.fill.fore_color.rgb = navy
        pale, dark = box(behind, "On navy.", "navy")
        pale.font.color.rgb, dark.font.color.rgb = white, navy

    found = of_slides(tmp_path, build)
    assert found.text == "Four jars.\n\nFour jars.\n\nOn navy." and hidden(found) == len("ninetyninetynavy")


def test_text_behind_a_filled_shape_is_left_out_and_counted(tmp_path: Path) -> None:
    def build(made: Presentation) -> None:
        for text, left, shape, alpha in (
            ("covered", 0.8, MSO_SHAPE.RECTANGLE, ""),
            ("Half covered.", 2, MSO_SHAPE.RECTANGLE, ""),
            ("In an oval.", 0.8, MSO_SHAPE.OVAL, ""),
            ("Through glass.", 0.8, MSO_SHAPE.RECTANGLE, f'<a:alpha {DRAWING} val="40000"/>'),
        ):
            slide = blank(made)
            box(slide, text)
            lid = slide.shapes.add_shape(shape, Inches(left), Inches(0.8), Inches(5), Inches(3))
            lid.fill.solid()
            lid.fill.fore_color.rgb = RGB(10, 90, 10)
            if alpha:
                lid._element.spPr.find("{*}solidFill")[0].append(parse_xml(alpha))

    found = of_slides(tmp_path, build)
    assert found.text.strip() == "Half covered.\n\nIn an oval.\n\nThrough glass." and hidden(found) == len("covered")


def style(name: str, said: str, family: str = "text", parent: str = "") -> str:
    return (
        f'<style:style style:name="{name}" style:family="{family}" style:parent-style-name="{parent}">'
        f"<style:text-properties {said}/></style:style>"
    )


ODF_STYLES = "".join(
    (
        style("Up", 'style:text-position="super 58%"'),
        style("Up2", "", parent="Up"),
        style("Down", 'style:text-position="-20% 58%"'),
        style("Out", 'style:text-line-through-style="solid" style:text-line-through-type="single"'),
        style("None", 'text:display="none"'),
        style("White", 'fo:color="#ffffff"'),
        style("Tiny", 'fo:font-size="1pt"'),
        style("Small", 'fo:font-size="5pt"'),
        style("WhiteCell", 'fo:color="#ffffff"', "table-cell"),
        style("OutCell", 'style:text-line-through-style="solid"', "table-cell"),
        '<style:style style:name="Dark" style:family="table-cell"><style:table-cell-properties fo:background-color="#102040"/>'
        "</style:style>",
    )
)


def span(name: str, text: str) -> str:
    return f'<text:span text:style-name="{name}">{text}</text:span>'


def test_raised_and_struck_text_of_open_documents(tmp_path: Path) -> None:
    body = f"<text:p>10{span('Up', '4')} of H{span('Down', '2')}O, in 1963{span('Up2', '2')}</text:p>"
    body += f"<text:p>Price {span('Out', '12 euros')}20 euros</text:p>"
    found = get(tmp_path, "a.odt", samples.odf("text", body, ODF_STYLES))
    assert found.text == "10⁴ of H₂O, in 1963[^2]\n\nPrice 20 euros" and not hidden(found)


def test_what_open_documents_show_to_nobody_is_left_out_and_counted(tmp_path: Path) -> None:
    cell = '<table:table-cell table:style-name="{}"><text:p>{}</text:p></table:table-cell>'.format
    body = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>deleted</text:p></text:deletion>"
        "</text:changed-region></text:tracked-changes>"
        f"<text:p>Seen. {span('None', 'off')}{span('White', 'white')}{span('Tiny', 'tiny')}{span('Small', 'Small.')}"
        '<text:hidden-text text:is-hidden="true" text:string-value="field"/></text:p>'
        '<text:section text:display="none"><text:p>section</text:p></text:section>'
        '<text:p><text:hidden-paragraph text:is-hidden="true"/>line</text:p>'
        f"<table:table><table:table-row>{cell('Dark', span('White', 'On dark'))}{cell('', 'b')}</table:table-row>"
        f'<table:table-row table:visibility="collapse">{cell("", "row")}</table:table-row></table:table>'
    )
    found = get(tmp_path, "a.odt", samples.odf("text", body, ODF_STYLES))
    assert found.text == "Seen. Small.\n\nOn dark | b"
    assert hidden(found) == len("deletedoffwhitetinyfieldsectionlinerow")


def test_what_open_sheets_show_to_nobody_is_left_out_and_counted(tmp_path: Path) -> None:
    cell = '<table:table-cell table:style-name="{}"><text:p>{}</text:p></table:table-cell>'.format
    row = "<table:table-row>{}</table:table-row>".format
    sheet = (
        '<table:table table:name="S"><table:table-column/><table:table-column table:visibility="collapse"/><table:table-column/>'
        + row(cell("", "Room") + cell("", "Code") + cell("", "Seats"))
        + row(cell("", "Lab") + cell("", "x77") + cell("", "12"))
        + f'<table:table-row table:visibility="filter">{cell("", "Bar") + cell("", "") + cell("", "3")}</table:table-row>'
        + row(cell("WhiteCell", "white") + cell("", "") + cell("", "7"))
        + row(cell("OutCell", "Old") + cell("", "") + cell("", "9"))
        + "</table:table>"
        '<table:table table:name="H" table:style-name="h"><table:table-row>'
        + cell("", "secret")
        + "</table:table-row></table:table>"
    )
    off = '<style:style style:name="h" style:family="table"><style:table-properties table:display="false"/></style:style>'
    found = get(tmp_path, "a.ods", samples.odf("spreadsheet", sheet, ODF_STYLES + off))
    assert found.text == "# S\n\nRoom |  | Seats\nRoom: Lab; Seats: 12\nSeats: 7\nSeats: 9"
    assert hidden(found) == len("Codex77Bar3whitesecret")


def test_lists_and_headings_of_open_documents_are_numbered(tmp_path: Path) -> None:
    level = '<text:{} text:level="{}" style:num-format="{}" style:num-suffix="{}" text:display-levels="{}"/>'.format
    numbers = "".join(level("list-level-style-number", *said) for said in ((1, "1", ".", 1), (2, "1", "", 2), (3, "a", ")", 1)))
    outline = "".join(level("outline-level-style", *said) for said in ((1, "I", ".", 1), (2, "", "", 1)))
    styles = f'<text:list-style style:name="L">{numbers}</text:list-style><text:outline-style>{outline}</text:outline-style>'
    item = "<text:list-item>{}</text:list-item>".format
    line = "<text:p>{}</text:p>".format

    def listed(*items: str, said: str = "") -> str:
        return f'<text:list text:style-name="L" {said}>{"".join(map(item, items))}</text:list>'

    def under(*items: str) -> str:
        return f"<text:list>{''.join(map(item, items))}</text:list>"

    body = (
        '<text:h text:outline-level="1">Rooms</text:h><text:h text:outline-level="2">All</text:h>'
        + listed(line("Doors") + under(line("Shut them."), line("Lock them.") + under(line("Twice"))))
        + line("Between.")
        + listed(line("Windows"), said='text:continue-numbering="true"')
        + listed(line("Again"))
        + '<text:h text:outline-level="1">Fees</text:h>'
    )
    found = get(tmp_path, "a.odt", samples.odf("text", body, styles))
    assert found.text == (
        "# I. Rooms\n\n## All\n\n- 1. Doors\n  - 1.1 Shut them.\n  - 1.2 Lock them.\n    - a) Twice\n\nBetween.\n\n"
        "- 2. Windows\n- 1. Again\n\n# II. Fees"
    )


def of_sheet(folder: Path, build: Callable[[xlsxwriter.Workbook, Worksheet], None]) -> Document:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        build(book, book.add_worksheet("S"))
    return get(folder, "a.xlsx", out.getvalue())


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (1234, "00000", "01234"),
        (12.5, '0.00 "€"', "12.50 €"),
        (1234.5, "#,##0.00 [$€-407]", "1234.50 €"),
        (-3.5, '_-* #,##0.00 "€"_-;\\-* #,##0.00 "€"_-;_-* "-"??\\ "€"_-;_-@_-', "-3.50 €"),
        (12, '0 "kg"', "12 kg"),
        (12.5, "$#,##0.00_);[Red]($#,##0.00)", "$12.50"),
        (12_300_000, '0.0,, "M"', "12.3 M"),
        (123456789, "000-00-0000", "123-45-6789"),
        (5551234567, "(000) 000-0000", "(555) 123-4567"),
        (1, '"Yes";;"No"', "Yes"),
        (0, '"Yes";;"No"', "No"),
        (0.255, "0.0%", "25.5%"),
        (12.345, "0.00", "12.345"),
        (1234.5, "#,##0", "1234.5"),
        (3.5, "# ?/?", "3.5"),
        (3, "[<=9999999]###-####;(###) ###-####", "3"),
        (46143, "dd.mm.yyyy", "2026-05-01"),
        (46143, "dd.mm.yyyy;;;", "2026-05-01"),
    ],
)
def test_numbers_have_the_padding_currency_and_unit_of_their_format(tmp_path: Path, value: float, code: str, shown: str) -> None:
    def build(book: xlsxwriter.Workbook, sheet: Worksheet) -> None:
        sheet.write_row(0, 0, ["Key", "Value"])
        sheet.write(1, 0, "k")
        sheet.write(1, 1, value, book.add_format({"num_format": code}))

    assert of_sheet(tmp_path, build).text == f"# S\n\nKey | Value\nKey: k; Value: {shown}"


@given(st.text('0#?.,%;"\\[]_*$€()-/ Ee@dmyhs<>=1', max_size=20), st.floats(-1e15, 1e15) | st.just(0.0))
def test_any_format_is_written_or_passed_over(code: str, value: float) -> None:
    number_formats.shows_number(code, value)
    number_formats.shows_text(code)
    written = number_formats.written(value, code)
    assert written is None or len(written) < 1_000


def test_what_a_sheet_shows_to_nobody_is_left_out_and_counted(tmp_path: Path) -> None:
    def build(book: xlsxwriter.Workbook, sheet: Worksheet) -> None:
        white = book.add_format({"font_color": "#FFFFFF"})
        shown = book.add_format({"font_color": "#FFFFFF", "bg_color": "#102040"})
        rows = [["Room", "Code", "Seats"], ["Lab", "x77", 12], ["Bar", "", 3], ["Pub", "", 4], ["", "", 5], ["", "", 6]]
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
        sheet.write(4, 0, "white", white)
        sheet.write(5, 0, "On dark", shown)
        sheet.write(6, 0, "Old", book.add_format({"font_strikeout": True}))
        sheet.write(6, 2, 9, book.add_format({"num_format": ";;;"}))
        sheet.set_column(1, 1, None, None, {"hidden": True})
        sheet.set_row(2, None, None, {"hidden": True})
        sheet.set_row(3, 0)
        sheet.set_column(5, 5, 0)
        sheet.write(1, 5, "zero")
        book.add_worksheet("H").write(0, 0, "secret")
        book.worksheets()[1].hide()
        book.add_worksheet("V").write(0, 0, "deeper")
        book.worksheets()[2].very_hidden()

    found = of_sheet(tmp_path, build)
    assert found.text == "# S\n\nRoom |  | Seats\nRoom: Lab; Seats: 12\nSeats: 5\nRoom: On dark; Seats: 6"
    assert hidden(found) == len("Codex77zeroBar3Pub4white9secretdeeper")


def test_a_merged_cell_that_begins_in_a_hidden_row_is_read(tmp_path: Path) -> None:
    def build(book: xlsxwriter.Workbook, sheet: Worksheet) -> None:
        for number, row in enumerate([["Island", "Age", "Fare"], ["", "Baby", 1], ["", "Child", 4], ["", "Adult", 8]]):
            sheet.write_row(number, 0, row)
        sheet.merge_range(1, 0, 3, 0, "Elm")
        sheet.set_row(1, None, None, {"hidden": True})

    found = of_sheet(tmp_path, build)
    assert found.text.endswith("Island: Elm; Age: Child; Fare: 4\nIsland: Elm; Age: Adult; Fare: 8") and hidden(found) == 5


def test_runs_of_a_cell_are_struck_out_or_raised_one_by_one(tmp_path: Path) -> None:
    def build(book: xlsxwriter.Workbook, sheet: Worksheet) -> None:
        out, up = book.add_format({"font_strikeout": True}), book.add_format({"font_script": 1})
        sheet.write_rich_string(0, 0, "costs ", out, "12", " 20 euros")
        sheet.write_rich_string(1, 0, "at most 10", up, "4", " visits")

    assert of_sheet(tmp_path, build).text == "# S\n\ncosts  20 euros\nat most 10⁴ visits".replace("  ", " ")


def test_comments_stand_behind_the_row_of_their_cell(tmp_path: Path) -> None:
    def build(book: xlsxwriter.Workbook, sheet: Worksheet) -> None:
        for number, row in enumerate([["Bus", "Leaves"], ["Bus 15", "12:15"], ["Bus 16", "13:15"], ["Bus 17", "14:15"]]):
            sheet.write_row(number, 0, row)
        sheet.write_comment(2, 1, "Ada:\nRuns on\nschool days only.", {"author": "Ada"})
        sheet.write_comment(3, 0, "secret")
        sheet.write_comment(9, 3, "Times of 2026.")
        sheet.set_row(3, None, None, {"hidden": True})

    found = of_sheet(tmp_path, build)
    rows = "Bus: Bus 15; Leaves: 12:15\nBus: Bus 16; Leaves: 13:15; Runs on school days only.\nTimes of 2026."
    assert found.text == f"# S\n\nBus | Leaves\n{rows}" and hidden(found) == len("Bus 1714:15secret")


def test_a_file_is_read_without_a_damaged_part_that_only_adds_to_it(tmp_path: Path) -> None:
    parts = samples.members(word(lambda made: made.add_paragraph("Seen.") and None))
    parts["word/theme/theme1.xml"] = b"<a:theme"
    assert get(tmp_path, "a.docx", samples.zipped(parts)).text == "Seen."
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet("S")
        sheet.write(0, 0, "Seen.")
        sheet.write_comment(0, 0, "lost")
    parts = samples.members(out.getvalue())
    parts["xl/comments1.xml"] = b"<comments"
    assert get(tmp_path, "a.xlsx", samples.zipped(parts)).text == "# S\n\nSeen."


def test_a_formula_that_was_never_calculated_says_so(tmp_path: Path) -> None:
    cells = '<c r="A2"><f>A1*2</f><v></v></c><c r="B2"><f>SUM(A1)</f></c><c r="C2"><f si="0" t="shared"/><v/></c>'
    cells += '<c r="D2" t="str"><f>IF(A1,"","")</f><v></v></c><c r="E2"><f>A1+1</f><v>22</v></c>'
    rows = samples.sheet_row(1, "=21", "=1", "=2", "=3", "=4") + f'<row r="2">{cells}</row>'
    found = get(tmp_path, "a.xlsx", samples.workbook({"S": rows}))
    assert found.text == "# S\n\n21 | 1 | 2 | 3 | 4\n=A1*2 | =SUM(A1) | = (not calculated) |  | 22"
