"""Feeds to entries."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import feeds
from ragbot.errors import BrokenError, ReadError

BASE = "https://lab.test/news/feed.xml"
CHINESE = "实验室早上九点开门，周日关闭。"
RSS = """<?xml version="1.0" encoding="{encoding}"?>
{doctype}<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>Lab &amp; workshop</title><link>https://lab.test/</link>{items}</channel></rss>"""
ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://lab.test/blog/">
<title type="html">Lab &amp;amp; &lt;b&gt;more&lt;/b&gt;</title>{items}</feed>"""
EVER_S = 60


def rss(*items, encoding="utf-8", doctype=""):
    text = RSS.format(encoding=encoding, doctype=doctype, items="".join(f"<item>{item}</item>" for item in items))
    return text.encode(encoding)


def atom(*items):
    return ATOM.format(items="".join(f"<entry>{item}</entry>" for item in items)).encode()


def only(data, base=BASE):
    (entry,) = feeds.entries(data, base).entries
    return entry


def test_rss_gives_all_that_it_says():
    item = """<title>Opening  hours</title><link>/hours</link><guid>1</guid><dc:creator>Ana</dc:creator>
        <pubDate>Mon, 06 Sep 2021 00:01:00 +0200</pubDate><description>Short</description>
        <content:encoded><![CDATA[<p>The lab opens at <b>nine</b>.</p>]]></content:encoded>"""
    feed = feeds.entries(rss(item), BASE)
    assert feed.title == "Lab & workshop"
    assert feed.entries == (
        feeds.Entry(
            "https://lab.test/hours",
            "Opening hours",
            "<p>The lab opens at <b>nine</b>.</p>",
            datetime(2021, 9, 5, 22, 1, tzinfo=UTC),
            "Ana",
        ),
    )


def test_atom_gives_all_that_it_says():
    item = """<title>A &lt; B</title><link href="post"/><link rel="edit" href="/edit"/><id>urn:1</id>
        <author><name>Ana</name></author><published>2021-01-01T00:00:00Z</published><updated>2021-09-06T00:01:00+02:00</updated>
        <summary>Short</summary>
        <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Nine <em>sharp</em></p></div></content>"""
    feed = feeds.entries(atom(item), BASE)
    entry = feed.entries[0]
    assert (feed.title, entry.title, entry.url) == ("Lab & more", "A < B", "https://lab.test/blog/post")
    assert (entry.author, entry.updated) == ("Ana", datetime(2021, 9, 5, 22, 1, tzinfo=UTC))
    assert "<p>Nine <em>sharp</em></p>" in entry.html and "Short" not in entry.html


def test_older_feeds_are_read():
    rdf = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">
        <channel rdf:about="x"><title>Old</title></channel>
        <item rdf:about="/a"><title>One</title><link>/a</link><description>text</description></item></rdf:RDF>"""
    doctype = '<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://a.test/[rss>.dtd">'
    old = f'{doctype}<rss version="0.91"><channel><item><title>Caf&eacute;</title><link>/a</link></item></channel></rss>'.encode()
    for data, title in ((rdf, "One"), (old, "Café")):
        assert feeds.is_feed(data)
        assert (only(data).title, only(data).url) == (title, "https://lab.test/a")


@pytest.mark.parametrize("encoding", ["gbk", "gb2312", "utf-8", "utf-16", "big5"])
def test_chinese_in_any_encoding(encoding):
    text = CHINESE if encoding != "big5" else "實驗室早上九點開門"
    data = rss(f"<title>{text}</title><link>/a</link><description>{text}</description>", encoding=encoding)
    assert feeds.is_feed(data)
    assert (only(data).title, only(data).html) == (text, text)


def test_the_mark_goes_before_what_the_feed_declares():
    data = (
        rss("<title>鞳豓</title><link>/a</link>").decode().replace('"utf-8"', '"gbk"').encode("utf-8-sig")
    )  # these bytes are GBK too
    assert feeds.is_feed(data) and only(data).title == "鞳豓"


def test_entries_without_an_address_of_their_own_get_one_that_stays():
    guid = '<guid isPermaLink="false">{}</guid><title>{}</title>'
    one, two = guid.format(1, "a"), guid.format(2, "b")
    shared = "<link>https://lab.test/</link>"
    urls = [entry.url for entry in feeds.entries(rss(one, two, one + "<description>x</description>"), BASE).entries]
    assert len(set(urls)) == len(urls) == 2 and all(url.startswith(f"{BASE}#") for url in urls)
    assert [entry.url for entry in feeds.entries(rss(two, one), BASE + "#x").entries] == urls[::-1]
    shared_urls = [entry.url for entry in feeds.entries(rss(one + shared, two + shared), BASE).entries]
    assert len(set(shared_urls)) == 2 and all(url.startswith("https://lab.test/#") for url in shared_urls)
    nameless = feeds.entries(rss("<title>a</title>", "<title>b</title>"), BASE).entries
    assert len({entry.url for entry in nameless}) == 2
    for link in ("javascript:alert(1)", "file:///etc/passwd", "mailto:a@b.test"):
        assert only(rss(f"<link>{link}</link><guid>x</guid>")).url.startswith(f"{BASE}#")


