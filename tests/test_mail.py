"""Mail: what is attached is read by the parser of its type, and what cannot be read costs nothing else."""

from __future__ import annotations

import io
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import docx
import fpdf
import pytest
import samples

from ingest.parsers import attachments, read
from ragbot.types import Document


def message(words: str = "See the plan.") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["Subject"] = "ana@x.org", "Hours"
    made.set_content(words)
    return made


def get(folder: Path, mail: EmailMessage | bytes) -> Document:
    path = folder / "a.eml"
    path.write_bytes(mail if isinstance(mail, bytes) else mail.as_bytes())
    return read(path, "a.eml")


def pdf() -> bytes:
    made = fpdf.FPDF()
    made.add_page()
    made.set_font("Helvetica", size=12)
    made.cell(text="The kiln is in room nine.")
    return bytes(made.output())


def letter() -> bytes:
    made, out = docx.Document(), io.BytesIO()
    made.add_heading("Rooms", 1)
    made.add_paragraph("The kiln is in room nine.")
    made.save(out)
    return out.getvalue()


FILES: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "plan.pdf": ("application", "pdf", pdf),
    "plan.docx": ("application", "octet-stream", letter),
    "plan.txt": ("application", "octet-stream", lambda: b"The kiln is in room nine."),
    "plan.html": ("application", "octet-stream", lambda: b"<html><p hidden>ten</p><p>The kiln is in room nine.</p></html>"),
    "plan.csv": ("application", "octet-stream", lambda: b"thing,place\nThe kiln is in,room nine.\noven,x"),
    "plan": ("text", "plain", lambda: b"The kiln is in room nine."),
}


@pytest.mark.parametrize("name", FILES)
def test_attachments_are_read_below_their_names(tmp_path: Path, name: str) -> None:
    kind, subtype, data = FILES[name]
    mail = message()
    mail.add_attachment(data(), maintype=kind, subtype=subtype, filename=name)
    text = get(tmp_path, mail).text
    assert f"See the plan.\n\n# Attachment: {name}\n\n" in text and "room nine." in text and "ten" not in text


def test_headings_of_an_attachment_stand_below_its_name(tmp_path: Path) -> None:
    mail = message()
    mail.add_attachment(b"# Rooms\n\n```\n# code\n```\n", maintype="text", subtype="markdown", filename="a.md")
    assert "# Attachment: a.md\n\n## Rooms\n\n```\n# code\n```" in get(tmp_path, mail).text


def test_a_picture_is_read_where_it_is_attached(tmp_path: Path) -> None:
    from PIL import Image, ImageDraw, ImageFont

    picture, out = Image.new("RGB", (700, 120), "white"), io.BytesIO()
    ImageDraw.Draw(picture).text((20, 30), "KILN IN ROOM NINE", "black", ImageFont.load_default(48))
    picture.save(out, "PNG")
    mail = message()
    mail.add_attachment(out.getvalue(), maintype="image", subtype="png", filename="a.png")
    assert "ROOM NINE" in get(tmp_path, mail).text


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("plan.pdf", b"%PDF-1.7 broken", "not read: damaged"),
        ("plan.docx", samples.zipped({"word/document.xml": "<a"}), "not read: damaged"),
        ("plan.zip", samples.zipped({"a.txt": "words"}), "not read: a zip archive)"),
        ("plan.png", b"\x89PNG\r\n\x1a\n\0\0\0\0", "not read: damaged"),
        ("plan.txt", b"", "not read: holds no text)"),
    ],
)
def test_an_attachment_that_cannot_be_read_costs_nothing_but_itself(tmp_path: Path, name: str, data: bytes, why: str) -> None:
    mail = message()
    mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    mail.add_attachment(b"Last words.", maintype="text", subtype="plain", filename="b.txt")
    text = get(tmp_path, mail).text
    assert f"# Attachment: {name} (application/octet-stream, {len(data)} bytes, {why}" in text
    assert text.endswith("# Attachment: b.txt\n\nLast words.")


@pytest.mark.parametrize(("limit", "most"), [("MAX_FILES", 2), ("MAX_BYTES", 40), ("MAX_CHARACTERS", 40)])
def test_no_more_is_read_of_attachments_than_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(attachments, limit, most)
    mail = message()
    for number in range(4):
        mail.add_attachment(f"Words {number} are here.".encode(), maintype="text", subtype="plain", filename=f"{number}.txt")
    text = get(tmp_path, mail).text
    assert "Words 1 are here." in text and "Words 2" not in text
    assert "# Attachment: 3.txt (text/plain, 17 bytes, not read: beyond what is read of one message)" in text


def test_messages_attached_to_each_other_are_read_to_a_depth(tmp_path: Path) -> None:
    inner = message("Depth 9.")
    for depth in range(8, -1, -1):
        outer = message(f"Depth {depth}.")
        outer.add_attachment(inner.as_bytes(), maintype="application", subtype="octet-stream", filename="a.eml")
        inner = outer
    text = get(tmp_path, inner).text
    assert "Depth 3." in text and "Depth 4." not in text and "not read: nested too deeply in other messages" in text


def test_words_after_an_attachment_are_not_taken_for_its_own(tmp_path: Path) -> None:
    mail = message()
    mail.add_attachment(b"Nine.", maintype="text", subtype="plain", filename="a.txt")
    foot = EmailMessage()
    foot.set_content("The list's footer.")
    mail.attach(foot)
    assert get(tmp_path, mail).text.endswith("See the plan.\n\nThe list's footer.\n\n# Attachment: a.txt\n\nNine.")


def test_what_the_page_of_a_mail_hides_is_not_read(tmp_path: Path) -> None:
    mail = b"From: a@b.c\nContent-Type: text/html\n\n<p>Four lamps.</p><p style='color:#fff'>ninety</p>"
    found = get(tmp_path, mail)
    assert found.text.endswith("Four lamps.") and found.metadata["hidden_characters"] == "6"


def test_a_saved_page_is_read_with_the_style_sheets_that_were_saved_with_it(tmp_path: Path) -> None:
    page = b"<p>Four lamps.</p><p class=off>ninety</p>"
    sheet = b"--b\nContent-Type: text/css\nContent-Location: cid:1\n\n.off{display:none}\n--b--"
    whole = samples.ARCHIVED.replace(b"</head>", b"<link rel=3D'stylesheet' href=3D'cid:1'></head>")
    whole = whole.replace(b"<p>Open", page.replace(b"=", b"=3D") + b"<p>Open").replace(b"--b--", sheet)
    path = tmp_path / "a.mht"
    path.write_bytes(whole)
    assert "ninety" not in read(path, "a.mht").text and "lamps" in read(path, "a.mht").text
