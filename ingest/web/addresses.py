"""Addresses of the web: parsed, in one spelling, and without what is secret in them."""

from __future__ import annotations

import base64
import re
from pathlib import PurePosixPath
from urllib.parse import unquote

import httpx2

from ingest.parsers.formats import FORMATS
from ragbot.errors import InputError, UnsupportedError

_XML = ("application/xml", "text/xml", "application/rss+xml", "application/atom+xml", "application/rdf+xml")
_SUFFIXES = {
    **{format.content_type: format.suffixes[0] for format in FORMATS},
    **dict.fromkeys(_XML, ".xml"),
    "application/xhtml+xml": ".html",
    "application/json": ".json",
    "text/csv": ".csv",
}
_VAGUE = frozenset({"", "text/plain", "application/octet-stream", "binary/octet-stream", "application/x-download"})
"""Types that servers give to what they do not know: the name in the address says more."""


def address(url: str) -> str:
    """The one spelling of an address: no fragment, no password, scheme and host in lower case, no port that goes without saying.

    Raises InputError and UnsupportedError as `Web.fetch` does.
    """
    return str(clean(parsed(url)))


def parsed(text: str) -> httpx2.URL:
    """The address, with all that was given. What is shown of it in an error leaves out what may be a password."""
    quoted = re.sub(r"^([a-z+.-]+://)?.*@", r"\1", " ".join(text.split()), flags=re.IGNORECASE)[:200]
    try:
        url = httpx2.URL(text.strip())
    except (httpx2.InvalidURL, UnicodeError):
        raise InputError(f"{quoted}: is no address of the web; check its spelling") from None
    if url.scheme and url.scheme not in ("http", "https"):
        raise UnsupportedError(f"{quoted}: only http:// and https:// are fetched; save it as a file, and add that")
    if not url.scheme or not url.host or (url.port is not None and not 0 < url.port < 1 << 16):
        raise InputError(f"{quoted}: is no address of the web; check its spelling, from http:// or https:// on")
    return url


def shown(url: httpx2.URL) -> str:
    """For messages."""
    text = str(clean(url))
    return text if len(text) <= 200 else f"{text[:199]}…"


def clean(url: httpx2.URL) -> httpx2.URL:
    """Without fragment and password, in one spelling."""
    return url.copy_with(raw_path=url.raw_path, fragment=None, username=None, password=None)


def origin(url: httpx2.URL) -> str:
    """Scheme, host and port."""
    return str(clean(url).copy_with(raw_path=b"/"))


def credentials(url: httpx2.URL) -> list[tuple[bytes, bytes]]:
    """The header of RFC 7617 for the name and password of an address, if there are any."""
    if not url.userinfo:
        return []
    return [(b"Authorization", b"Basic " + base64.b64encode(f"{url.username}:{url.password}".encode()))]


def suffix_of(content_type: str, url: httpx2.URL) -> str:
    """What a file of that type, from that address, should be called."""
    own = PurePosixPath(url.path).suffix.lower()
    own = own if re.fullmatch(r"\.[a-z0-9]{1,8}", own) else ""
    if content_type in _VAGUE and own:
        return own
    return _SUFFIXES.get(content_type, own)


def stem_of(url: httpx2.URL) -> str:
    """A name for the file, of which a title may be made."""
    last = PurePosixPath(unquote(url.path)).stem
    return re.sub(r"[^\w.-]+", " ", last).strip(" .")[:40] or url.host[:60].replace(":", " ")
