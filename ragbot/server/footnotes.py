"""Citations in the OpenAI protocol: annotations for clients that show them, footnotes for those that do not."""

from __future__ import annotations

import re
from typing import Any

from ragbot.server.shapes import Shapes
from ragbot.text import layout
from ragbot.text.tokens import has_cjk
from ragbot.types import Citation, Turn

_RULE = "\n\n---\n"
_FOOTNOTES = re.compile(rf"{re.escape(_RULE)}\*\*(?:Sources|来源)\*\*\n.*\Z", re.DOTALL)


def footnotes(turn: Turn, shapes: Shapes) -> str:
    """The sources of an answer as Markdown to put behind it; "" if it has none."""
    if not turn.citations:
        return ""
    head = "来源" if has_cjk(turn.answer) else "Sources"
    lines = [_line(number, cited, shapes) for number, cited in enumerate(turn.citations, 1)]
    return f"{_RULE}**{head}**\n" + "\n".join(lines)


def _line(number: int, cited: Citation, shapes: Shapes) -> str:
    where = re.sub(r"([\[\]\\])", r"\\\1", cited.where)
    return f"{number}. [{where}]({shapes.links.url(cited, shapes.base, shapes.key_id)}): “{' '.join(cited.quote.split())}”"


def without_footnotes(text: str) -> str:
    """An answer as it was stored, of a client that sends it back with its footnotes."""
    return _FOOTNOTES.sub("", text)


def url_citations(turn: Turn, shapes: Shapes) -> list[dict[str, Any]]:
    """Where in an answer which source is cited: start_index, end_index, title, url."""
    return [
        {"start_index": start, "end_index": end, "title": cited.where, "url": shapes.links.url(cited, shapes.base, shapes.key_id)}
        for claim, start, end in layout.places_of_claims(turn)
        for cited in claim.citations
    ]
