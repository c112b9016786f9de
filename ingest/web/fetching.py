"""Pages, one after another: asked for as robots.txt allows, followed through redirects, and written into files."""

from __future__ import annotations

import codecs
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from email.message import Message
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NoReturn

import httpcore2
import httpx2
from protego import Protego

from ingest.parsers import characters
from ingest.parsers.formats import named
from ingest.web.addresses import clean, credentials, origin, parsed, shown, stem_of, suffix_of
from ingest.web.network import Clock, Failure, Network
from ragbot import __version__
from ragbot.errors import EmptyError, InputError, LockedError, UnsupportedError

TOKEN = "ragbot"
"""What robots.txt calls us."""
MOST_HOPS = 10
MOST_ROBOTS_HOPS = 5
MOST_ROBOTS_BYTES = 512_000
"""RFC 9309 asks for at least 500 KiB and five redirects."""
MOST_PAUSE_S = 10.0
"""The longest Crawl-delay that is kept."""

_FOLLOWED = frozenset({301, 302, 303, 307, 308})
_ENCODINGS = b"gzip, deflate"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a server answered. `path` lies in the fetcher's own folder and goes with it.

    Text in an encoding that the server names rightly is UTF-8 with its mark in the file.
    """

    url: str
    """Where it was in the end, after redirects."""
    status: Literal["new", "unchanged", "gone"]
    path: Path | None = None
    """The file with what was sent, if that is new."""
    suffix: str = ""
    """From the type that the server names, else from the address; "" if neither tells."""
    etag: str = ""
    last_modified: str = ""


@dataclass(slots=True)
class _Site:
    """What is known of a scheme, host and port."""

    rules: Protego | None = None
    failure: Failure | None = None
    """Why robots.txt cannot be told, so that nothing may be fetched."""
    asked_at: float = 0.0
    """When it was asked for a page last, on the monotonic clock."""


class Web:
    """Fetches pages one after another. Use it in a `with` statement, which throws away what was fetched."""

    def __init__(
        self,
        *,
        private: bool = False,
        most_bytes: int = 50_000_000,
        seconds: float = 30.0,
        agent: str = f"{TOKEN}/{__version__}",
    ) -> None:
        self._most_bytes, self._agent = most_bytes, agent
        self._clock = Clock(seconds)
        self._sites: dict[str, _Site] = {}
        self._numbers = count()
        self._folder = TemporaryDirectory(prefix="ragbot-web-")
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context(), network_backend=Network(self._clock, private)
        )

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends every connection and throws away what was fetched."""
        self._pool.close()
        self._folder.cleanup()

    def stop(self) -> None:
        """Has every fetch fail from now on, from any thread: the one under way at once, but for one that is still connecting."""
        self._clock.stop()

    def fetch(self, url: str, *, etag: str = "", last_modified: str = "", at: str = "") -> Fetched:
        """What lies at `url`; unchanged if it still is what the server marked with `etag` or `last_modified`.

        `at` is where that was, after redirects: nobody else is asked whether it has changed, as their marks mean other pages.
        A name and password in `url` are given to its own server and to nobody else.
        Raises InputError if `url` is none, else a ReadError that names it: UnsupportedError for another scheme, LockedError
        for what is not ours to fetch, EmptyError if the server has nothing to send.
        """
        asked = parsed(url)
        marks = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        conditions = [(key.encode(), value.encode()) for key, value in marks.items() if value]
        trail = [clean(asked)]
        self._clock.start()
        try:
            return self._followed(trail, {at or str(trail[0]): conditions}, asked)
        except Failure as failure:
            where = shown(asked) if len(trail) == 1 else f"{shown(asked)} (redirected to {shown(trail[-1])})"
            raise failure.kind(f"{where}: {failure.cause}; {failure.mend}") from failure.__cause__

    def _followed(self, trail: list[httpx2.URL], known: Mapping[str, list[tuple[bytes, bytes]]], asked: httpx2.URL) -> Fetched:
        """The answer at the end of the redirects; `trail` grows with each. `known` has the conditions for an address."""
        while True:
            here = trail[-1]
            self._admit(here)
            own = credentials(asked) if origin(here) == origin(asked) else []
            conditions = known.get(str(here), [])
            with self._answer(here, [*conditions, *own]) as response:
                target = _redirected(response, here)
                if target is None:
                    return self._fetched(response, here, bool(conditions))
            if target in trail:
                raise Failure("redirects in a circle", "check the address in a browser")
            trail.append(target)
            if len(trail) > MOST_HOPS + 1:
                raise Failure(f"redirects more than {MOST_HOPS} times", "check the address in a browser")

    def _fetched(self, response: httpx2.Response, url: httpx2.URL, conditional: bool) -> Fetched:
        status, headers = response.status_code, response.headers
        etag, last_modified = headers.get("etag", ""), headers.get("last-modified", "")
        if status == HTTPStatus.NOT_MODIFIED and conditional:
            return Fetched(str(url), "unchanged", etag=etag, last_modified=last_modified)
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return Fetched(str(url), "gone")
        if status not in (HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION):
            _refuse(response)
        said = Message()
        said["Content-Type"] = headers.get("content-type", "")
        type_ = said.get_content_type() if "/" in said["Content-Type"] else ""
        suffix, charset = suffix_of(type_, url), said.get_content_charset("")
        path = self._saved(response, f"{stem_of(url)}{suffix}")
        format = named(suffix)
        if charset and (suffix == ".xml" or (format and format.textual)):
            _to_utf8(path, charset)
        return Fetched(str(url), "new", path, suffix, etag, last_modified)

    def _saved(self, response: httpx2.Response, name: str) -> Path:
        path = Path(self._folder.name, str(next(self._numbers)), name)
        path.parent.mkdir()
        left = self._most_bytes
        with path.open("wb") as file:
            for piece in _decoded(response):
                left -= len(piece)
                if left < 0:
                    break
                file.write(piece)
        if left < 0:
            path.unlink()
            raise Failure(f"is larger than {self._most_bytes / 1e6:g} MB", "save what you need of it as a file, and add that")
        return path

    def _admit(self, url: httpx2.URL) -> None:
        """Waits until the site may be asked. Raises a Failure if it does not want to be."""
        site = self._sites.get(origin(url))
        if site is None:
            site = self._sites[origin(url)] = self._met(url)
        if site.failure:
            raise Failure(*site.failure.args)
        if site.rules is None:
            return
        if not site.rules.can_fetch(str(url), TOKEN):
            raise Failure("the site's robots.txt asks us to keep out", "ask its owner, or save the page as a file", LockedError)
        delay = min(site.rules.crawl_delay(TOKEN) or 0.0, MOST_PAUSE_S)
        pause = site.asked_at + delay - time.monotonic()
        if site.asked_at and pause > 0:
            self._clock.stopped.wait(pause)
            self._clock.ends_at += pause
        site.asked_at = time.monotonic()

    def _met(self, url: httpx2.URL) -> _Site:
        """The rules of a site that is new to us (RFC 9309, section 2.3.1)."""
        here = url.copy_with(raw_path=b"/robots.txt")
        try:
            for _ in range(MOST_ROBOTS_HOPS + 1):
                with self._answer(here) as response:
                    target = _redirected(response, here)
                    if target is None:
                        return self._ruled(response)
                here = target
        except Failure as failure:
            return _Site(failure=failure)
        return _Site()

    def _ruled(self, response: httpx2.Response) -> _Site:
        if response.is_server_error:
            cause = f"the site's robots.txt answers {_phrase(response)}, so nothing of it may be fetched"
            return _Site(failure=Failure(cause, _later(response)))
        if not response.is_success:
            return _Site()
        text = bytearray()
        for piece in _decoded(response):
            text += piece
            if len(text) >= MOST_ROBOTS_BYTES:
                break
        return _Site(Protego.parse(text[:MOST_ROBOTS_BYTES].decode("utf-8-sig", "replace")))

    @contextmanager
    def _answer(self, url: httpx2.URL, headers: Iterable[tuple[bytes, bytes]] = ()) -> Iterator[httpx2.Response]:
        """What the server of `url` answers, its body still to come. Raises a Failure for all that goes wrong on the way."""
        always = [(b"Host", url.netloc), (b"User-Agent", self._agent.encode()), (b"Accept", b"*/*")]
        where = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        try:
            sent = [*always, (b"Accept-Encoding", _ENCODINGS), *headers]
            with self._pool.stream("GET", where, headers=sent) as answer:
                yield httpx2.Response(answer.status, headers=answer.headers, content=answer.iter_stream())
        except httpcore2.TimeoutException as cause:
            late = f"gave no whole answer within {self._clock.seconds:g} s"
            raise Failure(late, "try again later") from cause
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpx2.DecodingError) as cause:
            raise _broken_off(cause) from cause


