"""Small files of many formats, made here from nothing but their specifications, so that tests know every byte."""

from __future__ import annotations

import io
import struct
import zipfile

import pptx
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_ODF = "urn:oasis:names:tc:opendocument:xmlns"
_ODF_NAMES = " ".join(f'xmlns:{name}="{_ODF}:{name}:1.0"' for name in ("office", "text", "table", "style", "meta", "manifest"))
_ODF_NAMES += f' xmlns:fo="{_ODF}:xsl-fo-compatible:1.0"'
_ODF_NAMES += f' xmlns:draw="{_ODF}:drawing:1.0" xmlns:dc="http://purl.org/dc/elements/1.1/"'


def zipped(members: dict[str, bytes | str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def members(data: bytes) -> dict[str, bytes | str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def slides() -> bytes:
    show = pptx.Presentation()
    first = show.slides.add_slide(show.slide_layouts[1])
    body = first.placeholders[1].text_frame
    body.text = "Open at nine"
    for text, level in (("On Sunday closed", 1), ("Bring a badge", 0)):
        paragraph = body.add_paragraph()
        paragraph.text, paragraph.level = text, level
    first.shapes.title.text = "Opening\vhours"
    first.notes_slide.notes_text_frame.text = "Mention the holidays."
    show.slides.add_slide(show.slide_layouts[6])
    third = show.slides.add_slide(show.slide_layouts[5])
    third.shapes.title.text = "Costs"
    table = third.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    for at, text in enumerate(["Room", "Price", "Lab", "12"]):
        table.cell(at // 2, at % 2).text = text
    group = third.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, 10, 10).text_frame.text = "Inside a group"
    data = CategoryChartData()
    data.categories = ["May", "June"]
    data.add_series("Visits", (3, 4))
    chart = third.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, 10, 10, data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Visits a month"
    show.core_properties.title, show.core_properties.author = "PowerPoint Presentation", "Ana Li"
    out = io.BytesIO()
    show.save(out)
    return out.getvalue()


def workbook(sheets: dict[str, str] | None = None, hidden: tuple[str, ...] = ()) -> bytes:
    """An XLSX of sheets given as the XML of their rows. Style 1 is a percentage, 2 a date, 3 has a % of its own."""
    given = {"Rooms": ROOMS} if sheets is None else sheets
    entries = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="r{n}" state="{"hidden" if name in hidden else "visible"}"/>'
        for n, name in enumerate(given, 1)
    )
    targets = "".join(
        f'<Relationship Id="r{n}" Type="{_OFFICE}/relationships/worksheet" Target="worksheets/s{n}.xml"/>'
        for n in range(1, len(given) + 1)
    )
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    return zipped(
        {
            "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
            "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="a" Type="{_OFFICE}/relationships/officeDocument"'
            ' Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}/relationships">'
            f"<sheets>{entries}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}">{targets}</Relationships>',
            "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><numFmts><numFmt numFmtId="170" formatCode="0.0%"/>'
            '<numFmt numFmtId="171" formatCode="0&quot;%&quot;"/></numFmts><cellXfs>'
            '<xf numFmtId="0"/><xf numFmtId="170"/><xf numFmtId="14"/><xf numFmtId="171"/></cellXfs></styleSheet>',
            "docProps/core.xml": '<c xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The rooms</dc:title>'
            "<dc:creator>Ana Li</dc:creator></c>",
            **{
                f"xl/worksheets/s{n}.xml": f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData></worksheet>'
                for n, rows in enumerate(given.values(), 1)
            },
        }
    )


def sheet_row(number: int, *cells: str) -> str:
    """A row of texts; "=…" is a value as it stands in the file, with its style after a "|"."""
    written = []
    for at, cell in enumerate(cells):
        place = f'r="{chr(65 + at)}{number}"'
        value, _, style = cell.removeprefix("=").partition("|")
        if cell.startswith("="):
            kind = 't="b" ' if value in ("true", "false") else ""
            value = value.replace("true", "1").replace("false", "0")
            written.append(f'<c {place} s="{style or 0}" {kind}><v>{value}</v></c>')
        elif cell:
            written.append(f'<c {place} t="inlineStr"><is><t>{cell}</t></is></c>')
    return f'<row r="{number}">{"".join(written)}</row>'


ROOMS = sheet_row(1, "Rooms, in all") + sheet_row(3, "Room", "Seats", "Used", "Since", "Open")
ROOMS += sheet_row(4, "Lab", "=12", "=0.255|1", "=46143|2", "=true") + sheet_row(5, "Hall", "=2.50", "=7|3", "", "=false")


def old_workbook() -> bytes:
    """An XLS: a workbook of BIFF8 ([MS-XLS]) as the only stream of a compound file ([MS-CFB])."""

    def record(kind: int, data: bytes) -> bytes:
        return struct.pack("<HH", kind, len(data)) + data

    def label(row: int, column: int, text: str) -> bytes:
        return record(0x204, struct.pack("<HHHHB", row, column, 0, len(text), 0) + text.encode("latin-1"))

    cells = label(0, 0, "Room") + label(0, 1, "Seats") + label(1, 0, "Caf\xe9")
    cells += record(0x203, struct.pack("<HHHd", 1, 1, 0, 12))
    sheet = record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0)) + cells + record(0x0A, b"")
    start = record(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0))
    name = b"\x05\0Rooms"
    at = len(start) + 4 + 6 + len(name) + 4
    book = start + record(0x85, struct.pack("<IH", at, 0) + name) + record(0x0A, b"") + sheet
    stream = book.ljust(4096, b"\0")

    def entry(name: str, kind: int, child: int, first: int, size: int) -> bytes:
        text = f"{name}\0".encode("utf-16-le")
        none = 0xFFFFFFFF
        return text.ljust(64, b"\0") + struct.pack("<HBBIII16xIQQIQ", len(text), kind, 1, none, none, child, 0, 0, 0, first, size)

    chain = [0xFFFFFFFD, 0xFFFFFFFE, *range(3, 10), 0xFFFFFFFE]
    fat = struct.pack("<128I", *chain, *[0xFFFFFFFF] * (128 - len(chain)))
    none = 0xFFFFFFFF
    folder = entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + entry("Workbook", 2, none, 2, len(stream))
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + struct.pack(
        "<16xHHHHH6xIIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0, 0
    )
    return head + struct.pack("<108I", *[none] * 108) + fat + folder.ljust(512, b"\0") + stream


