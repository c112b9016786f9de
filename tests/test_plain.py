"""Texts, tables and mail as people have them: in old encodings, with stray quotes, in parts that say different things."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ingest.parsers import read
from ingest.parsers.characters import clean, decode
from ragbot.types import Document

CHINESE = "图书馆九点开门\n"
RUSSIAN = "Библиотека открывается в девять часов.\n"
FRENCH = "La bibliothèque ouvre à neuf heures, café compris.\n"


def get(folder: Path, name: str, data: bytes | str) -> Document:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read(path, name)


# Encodings


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-16-le", CHINESE),
        ("utf-16-be", CHINESE),
        ("utf-16-le", "会议室在三楼，周一到周五开放，请提前预约。\n"),
        ("utf-16-be", "会议室在三楼，周一到周五开放，请提前预约。\n"),
        ("utf-16-le", RUSSIAN),
        ("gbk", CHINESE),
        ("cp1252", FRENCH),
        ("cp1252", "Biblioteket öppnar klockan nio på måndagar.\nUtrustningen måste återlämnas inom två veckor.\n"),
        ("cp1252", "Biblioteket åbner klokken ni.\n"),
        ("cp850", FRENCH),
        ("mac_roman", FRENCH),
        ("cp1251", RUSSIAN),
        ("koi8_r", RUSSIAN),
        ("cp866", RUSSIAN),
        ("iso8859_5", RUSSIAN),
        ("iso8859_2", "Vybavení je třeba vrátit do dvou týdnů. Žluťoučký kůň se pásl na louce.\n"),
        ("cp1250", "Biblioteka jest otwarta od dziewiątej, proszę wejść.\n"),
        ("cp1254", "Kütüphane dokuzda açılır, şimdi gelin.\n"),
        ("cp1255", "הספרייה נפתחת בתשע.\n"),
        ("cp1256", "تفتح المكتبة في التاسعة.\n"),
        ("tis_620", "ห้องสมุดเปิดเก้าโมง\n"),
        ("cp932", "質問があれば受付までご連絡ください。\n"),
        ("cp1252", "The lab opens at nine and closes at five. " * 5 + "The “quiet room” costs £3 – or €4 – an hour.\n"),
    ],
)
@pytest.mark.parametrize("times", [1, 8])
def test_texts_without_a_mark(tmp_path: Path, encoding: str, text: str, times: int) -> None:
    assert get(tmp_path, "a.txt", (text * times).encode(encoding)).text == text * times


@pytest.mark.parametrize(
    ("declared", "data", "text"),
    [
        ("utf-16", b"<p>The lab opens.</p>.", "<p>The lab opens.</p>."),
        ("utf-32", "Café.".encode(), "Café."),
        ("utf-16-be", "开门\n".encode("utf-16-be"), "开门\n"),
        ("us-ascii", "Café".encode(), "Café"),
        ("us-ascii", "Café".encode("cp1252"), "Café"),
        ("iso-8859-1", "Ã©".encode("cp1252"), "Ã©"),
        ("no-such-set", "Café".encode(), "Café"),
    ],
)
def test_what_is_declared_is_believed_where_it_can_be_true(declared: str, data: bytes, text: str) -> None:
    assert decode(data, declared) == text


def test_a_page_that_names_a_wide_encoding_in_narrow_letters(tmp_path: Path) -> None:
    page = "<html><head><meta charset='utf-16'><title>Hours</title></head><body><p>The lab opens at nine{}</p></body></html>"
    for end in (".", ".."):  # of an even number of bytes, and of an odd one
        found = get(tmp_path, "a.html", page.format(end))
        assert (found.title, found.text) == ("Hours", f"The lab opens at nine{end}")


def test_the_end_of_a_page_parts_words_and_joins_no_lines(tmp_path: Path) -> None:
    found = get(tmp_path, "a.txt", "the last line\fThe first line\nsoft\vbreak\n\f# Title\nend \f\nx\f\f\vy")
    assert found.text == "the last line The first line\nsoft break\n# Title\nend \nx y"


# What is told from the first bytes


@pytest.mark.parametrize(
    "text",
    ["What is WEBP? It is a picture format.\n", "GIF89a is the later version.\n", "RIFF or WEBP?\n", "BMW builds cars.\n"],
)
def test_words_about_pictures_are_words(tmp_path: Path, text: str) -> None:
    assert get(tmp_path, "a.txt", text).text == text


# CSV and TSV


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        (
            "a.csv",
            'name,size,price\nbolt,3,1\n"pipe 5 inch,4,2\nnut,5,3\nscrew,6,4',
            'name | size | price\nname: bolt; size: 3; price: 1\nname: "pipe 5 inch; size: 4; price: 2\n'
            "name: nut; size: 5; price: 3\nname: screw; size: 6; price: 4",
        ),
        (
            "a.tsv",
            'name\tnote\nbolt\t"quoted start only\nnut\tok\nscrew\tfine',
            'name | note\nname: bolt; note: "quoted start only\nname: nut; note: ok\nname: screw; note: fine',
        ),
        (
            "a.csv",
            'name,size\n"bolt\nlong",3\n"pipe,4\nnut,5\npipe 6" wide,"6, 7"\n"x ""y""",2',
            'name | size\nname: bolt long; size: 3\nname: "pipe; size: 4\nname: nut; size: 5\n'
            'name: pipe 6" wide; size: 6, 7\nname: x "y"; size: 2',
        ),
        ("a.csv", '"Li, Ana" , 12\n"Bo, X" , 13', "Li, Ana | 12\nBo, X | 13"),
        ("a.csv", "name,size\n" + '"a,1\n' * 50 + "b,2", "name | size\n" + 'name: "a; size: 1\n' * 50 + "name: b; size: 2"),
    ],
)
def test_a_stray_quote_costs_no_record(tmp_path: Path, name: str, data: str, text: str) -> None:
    found = get(tmp_path, name, data)
    assert found.text == text
    assert found.lines == ("bolt\nlong" not in data)