def _redirected(response: httpx2.Response, url: httpx2.URL) -> httpx2.URL | None:
    target = response.headers.get("location")
    if response.status_code not in _FOLLOWED or not target:
        return None
    try:
        return clean(parsed(str(url.join(target))))
    except (httpx2.InvalidURL, UnicodeError, InputError, UnsupportedError):
        raise Failure("redirects to what is no address of the web", "check the address in a browser") from None


def _decoded(response: httpx2.Response) -> Iterator[bytes]:
    """The body in pieces of a megabyte at most, however much it was compressed."""
    odd = response.headers.get("content-encoding", "").lower().replace(",", " ").split()
    if not {"identity", *_ENCODINGS.decode().split(", ")}.issuperset(odd):
        raise Failure(f"is compressed as nobody asked for ({' '.join(odd)[:40]})", "save the page as a file, and add that")
    return response.iter_bytes()


def _refuse(response: httpx2.Response) -> NoReturn:
    """Raises why an answer is no page."""
    status, phrase = response.status_code, _phrase(response)
    if status in (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT):
        raise Failure(f"answers {phrase}: there is nothing to read", "check the address", EmptyError)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise Failure(f"answers {phrase}", "sign in with a browser and save the page as a file", LockedError)
    if status == HTTPStatus.TOO_MANY_REQUESTS or response.is_server_error:
        raise Failure(f"answers {phrase}", _later(response))
    raise Failure(f"answers {phrase}", "check the address in a browser")