def test_plain_text_stays_what_it_is():
    entry = only(atom('<title type="text">1 &lt; 2</title><id>1</id><content type="text">a &lt;b&gt; c</content>'))
    assert (entry.title, entry.html) == ("1 < 2", "<p>a &lt;b&gt; c</p>")
    assert (
        only(atom('<id>1</id><summary type="html">&lt;i&gt;S&lt;/i&gt;</summary><content src="/video.mp4"/>')).html == "<i>S</i>"
    )


def test_dates_that_are_none_are_left_out():
    for date in ("", "soon", "Mon, 99 Foo 2021 00:00:00 GMT", "0000-00-00"):
        assert only(rss(f"<title>x</title><pubDate>{date}</pubDate>")).updated is None


def test_a_broken_feed_gives_what_it_has():
    whole = rss("<title>One &nbsp; & more</title><link>/1</link>", "<title>Two</title><link>/2</link>")
    assert [entry.url for entry in feeds.entries(whole, BASE).entries] == ["https://lab.test/1", "https://lab.test/2"]
    cut = whole[: whole.index(b"<title>Two") + 20]
    assert feeds.entries(cut, BASE).entries[0].url == "https://lab.test/1"
    assert feeds.entries(rss(), BASE).entries == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain",
        b"<html><body>an <rss> tag</body></html>",
        b'<?xml version="1.0"?><feed>of sheep</feed>',
        b"<!-- <rss> --><html></html>",
        b"{}",
        b"\x89PNG\r\n\x1a\n\0\0\0",
        b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/>",
    ],
)
def test_what_is_no_feed_is_refused(data, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(data)
    assert not feeds.is_feed(data) and not feeds.is_feed(path, ".xml")
    with pytest.raises(BrokenError, match=f"{BASE}: is no feed"):
        feeds.entries(data, BASE)


def test_a_feed_is_told_whatever_it_is_called(tmp_path):
    path = tmp_path / "feed"
    path.write_bytes(b"<?xml version='1.0'?>\n<?xml-stylesheet href='a'?><!-- made by hand -->\n" + rss()[39:])
    assert all(feeds.is_feed(path, suffix) for suffix in ("", ".xml", ".html", ".txt", ".php"))
    assert not feeds.is_feed(path, ".pdf")


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
BOMBS = (
    f'<!DOCTYPE rss [<!ENTITY l0 "ha">{LAUGHS}]>',
    '<!DOCTYPE rss [<!ENTITY l11 SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE rss SYSTEM "a>b" [<!ENTITY l11 "<rss>">]>',
    '<!-- <rss> --><?x <rss ?><!doctype rss [<!ENTITY l11 "x">]>',
)


@pytest.mark.parametrize("doctype", BOMBS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_before_they_are_read(doctype, encoding, monkeypatch):
    monkeypatch.setattr(feeds.feedparser, "parse", None)
    with pytest.raises(BrokenError, match="declares entities|is no feed"):
        feeds.entries(rss("<title>&l11;</title>", encoding=encoding, doctype=doctype), BASE)


@pytest.mark.parametrize(
    "data",
    [
        rss("<a>" * 20_000 + "</a>" * 20_000),
        rss("<a>" * 20_000 + "&broken;"),
        rss("<description>" + "&lt;div&gt;" * 20_000 + "</description>"),
        rss("<description>" + "&lt;!--" * 100_000 + "</description>"),
        atom('<title type="html">' + "&lt;" * 300_000 + "</title>"),
    ],
    ids=["nested", "broken", "divs", "comments", "title"],
)
def test_odd_feeds_take_time_in_proportion(data):
    begun = time.monotonic()
    assert only(data).url.startswith(BASE)
    assert time.monotonic() - begun < EVER_S / 3


def test_starts_that_never_end_take_no_time():
    begun = time.monotonic()
    for start in (b" ", b"<?x", b"<!--", b"<!--a-->", b"<!DOCTYPE x [", b"<!DOCTYPE rss '", b"<?xml ", b"<feed "):
        assert not feeds.is_feed(start * 50_000)
        with pytest.raises(BrokenError):
            feeds.entries(start * 200_000, BASE)
    assert time.monotonic() - begun < EVER_S


def test_too_large_a_feed_is_refused(monkeypatch):
    monkeypatch.setattr(feeds, "MOST_BYTES", 1000)
    with pytest.raises(ReadError, match="larger than 0.001 MB"):
        feeds.entries(rss("<title>x</title>" * 100), BASE)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_damage_gives_entries_or_a_refusal(noise, at):
    whole = rss("<title>One</title><link>/1</link><description>text</description>")
    try:
        feed = feeds.entries(whole[:at] + noise + whole[at:], BASE)
    except BrokenError as cause:
        assert str(cause).startswith(BASE)
    else:
        assert all(entry.url.startswith("http") for entry in feed.entries)
