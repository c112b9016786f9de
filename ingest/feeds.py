"""Feeds (RSS 0.9x, 1.0, 2.0 and Atom) to entries. Fetches nothing."""

from __future__ import annotations

import calendar
import hashlib
import html
import io
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import feedparser  # type: ignore[import-untyped]

from ingest.readers import characters
from ingest.readers.formats import named
from ragbot.errors import BrokenError, ReadError

MOST_BYTES = 10_000_000
"""Some 20 s of work."""
_HEAD_BYTES = 1 << 16
_BEFORE = r"(?>\s++|<\?.*?\?>|<!--.*?-->)*+"
_DOCTYPE = r"""<!DOCTYPE(?>[^\[>"']|"[^"]*"|'[^']*')*+"""
_SUBSET = re.compile(rf"\ufeff?{_BEFORE}{_DOCTYPE}\[", re.DOTALL | re.IGNORECASE)
_ROOT = re.compile(
    rf"\ufeff?{_BEFORE}(?:{_DOCTYPE}(?:\[.*?\]\s*+)?>{_BEFORE})?"
    r"<(?:(?:\w+:)?rss\b|(?:\w+:)?feed\b[^>]*(?:/2005/Atom|purl\.org/atom/)"
    r"|(?:\w+:)?RDF\b[^>]*(?:purl\.org/rss/|netscape\.com/rdf/simple/))",
    re.DOTALL,
)
_LONGEST_DECLARATION = 300
_DECLARATION = re.compile(r"""\ufeff?\s*<\?xml\b[^>]*?(?:encoding\s*=\s*["']([\w.:-]+)["'][^>]*?)?\?>""")
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a feed. `html` is all that the feed gives of it, as it gives it: scripts and all."""

    url: str
    title: str = ""
    html: str = ""
    updated: datetime | None = None
    author: str = ""


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed, its entries in its order. No two have the same address."""

    title: str
    entries: tuple[Entry, ...] = ()


def is_feed(given: Path | bytes, suffix: str = "") -> bool:
    """Whether a file (or its bytes) is a feed, told by its first element."""
    format = named(suffix)
    if format and not format.textual:
        return False
    if isinstance(given, Path):
        with given.open("rb") as file:
            given = file.read(_HEAD_BYTES)
    text = characters.peek(given[:_HEAD_BYTES])
    return text is not None and _ROOT.match(text) is not None


def entries(data: bytes, base: str) -> Feed:
    """The entries of a feed that lay at `base`; of a damaged one, what can be read.

    An entry without an address of its own, or with that of another, gets `base` or that address with a digest of its id.
    Raises ReadError if it is too large, BrokenError if it is no feed or declares entities of its own: those can grow without end.
    """
    if len(data) > MOST_BYTES:
        raise ReadError(f"{base}: the feed is larger than {MOST_BYTES / 1e6:g} MB; add its pages one by one")
    declared = _DECLARATION.match(data[:_LONGEST_DECLARATION].decode("ascii", "ignore"))
    text = characters.decode(data, (declared and declared[1]) or "")
    if not _ROOT.match(text):
        raise BrokenError(f"{base}: is no feed (RSS or Atom); check the address")
    if _SUBSET.match(text):
        raise BrokenError(f"{base}: the feed declares entities, which is not safe to read; tell its owner")
    return _feed(_parsed(text, base), base)


def _parsed(text: str, base: str) -> Any:  # noqa: ANN401 (feedparser has no types)
    declared = _DECLARATION.match(text[:_LONGEST_DECLARATION])
    plain = text[declared.end() :] if declared else text
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": base}
    try:
        return feedparser.parse(
            io.BytesIO(plain.encode()), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except Exception as cause:
        raise BrokenError(f"{base}: the feed cannot be read ({type(cause).__name__}); tell its owner") from cause


def _feed(parsed: Any, base: str) -> Feed:  # noqa: ANN401
    linked = Counter(_link(raw) for raw in parsed.entries)
    found: dict[str, Entry] = {}
    for raw in parsed.entries:
        link, text = _link(raw), _html(raw)
        title = _plain(raw, "title")
        url = link
        if not link or linked[link] > 1:
            digest = hashlib.sha256((raw.get("id") or f"{title}\n{text}").encode()).hexdigest()[:16]
            url = f"{(link or base).partition('#')[0]}#{digest}"
        found.setdefault(url, Entry(url, title, text, _updated(raw), " ".join(raw.get("author", "").split())))
    return Feed(_plain(parsed.feed, "title"), tuple(found.values()))


def _link(raw: Any) -> str:  # noqa: ANN401
    link = str(raw.get("link", ""))
    return link if re.match("https?://", link, re.IGNORECASE) else ""


def _html(raw: Any) -> str:  # noqa: ANN401
    """The content rather than the summary, and of several the longest."""
    content = max((_as_html(one) for one in raw.get("content", ())), key=len, default="")
    return content or _as_html(raw.get("summary_detail", {}))


def _as_html(detail: Any) -> str:  # noqa: ANN401
    value = str(detail.get("value", ""))
    return f"<p>{html.escape(value)}</p>" if value and detail.get("type") == "text/plain" else value


def _plain(raw: Any, key: str) -> str:  # noqa: ANN401
    detail = raw.get(f"{key}_detail", {})
    value = str(detail.get("value", ""))
    return " ".join((value if detail.get("type") == "text/plain" else html.unescape(_TAG.sub(" ", value))).split())


def _updated(raw: Any) -> datetime | None:  # noqa: ANN401
    for key in ("updated_parsed", "published_parsed"):
        if key in raw.keys() and raw[key]:
            try:
                return datetime.fromtimestamp(calendar.timegm(raw[key]), UTC)
            except (ValueError, OverflowError):
                continue
    return None
