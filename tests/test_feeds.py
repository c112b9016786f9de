"""Feeds to entries."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from weblib import Site

from ingest import feeds, parsers, pipeline
from ingest.feeds import feed, parsing, reading
from ragbot.errors import BrokenError, ReadError

BASE = "https://lab.test/news/feed.xml"
CHINESE = "实验室早上九点开门，周日关闭。"
RSS = """<?xml version="1.0" encoding="{encoding}"?>
{doctype}<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>Lab</title><link>https://lab.test/</link>{items}</channel></rss>"""
ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://lab.test/blog/">
<title>Lab</title>{items}</feed>"""
EVER_S = 60


def rss(*items, encoding="utf-8", doctype=""):
    text = RSS.format(encoding=encoding, doctype=doctype, items="".join(f"<item>{item}</item>" for item in items))
    return text.encode(encoding)


def atom(*items):
    return ATOM.format(items="".join(f"<entry>{item}</entry>" for item in items)).encode()


def only(data, base=BASE):
    (entry,) = parsing.entries(data, base)
    return entry


def test_rss_gives_all_that_it_says():
    item = """<title>Opening  hours</title><link>/hours</link><guid>1</guid><dc:creator>Ana</dc:creator>
        <description>Short</description>
        <content:encoded><![CDATA[<p>The lab opens at <b>nine</b>.</p>]]></content:encoded>"""
    assert parsing.entries(rss(item), BASE) == (
        feeds.Entry("https://lab.test/hours", "Opening hours", "<p>The lab opens at <b>nine</b>.</p>", "Ana"),
    )


def test_atom_gives_all_that_it_says():
    item = """<title>A &lt; B</title><link href="post"/><link rel="edit" href="/edit"/><id>urn:1</id>
        <author><name>Ana</name></author>
        <summary>Short</summary>
        <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Nine <em>sharp</em></p></div></content>"""
    entry = only(atom(item))
    assert (entry.title, entry.url, entry.author) == ("A < B", "https://lab.test/blog/post", "Ana")
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
    urls = [entry.url for entry in parsing.entries(rss(one, two, one + "<description>x</description>"), BASE)]
    assert len(set(urls)) == len(urls) == 2 and all(url.startswith(f"{BASE}#") for url in urls)
    assert [entry.url for entry in parsing.entries(rss(two, one), BASE + "#x")] == urls[::-1]
    shared_urls = [entry.url for entry in parsing.entries(rss(one + shared, two + shared), BASE)]
    assert len(set(shared_urls)) == 2 and all(url.startswith("https://lab.test/#") for url in shared_urls)
    nameless = parsing.entries(rss("<title>a</title>", "<title>b</title>"), BASE)
    assert len({entry.url for entry in nameless}) == 2
    for link in ("javascript:alert(1)", "file:///etc/passwd", "mailto:a@b.test"):
        assert only(rss(f"<link>{link}</link><guid>x</guid>")).url.startswith(f"{BASE}#")


def test_plain_text_stays_what_it_is():
    entry = only(atom('<title type="text">1 &lt; 2</title><id>1</id><content type="text">a &lt;b&gt; c</content>'))
    assert (entry.title, entry.html) == ("1 < 2", "<p>a &lt;b&gt; c</p>")
    assert (
        only(atom('<id>1</id><summary type="html">&lt;i&gt;S&lt;/i&gt;</summary><content src="/video.mp4"/>')).html == "<i>S</i>"
    )


def test_a_broken_feed_gives_what_it_has():
    whole = rss("<title>One &nbsp; & more</title><link>/1</link>", "<title>Two</title><link>/2</link>")
    assert [entry.url for entry in parsing.entries(whole, BASE)] == ["https://lab.test/1", "https://lab.test/2"]
    cut = whole[: whole.index(b"<title>Two") + 20]
    assert parsing.entries(cut, BASE)[0].url == "https://lab.test/1"
    assert parsing.entries(rss(), BASE) == ()


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
        parsing.entries(data, BASE)


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
    monkeypatch.setattr(parsing.feedparser, "parse", None)
    with pytest.raises(BrokenError, match="declares entities|is no feed"):
        parsing.entries(rss("<title>&l11;</title>", encoding=encoding, doctype=doctype), BASE)


@pytest.mark.parametrize(
    "data",
    [
        rss("<a>" * 20_000 + "</a>" * 20_000),
        rss("<a>" * 20_000 + "&broken;"),
        rss("<description>" + "&lt;div&gt;" * 20_000 + "</description>"),
        rss("<description>" + "&lt;!--" * 100_000 + "</description>"),
        atom('<title type="html">' + "&lt;" * 300_000 + "</title>"),
        rss('<a xml:base="x/">' * 14_000),
        rss('<a xml:base="x/">' * 14_000 + "&broken;"),
        rss(f'<a xml:base="/{"x" * 100_000}">' + "<b/>" * 30_000 + "</a>"),
        b"\n" * 200_000 + rss()[39:].replace(b"</channel>", b"<item/></channel>"),
    ],
    ids=["nested", "broken", "divs", "comments", "title", "bases", "broken-bases", "long-base", "blank-lines"],
)
def test_odd_feeds_take_time_in_proportion(data):
    begun = time.monotonic()
    (entry,) = feeds.read(data, BASE)
    assert entry.url.startswith(BASE)
    assert time.monotonic() - begun < EVER_S / 3


def test_starts_that_never_end_take_no_time():
    begun = time.monotonic()
    for end in (b"]><!--", b"<!--", b"<!--]>-->", b'"', b"<?", b"'\"", b"]><?x?>"):
        assert not feeds.is_feed(b"<!DOCTYPE x [" + end * 40_000)
    for start in (b" ", b"<?x", b"<!--", b"<!--a-->", b"<!DOCTYPE x [", b"<!DOCTYPE rss '", b"<?xml ", b"<feed "):
        assert not feeds.is_feed(start * 50_000)
        with pytest.raises(BrokenError):
            parsing.entries(start * 200_000, BASE)
    assert time.monotonic() - begun < EVER_S


def test_a_feed_is_read_in_a_process_that_is_killed_when_it_takes_too_long(monkeypatch):
    data = rss(f"<title>{CHINESE}</title><link>/a</link><author>Ana</author><description>\ud7ff</description>")
    assert feeds.read(data, BASE) == parsing.entries(data, BASE)
    with pytest.raises(BrokenError, match=f"{BASE}: is no feed"):
        feeds.read(b"plain", BASE)
    monkeypatch.setattr(reading, "MOST_SECONDS", 2)
    begun = time.monotonic()
    with pytest.raises(BrokenError, match=f"{BASE}: .*too long"):
        feeds.read(rss(f"<author>{'a' * 500_000}</author>"), BASE)  # feedparser looks for an address from every letter on
    assert time.monotonic() - begun < EVER_S


def test_the_process_that_asks_neither_loads_nor_changes_feedparser():
    code = (
        "import json, sys\nfrom ingest import feeds\n"
        "entries = feeds.read(sys.stdin.buffer.read(), 'https://lab.test/feed')\n"
        "print(json.dumps([len(entries), [name for name in sys.modules if 'feedparser' in name or 'sgmllib' in name]]))\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=rss("<title>One</title>"), stdout=subprocess.PIPE, check=True)
    assert json.loads(done.stdout) == [1, []]
    untouched = parsing.feedparser.urls.make_safe_absolute_uri
    assert parsing.feedparser.mixin.make_safe_absolute_uri is untouched, "the base of links is bounded in the other process only"


def test_too_large_a_feed_is_refused(monkeypatch):
    monkeypatch.setattr(feed, "MOST_BYTES", 1000)
    with pytest.raises(ReadError, match="larger than 0.001 MB"):
        parsing.entries(rss("<title>x</title>" * 100), BASE)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_damage_gives_entries_or_a_refusal(noise, at):
    whole = rss("<title>One</title><link>/1</link><description>text</description>")
    try:
        found = parsing.entries(whole[:at] + noise + whole[at:], BASE)
    except BrokenError as cause:
        assert str(cause).startswith(BASE)
    else:
        assert all(entry.url.startswith("http") for entry in found)


# Feeds as things to ingest

LONG = "<description>" + "The kiln is fired on Thursday. " * 30 + "</description>"


@pytest.fixture
def sync(memory):
    def sync_(url):
        return {outcome.uri: outcome.status for outcome in pipeline.sync(memory, url, private=True)}

    return sync_


def linked(url, more=""):
    return f"<link>{url}</link><guid>{url}</guid>{more}"


def put_feed(site, data):
    """A feed that is sent to those only who do not have it."""
    site.pages["/feed"] = lambda asked: asked.answer(
        *((304, {}, b"") if asked.headers["If-None-Match"] == '"f"' else (200, {"ETag": '"f"'}, data))
    )
    return f"{site.url}/feed"


@pytest.mark.parametrize("bad", ["https://a:b:c/", "http://[bad", "http:///nohost", "http://exa mple.com:99999/"])
def test_a_malformed_link_is_the_failure_of_its_entry_alone(site, sync, bad):
    page = site.put("/p", "The lab opens at nine.", content_type="text/plain")
    found = sync(put_feed(site, rss(linked(bad), linked(bad, LONG), linked(page))))
    assert found.pop(page) == "added"
    assert {status for uri, status in found.items() if "/feed#" not in uri} <= {"failed"}


def test_pages_of_a_feed_that_has_not_changed_are_looked_at_again(site, sync, memory, monkeypatch):
    page, gone, forgotten = (site.put(f"/{name}", f"The {name}.", content_type="text/plain", etag='"1"') for name in "pgf")
    whole = f"{site.url}/whole"
    url = put_feed(site, rss(linked(whole, LONG), *map(linked, (page, gone, forgotten))))
    assert sync(url) == dict.fromkeys((whole, page, gone, forgotten), "added")
    site.put("/p", "The page is another now.", content_type="text/plain", etag='"2"')
    site.put("/g", status=410)
    memory.forget(forgotten)
    site.asked.clear()
    assert sync(url) == {page: "updated", gone: "retired"}
    assert [headers.get("If-None-Match") for path, headers in site.asked if path == "/p"] == ['"1"']
    assert sync(url) == {page: "unchanged"}
    site.put("/g", "The page is back.", content_type="text/plain")
    monkeypatch.setattr(parsers, "PARSER_VERSION", "next")
    site.asked.clear()
    assert sync(url) == {whole: "unchanged", page: "unchanged", gone: "added", forgotten: "added"}
    assert not any("If-None-Match" in headers for _, headers in site.asked), "all is read by the new reader"
    assert sync(url) == dict.fromkeys((page, gone, forgotten), "unchanged")


def test_a_feed_speaks_for_its_own_site_only(site, sync, memory):
    other = Site()
    policy = site.put("/policy", "Visitors register at the gate.", content_type="text/plain")
    assert sync(policy) == {policy: "added"}
    own = f"{other.url}/own"
    entries = (linked(policy, LONG), linked(f"{policy}#part", LONG), linked(policy, "<title>shared</title>"), linked(own, LONG))
    assert sync(put_feed(other, rss(*entries))) == {policy: "unchanged", own: "added"}
    other.close()
    assert "register" in memory.recall("visitors at the gate")[0].chunk.text and not memory.document(f"{policy}#part")
    assert "/own" not in other.paths()


def test_a_feed_that_was_moved_speaks_for_the_site_that_it_is_at(site, sync, memory):
    other = Site()
    moved = put_feed(other, rss(linked(f"{site.url}/policy", LONG), linked(f"{other.url}/own", LONG)))
    site.put("/policy", "Visitors register at the gate.", content_type="text/plain")
    sync(site.put("/feed", "", 302, location=moved))
    other.close()
    assert site.paths() == ["/feed", "/policy"] and other.paths() == ["/feed"]


def test_a_password_in_a_link_is_neither_shown_nor_used(site, sync, memory):
    page = site.put("/p", "The lab opens at nine.", content_type="text/plain")
    secret = [link.replace("http://", "http://ana:secret@") for link in (page, f"{site.url}/x#a", f"{site.url}/y")]
    found = sync(
        put_feed(site, rss(linked(secret[0]), linked(secret[1], "<description>short</description>"), linked(secret[2], LONG)))
    )
    assert found == {page: "added", f"{site.url}/x#a": "added", f"{site.url}/y": "added"}
    assert not any("Authorization" in headers for _, headers in site.asked)


def test_the_author_of_an_entry_is_noted(site, sync, memory):
    sync(put_feed(site, rss(linked(f"{site.url}/a", f"<author>Ana &quot;O&quot;</author>{LONG}"))))
    assert memory.document(f"{site.url}/a").metadata["author"] == 'Ana "O"'


def test_what_a_feed_gives_is_kept_whole(site, sync, memory):
    note = "<div class=cc><div>We and our partners use cookies to improve your visit of the lab.</div><div>Accept all</div></div>"
    words = "kiln is fired on a day of its own and cools for two nights."
    body = f"{note}<div class=txt>{''.join(f'<p>The a{number} {words}</p>' for number in range(9))}</div>"
    sync(put_feed(site, rss(linked(f"{site.url}/a", f"<description><![CDATA[{body}]]></description>"))))
    assert "use cookies" in memory.recall("our partners use cookies")[0].chunk.text
