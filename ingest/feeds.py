"""Feeds (RSS 0.9x, 1.0, 2.0 and Atom) to entries. Fetches nothing."""

from __future__ import annotations

import hashlib
import html
import io
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import feedparser.mixin  # type: ignore[import-untyped]

from ingest.parsers import characters, worker
from ingest.parsers.formats import named
from ragbot.errors import BrokenError, ReadError

MOST_BYTES = 10_000_000
"""Some 20 s of work."""
MOST_SECONDS = 120
"""How long reading a feed may take: a few 100 kB can be made so that feedparser's expressions take hours over them."""
LONGEST_BASE = 1_000
"""Characters of the address that links are relative to. An element can lengthen that of the one around it (xml:base)."""
_HEAD_BYTES = 1 << 16
_BEFORE = r"(?>\s++|<\?.*?\?>|<!--.*?-->)*+"
_DOCTYPE = r"""<!DOCTYPE(?>[^\[>"']|"[^"]*"|'[^']*')*+"""
_INNER = r"""\[(?>[^\]<"']|"[^"]*"|'[^']*'|<!--.*?-->|<\?.*?\?>|<(?!!--|\?))*+\]\s*+"""
_SUBSET = re.compile(rf"\ufeff?{_BEFORE}{_DOCTYPE}\[", re.DOTALL | re.IGNORECASE)
_ROOT = re.compile(
    rf"\ufeff?{_BEFORE}(?:{_DOCTYPE}(?:{_INNER})?>{_BEFORE})?"
    r"(?P<root><)(?:(?:\w+:)?rss\b|(?:\w+:)?feed\b[^>]*(?:/2005/Atom|purl\.org/atom/)"
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
    author: str = ""


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


def read(data: bytes, base: str) -> tuple[Entry, ...]:
    """What `entries` gives, from a process of its own, which ends if it takes too long or needs too much memory.

    Raises a ReadError that says why not.
    """
    command = [sys.executable, "-P", "-m", __name__]  # -P: not what lies in the working folder under the name of some module
    try:
        done = subprocess.run(
            command,
            input=json.dumps(base).encode() + b"\n" + data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=MOST_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise BrokenError(f"{base}: the feed takes too long to read (given up after {MOST_SECONDS} s); tell its owner") from None
    if done.returncode:
        raise BrokenError(f"{base}: the feed's reader crashed (exit {done.returncode}); tell its owner")
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise worker.ERRORS[answer["error"]](answer["message"])
    return tuple(Entry(**entry) for entry in answer["entries"])


def main() -> None:
    """Read a feed from standard input, behind a line with its address, and answer on standard output, all in JSON."""
    worker.limit_memory()
    worker.limit_time(MOST_SECONDS)
    base = json.loads(sys.stdin.buffer.readline())
    try:
        answer: dict[str, Any] = {"entries": [asdict(entry) for entry in entries(sys.stdin.buffer.read(), base)]}
    except ReadError as cause:
        answer = {"error": type(cause).__name__, "message": str(cause)}
    sys.stdout.write(json.dumps(answer))


def entries(data: bytes, base: str) -> tuple[Entry, ...]:
    """The entries of a feed that lay at `base`, in its order; of a damaged one, what can be read.

    No two have the same address: an entry without one, or with that of another, gets `base` or that with a digest of its id.
    Raises ReadError if it is too large, BrokenError if it is no feed or declares entities of its own: those can grow without end.
    """
    if len(data) > MOST_BYTES:
        raise ReadError(f"{base}: the feed is larger than {MOST_BYTES / 1e6:g} MB; add its pages one by one")
    declared = _DECLARATION.match(data[:_LONGEST_DECLARATION].decode("ascii", "ignore"))
    text = characters.decode(data, (declared and declared[1]) or "")
    start = _ROOT.match(text)
    if not start:
        raise BrokenError(f"{base}: is no feed (RSS or Atom); check the address")
    if _SUBSET.match(text):
        raise BrokenError(f"{base}: the feed declares entities, which is not safe to read; tell its owner")
    return _found(_parsed(text[start.start("root") :], base), base)


def _parsed(plain: str, base: str) -> Any:  # noqa: ANN401 (feedparser has no types)
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": base}
    try:
        return feedparser.parse(
            io.BytesIO(plain.encode()), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except Exception as cause:
        raise BrokenError(f"{base}: the feed cannot be read ({type(cause).__name__}); tell its owner") from cause


_joined = feedparser.mixin.make_safe_absolute_uri


def _based(base: str, link: str | None = None) -> str:
    """feedparser's base of links, which it takes apart anew with every element: one that would be too long stays as it was."""
    return base if len(base) + len(link or "") > LONGEST_BASE else str(_joined(base, link))


feedparser.mixin.make_safe_absolute_uri = _based


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
