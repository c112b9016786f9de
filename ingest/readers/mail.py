"""EML and MHTML: who wrote to whom and when, then what: plain text if there is some, else the web page.

Messages that are attached are read too; other attachments are named, not read. The parts are told apart by
the old policy of `email`, which takes everything; the new one, which raises on some, only reads headers.
"""

from __future__ import annotations

import email
import email.policy
import logging
from collections.abc import Iterator, Sequence
from email.message import Message

from ingest.readers import html
from ingest.readers.characters import clean, decode
from ingest.readers.damage import broken
from ingest.readers.formats import Extract, Source
from ragbot.errors import ReadError

log = logging.getLogger(__name__)

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_LONGEST_HEADER = 10_000
_DEEPEST = 20
_GAP = "\n\n"


def extract(source: Source) -> Extract:
    """The message, its headers first. A web page that a browser saved as MHTML has none."""
    try:
        message = email.message_from_bytes(source.data)
        text = _GAP.join(filter(None, _message(message, source.name, 0)))
    except (ReadError, MemoryError):
        raise
    except Exception as damage:  # nested too deeply, or what else the parser trips over
        raise broken(source.name, damage) from damage
    author = "" if _is_page(message) else _header(message, "From")
    return Extract(text, title=_header(message, "Subject"), author=author)


def _message(message: Message, name: str, depth: int) -> Iterator[str]:
    if not _is_page(message):
        said = [(header, _header(message, header)) for header in _HEADERS]
        yield "\n".join(f"{header}: {value}" for header, value in said if value)
    yield from _part(message, name, depth)


def _is_page(message: Message) -> bool:
    return "Snapshot-Content-Location" in message


def _part(part: Message, name: str, depth: int) -> Iterator[str]:
    kind, payload = part.get_content_type(), part.get_payload()
    inner = [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else None
    if depth > _DEEPEST:
        log.info("%s: a part is nested too deeply", name)
    elif inner is not None and kind == "message/rfc822":
        yield "Attached message:"
        for message in inner:
            yield from _message(message, name, depth + 1)
    elif inner is not None:
        for one in _chosen(kind, inner):
            yield from _part(one, name, depth + 1)
    elif part.get_content_disposition() == "attachment" or part.get_filename() or kind not in {"text/plain", "text/html"}:
        yield _attachment(part, kind)
    else:
        yield _page(part, name) if kind == "text/html" else _text(part).strip()


def _chosen(kind: str, parts: Sequence[Message]) -> Sequence[Message]:
    """Of alternatives the plain text, else the last, which says most; of a page with its pictures, the page."""
    if kind == "multipart/alternative":
        plain = [part for part in parts if part.get_content_type() == "text/plain" and _text(part).strip()]
        rich = [part for part in parts if part.get_content_type() == "text/html" or part.is_multipart()]
        return (plain or rich[-1:] or parts)[:1]
    return parts[:1] if kind == "multipart/related" else parts


def _bytes(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(part: Message) -> str:
    return decode(_bytes(part), part.get_content_charset() or "")


def _page(part: Message, name: str) -> str:
    """A web page, whose encoding the message tells."""
    return html.extract(Source(name, f"<!doctype html>{_text(part)}".encode("utf-8-sig"))).text


def _attachment(part: Message, kind: str) -> str:
    called = _decoded(part.get_filename() or "") or "without a name"
    return f"Attachment: {called} ({kind}, {len(_bytes(part)):,} bytes)"


def _header(message: Message, name: str) -> str:
    """A header as it reads, on one line; "" if there is none."""
    raw = (str(value) for key, value in message.raw_items() if key.lower() == name.lower())
    return _decoded(next(raw, ""))


def _decoded(raw: str) -> str:
    """A header's value with its encoded words resolved; as it stands, where they cannot be."""
    value = _flat(decode(raw[:_LONGEST_HEADER].encode("utf-8", "surrogateescape")))
    try:
        return _flat(str(email.policy.default.header_factory("Subject", value)))
    except Exception as damage:  # the parser of headers raises IndexError, ValueError, AttributeError, …
        log.info("a header cannot be made out: %s", damage)
        return value


def _flat(text: str) -> str:
    return " ".join(clean(text).split())
