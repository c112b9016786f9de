"""Parses a feed with feedparser: `python -m ingest.feeds.parsing`.

A program of its own: feedparser changes what other modules hold when it is imported, and its function for the base of links is
replaced here. The process that asks for a feed must see neither.
"""

from __future__ import annotations

import hashlib
import html
import io
import json
import re
import sys
from collections import Counter
from dataclasses import asdict
from typing import Any

import feedparser.mixin  # type: ignore[import-untyped]

from ingest.feeds.feed import Entry, root
from ingest.feeds.reading import MOST_SECONDS
from ingest.parsers import worker
from ragbot.errors import BrokenError, ReadError

LONGEST_BASE = 1_000
"""Characters of the address that links are relative to. An element can lengthen that of the one around it (xml:base)."""
_TAG = re.compile(r"<[^<>]*>")


def main() -> None:
    """Read a feed from standard input, behind a line with its address, and answer on standard output, all in JSON."""
    worker.limit_memory()
    worker.limit_time(MOST_SECONDS)
    _bound_bases()
    base = json.loads(sys.stdin.buffer.readline())
    try:
        answer: dict[str, Any] = {"entries": [asdict(entry) for entry in entries(sys.stdin.buffer.read(), base)]}
    except ReadError as cause:
        answer = {"error": type(cause).__name__, "message": str(cause)}
    sys.stdout.write(json.dumps(answer))


def entries(data: bytes, base: str) -> tuple[Entry, ...]:
    """The entries of a feed that lay at `base`, in its order; of a damaged one, what can be read.

    No two have the same address: an entry without one, or with that of another, gets `base` or that with a digest of its id.
    Raises what `root` raises, and BrokenError if feedparser fails on it.
    """
    return _found(_parsed(root(data, base), base), base)


def _parsed(plain: str, base: str) -> Any:  # noqa: ANN401 (feedparser has no types)
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": base}
    try:
        return feedparser.parse(
            io.BytesIO(plain.encode()), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except Exception as cause:
        raise BrokenError(f"{base}: the feed cannot be read ({type(cause).__name__}); tell its owner") from cause


def _bound_bases() -> None:
    """Keeps the base of links short, for the whole process: feedparser takes it apart again with every element.

    A base that would be longer than LONGEST_BASE stays as it was.
    """
    joined = feedparser.mixin.make_safe_absolute_uri

    def bounded(base: str, link: str | None = None) -> str:
        return base if len(base) + len(link or "") > LONGEST_BASE else str(joined(base, link))

    feedparser.mixin.make_safe_absolute_uri = bounded


def _found(parsed: Any, base: str) -> tuple[Entry, ...]:  # noqa: ANN401
    linked = Counter(_link(raw) for raw in parsed.entries)
    found: dict[str, Entry] = {}
    for raw in parsed.entries:
        link, text = _link(raw), _html(raw)
        title = _plain(raw, "title")
        url = link
        if not link or linked[link] > 1:
            digest = hashlib.sha256((raw.get("id") or f"{title}\n{text}").encode()).hexdigest()[:16]
            url = f"{(link or base).partition('#')[0]}#{digest}"
        found.setdefault(url, Entry(url, title, text, " ".join(raw.get("author", "").split())))
    return tuple(found.values())


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


if __name__ == "__main__":
    main()
