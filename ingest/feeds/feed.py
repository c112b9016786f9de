"""What a feed is, told by how it begins, and what one of its entries holds. Parses no XML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ingest.parsers import characters
from ingest.parsers.formats import named
from ragbot.errors import BrokenError, ReadError

MOST_BYTES = 10_000_000
"""Some 20 s of work."""
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


def root(data: bytes, base: str) -> str:
    """The text of a feed that lay at `base`, from its first element on.

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
    return text[start.start("root") :]