def _phrase(response: httpx2.Response) -> str:
    return f"{response.status_code} {response.reason_phrase}".strip()


def _later(response: httpx2.Response) -> str:
    """When to try again, if the server says so (RFC 9110, section 10.2.3)."""
    said = response.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdecimal() and len(said) < 10:
        return f"try again in {int(said)} s"
    try:
        return f"try again after {parsedate_to_datetime(said).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError):
        return "try again later"


def _broken_off(cause: Exception) -> Failure:
    """What a failure of the network means, from the deepest error that is known."""
    deepest: BaseException = cause
    while (below := deepest.__cause__ or deepest.__context__) is not None:
        deepest = below
    if isinstance(deepest, ssl.SSLCertVerificationError):
        return Failure(f"its certificate is not to be trusted ({deepest.verify_message})", "tell the owner of the site")
    if isinstance(deepest, ssl.SSLError):
        return Failure(f"no safe connection comes about ({deepest.reason})", "check whether it begins with http:// instead")
    if isinstance(deepest, OSError):
        return Failure(f"cannot be reached ({deepest.strerror or deepest})", "check the address and the network")
    said = " ".join(str(cause).split())[:100] or type(cause).__name__
    return Failure(f"its answer broke off or makes no sense ({said})", "try again later")


def _to_utf8(path: Path, charset: str) -> None:
    """Writes a text again in UTF-8, with the mark that goes before what the page says of itself (WHATWG HTML, 13.2.3.2).

    Not if it is UTF-8 already, nor if the server was wrong.
    """
    data = path.read_bytes()
    if _decodes(data, "utf-8") is None:
        try:
            codec = codecs.lookup(charset).name
        except (LookupError, ValueError):
            return
        text = _decodes(data, characters.LARGER.get(codec, codec))
        if text is not None:
            path.write_bytes(codecs.BOM_UTF8 + text.encode("utf-8", "replace"))


def _decodes(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeError, LookupError):
        return None
