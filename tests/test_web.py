"""Fetching, against servers on this machine."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate, parsedate_to_datetime

import httpcore2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from weblib import Site, make_certificate

from ingest import pipeline
from ingest.remote import Remote, is_url
from ingest.web import Web, address, fetching
from ingest.web.network import is_public
from ragbot import __version__
from ragbot.errors import EmptyError, InputError, LockedError, ReadError, UnsupportedError

PUBLIC = "93.184.216.34"
CHINESE = "实验室早上九点开门，周日关闭。"
EVER = 60  # seconds that nothing here takes, on the slowest machine


@pytest.fixture
def web():
    with Web(private=True, seconds=EVER) as opened:
        yield opened


@pytest.fixture
def internet(monkeypatch):
    """Names with the addresses they stand for, one set for each look-up; a public address leads to this machine.

    `dialled` holds each address that was connected to.
    """
    names, dialled = {}, []
    look_up, connect = socket.getaddrinfo, httpcore2.SyncBackend.connect_tcp

    def getaddrinfo(host, port, *args, **kwargs):
        if host not in names:
            return look_up(host, port, *args, **kwargs)
        answer = names[host].pop(0) if len(names[host]) > 1 else names[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (at, port)) for at in answer]

    def connect_tcp(self, host, *args, **kwargs):
        dialled.append(host)
        return connect(self, "127.0.0.1" if host == PUBLIC else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", connect_tcp)
    names["public.test"] = [[PUBLIC]]
    names["dialled"] = dialled
    return names


def refusal(web, url, kind=ReadError, **kwargs):
    """The message of the error that fetching raises."""
    with pytest.raises(kind) as caught:
        web.fetch(url, **kwargs)
    message = str(caught.value)
    assert type(caught.value) is kind
    assert "\n" not in message and len(message) < 500
    assert message.count("; ") >= 1, "no mend"
    return message


# What is fetched


def test_a_page_lies_in_a_file_until_the_fetcher_is_closed(site):
    url = site.put("/a/hours.html?x=1#top", "", content_type="text/html")
    site.put("/a/hours.html?x=1", "<p>nine</p>", content_type="text/html; charset=utf-8", etag='"1"', last_modified="yesterday")
    with Web(private=True) as web:
        got = web.fetch(url)
        assert got.path.read_bytes() == b"<p>nine</p>"
        assert got.path.name == "hours.html"
    assert not got.path.exists()
    assert (got.url, got.status, got.suffix) == (f"{site.url}/a/hours.html?x=1", "new", ".html")
    assert (got.etag, got.last_modified) == ('"1"', "yesterday")
    sent = site.asked[-1][1]
    assert sent["User-Agent"] == f"ragbot/{__version__}" and sent["Host"] == f"127.0.0.1:{site.port}"
    assert "If-None-Match" not in sent and "Authorization" not in sent and "Cookie" not in sent


def test_what_has_not_changed_is_not_sent_again(site, web):
    def page(handler):
        known = (handler.headers["If-None-Match"], handler.headers["If-Modified-Since"])
        handler.answer(304 if known in (('"é1"', None), (None, "Mon")) else 200, {"ETag": '"é1"'}, b"" if any(known) else b"page")

    site.pages["/"] = page
    first = web.fetch(site.url)
    assert (first.status, first.url) == ("new", f"{site.url}/")
    assert web.fetch(site.url, last_modified="Mon").status == "unchanged"
    site.put("/", b"", 304)
    again = web.fetch(site.url, etag='"1"')
    assert (again.status, again.path) == ("unchanged", None)
    assert site.asked[-1][1]["If-None-Match"] == '"1"'
    assert "304" in refusal(web, site.url), "it was not asked whether it had changed"


def dated(text, seconds):
    """A page as servers send it: not to those who have it, nor to those who have a later one (RFC 9110, 13.1.3)."""
    date = formatdate(seconds, usegmt=True)

    def page(handler):
        since = handler.headers["If-Modified-Since"]
        if since and parsedate_to_datetime(since).timestamp() >= seconds:
            return handler.answer(304, {}, b"")
        handler.answer(200, {"Content-Type": "text/plain", "Last-Modified": date}, text.encode())

    return page


def test_conditions_go_where_their_page_was_and_nowhere_else(site, memory):
    site.pages |= {"/v2": dated("The lab opens at nine.", 1_700_000_000), "/v1": dated("The lab opens at ten.", 1_600_000_000)}
    url = site.put("/latest", "", 302, location="/v2")

    def sync():
        return [outcome.status for outcome in pipeline.sync(memory, url, private=True)]

    assert [sync(), sync()] == [["added"], ["unchanged"]]
    site.put("/latest", "", 302, location="/v1")
    assert sync() == ["updated"] and "ten" in memory.recall("lab opens")[0].chunk.text
    assert sync() == ["unchanged"]
    asked = [path for path, headers in site.asked if "If-Modified-Since" in headers]
    assert asked == ["/v2", "/v1"]


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_gone_is_told_apart_from_what_fails(site, web, status):
    got = web.fetch(site.put("/x", "no", status))
    assert (got.status, got.path) == ("gone", None)


@pytest.mark.parametrize(
    ("path", "type_", "suffix"),
    [
        ("/a", "text/html", ".html"),
        ("/a.php", "Text/HTML; charset=x", ".html"),
        ("/a", "application/xhtml+xml", ".html"),
        ("/a.cgi", "application/pdf", ".pdf"),
        ("/a", "application/rss+xml", ".xml"),
        ("/a", "text/plain", ".txt"),
        ("/README.md", "text/plain", ".md"),
        ("/a.PDF", "application/octet-stream", ".pdf"),
        ("/a.docx?x=.png", "application/zip", ".docx"),
        ("/a.docx", "", ".docx"),
        ("/a", "nonsense", ""),
        ("/", "", ""),
    ],
)
def test_the_suffix_comes_from_the_type_else_from_the_address(site, web, path, type_, suffix):
    assert web.fetch(site.put(path, "x", **({"content_type": type_} if type_ else {}))).suffix == suffix


def test_a_file_is_called_after_the_address(site, web):
    site.put("/" + "%2e%2e%2f" * 3 + "etc", "x")
    names = [web.fetch(site.url + path).path for path in ("/" + "%2e%2e%2f" * 3 + "etc",)]
    assert [name.name for name in names] == ["etc"]
    site.put("/%E5%BC%80%E9%97%A8.txt", "x", content_type="text/plain")
    assert web.fetch(f"{site.url}/开门.txt").path.name == "开门.txt"
    site.put("/", "x")
    assert web.fetch(site.url).path.name == "127.0.0.1"
    site.put("/" + "a" * 400, "x")
    assert web.fetch(f"{site.url}/{'a' * 400}").path.exists()


def test_text_in_the_encoding_that_the_server_names_is_written_as_utf8(site, web):
    page = f"<meta charset=big5><p>{CHINESE}</p>"
    got = web.fetch(site.put("/a", page.encode("gb18030"), content_type="text/html; charset=GB2312"))
    assert got.path.read_text("utf-8-sig") == page
    wrong = page.encode("gb18030") + b"\xff"
    assert web.fetch(site.put("/b", wrong, content_type="text/html; charset=gbk")).path.read_bytes() == wrong
    utf8 = "<p>café</p>".encode()
    assert web.fetch(site.put("/c", utf8, content_type="text/html; charset=iso-8859-1")).path.read_bytes() == utf8
    for odd in ("hex", "nonsense", "punycode", ""):
        assert web.fetch(site.put("/d", b"abc-\xff", content_type=f"text/html; charset={odd}")).path.read_bytes() == b"abc-\xff"
    assert web.fetch(site.put("/e", b"\xe9", content_type="application/pdf; charset=latin1")).path.read_bytes() == b"\xe9"


# Compression and size


def test_compressed_pages_are_unpacked(site, web):
    for name, body in (("gzip", gzip.compress(b"page")), ("deflate", zlib.compress(b"page")), ("identity", b"page")):
        assert web.fetch(site.put("/a", body, content_encoding=name)).path.read_bytes() == b"page"
    assert site.asked[-1][1]["Accept-Encoding"] == "gzip, deflate"
    assert "compressed as nobody asked for (br)" in refusal(web, site.put("/b", b"\x8b", content_encoding="br"))
    assert "makes no sense" in refusal(web, site.put("/c", b"no gzip", content_encoding="gzip"))


def test_too_large_a_page_is_stopped_on_its_way(site):
    sent = []

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 10_000)
            sent.append(1)

    site.pages["/endless"] = endless
    with Web(private=True, most_bytes=100_000, seconds=EVER) as web:
        assert web.fetch(site.put("/fits", b"x" * 100_000)).path.stat().st_size == 100_000
        for url in (site.put("/large", b"x" * 100_001), f"{site.url}/endless"):
            assert "larger than 0.1 MB" in refusal(web, url)
        bomb = gzip.compress(b"\0" * 50_000_000)
        assert len(bomb) < 100_000
        assert "larger than 0.1 MB" in refusal(web, site.put("/bomb", bomb, content_encoding="gzip"))
        assert "larger than 0.1 MB" in refusal(web, site.put("/twice", gzip.compress(bomb), content_encoding="gzip, gzip"))
        assert [got.name for got in (web.fetch(f"{site.url}/fits").path,)] == ["fits"], "the fetcher still works"


def test_of_a_page_that_was_too_large_nothing_is_left(site):
    with Web(private=True, most_bytes=10) as web:
        folder = web.fetch(site.put("/small", b"x")).path.parent.parent
        refusal(web, site.put("/large", b"x" * 11))
        assert [file.name for file in folder.rglob("*") if file.is_file()] == ["small"]


# Time


@pytest.mark.parametrize("where", ["body", "head", "robots"])
def test_a_server_that_drips_is_cut_off(site, where):
    def drip(handler):
        handler.send_response(200)
        if where != "head":
            handler.end_headers()
        handler.flush_headers()
        for _ in range(EVER * 10):
            handler.wfile.write(b"X-A: b\r\n")
            handler.wfile.flush()
            time.sleep(0.2)

    site.pages["/robots.txt" if where == "robots" else "/"] = drip
    begun = time.monotonic()
    with Web(private=True, seconds=1) as web:
        assert "no whole answer within 1 s" in refusal(web, site.url)
    assert time.monotonic() - begun < EVER / 2


def test_a_server_that_says_nothing_is_cut_off():
    with socket.create_server(("127.0.0.1", 0)) as silent, Web(private=True, seconds=0.5) as web:
        for scheme in ("http", "https"):
            assert "no whole answer within 0.5 s" in refusal(web, f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/")


def test_the_limit_of_time_is_one_for_all_redirects(site):
    def slow(handler):
        time.sleep(0.4)
        handler.answer(302, {"Location": handler.path + "x"}, b"")

    site.pages.update({f"/{'x' * n}": slow for n in range(1, 20)})
    with Web(private=True, seconds=1) as web:
        assert "no whole answer within 1 s" in refusal(web, f"{site.url}/x")
    assert len(site.paths()) < 5


@pytest.mark.parametrize("where", ["head", "body", "robots", "handshake", "delay", "queue"])
def test_what_is_under_way_can_be_stopped(site, memory, where):
    reached, over = threading.Event(), threading.Event()

    def hang(handler):
        if where == "body":
            handler.send_response(200)
            handler.end_headers()
            handler.flush_headers()
        reached.set()
        over.wait(EVER)

    class Pause(threading.Event):
        """Tells that it is waited for."""

        def wait(self, timeout=None):
            reached.set()
            return super().wait(timeout)

    site.put("/", "first")
    site.put("/robots.txt", f"User-agent: *\nCrawl-delay: {fetching.MOST_PAUSE_S:g}" if where == "delay" else "")
    site.pages["/robots.txt" if where == "robots" else "/hung"] = hang
    silent = socket.create_server(("127.0.0.1", 0))
    url = f"https://127.0.0.1:{silent.getsockname()[1]}/" if where == "handshake" else f"{site.url}/hung"
    with Remote(memory, "everyone", private=True) as remote, ThreadPoolExecutor(3) as threads:
        if where == "delay":
            remote.fetch(site.url, None)
            remote.web._clock.stopped = Pause()
        waiting = [threads.submit(remote.fetch, url, None) for _ in range(3 if where == "queue" else 1)]
        lines = [silent.accept()[0]] if where == "handshake" else []
        assert where == "handshake" or reached.wait(EVER)
        begun = time.monotonic()
        remote.stop()
        assert all(isinstance(fetch.exception(EVER), ReadError) for fetch in waiting)
        assert time.monotonic() - begun < fetching.MOST_PAUSE_S / 2
        with pytest.raises(ReadError, match="stopped"):
            remote.fetch(site.url, None)
    over.set()
    for socket_ in (silent, *lines):
        socket_.close()


def test_each_page_has_the_whole_time(site):
    with Web(private=True, seconds=20) as web:
        web.fetch(site.put("/", "x"))
        web._clock.ends_at = time.monotonic()  # the time of the first page is over
        assert web.fetch(site.url).status == "new"


# Redirects


def test_redirects_are_followed_to_the_end(site, web):
    other = Site()
    other.put("/end", "here", content_type="text/plain")
    site.put("/a", "", 301, location="b")
    site.put("/b", "", 302, location="/c/d?x=1")
    site.put("/c/d?x=1", "", 307, location=f"//127.0.0.1:{other.port}/end#part")
    got = web.fetch(f"{site.url}/a")
    other.close()
    assert (got.url, got.path.read_bytes()) == (f"{other.url}/end", b"here")


def test_redirects_end(site, web):
    site.put("/a", "", 302, location="/b")
    site.put("/b", "", 302, location="/a#again")
    assert "in a circle" in refusal(web, f"{site.url}/a")
    for number in range(20):
        site.put(f"/n{number}", "", 302, location=f"/n{number + 1}")
    site.asked.clear()
    message = refusal(web, f"{site.url}/n0")
    assert "more than 10 times" in message and f"{site.url}/n0 (redirected to " in message
    assert len(site.paths()) == fetching.MOST_HOPS + 1
    assert "302" in refusal(web, site.put("/nowhere", "", 302))


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/", "data:text/html,x", "http://[::z]/", "http://a:99999/"]
)
def test_a_redirect_out_of_the_web_is_refused(site, web, target):
    assert "redirects to what is no address of the web" in refusal(web, site.put("/a", "", 302, location=target))


# The network that we are in


@pytest.mark.parametrize(
    "host",
    "127.0.0.1 localhost 2130706433 0x7f.1 017700000001 [::1] [::ffff:127.0.0.1] [::ffff:7f00:1] [64:ff9b::7f00:1] [::] 0.0.0.0 "
    "10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 224.0.0.1 255.255.255.255 240.0.0.1 [fe80::1] [fc00::1] "
    "[ff02::1] [fec0::1] [2002:7f00:1::] 127。0。0。1".split(),
)
def test_private_addresses_are_refused_in_every_form(site, host):
    with Web(seconds=EVER) as web:
        message = refusal(web, f"http://{host}:{site.port}/secret", LockedError)
    assert "private network" in message and "--allow-private" in message
    assert not site.asked


@given(st.ip_addresses())
def test_no_address_that_the_standard_library_calls_private_is_public(ip):
    if is_public(str(ip)):
        assert ip.is_global and not (ip.is_private or ip.is_multicast or ip.is_loopback or ip.is_link_local)
        mapped = f"::ffff:{ip}" if ip.version == 4 else str(ip)
        assert is_public(mapped)


def test_public_addresses_are_public():
    for text in (PUBLIC, "8.8.8.8", "2606:4700::1111", f"::ffff:{PUBLIC}", "64:ff9b::808:808"):
        assert is_public(text), text


def test_every_address_of_a_host_is_checked(site, internet):
    internet["both.test"] = [[PUBLIC, "10.0.0.1"]]
    with Web(seconds=EVER) as web:
        assert "(10.0.0.1)" in refusal(web, f"http://both.test:{site.port}/", LockedError)
        assert internet["dialled"] == []
        site.put("/", "open")
        assert web.fetch(f"http://public.test:{site.port}/").path.read_bytes() == b"open"


def test_the_address_that_was_checked_is_the_one_connected_to(site, internet):
    internet["rebinding.test"] = [[PUBLIC], ["127.0.0.1"]]
    site.put("/", "secret")
    with Web(seconds=EVER) as web:
        assert "private network (127.0.0.1)" in refusal(web, f"http://rebinding.test:{site.port}/", LockedError)
    assert internet["dialled"] == [PUBLIC] and site.paths() == []


@pytest.mark.parametrize("robots", [False, True])
def test_a_redirect_into_the_private_network_is_refused(site, internet, robots):
    site.put("/secret", "secret")
    site.put("/robots.txt" if robots else "/", "", 302, location=f"http://127.0.0.1:{site.port}/secret")
    with Web(seconds=EVER) as web:
        assert "private network" in refusal(web, f"http://public.test:{site.port}/", LockedError)
    assert site.paths() == ([] if robots else ["/"])


def test_the_next_address_is_tried_if_the_first_does_not_answer(site, internet):
    site.put("/", "open")
    internet["two.test"] = [["127.0.0.2", "127.0.0.1"]]
    with Web(private=True, seconds=EVER) as web:
        assert web.fetch(f"http://two.test:{site.port}/").status == "new"
    assert internet["dialled"][:2] == ["127.0.0.2", "127.0.0.1"]


def test_a_bare_ipv6_address_stands_in_brackets(site, internet):
    internet["::1"] = [["127.0.0.1"]]
    with Web(private=True, seconds=EVER) as web:
        assert web.fetch(site.put("/", "x").replace("127.0.0.1", "[::1]")).url == f"http://[::1]:{site.port}/"
    assert site.asked[-1][1]["Host"] == f"[::1]:{site.port}"


def test_proxies_of_the_environment_are_not_used(site, web, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert web.fetch(site.put("/", "here")).status == "new"


# TLS


@pytest.fixture
def secure(tmp_path):
    certificate = make_certificate(tmp_path / "own.pem", "public.test")
    made = Site(certificate)
    yield made, certificate
    made.close()


def test_tls_is_spoken_with_the_name_and_not_with_the_address(secure, internet, monkeypatch):
    site, certificate = secure
    site.put("/", "safe")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with Web(seconds=EVER) as web:
        assert web.fetch(f"https://public.test:{site.port}/").path.read_bytes() == b"safe"
        internet["other.test"] = [[PUBLIC]]
        assert "certificate" in refusal(web, f"https://other.test:{site.port}/")
    assert list(dict.fromkeys(site.server_names)) == ["public.test", "other.test"]
    assert site.asked[-1][1]["Host"] == f"public.test:{site.port}"


def test_a_certificate_that_nobody_vouches_for_is_refused(secure, internet):
    site, _ = secure
    with Web(seconds=EVER) as web:
        assert "its certificate is not to be trusted (self" in refusal(web, f"https://public.test:{site.port}/")
    assert not site.asked


def test_http_where_tls_is_expected_is_named(site, web):
    assert "no safe connection" in refusal(web, site.url.replace("http:", "https:"))


# robots.txt


def test_robots_are_asked_once_and_heeded(site, web):
    site.put("/robots.txt", "User-agent: *\nDisallow: /\n\nUser-agent: RagBot\nDisallow: /private\nAllow: /private/but\n")
    for path in ("/a", "/private/a", "/private/but"):
        site.put(path, "x")
    assert web.fetch(f"{site.url}/a").status == web.fetch(f"{site.url}/private/but").status == "new"
    assert "robots.txt asks us to keep out" in refusal(web, f"{site.url}/private/a", LockedError)
    assert [path for path, _ in site.asked] == ["/robots.txt", "/a", "/private/but"]


def test_robots_are_heeded_where_a_redirect_leads(site, web):
    site.put("/robots.txt", "User-agent: *\nDisallow: /private")
    site.put("/private", "x")
    message = refusal(web, site.put("/a", "", 302, location="/private"), LockedError)
    assert message.startswith(f"{site.url}/a (redirected to {site.url}/private): ")
    assert site.paths() == ["/a"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429])
def test_missing_robots_allow_everything(site, web, status):
    site.put("/robots.txt", "User-agent: *\nDisallow: /", status)
    assert web.fetch(site.put("/a", "x")).status == "new"


@pytest.mark.parametrize("status", [500, 503])
def test_failing_robots_allow_nothing(site, web, status):
    site.put("/robots.txt", "", status, retry_after="77")
    for _ in range(2):
        message = refusal(web, site.put("/a", "x"))
    assert f"robots.txt answers {status}" in message and "try again in 77 s" in message
    assert [path for path, _ in site.asked] == ["/robots.txt"]


def test_robots_may_be_redirected(site, web):
    site.put("/robots.txt", "", 301, location="/r1")
    site.put("/r1", "User-agent: *\nDisallow: /private")
    refusal(web, site.put("/private", "x"), LockedError)
    assert web.fetch(site.put("/a", "x")).status == "new"


def test_robots_that_are_redirected_for_ever_count_as_missing(site, web):
    for number in range(20):
        site.put(f"/r{number}", "", 301, location=f"/r{number + 1}")
    site.put("/robots.txt", "", 301, location="/r0")
    assert web.fetch(site.put("/a", "x")).status == "new"
    assert len(site.asked) == 1 + fetching.MOST_ROBOTS_HOPS + 1


def test_of_large_robots_the_beginning_counts(site):
    rules = b"User-agent: *\nDisallow: /early\n" + b"# filling\n" * (fetching.MOST_ROBOTS_BYTES // 10) + b"Disallow: /late\n"

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(rules)

    site.pages["/robots.txt"] = endless
    with Web(private=True, seconds=10) as web:
        refusal(web, site.put("/early", "x"), LockedError)
        assert web.fetch(site.put("/late", "x")).status == "new"


def test_a_delay_is_kept_within_reason(site, web, monkeypatch):
    slept = []
    monkeypatch.setattr(web._clock.stopped, "wait", slept.append)
    site.put("/robots.txt", "User-agent: *\nCrawl-delay: 4000")
    site.put("/", "x")
    web.fetch(site.url)
    assert slept == []
    web.fetch(site.url)
    assert len(slept) == 1 and 5 < slept[0] <= fetching.MOST_PAUSE_S


def test_waiting_takes_nothing_of_the_time(site):
    site.put("/robots.txt", "User-agent: *\nCrawl-delay: 1.5")
    with Web(private=True, seconds=1) as web:
        for _ in range(2):
            assert web.fetch(site.put("/", "x")).status == "new"


# What goes wrong


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, LockedError, "answers 401 Unauthorized"),
        (403, LockedError, "answers 403 Forbidden"),
        (429, ReadError, "answers 429 Too Many Requests; try again in 120 s"),
        (500, ReadError, "answers 500 Internal Server Error; try again in 120 s"),
        (503, ReadError, "try again in 120 s"),
        (204, EmptyError, "nothing to read"),
        (206, ReadError, "answers 206"),
        (418, ReadError, "answers 418"),
    ],
)
def test_other_answers_are_named(site, web, status, kind, words):
    message = refusal(web, site.put("/a", b"", status, retry_after="120"), kind)
    assert message.startswith(f"{site.url}/a: ") and words in message


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Wed, 21 Oct 2099 07:28:00 GMT", "try again after 2099-10-21 07:28 UTC"),
        ("soon", "try again later"),
        ("9" * 50, "try again later"),
        ("Wed, 99 Oct 2099 07:28:00 GMT", "try again later"),
    ],
)
def test_when_to_try_again_is_told_if_it_makes_sense(site, web, said, words):
    assert refusal(web, site.put("/a", b"", 503, retry_after=said)).endswith(words)


def test_what_cannot_be_reached_is_named(web, internet):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "cannot be reached (Connection refused)" in refusal(web, f"http://127.0.0.1:{port}/")
    assert "its host is not found" in refusal(web, "http://nowhere.invalid/")
    for host in ("a..b", "a" * 70 + ".test"):
        assert "its host is not found" in refusal(web, f"http://{host}/")


def test_an_answer_that_breaks_off_is_no_page(site, web):
    def short(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"half")
        handler.close_connection = True

    def no_http(handler):
        handler.wfile.write(b"220 welcome to mail\r\n")
        handler.close_connection = True

    site.pages.update({"/short": short, "/mail": no_http})
    for path in ("/short", "/mail"):
        assert "broke off or makes no sense" in refusal(web, site.url + path)


# Addresses


def test_credentials_go_to_their_own_server_and_nowhere_else(site, web):
    other = Site()
    other.put("/there", "x")
    site.put("/a", "", 302, location="/b")
    site.put("/b", "", 302, location=f"http://eve:else@127.0.0.1:{other.port}/there")
    given = site.url.replace("http://", "http://ana:s%40cret@")
    got = web.fetch(f"{given}/a")
    other.close()
    assert got.url == f"{other.url}/there"
    assert [headers.get("Authorization") for path, headers in site.asked if path != "/robots.txt"] == [
        "Basic YW5hOnNAY3JldA=="
    ] * 2
    assert not any("Authorization" in headers for _, headers in other.asked)


def test_credentials_are_never_told(site, web):
    given = site.url.replace("http://", "http://ana:secret@")
    site.put("/ok", "x", status=200)
    assert "secret" not in web.fetch(f"{given}/ok").url and "secret" not in address(f"{given}/ok")
    site.put("/no", "x", status=403)
    messages = [refusal(web, f"{given}/no", LockedError)]
    for wrong in ("http://ana:sec/ret@host/", "http://ana:secret@host:99999/", "http://ana:secret@[::z]/", "http://ana:secret@/"):
        messages.append(refusal(web, wrong, InputError))
    for wrong in ("ftp://ana:secret@host/", "ana:secret@host"):
        messages.append(refusal(web, wrong, UnsupportedError))
    assert not [message for message in messages if "secret" in message or "sec/ret" in message or "ana" in message]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/", "data:text/html,x", "javascript:1", "gopher://host/"])
def test_other_schemes_are_refused(web, url):
    assert "only http:// and https:// are fetched" in refusal(web, url, UnsupportedError)
    with pytest.raises(UnsupportedError):
        address(url)


@pytest.mark.parametrize(
    "url", ["", "x", "//host/a", "http://", "http:///a", "http://h:0/", "http://h:x/", "http://a\nb/", "http://h/\ud800"]
)
def test_what_is_no_address_is_refused(web, url):
    assert "no address of the web" in refusal(web, url, InputError)


def test_an_address_has_one_spelling():
    assert address(" HTTP://Ana:Pw@EXAMPLE.com:80#x ") == "http://example.com/"
    assert address("https://example.com:443/a/../b%2Fc?q=ü#x") == "https://example.com/b%2Fc?q=%C3%BC"
    assert address("http://bücher.example:8080/straße") == "http://xn--bcher-kva.example:8080/stra%C3%9Fe"
    assert address("http://h?") == "http://h/?"


@given(st.text(max_size=30), st.text(max_size=30))
def test_the_spelling_stays(path, query):
    try:
        once = address(f"http://Example.com/{path}?{query}")
    except InputError:
        return
    assert address(once) == once


def test_urls_are_told_from_paths():
    assert is_url("http://a/b") and is_url("HTTPS://a")
    assert not any(map(is_url, ("a.md", "/http://a", "file:///a", "C:\\a", "http:a", "httpd.conf", "")))
