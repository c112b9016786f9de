"""EML and MHTML: the main headers, then the body: its plain text if that is complete, else its HTML.

What is attached is read by the parsers of its types (attachments.py). The compat32 policy of `email` parses the
message, since it accepts everything; the default policy, which raises on some input, only decodes headers.
"""

from __future__ import annotations

import email
import email.policy
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from email.message import Message
from email.utils import parsedate_to_datetime

from ingest.parsers import html
from ingest.parsers.attachments import Attachment, Reader
from ingest.parsers.characters import clean, decode
from ingest.parsers.damage import broken
from ingest.parsers.formats import Extract, Source
from ingest.parsers.titles import day
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
    """The text of the message, headers first, and of what is attached. A web page saved as MHTML has no such headers."""
    return extract_attached(source, None)


def extract_attached(source: Source, above: Reader | None) -> Extract:
    """The text of a message that is attached to another one, within what `above` leaves of the limits of that."""
    attachments = replace(above, depth=above.depth + 1, hidden=0) if above else Reader(source)
    try:
        message = email.message_from_bytes(source.data)
        reading = _Reading(source.name, attachments, _sheets(message))
        text = _GAP.join(filter(None, reading.message(message, 0)))
    except (ReadError, MemoryError):
        raise
    except Exception as damage:  # too deep nesting, or any other failure of the parser
        raise broken(source.name, damage) from damage
    if above:
        above.files, above.bytes = attachments.files, attachments.bytes
    author = "" if _is_page(message) else _header(message, "From")
    hidden = reading.hidden + attachments.hidden
    return Extract(text, title=_header(message, "Subject"), author=author, date=_day(message), hidden=hidden)


@dataclass(slots=True)
class _Reading:
    """Reads one message, and the messages in it. What is attached comes after the words it is attached to."""

    name: str
    attachments: Reader
    sheets: Mapping[str, str]
    hidden: int = 0

    def message(self, message: Message, depth: int) -> Iterator[str]:
        if not _is_page(message):
            headers = [(header, _header(message, header)) for header in _HEADERS]
            yield "\n".join(f"{header}: {value}" for header, value in headers if value)
        attached: list[Message] = []
        yield from self._part(message, depth, attached)
        for one in attached:
            yield from self._attached(one, depth)

    def _attached(self, part: Message, depth: int) -> Iterator[str]:
        payload = part.get_payload()
        inner = [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []
        if not inner:
            yield self.attachments.written(_attachment(part))
        for message in inner:
            subject = _header(message, "Subject")
            yield f"# Attached message: {subject}" if subject else "# Attached message"
            yield from self.message(message, depth + 1)

    def _part(self, part: Message, depth: int, attached: list[Message]) -> Iterator[str]:
        """The words of a part; what is attached in it goes to `attached`."""
        kind, payload = part.get_content_type(), part.get_payload()
        inner = [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else None
        if depth > _MAX_DEPTH:
            log.info("%s: a part is nested too deeply", self.name)
        elif inner is not None and kind == "message/rfc822":
            attached.append(part)
        elif inner is not None and kind in _REPORTS:
            yield _GAP.join("\n".join(_decoded(f"{key}: {value}") for key, value in one.raw_items()) for one in inner).strip()
        elif inner is not None:
            chosen = _chosen(kind, inner, self.name)
            for one in inner:
                if one in chosen:
                    yield from self._part(one, depth + 1, attached)
                else:
                    attached.extend(file for file in one.walk() if _is_attached(file) and not file.is_multipart())
        elif not kind.startswith("text/") or part.get_filename() or _is_attached(part):
            attached.append(part)
        elif kind == "text/html":
            page = _page(part, self.name, self.sheets)
            self.hidden += page.hidden
            yield page.text
        else:
            yield _text(part).strip()


def _sheets(message: Message) -> Mapping[str, str]:
    """The style sheets of a saved web page, by their addresses."""
    if not _is_page(message):
        return {}
    parts = [part for part in message.walk() if part.get_content_type() == "text/css"]
    return {str(part.get("Content-Location") or "").strip(): _text(part) for part in parts}


def _is_page(message: Message) -> bool:
    return "Snapshot-Content-Location" in message


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
        said, shown = _pieces(plain), _pieces(_page(pages[0], name, {}).text)
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


def _page(part: Message, name: str, sheets: Mapping[str, str]) -> Extract:
    """An HTML part, decoded as the message declares, with the style sheets that came with it."""
    return html.extract(Source(name, f"<!doctype html>{_text(part)}".encode("utf-8-sig")), sheets.get)


def _attachment(part: Message) -> Attachment:
    kind, data = part.get_content_type(), _bytes(part)
    if kind.startswith("text/") and part.get_content_charset():
        data = _text(part).encode("utf-8-sig")
    return Attachment(_decoded(part.get_filename() or ""), kind, data)


def _day(message: Message) -> str:
    """The day on which it was sent."""
    try:
        return day(parsedate_to_datetime(_header(message, "Date")))
    except ValueError:
        return ""


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