def odf(kind: str, body: str, styles: str = "", manifest: str = "") -> bytes:
    """An OpenDocument "text" or "spreadsheet" with this body."""
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "META-INF/manifest.xml": f"<manifest:manifest {_ODF_NAMES}>{manifest}</manifest:manifest>",
            "meta.xml": f"<office:document-meta {_ODF_NAMES}><office:meta><dc:title>Leave policy</dc:title>"
            "<dc:creator>Ana Li</dc:creator></office:meta></office:document-meta>",
            "content.xml": f"<office:document-content {_ODF_NAMES}><office:automatic-styles>{styles}</office:automatic-styles>"
            f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>",
        }
    )


LETTER = """<text:tracked-changes><text:changed-region><text:deletion><text:p>deleted</text:p></text:deletion>
</text:changed-region></text:tracked-changes>
<text:h text:outline-level="2">Sick leave</text:h>
<text:p>A note<text:s text:c="2"/>is <text:span>needed</text:span><text:note text:note-class="footnote"><text:note-citation>1
</text:note-citation><text:note-body><text:p>Since May.</text:p></text:note-body></text:note>.<text:line-break/>Always.</text:p>
<text:list><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>under it</text:p></text:list-item></text:list>
</text:list-item></text:list>
<table:table><table:table-row><table:table-cell table:number-columns-spanned="2"><text:p>Kind</text:p></table:table-cell>
<table:covered-table-cell/><table:table-cell><text:p>Days</text:p></table:table-cell></table:table-row>
<table:table-row><table:table-cell><text:p>Sick</text:p></table:table-cell><table:table-cell><text:p>a</text:p></table:table-cell>
<table:table-cell><text:p>10</text:p></table:table-cell></table:table-row></table:table>
<text:p>Boxed:<draw:frame><draw:text-box><text:p>in the box</text:p></draw:text-box></draw:frame></text:p>
<text:p text:style-name="P1">Annex</text:p>"""


