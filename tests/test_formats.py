"""Office files, e-books, mail, data and code: what is read of them, and what hostile ones come to."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import samples

from ingest.parsers import read
from ingest.parsers.formats import CODE, FORMATS, LANGUAGES
from ragbot.errors import BrokenError, EmptyError, LockedError, ReadError
from ragbot.types import Document

MAKERS: dict[str, Callable[[], bytes]] = {
    "a.pptx": samples.slides,
    "a.xlsx": samples.workbook,
    "a.xls": samples.old_workbook,
    "a.odt": samples.letter,
    "a.ods": samples.spreadsheet,
    "a.epub": samples.book,
    "a.eml": lambda: samples.MAIL,
    "a.mhtml": lambda: samples.ARCHIVED,
    "a.ipynb": samples.NOTEBOOK.encode,
    "a.json": lambda: b'[{"name": "Ana", "of": {"age": 3, "in": [1, {"a": null}]}}, {"name": "Bo"}]',
    "a.jsonl": lambda: b'{"name": "Ana"}\n{"name": "Bo"}\n{"name": "Cy"}\n',
    "a.csv": lambda: b'name,room\n"Ana ""A"" Li",12\nBo,"1\n3"\n',
    "a.xml": lambda: b'<?xml version="1.0"?><l><r id="1"><n>Ana</n><m>x</m></r><r id="2"><n>Bo &amp; Co</n><m>y</m></r></l>',
}
PACKED = ("a.pptx", "a.xlsx", "a.odt", "a.ods", "a.epub")
DECLARED = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


def get(folder: Path, name: str, data: bytes | str) -> Document:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read(path, name)


def refusal(folder: Path, name: str, data: bytes | str, kind: type[ReadError]) -> str:
    with pytest.raises(kind) as caught:
        get(folder, name, data)
    message = str(caught.value)
    assert type(caught.value) is kind
    assert message.startswith(f"{name}: ") and "\n" not in message and len(message) < 300
    return message


def changed(data: bytes, name: str, content: bytes | str) -> bytes:
    return samples.zipped(samples.members(data) | {name: content})


# PPTX


def test_slides_are_pages(tmp_path: Path) -> None:
    found = get(tmp_path, "a.pptx", samples.slides())
    first = "# Opening hours\n\n- Open at nine\n  - On Sunday closed\n- Bring a badge\n\nNotes: Mention the holidays."
    third = "# Costs\n\nRoom | Price\nLab | 12\n\nInside a group\n\nChart: Visits a month\n\n | Visits\nMay | 3\nJune | 4"
    assert found.text == f"{first}\n\n\n\n{third}"
    assert [found.text[start : start + 7] for start in found.pages] == ["# Openi", "\n\n# Cos", "# Costs"]
    assert (found.title, found.metadata["author"], found.lines) == ("Opening hours", "Ana Li", False)


def test_slides_of_other_programs(tmp_path: Path) -> None:
    """A footer stays out, what is wrapped in alternatives is read once, and no shape says where it stands."""
    names = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    box = "<p:sp><p:nvSpPr><p:cNvPr id='7' name='x'/><p:cNvSpPr/><p:nvPr>{}</p:nvPr></p:nvSpPr><p:spPr/>"
    box += "<p:txBody><a:bodyPr/><a:p><a:r><a:t>{}</a:t></a:r></a:p></p:txBody></p:sp>"
    wrapped = f"<mc:AlternateContent {names}><mc:Choice>{box.format('', 'new')}</mc:Choice>"
    wrapped += f"<mc:Fallback>{box.format('', 'old')}</mc:Fallback></mc:AlternateContent>"
    shapes = box.format("<p:ph type='ftr'/>", "Footer") + wrapped + box.format("<p:ph type='title'/>", "Title")
    made = samples.members(samples.slides())
    slide = made["ppt/slides/slide2.xml"]
    assert isinstance(slide, bytes)
    made["ppt/slides/slide2.xml"] = slide.replace(b"</p:spTree>", shapes.encode() + b"</p:spTree>")
    found = get(tmp_path, "a.pptx", samples.zipped(made))
    assert found.text[found.pages[1] : found.pages[2]] == "# Title\n\nnew\n\n"


def test_a_show_with_macros(tmp_path: Path) -> None:
    made = samples.members(samples.slides())
    types = made["[Content_Types].xml"]
    assert isinstance(types, bytes)
    plain = b"application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"
    made["[Content_Types].xml"] = types.replace(plain, b"application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml")
    assert len(get(tmp_path, "a.pptm", samples.zipped(made)).pages) == 3


# Sheets


def test_a_sheet_is_a_page_and_a_row_stands_by_itself(tmp_path: Path) -> None:
    sheets = {"Rooms": samples.ROOMS, "Salaries": samples.sheet_row(1, "secret"), "List": samples.sheet_row(2, "one", "=2")}
    found = get(tmp_path, "a.xlsx", samples.workbook(sheets, hidden=("Salaries",)))
    rows = "Room: Lab; Seats: 12; Used: 25.5%; Since: 2026-05-01; Open: TRUE\nRoom: Hall; Seats: 2.5; Used: 7%; Open: FALSE"
    first = f"# Rooms\n\nRooms, in all\nRoom | Seats | Used | Since | Open\n{rows}"
    assert found.text == f"{first}\n\n# List\n\none | 2"
    assert (found.pages, found.title, found.metadata["author"]) == ((0, len(first) + 2), "The rooms", "Ana Li")
    assert get(tmp_path, "a.xlsm", samples.workbook()).text == first


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=3", "3"),
        ("=0.30000000000000004", "0.3"),
        ("=-0", "0"),
        ("=123456789012345", "123456789012345"),
        ("=46143.395833333336|2", "2026-05-01 09:30"),
        ("=0.07|1", "7%"),
        ("=true", "TRUE"),
        (" two\nlines ", "two lines"),
    ],
)
def test_values_as_a_sheet_shows_them(tmp_path: Path, value: str, shown: str) -> None:
    rows = samples.sheet_row(1, "Key", "Value") + samples.sheet_row(2, "k", value)
    assert get(tmp_path, "a.xlsx", samples.workbook({"S": rows})).text.endswith(f"\nKey: k; Value: {shown}")


def test_old_sheets(tmp_path: Path) -> None:
    found = get(tmp_path, "a.xls", samples.old_workbook())
    assert (found.text, found.pages) == ("# Rooms\n\nRoom | Seats\nRoom: Café; Seats: 12", (0,))
    assert get(tmp_path, "report", samples.old_workbook()).metadata["content_type"] == "application/vnd.ms-excel"


def test_open_document_sheets(tmp_path: Path) -> None:
    found = get(tmp_path, "a.ods", samples.spreadsheet())
    row = "\nRoom: Lab; Used: 25.5%; Since: 2026-05-01"
    assert (found.text, found.pages) == ("# Rooms\n\nRoom | Used | Since" + row * 2, (0,))


def test_sheets_that_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c t="n" r="XFD1048576"><v>2</v></c></row>'
    assert "'S' lie too far apart" in refusal(tmp_path, "a.xlsx", samples.workbook({"S": far}), BrokenError)
    cell = '<table:table-cell table:number-columns-repeated="16384"><text:p>x</text:p></table:table-cell>'
    row = f'<table:table-row table:number-rows-repeated="1000000">{cell}</table:table-row>'
    bomb = samples.spreadsheet(f'<table:table table:name="S">{row}</table:table>')
    assert "more than 1,000,000 cells" in refusal(tmp_path, "a.ods", bomb, BrokenError)
    monkeypatch.setattr("ingest.parsers.rows.MAX_CELLS", 3)
    for name in ("a.xlsx", "a.xls", "a.ods", "a.csv"):
        assert "more than 3 cells" in refusal(tmp_path, name, MAKERS[name](), BrokenError)


def test_hidden_sheets_alone_are_no_text(tmp_path: Path) -> None:
    assert "no text" in refusal(tmp_path, "a.xlsx", samples.workbook({"S": samples.ROOMS}, hidden=("S",)), EmptyError)


# CSV and TSV


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", "name,room\nAna,12\nBo Li,3"),
        ("a.csv", 'name;room\n"Ana";12\r\n"Bo Li";3'),
        ("a.csv", "name|room\nAna|12\nBo Li|3"),
        ("a.tsv", "name\troom\nAna\t12\nBo Li\t3"),
        ("a.csv", "name, room\nAna, 12\nBo Li, 3".encode("utf-16")),
    ],
)
def test_records_keep_their_lines(tmp_path: Path, name: str, data: bytes | str) -> None:
    found = get(tmp_path, name, data)
    assert found.text == "name | room\nname: Ana; room: 12\nname: Bo Li; room: 3"
    assert found.lines and not found.pages


def test_numbers_with_a_comma_are_one_cell(tmp_path: Path) -> None:
    assert get(tmp_path, "a.csv", "Ware;Preis\nTee;3,50\nSaft;2,10\n").text.endswith("\nWare: Saft; Preis: 2,10\n")


@pytest.mark.parametrize(
    ("data", "text", "lines"),
    [
        ("a,b\n1,2\n\n3,4", "a | b\na: 1; b: 2\n\na: 3; b: 4", True),
        ('a,b\n"one\ntwo",2\n3,4', "a | b\na: one two; b: 2\na: 3; b: 4", False),
        ("1,2\n3,4", "1 | 2\n3 | 4", True),
        ("a,a\n1,2", "a | a\n1 | 2", True),
        ("one\ntwo: 2", "one\ntwo: 2", True),
        ("land,2019,2020\nPeru,1,2", "land | 2019 | 2020\nland: Peru; 2019: 1; 2020: 2", True),
        ("Ana,1987,12\nBo,1990,13", "Ana | 1987 | 12\nBo | 1990 | 13", True),
        ("ana@x.org,Ana\nbo@x.org,Bo", "ana@x.org | Ana\nbo@x.org | Bo", True),
        (",share\nPeru,1", "share\nPeru | 1", True),
        ("a,b\n1,2,3", "a | b\na: 1; b: 2; 3", True),
        ("Ana,Berlin\nBo,Paris\nCy,Berlin", "Ana | Berlin\nBo | Paris\nCy | Berlin", True),
        ("Ana,K12\nBo,B7\nCy,D130", "Ana | K12\nBo | B7\nCy | D130", True),
        ("Ana,Room 4\nBo,Room 12\nCy,Room 9", "Ana | Room 4\nBo | Room 12\nCy | Room 9", True),
        ("Anna,Graz,nurse\nBert,Linz,baker", "Anna | Graz | nurse\nBert | Linz | baker", True),
        ("USA,Washington\nPeru,Lima", "USA | Washington\nPeru | Lima", True),
        ("苹果,红色,3元\n香蕉,黄色,2元", "苹果 | 红色 | 3元\n香蕉 | 黄色 | 2元", True),
        (
            '"Ann Berg","Main St 5, Graz"\n"Bert Falk","Hill Rd 7, Linz"',
            "Ann Berg | Main St 5, Graz\nBert Falk | Hill Rd 7, Linz",
            True,
        ),
        ("第一城市,水果\n武汉,梨\n广州,桃", "第一城市 | 水果\n第一城市: 武汉; 水果: 梨\n第一城市: 广州; 水果: 桃", True),
        ("last name,origin\nHolt,Rome", "last name | origin\nlast name: Holt; origin: Rome", True),
        ("Mon,Tue\nsoup,fish\npie,stew", "Mon | Tue\nMon: soup; Tue: fish\nMon: pie; Tue: stew", True),
        ("SHIP,PORT\nGannet,Hull", "SHIP | PORT\nSHIP: Gannet; PORT: Hull", True),
        ("Tool,Shelf\nSaw,A\nAxe,B", "Tool | Shelf\nTool: Saw; Shelf: A\nTool: Axe; Shelf: B", True),
        ("Yard list\nShip,Berth\nGannet,12", "Yard list\nShip | Berth\nShip: Gannet; Berth: 12", True),
        ("name,Col1\nBo,B7\nCy,D130", "name | Col1\nname: Bo; Col1: B7\nname: Cy; Col1: D130", True),
        (
            "name,town\nBo,Rome\nname,town\nCy,Oslo",
            "name | town\nname: Bo; town: Rome\nname: name; town: town\nname: Cy; town: Oslo",
            True,
        ),
    ],
)
def test_headers_and_odd_records(tmp_path: Path, data: str, text: str, lines: bool) -> None:
    found = get(tmp_path, "a.csv", data)
    assert (found.text, found.lines) == (text, lines)


def test_a_quote_that_never_closes_costs_nothing(tmp_path: Path) -> None:
    found = get(tmp_path, "a.csv", 'a,b\n1,"' + "long " * 50_000 + "\n2,3")
    assert found.text == 'a | b\na: 1; b: "' + ("long " * 50_000).strip() + "\na: 2; b: 3"
    assert found.lines


def test_a_cell_of_any_length_leaves_the_columns_their_names(tmp_path: Path) -> None:
    found = get(tmp_path, "a.csv", f"name,note\nAna,{'x' * 150_000}\nBo,short\n")
    assert found.text.endswith("\nname: Bo; note: short\n") and f"name: Ana; note: {'x' * 150_000}\n" in found.text


# ODT and EPUB


def test_open_document_text(tmp_path: Path) -> None:
    found = get(tmp_path, "a.odt", samples.letter())
    assert found.text == (
        "## Sick leave\n\nA note  is needed[^1].\nAlways.\n\n- one\n  - under it\n\nKind |  | Days\nSick | a | 10\n\n"
        "Boxed:\n\nin the box\n\n# Annex\n\n[^1]: Since May."
    )
    assert (found.title, found.metadata["author"]) == ("Leave policy", "Ana Li")


def test_chapters_in_their_order(tmp_path: Path) -> None:
    found = get(tmp_path, "a.epub", samples.book())
    assert found.text == "# One\n\nIt snowed.\n\n# Two\n\nThe end."
    assert (found.title, found.metadata["author"]) == ("A winter's tale", "Ana Li; Bo Xu")


def test_a_chapter_that_is_missing_costs_only_itself(tmp_path: Path) -> None:
    made = samples.members(samples.book())
    del made["one 1.xhtml"]
    found = get(tmp_path, "a.epub", samples.zipped(made))
    assert (found.text, found.metadata["pages_failed"]) == ("# Two\n\nThe end.", "1")
    del made["OPS/two.xhtml"]
    assert "none of its 2 chapters" in refusal(tmp_path, "a.epub", samples.zipped(made), BrokenError)


def test_places_that_lead_out_of_the_archive_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "secret.xhtml").write_text("<p>top secret</p>")
    package = samples.members(samples.book())["OPS/book.opf"]
    assert isinstance(package, bytes)
    for place in ("../../secret.xhtml", str(tmp_path / "secret.xhtml"), (tmp_path / "secret.xhtml").as_uri(), "//x/y", "[", ""):
        made = {"OPS/book.opf": package.replace(b"two.xhtml#top", place.encode()), "../../out.xhtml": "x", "/abs.xhtml": "y"}
        assert get(tmp_path, "a.epub", samples.book({**made})).text == "# One\n\nIt snowed."
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.epub", "secret.xhtml"]


def test_books_with_protection(tmp_path: Path) -> None:
    said = '<encryption xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:CipherReference URI="{}"/></encryption>'
    locked = samples.book({"META-INF/encryption.xml": said.format("OPS/two.xhtml")})
    assert "DRM" in refusal(tmp_path, "a.epub", locked, LockedError)
    fonts = samples.book({"META-INF/encryption.xml": said.format("OPS/font.otf")})
    assert "The end." in get(tmp_path, "a.epub", fonts).text


# Mail


def test_mail(tmp_path: Path) -> None:
    found = get(tmp_path, "a.eml", samples.MAIL)
    assert found.text == (
        "From: Ana Lí <ana@example.org>\nTo: bo@example.org, cy@example.org\nDate: Fri, 1 May 2026 09:30:00 +0200\n"
        "Subject: 实验室 hours\n\nThe café opens at nine.\n\n"
        "# Attachment: über.pdf (application/pdf, 3 bytes, not read: binary data of no known type)\n\n"
        "# Attached message: Before\n\nFrom: dee@example.org\nSubject: Before\n\n<b>No</b> page."
    )
    assert (found.title, found.metadata["author"]) == ("实验室 hours", "Ana Lí <ana@example.org>")
    assert get(tmp_path, "message", samples.MAIL).metadata["content_type"] == "message/rfc822"


def test_mail_as_a_web_page(tmp_path: Path) -> None:
    head = "From: a@b.c\nContent-Type: text/html; charset=koi8-r\n\n"
    page = "<html><p>Открыто с <b>девяти</b></p><ul><li>до пяти</li></ul>".encode("koi8-r")
    assert get(tmp_path, "a.eml", head.encode() + page).text == "From: a@b.c\n\nОткрыто с девяти\n\n- до пяти"


def test_a_saved_web_page(tmp_path: Path) -> None:
    found = get(tmp_path, "a.mht", samples.ARCHIVED)
    assert (found.text, found.title) == ("Open at nine, Café at ten.", "Opening hours")
    assert "author" not in found.metadata


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: text/plain; charset=no-such-set",
        b"Content-Type: text/plain; charset*=utf-8''\xff\xfe",
        b"Content-Type: ;;;=\xff",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: \xff",
        b"Subject: =?utf-8?b?//////?= =?no?q?x?= =?utf-8?q?=FF?=",
        b"Subject: \xff\xfe\x80",
        b'From: <<<>>>@["',
        b"From: =?",
        b"To: a:b:c;;;@",
        b"Date: nonsense",
        b"Content-Disposition: attachment; filename*0*=\xff''%; filename*1=",
        b"Content-Type: multipart/mixed",
        b"Content-Type: multipart/mixed; boundary=",
        b"Content-Type: message/rfc822",
    ],
)
def test_mail_with_broken_headers_is_read(tmp_path: Path, head: bytes) -> None:
    assert get(tmp_path, "a.eml", b"To: ana@b.c\nSubject: Hours\n" + head + b"\n\nwords\n").text.count("ana@b.c") == 1


# JSON, notebooks, XML


def test_json_by_record(tmp_path: Path) -> None:
    data = {
        "about": {"by": "Ana"},
        "count": 2,
        "users": [{"name": "Ana", "tags": ["a", "b"]}, {"name": "Bo", "in": [{"city": "Köln"}, {"city": "实验"}]}],
    }
    assert get(tmp_path, "a.json", json.dumps(data)).text == (
        "about.by: Ana\ncount: 2\n\nusers.name: Ana\nusers.tags: a, b\n\n"
        "users.name: Bo\nusers.in[1].city: Köln\nusers.in[2].city: 实验"
    )


def test_json_numbers_stand_as_they_are_written(tmp_path: Path) -> None:
    data = '{"a": 1.10, "b": 1e400, "c": ' + "9" * 5000 + ', "d": NaN, "e": null, "f": false}'
    assert get(tmp_path, "a.json", data).text == f"a: 1.10\nb: 1e400\nc: {'9' * 5000}\nd: NaN\nf: false"


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json"])
def test_json_lines_keep_their_lines(tmp_path: Path, name: str) -> None:
    data = '{"name": "Ana", "of": {"age": 3}}\n{"name": "Bo", bro ken\n\n{"name": "Cy\\n\\nLi"}\n'
    found = get(tmp_path, name, data)
    assert found.text == 'name: Ana; of.age: 3\n{"name": "Bo", bro ken\n\nname: Cy Li\n'
    assert found.lines


def test_json_that_is_none(tmp_path: Path) -> None:
    for data in ('{"a": 1', "words\nand more words\n", "'a'", "{}{"):
        assert "damaged" in refusal(tmp_path, "a.json", data, BrokenError)
    for deep in ("[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000):
        assert "nests too deeply" in refusal(tmp_path, "a.json", deep, BrokenError)
        assert "nests too deeply" in refusal(tmp_path, "a.ipynb", deep, BrokenError)


def test_json_with_endless_keys_stays_small(tmp_path: Path) -> None:
    data = json.dumps({"k" * 100_000: {"l" * 100_000: [{"a": n} for n in range(1000)]}})
    assert len(get(tmp_path, "a.json", data).text) < 500_000


def test_notebooks(tmp_path: Path) -> None:
    found = get(tmp_path, "a.ipynb", samples.NOTEBOOK)
    assert found.text == "# Growth\n\nHow it *grew*.\n\n```\n# not a heading\nprint(2 + 2)\n```\n\n```\n4\n```"
    assert found.title == "Growth"
    assert "rename it to .json" in refusal(tmp_path, "a.ipynb", '{"a": 1}', BrokenError)


def test_text_cells_of_notebooks_are_read_as_markdown_is(tmp_path: Path) -> None:
    source = [
        "# Tide\n",
        "<!-- ninety rows -->\n",
        "<p style='display:none'>eighty</p>\n",
        "~~12~~ 20 euros, 10<sup>5</sup> litres",
    ]
    cells = [{"cell_type": "markdown", "source": source}, {"cell_type": "markdown", "source": "<!-- no -->"}]
    cells += [{"cell_type": "code", "source": "a = '<!-- yes -->'"}, {"cell_type": "raw", "source": "<!-- yes -->"}]
    found = get(tmp_path, "a.ipynb", json.dumps({"nbformat": 4, "cells": cells}))
    assert found.text == "# Tide\n\n\n 20 euros, 10⁵ litres\n\n```\na = '<!-- yes -->'\n```\n\n<!-- yes -->"
    assert found.metadata["hidden_characters"] == "6"


def test_xml_by_record(tmp_path: Path) -> None:
    data = """<?xml version="1.0" encoding="iso-8859-1"?><list><!-- no --><land code="pe"><name>Per\xfa</name>
    <at><lat>9</lat><lon>75</lon></at></land><land code="fr"><name>France &amp; more</name><at><lat>46</lat></at></land></list>"""
    peru = "code: pe\nname: Perú\nat.lat: 9\nat.lon: 75"
    assert get(tmp_path, "a.xml", data.encode("latin-1")).text == f"{peru}\n\ncode: fr\nname: France & more\nat.lat: 46"
    wrongly = data.replace("iso-8859-1", "utf-8").encode("latin-1")
    assert get(tmp_path, "a.xml", wrongly).text.startswith(peru)


def test_xml_with_running_text(tmp_path: Path) -> None:
    data = "<book><title>Snow</title><part><p>It <i>snowed</i> again.</p><p>Then <b>not</b>.</p></part></book>"
    found = get(tmp_path, "a.xml", data)
    assert (found.text, found.title) == ("title: Snow\n\nIt snowed again.\n\nThen not.", "Snow")


def test_feeds_are_read_as_xml(tmp_path: Path) -> None:
    item = "<item><title>{}</title><description>&lt;p&gt;The &lt;b&gt;lab&lt;/b&gt; opens&lt;/p&gt;</description></item>"
    feed = f'<?xml version="1.0"?><rss><channel><title>News</title>{item.format("One")}{item.format("Two")}</channel></rss>'
    for name in ("a.rss", "a.xml", "feed"):
        found = get(tmp_path, name, feed)
        assert found.text == "title: News\n\ntitle: One\ndescription: The lab opens\n\ntitle: Two\ndescription: The lab opens"
        assert (found.title, found.metadata["content_type"]) == ("News", "application/xml")


# Code


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.py", "text/x-python"),
        ("b.YML", "text/x-yaml"),
        ("c.php", "text/x-php"),
        ("d.h", "text/x-c"),
        ("e.ts", "text/x-typescript"),
    ],
)
def test_code_is_kept_line_for_line(tmp_path: Path, name: str, content_type: str) -> None:
    text = "<html>\n# no heading\n\tx = 1\n\n\n"
    found = get(tmp_path, name, text)
    assert (found.text, found.lines, found.title) == (text, True, name)
    assert found.metadata == {"content_type": content_type}


def test_code_is_told_by_its_content_type() -> None:
    assert all(format.textual and format.content_type.startswith(CODE) for format in LANGUAGES)
    assert not any(format.content_type.startswith(CODE) for format in set(FORMATS) - set(LANGUAGES))
    suffixes = [suffix for format in FORMATS for suffix in format.suffixes]
    assert len(suffixes) == len(set(suffixes)) and len({format.content_type for format in FORMATS}) == len(FORMATS)


@pytest.mark.parametrize("name", ["Makefile", "Dockerfile", "notes.txt"])
def test_other_names_stay_plain_text(tmp_path: Path, name: str) -> None:
    assert get(tmp_path, name, "all:\n\tbuild\n").metadata["content_type"] == "text/plain"


# What is hostile


@pytest.mark.parametrize("name", MAKERS)
def test_files_cut_short_are_refused_by_name(tmp_path: Path, name: str) -> None:
    whole = MAKERS[name]()
    for cut in range(1, len(whole), max(len(whole) // 40, 1)):
        try:
            get(tmp_path, name, whole[:cut])
        except ReadError as refused:
            assert str(refused).startswith(f"{name}: ")
        else:
            assert name not in PACKED


FLIPS = """
import random, sys
from pathlib import Path
from ingest.parsers import read
from ragbot.errors import ReadError
path, whole = Path(sys.argv[1]), Path(sys.argv[1]).read_bytes()
chance = random.Random(7)
for _ in range(60):
    data = bytearray(whole)
    for _ in range(chance.choice((1, 3, 20))):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path.write_bytes(data)
    try:
        read(path, "it")
    except ReadError as refused:
        assert str(refused).startswith("it: "), refused
