"""Every rule of the readers, on files that are made here."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pypdf
import pypdfium2
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from fpdf import FPDF
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.parsers import SUFFIXES, read
from ingest.parsers import pdf as pdf_reader
from ingest.parsers.hyphens import dehyphenated
from ingest.parsers.pdf_lines import Page, plain
from ragbot.errors import BrokenError, EmptyError, LockedError, ReadError, UnsupportedError
from ragbot.types import Document

CHINESE = "实验室早上九点开门，周日关闭。请在进入前登记姓名与学号。"


def put(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def get(folder: Path, name: str, data: bytes | str, password: str | None = None) -> Document:
    return read(put(folder, name, data), name, password=password)


def refusal(folder: Path, name: str, data: bytes | str, kind: type[ReadError]) -> str:
    with pytest.raises(kind) as caught:
        get(folder, name, data)
    message = str(caught.value)
    assert type(caught.value) is kind
    assert message.startswith(f"{name}: ") and "\n" not in message and len(message) < 300
    return message


def pdf(*pages: str, title: str = "", author: str = "") -> bytes:
    made = FPDF()
    made.set_font("Helvetica", size=12)
    if title:
        made.set_title(title)
    if author:
        made.set_author(author)
    for page in pages:
        made.add_page()
        made.multi_cell(0, 8, page) if page else made.rect(20, 20, 100, 100, style="F")
    return bytes(made.output())


def locked_pdf(data: bytes, password: str, algorithm: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    writer.encrypt(user_password=password, owner_password="owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def misplaced(data: bytes) -> bytes:
    """The same PDF, with a table of objects that is not where it says: pypdf repairs this, and logs it."""
    at = data.rindex(b"startxref")
    return data[:at] + b"startxref\n3\n%%EOF\n"


def pdf_of(*objects: bytes) -> bytes:
    """A PDF of given objects, the first being its catalogue."""
    out, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    head = b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    return out + head + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (size, len(out))


def stream(data: bytes) -> bytes:
    return b"<</Length %d>>stream\n%s\nendstream" % (len(data), data)


def chinese_pdf(text: str, *, mapped: bool = True) -> bytes:
    """Glyph n is the nth character; only a ToUnicode map says so."""
    pairs = "\n".join(f"<{n:04x}> <{char.encode('utf-16-be').hex()}>" for n, char in enumerate(text, 1))
    cmap = f"begincmap 1 begincodespacerange <0000> <ffff> endcodespacerange\n{len(text)} beginbfchar\n{pairs}\n"
    shown = "".join(f"{n:04x}" for n in range(1, len(text) + 1))
    private = "".join(f"<{n:04x}> <{0xE000 + n:04x}>\n" for n in range(1, len(text) + 1))
    if not mapped:
        cmap = f"begincmap 1 begincodespacerange <0000> <ffff> endcodespacerange\n{len(text)} beginbfchar\n{private}"
    return pdf_of(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 200]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        stream(f"BT /F 12 Tf 20 100 Td <{shown}> Tj ET".encode()),
        b"<</Type/Font/Subtype/Type0/BaseFont/Song/Encoding/Identity-H/DescendantFonts[6 0 R]/ToUnicode 7 0 R>>",
        b"<</Type/Font/Subtype/CIDFontType2/BaseFont/Song/DW 1000"
        b"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>>>",
        stream(f"{cmap}endbfchar endcmap".encode()),
    )


def word(build: object = None, **properties: str) -> bytes:
    made = docx.Document()
    for name, value in properties.items():
        setattr(made.core_properties, name, value)
    if callable(build):
        build(made)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def with_member(data: bytes, name: str, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    return zipped(members | {name: content})


# The face


def test_importing_loads_no_parser() -> None:
    parsers = {"pypdf", "pypdfium2", "docx", "bs4", "lxml", "pptx", "PIL", "rapidocr", "python_calamine", "chardet"}
    code = f"import sys, ingest.parsers; print({parsers} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_suffixes_are_what_a_walk_picks_up() -> None:
    assert {".pdf", ".docx", ".html", ".htm", ".xhtml", ".md", ".markdown", ".txt", ".text"} <= SUFFIXES
    assert {".pptx", ".xlsx", ".csv", ".json", ".xml", ".eml", ".py"} <= SUFFIXES
    assert not SUFFIXES & {".doc", ".ppt", ".zip", ".svg", ".mbox", ""}


def test_document_carries_uri_scope_and_type(tmp_path: Path) -> None:
    found = read(put(tmp_path, "a.txt", "hello"), "docs/a.txt", scope="ana")
    assert (found.uri, found.scope, found.kind, found.text) == ("docs/a.txt", "ana", "file", "hello")
    assert found.metadata == {"content_type": "text/plain"}


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("a.pdf", "application/pdf"), ("a.html", "text/html"), ("a.md", "text/markdown"), ("a.TXT", "text/plain")],
)
def test_content_types(tmp_path: Path, name: str, content_type: str) -> None:
    data = pdf("Words") if name == "a.pdf" else b"Words"
    assert get(tmp_path, name, data).metadata["content_type"] == content_type


# What is chosen, and what is refused


def test_content_decides_where_the_name_says_nothing(tmp_path: Path) -> None:
    assert get(tmp_path, "report", pdf("Quarterly numbers")).pages == (0,)
    assert get(tmp_path, "report.bin", word(lambda d: d.add_heading("Leave", 1))).text == "# Leave"
    assert get(tmp_path, "page", "<!doctype html><p>Leave</p><script>x</script>").text == "Leave"
    assert get(tmp_path, "README", "# Not a heading here").metadata["content_type"] == "text/plain"


def test_suffix_decides_between_kinds_of_text(tmp_path: Path) -> None:
    text = "# Hours\n\n<b>open</b> at 9\n"
    assert get(tmp_path, "a.txt", text).title == "a"
    assert get(tmp_path, "a.md", text).title == "Hours"
    assert get(tmp_path, "a.html", text).text == "# Hours open at 9"


def test_a_page_is_html_whatever_its_name(tmp_path: Path) -> None:
    page = '<?xml version="1.0"?>\n<!-- note --><html><body><p>Open</p><script>no()</script></body></html>'
    assert [get(tmp_path, name, page).text for name in ("a.txt", "a.md", "a.xhtml")] == ["Open"] * 3


@pytest.mark.parametrize(
    ("name", "data", "holds", "mend"),
    [
        ("a.docx", pdf("Words"), "a PDF", "rename it to .pdf"),
        ("a.pdf", word(lambda d: d.add_paragraph("Words")), "a DOCX", "rename it to .docx"),
        ("a.pdf", b"just words", "plain text", "rename it to .txt"),
        ("a.docx", b"<html><p>just words", "HTML", "rename it to .html"),
        ("a.docx", zipped({"a.txt": b"words"}), "a zip archive", "export it again as DOCX"),
        ("a.docx", zipped({"ppt/presentation.xml": b"<p/>"}), "a PPTX", "rename it to .pptx"),
        ("a.pdf", zipped({"a.txt": b"words"}), "a zip archive", "export it again as PDF"),
        ("a.txt", pdf("Words"), "a PDF", "rename it to .pdf"),
        ("a.md", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image", "rename it to .png"),
        ("a.txt", b"\x00\x01\x02junk\xff\xfe" * 50, "binary data", "export it again as plain text"),
        ("a.txt", b"\0" * 100, "binary data", "export it again as plain text"),
        ("a.txt", bytes(range(256)) * 4, "binary data", "export it again as plain text"),
    ],
)
def test_misnamed_files_are_refused(tmp_path: Path, name: str, data: bytes, holds: str, mend: str) -> None:
    message = refusal(tmp_path, name, data, BrokenError)
    assert f"named {Path(name).suffix} but holds {holds}" in message and mend in message


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("a.docm", zipped({"word/document.xml": b"<d/>"}), "a Word template or macro file"),
        ("a.ppsx", zipped({"ppt/presentation.xml": b"<p/>"}), "a PowerPoint show or template"),
        ("a.odp", zipped({"mimetype": b"application/vnd.oasis.opendocument.presentation"}), "an OpenDocument file other than"),
        ("a.zip", zipped({"a.txt": b"words"}), "a zip archive"),
        ("a.zip", zipped({"a.txt": b"words"})[:40], "a damaged zip archive"),
        ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><text>words</text></svg>', "an SVG image"),
        ("drawing", b'<?xml version="1.0"?><svg><text>words</text></svg>', "an SVG image"),
        ("a.mbox", b"From a@b.c\nFrom: a@b.c\n\nwords", "a mailbox (MBOX)"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "an old Microsoft Office file"),
        ("a.rtf", rb"{\rtf1 words}", "rich text (RTF)"),
        ("a.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0", "an MP4 or HEIC file"),
        ("a.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "a gzip archive"),
        ("a.bin", bytes(range(256)), "binary data of no known type"),
    ],
)
def test_other_types_are_named(tmp_path: Path, name: str, data: bytes, what: str) -> None:
    message = refusal(tmp_path, name, data, UnsupportedError)
    assert what in message and "PDF, DOCX, HTML, Markdown and plain text" in message


@pytest.mark.parametrize("name", ["a.txt", "a.pdf", "a.docx", "a.md", "a.html", "a"])
def test_zero_bytes_are_empty(tmp_path: Path, name: str) -> None:
    assert "0 bytes" in refusal(tmp_path, name, b"", EmptyError)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.txt", b" \n\t\n"),
        ("a.md", b"\xef\xbb\xbf\n"),
        ("a.html", b"<html><title>App</title><div id=app></div><script>run()</script></html>"),
        ("a.docx", word()),
    ],
)
def test_no_text_is_empty(tmp_path: Path, name: str, data: bytes) -> None:
    assert "no text" in refusal(tmp_path, name, data, EmptyError)


def test_missing_folder_and_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReadError, match="no.txt: no such file"):
        read(tmp_path / "no.txt", "no.txt")
    with pytest.raises(ReadError, match="here: not a file"):
        read(tmp_path, "here")
    path = put(tmp_path, "a.txt", "words")

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(LockedError, match="a.txt: no permission"):
        read(path, "a.txt")


# Characters


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", CHINESE),
        ("utf-8-sig", CHINESE),
        ("utf-16", CHINESE),
        ("utf-16-le", f"{CHINESE}\nOpen at 9.\n"),
        ("utf-16-be", "Open at nine, closed on Sunday.\n"),
        ("utf-32", CHINESE),
        ("utf-32-be", CHINESE),
        ("gb18030", CHINESE),
        ("big5", "實驗室早上九點開門，週日關閉。請在進入前登記姓名與學號。"),
        ("shift_jis", "研究室は午前九時に開きます。日曜日は閉まっています。"),
        ("euc_jp", "研究室は午前九時に開きます。日曜日は閉まっています。"),
        ("iso2022_jp", "研究室は午前九時に開きます。"),
        ("euc_kr", "연구실은 아침 아홉 시에 문을 엽니다."),
        ("latin-1", "## können\n\nkönnen\n\näöüß\n"),
        ("latin-1", "The lab opens at nine and closes at five. " * 5 + "Café naïve.\n"),
        ("cp1252", "Le café est “ouvert” à neuf heures, sauf le dimanche où il est fermé."),
        ("cp1251", "Лаборатория открывается в девять часов утра."),
        ("koi8_r", "Лаборатория открывается в девять часов утра."),
        ("cp1250", "Žluťoučký kůň se pásl na louce u řeky a díval se na západ slunce."),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.md"])
def test_encodings(tmp_path: Path, name: str, encoding: str, text: str) -> None:
    assert get(tmp_path, name, text.encode(encoding)).text == text


def test_encoding_is_told_by_what_comes_late(tmp_path: Path) -> None:
    text = "Nothing but ASCII for a long while.\n" * 5000 + CHINESE
    assert get(tmp_path, "a.txt", text.encode("gb18030")).text == text


def test_one_damaged_byte_costs_one_character(tmp_path: Path) -> None:
    data = (CHINESE * 3).encode()
    assert get(tmp_path, "a.txt", data[:31] + b"\xff" + data[31:]).text.startswith(CHINESE[:10])
    assert get(tmp_path, "a.txt", data[:-1]).text[:-1] == (CHINESE * 3)[:-1]


def test_line_ends_and_controls(tmp_path: Path) -> None:
    found = get(tmp_path, "a.txt", "one\r\ntwo\rthree\tx\x0c\n" + "long enough a line to bear a zero\x00 byte\n")
    assert found.text == "one\ntwo\nthree\tx\nlong enough a line to bear a zero byte\n"
    assert get(tmp_path, "b.txt", "e\u0301 ﬁ Å").text == "e\u0301 ﬁ Å"  # not normalised


TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cf"]) | st.sampled_from("\n\t\u200c\u200d\u200e\u200f\u00ad"), min_size=1
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS.filter(lambda text: text.strip() and text[0] not in "\ufeff%<{"))
def test_plain_text_is_kept_exactly(tmp_path: Path, text: str) -> None:
    found = get(tmp_path, "a.txt", text)
    assert found.text == text and found.lines


# Markdown and plain text


def test_markdown_keeps_lines_and_front_matter(tmp_path: Path) -> None:
    text = "---\ntitle: Front\n---\n\n```sh\n# not this\n```\n\n# 实验室 *hours* {#hours} #\n\n- a\n"
    found = get(tmp_path, "a.md", text)
    assert (found.text, found.lines, found.pages) == (text, True, ())
    assert found.title == "实验室 *hours*"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("## Second\n\n# First { #first }\n", "First"),
        ("First\n=====\n\nwords\n", "First"),
        ("---\ntitle: 'From the front'\n---\nwords\n", "From the front"),
        ("## Only a second\n", "notes"),
        ("#" + " word" * 100, "word " * 39 + "word…"),
    ],
)
def test_markdown_titles(tmp_path: Path, text: str, title: str) -> None:
    found = get(tmp_path, "notes.md", text).title
    assert found == title and len(found) <= 200


def test_plain_text_is_titled_by_its_name(tmp_path: Path) -> None:
    assert get(tmp_path, "opening hours.txt", "# 9:00\n").title == "opening hours"


# HTML


PAGE = """<!doctype html><html><head><title> Lab
 hours | Site </title><meta name="Author" content="Ana Li"><style>p{}</style></head><body>
