"""Write the DOCX and PDF files of the demo handbook.

The texts are in `handbook_texts.py`, in a small markup: blocks are separated by blank lines; `# ` and
`## ` start headings, `- ` starts a list item, lines with `|` are a table row each, all else is a
paragraph. Dates inside the files are fixed, so running the script again gives the same bytes (with
the same versions of python-docx and fpdf2).

Usage: python docs/demo/make_handbook.py [FOLDER]      (default: handbook/ beside this script)
"""

from __future__ import annotations

import io
import sys
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from docx import Document
from docx.document import Document as DocxDocument
from fpdf import FPDF
from fpdf.enums import XPos, YPos
from handbook_texts import COMPLAINTS_PDF, SAFETY_PDF, STAFF_DOCX, VOLUNTEERS_DOCX

ORGANISATION = "Larkfield Makerspace"
FIXED_DATE = datetime(2025, 2, 3, 9, 0, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Block:
    """One piece of a text: `kind` is h1, h2, li, p or table; `rows` is filled for a table only."""

    kind: str
    text: str
    rows: tuple[tuple[str, ...], ...] = ()


PREFIXES = (("## ", "h2"), ("# ", "h1"), ("- ", "li"))


def parse(markup: str) -> list[Block]:
    """The blocks of a text in the small markup that the module docstring describes."""
    blocks: list[Block] = []
    for chunk in markup.strip().split("\n\n"):
        lines = chunk.split("\n")
        if lines[0].startswith("|"):
            rows = tuple(tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines)
            blocks.append(Block("table", "", rows))
        elif lines[0].startswith("- "):
            items = " ".join(line.strip() for line in lines).removeprefix("- ").split(" - ")
            blocks.extend(Block("li", item) for item in items)
        else:
            blocks.append(_plain_block(" ".join(lines)))
    return blocks


def _plain_block(text: str) -> Block:
    for prefix, kind in PREFIXES:
        if text.startswith(prefix):
            return Block(kind, text.removeprefix(prefix))
    return Block("p", text)


DOCX_STYLES = {"h1": "Heading 1", "h2": "Heading 2", "li": "List Bullet", "p": "Normal"}


def _add_docx_table(document: DocxDocument, rows: tuple[tuple[str, ...], ...]) -> None:
    table = document.add_table(rows=len(rows), cols=len(rows[0]), style="Table Grid")
    for table_row, texts in zip(table.rows, rows, strict=True):
        for cell, text in zip(table_row.cells, texts, strict=True):
            cell.text = text
    for cell in table.rows[0].cells:
        cell.paragraphs[0].runs[0].bold = True
    document.add_paragraph()


def _same_bytes_zip(data: bytes) -> bytes:
    """The same zip archive with every member dated FIXED_DATE."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            info = zipfile.ZipInfo(name, date_time=FIXED_DATE.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            new.writestr(info, old.read(name))
    return out.getvalue()


def docx_bytes(markup: str) -> bytes:
    """A Word document with real heading, list and table styles."""
    document = Document()
    blocks = parse(markup)
    for block in blocks:
        if block.kind == "table":
            _add_docx_table(document, block.rows)
        else:
            document.add_paragraph(block.text, style=DOCX_STYLES[block.kind])
    properties = document.core_properties
    properties.title = blocks[0].text
    properties.author = ORGANISATION
    properties.last_modified_by = ORGANISATION
    properties.comments = ""
    properties.created = properties.modified = FIXED_DATE.replace(tzinfo=None)
    buffer = io.BytesIO()
    document.save(buffer)
    return _same_bytes_zip(buffer.getvalue())


class HandbookPdf(FPDF):
    """A4 pages whose footer carries the title and "Page n of m"."""

    def __init__(self, title: str) -> None:
        super().__init__(format="A4")
        self.heading = title
        self.set_title(title)
        self.set_author(ORGANISATION)
        self.set_lang("en")
        self.set_creation_date(FIXED_DATE)
        self.set_margins(24, 22, 24)
        self.set_auto_page_break(True, margin=24)

    def footer(self) -> None:
        """Called by fpdf2 at the end of each page."""
        self.set_y(-16)
        self.set_font("Helvetica", size=9)
        self.cell(0, 6, f"{ORGANISATION} - {self.heading} - Page {self.page_no()} of {{nb}}", align="C")


@dataclass(frozen=True)
class Look:
    """How one kind of block looks in a PDF: font style and size, line height, gap above, indent."""

    style: str
    size: float
    line: float
    above: float
    indent: float = 0.0


PDF_LOOKS = {
    "h1": Look("B", 18, 9, 0),
    "h2": Look("B", 13, 7, 4),
    "p": Look("", 11.5, 6, 2),
    "li": Look("", 11.5, 6, 1, 5),
}


def pdf_bytes(markup: str) -> bytes:
    """A PDF with selectable text, real headings in size and a footer on every page."""
    blocks = parse(markup)
    pdf = HandbookPdf(blocks[0].text)
    pdf.add_page()
    for block in blocks:
        look = PDF_LOOKS[block.kind]
        pdf.ln(look.above)
        pdf.set_font("Helvetica", style=look.style, size=look.size)
        if block.kind == "h2" and pdf.will_page_break(look.line * 3):
            pdf.add_page()
        if block.kind == "li":
            pdf.cell(look.indent, look.line, "\u00b7")
        pdf.multi_cell(0, look.line, block.text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    return bytes(pdf.output())


def main(folder: Path) -> None:
    """Write the four files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "volunteers.docx": docx_bytes(VOLUNTEERS_DOCX),
        "staff-guide.docx": docx_bytes(STAFF_DOCX),
        "safety-rules.pdf": pdf_bytes(SAFETY_PDF),
        "complaints-and-privacy.pdf": pdf_bytes(COMPLAINTS_PDF),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
        print(f"{folder / name}: {len(data)} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "handbook")