print("done")
"""


@pytest.mark.parametrize("name", MAKERS)
def test_files_with_wrong_bytes_are_read_or_refused(tmp_path: Path, name: str) -> None:
    """In a process of its own, which a parser that is not Python might take down."""
    path = tmp_path / name
    path.write_bytes(MAKERS[name]())
    done = subprocess.run([sys.executable, "-c", FLIPS, path], capture_output=True, text=True, timeout=300)
    assert done.stdout == "done\n", done.stderr


@pytest.mark.parametrize("name", PACKED)
def test_parts_with_wrong_bytes_are_read_or_refused(tmp_path: Path, name: str) -> None:
    made, chance = samples.members(MAKERS[name]()), random.Random(7)
    for _ in range(40):
        member = chance.choice(sorted(made))
        data = bytearray(made[member])
        for _ in range(chance.choice((1, 5)) if data else 0):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            assert get(tmp_path, name, samples.zipped(made | {member: bytes(data)})).text
        except ReadError as refused:
            assert str(refused).startswith(f"{name}: ")


@pytest.mark.parametrize("name", PACKED)
def test_zip_bombs(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = changed(MAKERS[name](), "media/a.bin", b"\0" * 60_000_000)
    assert "as a zip bomb does" in refusal(tmp_path, name, bomb, BrokenError)
    monkeypatch.setattr("ingest.parsers.archive.MAX_MEMBERS", 3)
    assert "more than the 3 that are read" in refusal(tmp_path, name, MAKERS[name](), BrokenError)


@pytest.mark.parametrize("name", PACKED)
def test_sizes_that_are_lied_about(tmp_path: Path, name: str) -> None:
    """Every member says that it unpacks to 10 bytes: not more than that may be unpacked."""
    data = bytearray(changed(MAKERS[name](), "content.xml", b"<a>" + b" " * 1_000_000))
    at = 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        data[at + 24 : at + 28] = struct.pack("<I", 10)
        at += 4
    refusal(tmp_path, name, bytes(data), BrokenError)


@pytest.mark.parametrize("name", PACKED)
def test_encrypted_archives(tmp_path: Path, name: str) -> None:
    data = bytearray(MAKERS[name]())
    for mark, flag in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + flag] |= 1
    assert "encrypted" in refusal(tmp_path, name, bytes(data), LockedError)


def test_encrypted_by_the_office_program(tmp_path: Path) -> None:
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500 + "EncryptedPackage".encode("utf-16-le")
    for name in ("a.pptx", "a.xlsx"):
        assert "save it without a password" in refusal(tmp_path, name, data, LockedError)
    entry = '<manifest:file-entry manifest:full-path="content.xml"><manifest:encryption-data/></manifest:file-entry>'
    for kind, name in (("text", "a.odt"), ("spreadsheet", "a.ods")):
        assert "encrypted" in refusal(tmp_path, name, samples.odf(kind, "", manifest=entry), LockedError)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a.pptx", "ppt/slides/slide1.xml"),
        ("a.xlsx", "xl/worksheets/s1.xml"),
        ("a.odt", "content.xml"),
        ("a.ods", "content.xml"),
        ("a.epub", "OPS/book.opf"),
        ("a.epub", "META-INF/container.xml"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_bombs_in_archives(tmp_path: Path, name: str, part: str, encoding: str) -> None:
    bomb = f'<!-- x --><!DOCTYPE a [<!ENTITY l0 "ha">{DECLARED}]><a>&l9;</a>'.encode(encoding)
    assert "declares entities" in refusal(tmp_path, name, changed(MAKERS[name](), part, bomb), BrokenError)


def test_a_chapter_that_is_an_xml_bomb_expands_to_nothing(tmp_path: Path) -> None:
    bomb = f'<!DOCTYPE html [<!ENTITY l0 "ha">{DECLARED}]><html><body><p>&l9;</p></body></html>'
    assert len(get(tmp_path, "a.epub", samples.book({"OPS/two.xhtml": bomb})).text) < 5_000


def test_xml_bombs(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("top secret")
    kinds = [f'<!ENTITY l0 "ha">{DECLARED}', f'<!ENTITY l9 SYSTEM "{(tmp_path / "secret").as_uri()}">', '<!ENTITY % p "x">']
    for kind in kinds:
        bomb = f'<?xml version="1.0"?>\n<!DOCTYPE a [{kind}]><a b="&l9;">&l9;</a>'
        assert "declares entities" in refusal(tmp_path, "a.xml", bomb, BrokenError)
    outside = f'<!DOCTYPE a SYSTEM "{(tmp_path / "secret").as_uri()}"><a>words &x; and more</a>'
    assert get(tmp_path, "a.xml", outside).text == "words &x; and more"
    assert "damaged" in refusal(tmp_path, "a.xml", "<a>" * 10_000, BrokenError)
    speaks = "<a><![CDATA[<!DOCTYPE a [<!ENTITY b 'c'>]>]]></a>"
    assert "ENTITY" in get(tmp_path, "a.xml", speaks).text


def test_lines_of_any_length_are_told_apart_in_time(tmp_path: Path) -> None:
    for name, data in {
        "a.csv": "a," * 400_000,
        "b.csv": '"' * 100_001,
        "c.xml": "<a>" + "<b/>" * 100_000 + "</a>",
        "d.jsonl": "[1,2]\n" * 100_000,
        "e.eml": "From: a@b\n" + "X: y\n" * 20_000 + "\n",
    }.items():
        try:
            get(tmp_path, name, data)
        except ReadError as refused:
            assert str(refused).startswith(f"{name}: ")
