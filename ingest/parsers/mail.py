"""EML and MHTML: who wrote to whom and when, then what: plain text if it says it, else the web page.

Messages that are attached are read too; other attachments are named, not read. The parts are told apart by
the old policy of `email`, which takes everything; the new one, which raises on some, only reads headers.
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
_LONGEST_HEADER = 10_000
_DEEPEST = 20
_REPORTS = frozenset({"message/delivery-status", "message/disposition-notification", "message/feedback-report"})
_NOTICE = 500
"""Letters up to which a plain text may be but the notice that there is a web page to look at."""
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
    """Of alternatives the plain text, else the last, which says most; of a page with its pictures, the page."""
    if kind == "multipart/alternative":
        plain = [part for part in parts if part.get_content_type() == "text/plain" and _text(part).strip()]
        rich = [part for part in parts if part.get_content_type() == "text/html" or part.is_multipart()][-1:]
        if plain and rich and _is_notice(_text(plain[0]), rich[0], name):
            return rich
        return (plain or rich or parts)[:1]
    return parts[:1] if kind == "multipart/related" else parts


def _is_notice(plain: str, rich: Message, name: str) -> bool:
    """Whether a plain text is short, and a page beside it says something else, at not much less length."""
    pages = [part for part in rich.walk() if part.get_content_type() == "text/html" and not _is_attached(part)]
    if len(plain) > _NOTICE or not pages:
        return False
    try:
        said, shown = _pieces(plain), _pieces(_page(pages[0], name))
    except ReadError:
        return False
    return len(shown & said) < 0.5 * len(shown) and len(shown) > 0.5 * len(said)


def _pieces(text: str) -> set[str]:
    """Three letters each: what texts share however their lines are broken, and in languages without spaces too."""
    letters = "".join(text.split())
    return {letters[at : at + 3] for at in range(len(letters) - 2)}


def _is_attached(part: Message) -> bool:
    """Whether a part is a file of its own, and not one that a page shows, which it refers to by number or place."""
    shown = "Content-ID" in part or "Content-Location" in part
    return part.get_content_disposition() == "attachment" or bool(part.get_filename()) and not shown


def _bytes(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(part: Message) -> str:
    return decode(_bytes(part), part.get_content_charset() or "")


def _page(part: Message, name: str) -> str:
    """A web page, whose encoding the message tells."""
    return html.extract(Source(name, f"<!doctype html>{_text(part)}".encode("utf-8-sig"))).text


def _attachment(part: Message) -> str:
    called = _decoded(part.get_filename() or "") or "without a name"
    return f"Attachment: {called} ({part.get_content_type()}, {len(_bytes(part)):,} bytes)"


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
