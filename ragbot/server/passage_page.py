"""A cited passage as a small page for a browser: its place, its text, the quoted words marked. No script, nothing fetched."""

from __future__ import annotations

from html import escape

from ragbot.safety.gate import harmless, harmless_name
from ragbot.server.schema import Passage

_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title></head>
<body><main><h1>{title}</h1><p>{where}</p><article style="white-space: pre-wrap">{text}</article></main></body></html>
"""


def page_of(passage: Passage, quoted: str) -> str:
    """The page of a passage. `quoted` is marked in it, as far as the gate lets it through."""
    place = f"page {passage.page}" if passage.page is not None else f"line {passage.line}" if passage.line else passage.heading
    since = f"{passage.valid_from:%Y-%m-%d}"
    state = f"since {since}" if passage.current else f"since {since}; no longer current"
    text, quote = escape(passage.text), escape(harmless(quoted).strip())
    if quote and quote in text:
        before, _, after = text.partition(quote)
        text = f"{before}<mark>{quote}</mark>{after}"
    shown = harmless_name(passage.uri)
    return _PAGE.format(
        language="zh" if any(character >= "⺀" for character in passage.text) else "en",
        title=escape(passage.title or shown),
        where=escape(" · ".join(filter(None, (shown, place, state)))),
        text=text,
    )


def page_that_expired() -> str:
    """The page of a link that opens nothing."""
    title, text = "This link no longer opens", "It has expired, or its key was revoked. Ask again: an answer brings new links."
    return _PAGE.format(language="en", title=title, where="", text=text)