<header><div>Logo</div><h1>Handbook</h1><nav>Home About</nav></header><nav>Menu one</nav>
<div role=navigation>Menu two</div><aside>Advert</aside><form><label>Your name</label><input value=inp>
<button>Send</button><select><option>Choice</select></form>
<h2>Opening <b>hours</b><a href="#x">¶</a></h2><p>The lab  opens
at <i>9</i>:00.<br>Closed on Sunday.</p><p hidden>Secret one</p><p style="color:red; display : none">Secret two</p>
<p aria-hidden=true>Secret three</p><noscript>Enable it</noscript><template>Tpl</template><script>var x</script>
<section><header>Section head</header><p>H<sub>2</sub>O</p></section>
<ul><li>One<ul><li>Deep</ul><li><p>Two</p><p>more</p></ul><!-- comment -->
<pre>  x = 1
  # y <br>z</pre>
<footer>Imprint</footer></body></html>"""


def test_html_structure_without_menus(tmp_path: Path) -> None:
    found = get(tmp_path, "a.html", PAGE)
    assert found.text == (
        "# Handbook\n\nYour name\n\n## Opening hours\n\nThe lab opens at 9:00.\nClosed on Sunday.\n\n"
        "Section head\n\nH₂O\n\n- One\n  - Deep\n- Two\n\nmore\n\n```\n  x = 1\n  # y\nz\n```"
    )
    assert (found.title, found.metadata["author"], found.lines) == ("Lab hours | Site", "Ana Li", False)


@pytest.mark.parametrize("tag", ["main", "article", "div role=main"])
def test_html_prefers_the_main_part_with_most_of_the_text(tmp_path: Path, tag: str) -> None:
    page = f"<html><body><div>Side words</div><{tag}><p>{'Long content. ' * 9}</p></{tag.split()[0]}></body></html>"
    assert "Side" not in get(tmp_path, "a.html", page).text
    small = page.replace("Side words", "Side words " * 30)
    assert "Side" in get(tmp_path, "b.html", small).text


def test_html_drops_link_menus_but_not_a_menu_of_dishes(tmp_path: Path) -> None:
    links = "".join(f"<li><a href=x>Place {n}</a></li>" for n in range(5))
    page = f"<html><body><ul class='top-menu'>{links}</ul><ul class=menu><li>Soup 3.50<li>Tea 2</ul></body></html>"
    assert get(tmp_path, "a.html", page).text == "- Soup 3.50\n- Tea 2"


def test_html_tables(tmp_path: Path) -> None:
    table = """<html><body><table><caption>Hours</caption><tr><th>Day<th>From<th></th><th>To</tr>
    <tr><td rowspan=2>Mon <br>Tue<td>9<td></td><td>17</tr><tr><td colspan=2>10<td><p>a</p><p>b</p></tr><tr><td></tr></table>
    <table><tr><td><h2>Layout</h2>x<td><table><tr><td>in<td>ner</table></table></body></html>"""
    assert get(tmp_path, "a.html", table).text == (
        "Hours\n\nDay | From | To\nMon Tue | 9 | 17\nMon Tue | 10 | a b\n\n## Layout\n\nx\n\nin | ner"
    )


def test_html_charsets(tmp_path: Path) -> None:
    page = '<html><head><meta charset="{}"></head><body><p>{}</p></body></html>'
    assert get(tmp_path, "a.html", page.format("gb2312", CHINESE).encode("gb18030")).text == CHINESE
    assert get(tmp_path, "b.html", page.format("utf-8", CHINESE).encode()).text == CHINESE
    assert get(tmp_path, "c.html", page.format("no-such", CHINESE).encode()).text == CHINESE
    assert get(tmp_path, "d.html", page.format("utf-8", CHINESE).encode("utf-16")).text == CHINESE
    assert get(tmp_path, "e.html", page.format("iso-8859-2", "źrebię").encode("iso-8859-2")).text == "źrebię"
    assert get(tmp_path, "f.html", page.format("hex", "words").encode()).text == "words"


def test_html_title_falls_back(tmp_path: Path) -> None:
    assert get(tmp_path, "a.html", "<html><title> </title><h1>Hours</h1>x").title == "Hours"
    assert get(tmp_path, "a.html", "<html><h3>Hours</h3>x").title == "Hours"
    assert get(tmp_path, "a.html", "<html>x").title == "a"


def sentences(letter: str, count: int) -> str:
    words = "kiln is fired on a day of its own and cools for two nights."
    return "".join(f"<p>The {letter}{number} {words}</p>" for number in range(count))


def test_html_boilerplate_of_a_page_that_marks_no_main_part_goes(tmp_path: Path) -> None:
    consent = "We and our partners use cookies to improve your experience of this site."
    banner = f"<div class=cc><div>{consent}</div><div>Accept all</div></div>"
    foot = "<div class=ft><div>Kiln Trust, charity no. 20931</div><div><a href=/p>Privacy</a></div></div>"
    main = f"<div class=txt><div class=h>Kilns</div>{sentences('a', 6)}</div>"
    text = get(tmp_path, "a.html", f"<html><head><title>Kilns</title></head><body>{banner}{main}{foot}</body></html>").text
    assert text.startswith("Kilns\n\nThe a0 kiln") and text.endswith("two nights.")


@pytest.mark.parametrize(
    "kept",
    [
        "<table><tr><td>Cone 6<td>1222 °C</tr><tr><td>Cone 04<td>1060 °C</tr></table>",
        "<dl><dt>Bisque</dt><dd>The first firing.</dd></dl>",
        "<pre>kiln --ramp 4</pre>",
        "<ul><li>Cone 6</li><li>Cone 04</li></ul>",
        "<figure><img src=a><figcaption>Cone 6 after firing</figcaption></figure>",
        "<blockquote>Fire slowly.</blockquote>",
        "<details><summary>When?</summary>On Thursday.</details>",
        "<h1>A page of kilns</h1>",
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_html_tables_lists_code_and_captions_are_never_boilerplate(tmp_path: Path, kept: str, before: bool) -> None:
    aside, main = f"<div class=tab>{kept}</div>", f"<div class=lead>{sentences('a', 8)}</div>"
    page = f"<html><head><title>x</title></head><body>{aside if before else ''}{main}{'' if before else aside}</body></html>"
    alone = get(tmp_path, "a.html", f"<html><body>{kept}</body></html>").text
    assert alone in get(tmp_path, "b.html", page).text


def test_html_posts_of_a_thread_stay_together(tmp_path: Path) -> None:
    sizes = {"a": 1, "b": 9, "c": 1, "d": 2}
    posts = "".join(f"<div class=post><div class=who>ana</div>{sentences(*post)}</div>" for post in sizes.items())
    text = get(tmp_path, "a.html", f"<html><body><div class=nav><a href=/>Board</a></div><div>{posts}</div></body></html>").text
    assert all(f"The {name} kiln" in text for name in ("a0", "b8", "c0", "d1"))


def test_html_page_dates(tmp_path: Path) -> None:
    page = "<html><head>{}</head><body><p>The lab opens at nine.</p><p>© 2019 The lab. All rights reserved.</p>{}</body></html>"
    meta = '<meta property="article:published_time" content="2024-03-18T07:45:00+00:00">'
    for head, body, date in (
        (meta, "", "2024-03-18"),
        (meta + '<meta property="og:updated_time" content="2024-04-02">', "", "2024-04-02"),
        ("", '<div class="date">2023-11-06 08:30</div>', "2023-11-06"),
        ("", "", None),
    ):
        assert get(tmp_path, "a.html", page.format(head, body)).metadata.get("page_date") == date


def test_html_that_is_an_address_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("socket.getaddrinfo", lambda host, *_: asked.append(host) or [])
    assert get(tmp_path, "a.html", "http://lab.test/page.html").text == "http://lab.test/page.html"
    assert not asked


@pytest.mark.parametrize(
    "body",
    [
        "".join(f"<div class='comment c{number}' id='footer{number}'>t {number}</div>" for number in range(9_000)),
        "a<br>" * 9_000,
        "<div>word word word word" * 1_000,
        "<ul><li>word word word word" * 700,
        "<time datetime='2020-01-02'>2/3/2020</time>" * 3_000,
        f"<a href='http://lab.test/{'2020/01/' * 30_000}'>x</a>",
    ],
    ids=["comments", "breaks", "nested", "lists", "dates", "address"],
)
def test_html_that_trafilatura_would_be_slow_on_takes_no_longer(tmp_path: Path, body: str) -> None:
    begun = time.monotonic()
    get(tmp_path, "a.html", f"<html><body>{body}</body></html>")
    assert time.monotonic() - begun < 60


def test_html_nested_deeply(tmp_path: Path) -> None:
    assert "bottom" in get(tmp_path, "a.html", "<html><body>" + "<div>" * 200 + "bottom" + "</div>" * 200).text
    assert get(tmp_path, "b.html", "<html><body><p>top</p>" + "<div><b>" * 20000).text == "top"


# DOCX


def leave_policy(made: docx.document.Document) -> None:
    made.add_heading("请假制度", 0)
    made.add_paragraph(CHINESE)
    made.add_heading("Sick leave", 2)
    made.add_paragraph("A note is needed.", style="List Bullet")
    made.add_paragraph("After three days.", style="List Number 2")
    table = made.add_table(2, 3)
    for at, text in enumerate(["Kind", "Days", "Pay", "Sick", "10", "full"]):
        table.cell(at // 3, at % 3).text = text
    made.add_paragraph("After the\ttable.")
    made.sections[0].header.paragraphs[0].text = "Page header"
    made.sections[0].footer.paragraphs[0].text = "Page footer"


def test_docx_keeps_structure_and_order(tmp_path: Path) -> None:
    found = get(tmp_path, "a.docx", word(leave_policy, author="Ana Li"))
    assert found.text == (
        f"# 请假制度\n\n{CHINESE}\n\n## Sick leave\n\n- A note is needed.\n  - 1. After three days.\n\n"
        "Kind | Days | Pay\nSick | 10 | full\n\nAfter the\ttable.\n\nPage header\n\nPage footer"
    )
    assert (found.title, found.metadata["author"], found.lines) == ("请假制度", "Ana Li", False)
    assert found.metadata["content_type"].endswith("wordprocessingml.document")


@pytest.mark.parametrize(
    ("given_title", "title"),
    [("Leave policy", "Leave policy"), ("", "Heading"), ("Untitled", "Heading"), ("draft.docx", "Heading")],
)
def test_docx_titles(tmp_path: Path, given_title: str, title: str) -> None:
    found = get(tmp_path, "a.docx", word(lambda d: d.add_heading("Heading", 1), title=given_title))
    assert found.title == title and "author" not in found.metadata


def test_docx_style_based_on_a_heading(tmp_path: Path) -> None:
    def build(made: docx.document.Document) -> None:
        style = made.styles.add_style("Kapitel", docx.enum.style.WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = made.styles["Heading 3"]
        made.add_paragraph("Urlaub", style="Kapitel")
        outlined = made.add_paragraph("Outlined")
        outlined.paragraph_format.element.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="1"/>'))

    assert get(tmp_path, "a.docx", word(build)).text == "### Urlaub\n\n## Outlined"


def test_docx_nested_tables_stand_once(tmp_path: Path) -> None:
    def build(made: docx.document.Document) -> None:
        table = made.add_table(3, 3)
        for row in range(3):
            for column in range(3):
                table.cell(row, column).text = f"{row}{column}"
        table.cell(0, 1).merge(table.cell(0, 2)).text = "wide"
        table.cell(1, 0).merge(table.cell(2, 0)).text = "tall"
        outer = made.add_table(1, 2)
        outer.cell(0, 0).text = "outer"
        inner = outer.cell(0, 1).add_table(1, 2)
        inner.cell(0, 0).text, inner.cell(0, 1).text = "in", "ner"

    text = get(tmp_path, "a.docx", word(build)).text
    assert text.startswith("00 | wide\ntall | 11 | 12\ntall | 21 | 22")
    assert text.count("outer") == 1 and text.count("in | ner") == 1


def test_docx_parts_that_python_docx_passes_over(tmp_path: Path) -> None:
    body = f"""<w:body {nsdecls("w")} xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"
      xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">
      <w:sdt><w:sdtContent><w:p><w:r><w:t>Controlled</w:t></w:r></w:p></w:sdtContent></w:sdt>
      <w:p><w:r><w:t>See </w:t></w:r><w:hyperlink><w:r><w:t>link</w:t></w:r></w:hyperlink>
        <w:ins><w:r><w:t> new</w:t></w:r></w:ins><w:del><w:r><w:delText> old</w:delText></w:r></w:del>
        <w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r><m:oMath><m:r><m:t> x=1</m:t></m:r></m:oMath></w:p>
      <w:p><w:r><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:r><w:t>Boxed</w:t></w:r></w:p></w:txbxContent>
        </mc:Choice><mc:Fallback><w:txbxContent><w:p><w:r><w:t>Boxed</w:t></w:r></w:p></w:txbxContent></mc:Fallback>
        </mc:AlternateContent></w:r></w:p></w:body>"""

    def build(made: docx.document.Document) -> None:
        made.element.replace(made.element.body, parse_xml(body))

    assert get(tmp_path, "a.docx", word(build)).text == "Controlled\n\nSee link new x=1\n\nBoxed"


def test_docx_footnotes(tmp_path: Path) -> None:
    note = f"""<w:footnotes {nsdecls("w")}><w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:t>--</w:t></w:r></w:p>
      </w:footnote><w:footnote w:id="2"><w:p><w:r><w:t>Since May.</w:t></w:r></w:p></w:footnote></w:footnotes>"""

    def build(made: docx.document.Document) -> None:
        made.add_paragraph("Opens at 9").add_run()._r.append(parse_xml(f'<w:footnoteReference {nsdecls("w")} w:id="2"/>'))
        part = docx.opc.part.Part(
            docx.opc.packuri.PackURI("/word/footnotes.xml"), "application/xml", note.encode(), made.part.package
        )
        made.part.relate_to(part, "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes")

    assert get(tmp_path, "a.docx", word(build)).text == "Opens at 9[^2]\n\n[^2]: Since May."


def test_docx_damage(tmp_path: Path) -> None:
    whole = word(leave_policy)
    for cut in (100, len(whole) // 2, len(whole) - 30):
        assert "damaged" in refusal(tmp_path, "a.docx", whole[:cut], BrokenError)
    assert "damaged" in refusal(tmp_path, "a.docx", with_member(whole, "word/document.xml", b"<w:"), BrokenError)
    assert "damaged" in refusal(tmp_path, "a.docx", zipped({"word/document.xml": b"<a/>"}), BrokenError)


def test_docx_zip_bombs(tmp_path: Path) -> None:
    many = with_member(word(leave_policy), "word/media/a.bin", b"\0" * 20_000_000)
    assert "zip bomb" in refusal(tmp_path, "a.docx", many, BrokenError)


def test_docx_larger_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.parsers.archive.MAX_UNPACKED_BYTES", 10_000)
    assert "more than the 10,000 that are read" in refusal(tmp_path, "a.docx", word(leave_policy), BrokenError)


def test_docx_billion_laughs(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    body = "<w:body><w:p><w:r><w:t>ha</w:t></w:r><w:r><w:t>&l9;</w:t></w:r></w:p></w:body>"
    xml = f'<!DOCTYPE d [<!ENTITY l0 "laughs">{entities}]><w:document {nsdecls("w")}>{body}</w:document>'
    bomb = with_member(word(), "word/document.xml", xml.encode())
    assert "declares entities, as an XML bomb does" in refusal(tmp_path, "a.docx", bomb, BrokenError)


def test_docx_external_entity_reads_no_file(tmp_path: Path) -> None:
    put(tmp_path, "secret", "top secret")
    entity = f'<!DOCTYPE d [<!ENTITY x SYSTEM "{(tmp_path / "secret").as_uri()}">]>'
    xml = f"{entity}<w:document {nsdecls('w')}><w:body><w:p><w:r><w:t>a</w:t><w:t>&x;</w:t></w:r></w:p></w:body></w:document>"
    assert "declares entities" in refusal(tmp_path, "a.docx", with_member(word(), "word/document.xml", xml.encode()), BrokenError)


def test_docx_encrypted_by_office(tmp_path: Path) -> None:
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500 + "EncryptedPackage".encode("utf-16-le")
    assert "save it without a password" in refusal(tmp_path, "a.docx", data, LockedError)


# PDF


def test_pdf_page_offsets_are_exact(tmp_path: Path) -> None:
    found = get(tmp_path, "a.pdf", pdf("First page", "", "Third page\nsecond line", "Fourth"))
    assert found.text == "First page\n\n\n\nThird page\nsecond line\n\nFourth"
    assert [found.text[start:][:5] for start in found.pages] == ["First", "\n\nThi", "Third", "Fourt"]
    assert (found.lines, len(found.pages)) == (False, 4)


def test_pdf_chinese(tmp_path: Path) -> None:
    found = get(tmp_path, "a.pdf", chinese_pdf(CHINESE))
    assert found.text == CHINESE and found.title == CHINESE


def test_pdf_of_blank_pages_is_empty(tmp_path: Path) -> None:
    assert "no text can be recognized on its 3 pages" in refusal(tmp_path, "a.pdf", pdf("", "", ""), EmptyError)
    assert "no text can be recognized on its page;" in refusal(tmp_path, "b.pdf", pdf(""), EmptyError)


def test_pdf_without_readable_characters(tmp_path: Path) -> None:
    assert "cannot be decoded" in refusal(tmp_path, "a.pdf", chinese_pdf(CHINESE, mapped=False), BrokenError)


def test_pdf_page_that_fails_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_page = pdf_reader._by_pdfium

    def failing(page: pypdfium2.PdfPage, layers: Callable[[], bool]) -> Page:
        read = of_page(page, layers)
        if "Second" in read.text:
            raise pypdfium2.PdfiumError("no text")
        return plain("/g18/g152/g135/g148/g152\nFourth") if "Fourth" in read.text else read

    monkeypatch.setattr(pdf_reader, "_by_pdfium", failing)
    monkeypatch.setattr(pypdf.PageObject, "extract_text", lambda _: {}["/Font"])
    monkeypatch.setattr(pdf_reader, "_recognize", lambda _: "")
    found = get(tmp_path, "a.pdf", pdf("First", "Second", "Third", "Fourth"))
    assert (found.text, len(found.pages)) == ("First\n\n\n\nThird\n\nFourth", 4)
    assert found.metadata["pages_failed"] == "2,4"


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_pdf_passwords(tmp_path: Path, algorithm: str) -> None:
    data = locked_pdf(pdf("Secret hours"), "sesame", algorithm)
    assert refusal(tmp_path, "a.pdf", data, LockedError) == "a.pdf: encrypted; give its password with --password"
    with pytest.raises(LockedError, match="this password does not open it"):
        get(tmp_path, "a.pdf", data, password="wrong")
    assert get(tmp_path, "a.pdf", data, password="sesame").text == "Secret hours"
    assert get(tmp_path, "a.pdf", data, password="owner").text == "Secret hours"
    assert get(tmp_path, "b.pdf", locked_pdf(pdf("Open hours"), "", algorithm)).text == "Open hours"


def test_pdf_damage(tmp_path: Path) -> None:
    whole = pdf("Some words to lose")
    assert "damaged" in refusal(tmp_path, "a.pdf", whole[:200], BrokenError)
    assert "damaged" in refusal(tmp_path, "b.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 20, BrokenError)
    assert "damaged" in refusal(tmp_path, "c.pdf", b"%PDF-1.7\n", BrokenError)
    assert "damaged" in refusal(tmp_path, "d.pdf", whole[:-30], BrokenError)
    assert get(tmp_path, "e.pdf", misplaced(whole)).text == "Some words to lose"


def test_pdf_with_junk_in_front(tmp_path: Path) -> None:
    assert get(tmp_path, "a.pdf", b"HTTP/1.1 200 OK\n\n" + pdf("Words after junk")).text == "Words after junk"


@pytest.mark.parametrize(
    ("given_title", "title"),
    [
        ("Leave policy", "Leave policy"),
        ("", "First line of it"),
        ("untitled", "First line of it"),
        ("Microsoft Word - leave.doc", "First line of it"),
        ("layout.indd", "First line of it"),
        ("2.3.59 (12/22)", "First line of it"),
    ],
)
def test_pdf_titles(tmp_path: Path, given_title: str, title: str) -> None:
    data = pdf("12\nFirst line of it\nSecond line", title=given_title, author="Ana Li")
    found = get(tmp_path, "a.pdf", data)
    assert (found.title, found.metadata["author"]) == (title, "Ana Li")


def test_pdf_title_of_last_resort_is_the_name(tmp_path: Path) -> None:
    assert get(tmp_path, "numbers.pdf", pdf("1 2 3")).title == "numbers"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("infor-\nmation", "information"),
        ("infor-\nmation, then\nmore", "information,\nthen\nmore"),
        ("the infor\xad\nmation is", "the information\nis"),
        ("pre-\nWar and A-\nbomb and x-\nray", "pre-War\nand A-bomb\nand x-ray"),
        ("9-\n10 o'clock", "9-\n10 o'clock"),
        ("a well-known and well-\nknown thing", "a well-known and well-known\nthing"),
        ("trail-\n\nmark", "trail-\n\nmark"),
    ],
)
def test_words_cut_at_line_ends(text: str, whole: str) -> None:
    assert dehyphenated([text]) == [whole]


def test_parsers_keep_quiet(tmp_path: Path) -> None:
    path = put(tmp_path, "a.pdf", misplaced(pdf("Words")))
    code = "import pathlib, sys, ingest.parsers as r; path = pathlib.Path(sys.argv[1])\nprint(r.read(path, 'a.pdf').text)"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("Words\n", "")


def test_parsers_can_be_heard_on_demand(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="pypdf"):
        get(tmp_path, "a.pdf", misplaced(pdf("Wordswithoutanyspacesbetweenthem")))  # such a page is given to pypdf
    assert any(record.name.startswith("pypdf") for record in caplog.records)
