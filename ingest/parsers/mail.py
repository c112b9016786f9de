"""EML and MHTML: the main headers, then the body: its plain text if that is complete, else its HTML.

Attached messages are read too; other attachments are only named. The compat32 policy of `email` parses the
message, since it accepts everything; the default policy, which raises on some input, only decodes headers.
"""

from __future__ import annotations

import email
import email.policy
import logging
from collections.abc import Iterator, Sequence
from email.message import Message

from ingest.parsers import html
from ingest.parsers.characters import clean, decode
from ingest.parsers.damage import broken
from ingest.parsers.formats import Extract, Source
from ragbot.errors import ReadError

log = logging.getLogger(__name__)

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_MAX_HEADER_CHARACTERS = 10_000
_MAX_DEPTH = 20
_REPORTS = frozenset({"message/delivery-status", "message/disposition-notification", "message/feedback-report"})
_MAX_NOTICE_CHARACTERS = 500
"""A longer plain text is never taken for a mere notice that the message has an HTML part."""
_GAP = "\n\n"


def extract(source: Source) -> Extract:
    """The text of the message, headers first. A web page saved as MHTML has no such headers."""
    try:
        message = email.message_from_bytes(source.data)
        text = _GAP.join(filter(None, _message(message, source.name, 0)))
    except (ReadError, MemoryError):
        raise
    except Exception as damage:  # too deep nesting, or any other failure of the parser
        raise broken(source.name, damage) from damage
    author = "" if _is_page(message) else _header(message, "From")
    return Extract(text, title=_header(message, "Subject"), author=author)


def _message(message: Message, name: str, depth: int) -> Iterator[str]:
    if not _is_page(message):
        headers = [(header, _header(message, header)) for header in _HEADERS]
        yield "\n".join(f"{header}: {value}" for header, value in headers if value)
    yield from _part(message, name, depth)


def _is_page(message: Message) -> bool:
    return "Snapshot-Content-Location" in message


def _part(part: Message, name: str, depth: int) -> Iterator[str]:
    kind, payload = part.get_content_type(), part.get_payload()
    inner = [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else None
    if depth > _MAX_DEPTH:
        log.info("%s: a part is nested too deeply", name)
    elif inner is not None and kind == "message/rfc822":
        yield "Attached message:"
        for message in inner:
            yield from _message(message, name, depth + 1)
    elif inner is not None and kind in _REPORTS:
        yield _GAP.join("\n".join(_decoded(f"{key}: {value}") for key, value in one.raw_items()) for one in inner).strip()
    elif inner is not None:
        chosen = _chosen(kind, inner, name)
        for one in inner:
            if one in chosen:
                yield from _part(one, name, depth + 1)
            else:
                yield from (_attachment(file) for file in one.walk() if _is_attached(file))
    elif not kind.startswith("text/") or part.get_filename() or _is_attached(part):
        yield _attachment(part)
    else:
        yield _page(part, name) if kind == "text/html" else _text(part).strip()


def _chosen(kind: str, parts: Sequence[Message], name: str) -> Sequence[Message]:
    """The parts to read: of alternatives the plain text, else the last and richest; of a page with its images, the page."""
    if kind == "multipart/alternative":
        plain = [part for part in parts if part.get_content_type() == "text/plain" and _text(part).strip()]
        rich = [part for part in parts if part.get_content_type() == "text/html" or part.is_multipart()][-1:]
        if plain and rich and _is_notice(_text(plain[0]), rich[0], name):
            return rich
        return (plain or rich or parts)[:1]
    return parts[:1] if kind == "multipart/related" else parts


def _is_notice(plain: str, rich: Message, name: str) -> bool:
    """Whether the plain text is short and the HTML alternative differs from it without being much shorter."""
    pages = [part for part in rich.walk() if part.get_content_type() == "text/html" and not _is_attached(part)]
    if len(plain) > _MAX_NOTICE_CHARACTERS or not pages:
        return False
    try:
        said, shown = _pieces(plain), _pieces(_page(pages[0], name))
    except ReadError:
        return False
    return len(shown & said) < 0.5 * len(shown) and len(shown) > 0.5 * len(said)


def _pieces(text: str) -> set[str]:
    """Character trigrams without white space: comparable across line breaks and in languages without spaces."""
    letters = "".join(text.split())
    return {letters[at : at + 3] for at in range(len(letters) - 2)}


def _is_attached(part: Message) -> bool:
    """Whether a part is an attachment, and not a resource that an HTML part refers to by Content-ID or location."""
    shown = "Content-ID" in part or "Content-Location" in part
    return part.get_content_disposition() == "attachment" or bool(part.get_filename()) and not shown


def _bytes(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(part: Message) -> str:
    return decode(_bytes(part), part.get_content_charset() or "")


def _page(part: Message, name: str) -> str:
    """The text of an HTML part, decoded as the message declares."""
    return html.extract(Source(name, f"<!doctype html>{_text(part)}".encode("utf-8-sig"))).text


def _attachment(part: Message) -> str:
    called = _decoded(part.get_filename() or "") or "without a name"
    return f"Attachment: {called} ({part.get_content_type()}, {len(_bytes(part)):,} bytes)"


def _header(message: Message, name: str) -> str:
    """A header, decoded, on one line; "" if there is none."""
    raw = (str(value) for key, value in message.raw_items() if key.lower() == name.lower())
    return _decoded(next(raw, ""))


def _decoded(raw: str) -> str:
    """A header value with its encoded words (RFC 2047) decoded, or unchanged if they cannot be decoded."""
    value = _flat(decode(raw[:_MAX_HEADER_CHARACTERS].encode("utf-8", "surrogateescape")))
    try:
        return _flat(str(email.policy.default.header_factory("Subject", value)))
    except Exception as damage:  # the header parser raises IndexError, ValueError, AttributeError, …
        log.info("a header cannot be decoded: %s", damage)
        return value


def _flat(text: str) -> str:
    return " ".join(clean(text).split())
