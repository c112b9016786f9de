"""Scans and pictures are read as a person reads them, in English and Chinese."""

import io

import numpy as np
import pypdf
import pypdfium2
import pytest
from fpdf import FPDF
from PIL import Image

from ingest.parsers import ocr, read
from ingest.parsers import pdf as pdf_reader
from ingest.parsers.ocr import Box, in_order
from ragbot.errors import BrokenError, EmptyError

RULES = "The kiln is fired on Thursday evening.\nAsk Deirdre for the glaze cupboard key.\nShelf 12 holds 30 kg of clay."


def page_of(text):
    """A page of text as PDF."""
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("Helvetica", size=14)
    pdf.multi_cell(0, 10, text)
    return bytes(pdf.output())


def picture_of(text, scale=2.0):
    """The same page as a scanner sees it."""
    return pypdfium2.PdfDocument(page_of(text))[0].render(scale=scale).to_pil()


def scanned(*images):
    """A PDF of pictures; a text stands for a page that has its text."""
    pdf = FPDF()
    for image in images:
        pdf.add_page()
        pdf.set_font("Helvetica", size=12)
        if isinstance(image, str):
            pdf.multi_cell(0, 10, image)
        else:
            pdf.image(image, x=0, y=0, w=pdf.w)
    return bytes(pdf.output())


def get(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    return read(path, name)


def bytes_of(image, kind, **how):
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def test_a_scanned_page_is_read_and_the_others_keep_their_text(tmp_path):
    found = get(tmp_path, "a.pdf", scanned("This page has its own text, and so it stays.", picture_of(RULES)))
    first, second = found.text[: found.pages[1]].strip(), found.text[found.pages[1] :]
    assert first == "This page has its own text, and so it stays."
    assert second.split("\n") == RULES.split("\n")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"])
def test_pictures_of_every_kind(tmp_path, kind):
    found = get(tmp_path, f"a.{kind.lower()}", bytes_of(picture_of(RULES), kind))
    assert found.text.split("\n") == RULES.split("\n")
    assert found.metadata["content_type"].startswith("image/")


def test_a_tiff_of_several_pages_keeps_them(tmp_path):
    pages = [picture_of("The first page is about clay."), picture_of("The second page is about glaze.")]
    found = get(tmp_path, "a.tif", bytes_of(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert found.text == "The first page is about clay.\n\nThe second page is about glaze."
    assert found.pages == (0, found.text.index("The second"))


def test_a_picture_lying_on_its_side_is_turned(tmp_path):
    upright = picture_of(RULES)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to see it
    data = bytes_of(upright.rotate(90, expand=True), "JPEG", exif=exif)
    assert get(tmp_path, "a.jpg", data).text.split("\n") == RULES.split("\n")


def test_a_table_in_a_scan_keeps_its_rows(tmp_path):
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("Helvetica", size=14)
    for row in (("Test", "Result", "Range"), ("Glucose", "118", "70 - 100"), ("Sodium", "139", "136 - 145")):
        for cell in row:
            pdf.cell(60, 12, cell)
        pdf.ln()
    image = pypdfium2.PdfDocument(bytes(pdf.output()))[0].render(scale=2).to_pil()
    found = get(tmp_path, "a.png", bytes_of(image, "PNG"))
    assert "Glucose | 118 | 70 - 100" in found.text.split("\n")


def test_a_picture_without_words_is_refused_by_name(tmp_path):
    noise = Image.fromarray(np.full((200, 200, 3), 255, np.uint8))
    with pytest.raises(EmptyError, match="a.png: no text can be recognized in the image"):
        get(tmp_path, "a.png", bytes_of(noise, "PNG"))


def test_a_damaged_picture_and_a_bomb_are_refused(tmp_path):
    whole = bytes_of(picture_of(RULES), "PNG")
    with pytest.raises(BrokenError, match="damaged"):
        get(tmp_path, "a.png", whole[: len(whole) // 2])
    bomb = bytes_of(Image.new("1", (20_000, 20_000)), "PNG")
    with pytest.raises(BrokenError, match="too large a picture"):
        get(tmp_path, "b.png", bomb)


def box(left, top, width, text):
    return Box(left, top, left + width, top + 20, text)


def test_columns_of_prose_are_read_one_after_the_other():
    wide = [box(0, 0, 900, "A title over the whole of the page, from side to side")]
    left = [box(0, 40 + 30 * n, 400, f"left line number {n} goes on and on") for n in range(4)]
    right = [box(480, 43 + 30 * n, 400, f"right line number {n} goes on and on") for n in range(4)]
    lines = in_order([*right, *wide, *left])
    assert lines == [one.text for one in (*wide, *left, *right)]


def test_a_slanting_row_is_one_row():
    assert in_order([box(300, 8, 100, "two"), box(0, 0, 100, "one"), box(0, 40, 90, "three")]) == ["one | two", "three"]


def test_blank_pictures_cost_no_reading(monkeypatch):
    monkeypatch.setattr(ocr, "_engine", lambda: pytest.fail("was asked"))
    assert ocr.read(np.zeros((10, 10, 3), np.uint8)) == ""


# What PDF files hold beside the text of their pages


def test_headings_of_the_outline_forms_and_attachments(tmp_path):
    pdf = FPDF()
    pdf.add_page()
    pdf.set_font("Helvetica", size=12)
    pdf.start_section("Opening hours")
    pdf.multi_cell(0, 10, "Opening hours\nThe lab opens at nine.", new_x="LMARGIN", new_y="NEXT")
    pdf.start_section("On Sunday", level=1)
    pdf.multi_cell(0, 10, "On Sunday\nThe lab is closed.", new_x="LMARGIN", new_y="NEXT")
    pdf.embed_file(bytes=b"1,2,3", basename="prices.csv")
    found = get(tmp_path, "a.pdf", bytes(pdf.output()))
    assert found.text.split("\n\n")[-1] == "Attachment: prices.csv"
    assert [line for line in found.text.split("\n") if line.startswith("#")] == ["# Opening hours", "## On Sunday"]


def test_a_filled_in_form_is_read(tmp_path):
    form = pypdf.PdfWriter(clone_from=io.BytesIO(page_of("Membership form")))
    fields = pypdf.generic.ArrayObject()
    for name, value in (("Name", "Ana Li"), ("Locker", "12"), ("Empty", "")):
        field = pypdf.generic.DictionaryObject(
            {
                pypdf.generic.NameObject("/FT"): pypdf.generic.NameObject("/Tx"),
                pypdf.generic.NameObject("/T"): pypdf.generic.TextStringObject(name),
                pypdf.generic.NameObject("/V"): pypdf.generic.TextStringObject(value),
            }
        )
        fields.append(form._add_object(field))
    form.root_object[pypdf.generic.NameObject("/AcroForm")] = pypdf.generic.DictionaryObject(
        {pypdf.generic.NameObject("/Fields"): fields}
    )
    out = io.BytesIO()
    form.write(out)
    assert get(tmp_path, "a.pdf", out.getvalue()).text == "Membership form\n\nName: Ana Li\nLocker: 12"


def test_endless_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf_reader, "MAX_PAGES", 2)
    with pytest.raises(BrokenError, match="has 3 pages, more than the 2 that are read; split it"):
        get(tmp_path, "a.pdf", scanned("one page", "another page", "a third page"))