def letter() -> bytes:
    return odf("text", LETTER, '<style:style style:name="P1" style:family="paragraph" style:parent-style-name="Title"/>')


SHEETS = """<table:table table:name="Rooms"><table:table-row><table:table-cell><text:p>Room</text:p></table:table-cell>
<table:table-cell><text:p>Used</text:p></table:table-cell><table:table-cell><text:p>Since</text:p></table:table-cell>
<table:table-cell table:number-columns-repeated="16381"/></table:table-row>
<table:table-row table:number-rows-repeated="2"><table:table-cell><text:p>Lab</text:p></table:table-cell>
<table:table-cell office:value-type="percentage" office:value="0.255"><text:p>25.5%</text:p></table:table-cell>
<table:table-cell office:value-type="date" office:date-value="2026-05-01T00:00:00"><text:p>1.5.26</text:p></table:table-cell>
</table:table-row><table:table-row table:number-rows-repeated="1048573"><table:table-cell table:number-columns-repeated="16384"/>
</table:table-row></table:table>
<table:table table:name="Salaries" table:style-name="h"><table:table-row>
<table:table-cell><text:p>secret</text:p></table:table-cell>
</table:table-row></table:table>"""


def spreadsheet(body: str = SHEETS) -> bytes:
    return odf(
        "spreadsheet",
        body,
        '<style:style style:name="h" style:family="table"><style:table-properties table:display="false"/></style:style>',
    )


def book(changed: dict[str, bytes | str] | None = None) -> bytes:
    """An EPUB with two chapters, whose place in the archive needs unquoting."""
    page = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{}</body></html>'
    package = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>
    <dc:title>A winter's tale</dc:title><dc:creator>Ana Li</dc:creator><dc:creator>Bo Xu</dc:creator></metadata><manifest>
    <item id="b" href="two.xhtml#top" media-type="application/xhtml+xml"/><item id="a" href="../one%201.xhtml"
    media-type="application/xhtml+xml"/><item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
    </manifest><spine><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/></spine></package>"""
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>',
            "OPS/book.opf": package,
            "OPS/nav.xhtml": page.format("<nav>contents</nav>"),
            "OPS/two.xhtml": page.format("<h1>Two</h1><p>The end.</p>"),
            "one 1.xhtml": page.format("<h1>One</h1><p>It snowed.</p>"),
            **(changed or {}),
        }
    )


MAIL = b"""From: =?utf-8?q?Ana_L=C3=AD?= <ana@example.org>
To: bo@example.org, cy@example.org
Date: Fri, 1 May 2026 09:30:00 +0200
Subject: =?gb2312?B?yrXR6crS?= hours
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

The caf=E9 opens at nine.
--inner
Content-Type: text/html

<p>The page</p>
--inner--
--outer
Content-Type: application/pdf
Content-Disposition: attachment; filename*=utf-8''%C3%BCber.pdf
Content-Transfer-Encoding: base64

AAAA
--outer
Content-Type: message/rfc822

From: dee@example.org
Subject: Before

<b>No</b> page.
--outer--
"""

ARCHIVED = b"""From: <Saved by Blink>
Snapshot-Content-Location: https://example.org/
Subject: Opening hours
MIME-Version: 1.0
Content-Type: multipart/related; type="text/html"; boundary="b"

--b
Content-Type: text/html
Content-Transfer-Encoding: quoted-printable

<html><head><meta charset=3D"utf-8"></head><body><p>Open at nine, Caf=C3=A9 at ten.</p></body></html>
--b
Content-Type: image/png
Content-Transfer-Encoding: base64

AAAA
--b--
"""

NOTEBOOK = """{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
{"cell_type": "markdown", "metadata": {}, "source": ["# Growth\\n", "\\n", "How it *grew*."]},
{"cell_type": "code", "metadata": {}, "execution_count": 1, "source": "# not a heading\\nprint(2 + 2)",
 "outputs": [{"output_type": "stream", "name": "stdout", "text": ["4\\n"]},
 {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": "<Figure>"}}]}]}"""