def test_lines_without_end_in_sight_are_not_read_over_and_over(tmp_path: Path) -> None:
    assert get(tmp_path, "a.csv", "name,size\n" + 'a","b\n' * 20_000).text.endswith('\nname: a"; size: "b\n')


FLAG = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[1;31mred\x1b[0m and \x1b[38;5;12mblue\x1b[K", "red and blue"),
        ("\x1b]8;;http://evil.org\x1b\\the plan\x1b]8;;\x1b\\ and \x1b]0;title\x07words", "the plan and words"),
        ("\x1b(Bplain\x1b=\x1bM\x1bPq#0\x1b\\\x9b31mx", "plainx"),
        ("\x1b]8;;never closed\nnext line\x1b", "8;;never closed\nnext line"),
        ("abc\u202edef\u202c \u2067ghi\u2069", "abcdef ghi"),
        ("lamps\U000e0041\U000e0042\U000e007f and \U000e0001", "lamps and "),
        (f"{FLAG} wins", f"{FLAG} wins"),
        ("می\u200cخواهم \u200fא\u200e क्\u200dष 👩\u200d🍳", "می\u200cخواهم \u200fא\u200e क्\u200dष 👩\u200d🍳"),
    ],
)
def test_what_terminals_and_turned_letters_hide_goes_and_what_scripts_need_stays(tmp_path: Path, text: str, seen: str) -> None:
    assert get(tmp_path, "a.txt", f"{text}\nend").text == f"{seen}\nend"


def test_escapes_without_end_are_read_in_time() -> None:
    begun = time.monotonic()
    clean("\x1b]8;;" * 1_000_000 + "\x1b[" + "1;" * 1_000_000 + "\U0001f3f4" * 1_000_000)
    assert time.monotonic() - begun < 20


# Markdown


def test_titles_where_spaces_run_on(tmp_path: Path) -> None:
    gap = " " * 100_000
    for data in (f"# Opening{gap}hours #{gap}\n", f"---\ntitle: 'Opening{gap}hours'{gap}\n---\nwords\n"):
        assert get(tmp_path, "a.md", data).title == "Opening hours"


# Mail


def mail(*parts: str, kind: str = "mixed", edge: str = "edge") -> str:
    inner = "".join(f"--{edge}\n{part}\n" for part in parts)
    return f"Content-Type: multipart/{kind}; boundary={edge}\n\n{inner}--{edge}--\n"


def body(folder: Path, message: str) -> str:
    """What is read of a message below its headers."""
    text = get(folder, "a.eml", f"From: a@b.c\nSubject: Hours\nMIME-Version: 1.0\n{message}").text
    return text.removeprefix("From: a@b.c\nSubject: Hours\n\n")


PLAIN = "Content-Type: text/plain; charset=utf-8\n\n"
HTML = "Content-Type: text/html; charset=utf-8\n\n"
PDF = "Content-Type: application/pdf\nContent-Disposition: {}; filename=offer.pdf\n\nabc"
PICTURE = "Content-Type: image/png; name=a.png\nContent-ID: <1>\nContent-Disposition: inline; filename=a.png\n\nabc"
NAMED = "# Attachment: offer.pdf (application/pdf, 3 bytes, not read: named .pdf but holds plain text)"


@pytest.mark.parametrize("kind", ["markdown", "enriched", "x-anything"])
def test_mail_in_any_kind_of_text(tmp_path: Path, kind: str) -> None:
    said = f"Content-Type: text/{kind}; charset=utf-8\n\nThe meeting is on Tuesday."
    assert body(tmp_path, said) == "The meeting is on Tuesday."
    assert body(tmp_path, mail(PLAIN + "See below.", said)) == "See below.\n\nThe meeting is on Tuesday."
    attached = said.replace("\n\n", "\nContent-Disposition: attachment; filename=a.x\n\n")
    assert body(tmp_path, attached) == "# Attachment: a.x\n\nThe meeting is on Tuesday."


@pytest.mark.parametrize("disposition", ["attachment", "inline"])
def test_attachments_are_named_wherever_they_are(tmp_path: Path, disposition: str) -> None:
    pdf, words = PDF.format(disposition), f"Our offer.\n\n{NAMED}"
    page = HTML + "<p>Our offer.</p>"
    assert body(tmp_path, mail(page, PICTURE, pdf, kind="related")) == words
    assert body(tmp_path, mail(PLAIN + "Our offer.", mail(page, pdf, edge="in"), kind="alternative")) == words
    assert body(tmp_path, mail(PLAIN + "Our offer.", mail(page, PICTURE, kind="related"), kind="alternative")) == "Our offer."


def test_a_plain_text_that_only_points_to_the_page(tmp_path: Path) -> None:
    notice = PLAIN + "This message needs a client that shows HTML."
    page = HTML + "<p>The meeting is on Tuesday at ten in room 4.</p>"
    said = "The meeting is on Tuesday at ten in room 4."
    assert body(tmp_path, mail(notice, page, kind="alternative")) == said
    assert body(tmp_path, mail(notice, mail(page, PICTURE, kind="related"), kind="alternative")) == said
    assert body(tmp_path, mail(PLAIN + "请用支持网页的程序打开。", HTML + "<p>会议在周二上午十点举行。", kind="alternative")) == (
        "会议在周二上午十点举行。"
    )
    same = PLAIN + "The meeting is on *Tuesday* at ten\nin room 4."
    assert body(tmp_path, mail(same, page, kind="alternative")) == "The meeting is on *Tuesday* at ten\nin room 4."
    assert body(tmp_path, mail(notice, HTML + "<p>Hi!", kind="alternative")).startswith("This message")


def test_why_a_mail_was_not_delivered(tmp_path: Path) -> None:
    status = (
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
        "Final-Recipient: rfc822; bob@x.org\nDiagnostic-Code: smtp; 550 mailbox\n full"
    )
    returned = "Content-Type: text/rfc822-headers\n\nSubject: Before"
    assert body(tmp_path, mail(PLAIN + "It could not be delivered.", status, returned, kind="report")) == (
        "It could not be delivered.\n\nReporting-MTA: dns; x\n\n"
        "Final-Recipient: rfc822; bob@x.org\nDiagnostic-Code: smtp; 550 mailbox full\n\nSubject: Before"
    )
    read_by = "Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; bob@x.org\nDisposition: displayed"
    assert body(tmp_path, mail(PLAIN + "It was read.", read_by, kind="report")).endswith("\nDisposition: displayed")


def test_mail_that_says_ascii_and_is_not(tmp_path: Path) -> None:
    said = "Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 8bit\n\nDas Café öffnet um neun."
    assert body(tmp_path, said) == "Das Café öffnet um neun."


@pytest.mark.parametrize("text", ["La clé est à gauche du guichet.", "As crianças não estão com o João."])
def test_no_word_is_half_latin_and_half_cyrillic(text: str) -> None:
    assert decode(text.encode("cp1252")) == text


def test_words_of_two_alphabets_may_stand_beside_each_other() -> None:
    text = "Ключ USB-C лежит в столе у Ivan."
    assert decode(text.encode("cp1251")) == text
