"""Answers and passages as HTML: their Markdown becomes structure, their sources numbers that open.

All text has passed the gate of `ragbot.safety`; links, pictures and raw HTML in it stay words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

from ragbot.text import layout
from ragbot.types import Citation, Turn

_OFF = ["link", "image", "autolink", "html_inline", "html_block", "reference", "lheading", "code", "hr"]
_MARK, _END, _BEGIN_LIT, _END_LIT, _ROW = "\ue000", "\ue001", "\ue002", "\ue003", "\ue004"
"""Private characters that stand for what the text itself may not hold: a number, the begin and end of lit words, a lit row."""
_OWN = re.compile(f"[{_MARK}-{_ROW}]")
_NUMBERED = re.compile(f"{_MARK}([0-9]+){_END}")
_LIT_ROW = re.compile(f"<tr>(?=(?:(?!</tr>).)*{_ROW})", re.DOTALL)
_LEAD = re.compile(r"[ \t]*(?:(?:[-*+•]|\d{1,3}[.)]|#{1,6}|>)[ \t]+)*")
_DASHES = re.compile(r"[ \t]*\|?[ \t]*:?-{2,}")


@dataclass(frozen=True, slots=True)
class Source:
    """A source of an answer, as it is numbered in it."""

    number: int
    claim: int
    """The place of the claim that it carries."""
    cited: Citation


def _made() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"]).disable(_OFF)

    def heading(renderer: RendererHTML, tokens: Sequence[Token], at: int, *_: object) -> str:
        return '<p class="heading">' if tokens[at].nesting == 1 else "</p>\n"

    made.add_render_rule("heading_open", heading)
    made.add_render_rule("heading_close", heading)
    return made


_MARKDOWN = _made()


def sources_of(turn: Turn) -> list[Source]:
    """The sources of an answer in the order of their numbers: each place in a passage once for each claim that it carries."""
    found: list[Source] = []
    for place, claim in enumerate(turn.claims):
        for cited in dict.fromkeys(claim.citations):
            found.append(Source(len(found) + 1, place, cited))
    return found


def answer(turn: Turn, number: Callable[[Source], str]) -> Markup:
    """The answer of a turn; behind each claim what `number` makes of its sources."""
    text, sources = turn.answer, sources_of(turn)
    places = {id(claim): place for place, claim in enumerate(turn.claims)}
    for claim, _, end in reversed(layout.places_of_claims(turn)):
        marks = "".join(f"{_MARK}{one.number}{_END}" for one in sources if one.claim == places[id(claim)])
        end -= len(text[:end]) - len(text[:end].rstrip("| \n")) if text[:end].rstrip().endswith("|") else 0
        text = f"{_OWN.sub('', text[:end])}{marks}{text[end:]}"
    html = _MARKDOWN.render(_apart(text))
    return Markup(_NUMBERED.sub(lambda found: number(sources[int(found[1]) - 1]), html))


def _apart(text: str) -> str:
    """A text with an empty line where a list or a table begins and ends: else Markdown takes what stands beside it in."""
    lines: list[str] = []
    for line in text.split("\n"):
        if lines and line.strip() and lines[-1].strip() and layout.is_item(line) != layout.is_item(lines[-1]):
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def passage(text: str, lit: tuple[int, int], *, is_plain: bool) -> Markup:
    """A passage with some of its characters lit; as it stands, where it is no Markdown."""
    begin, end = max(0, lit[0]), min(len(text), lit[1])
    if is_plain or begin >= end:
        parts = [escape(part) for part in (text[:begin], text[begin:end], text[end:])]
        inner = f"{parts[0]}<mark>{parts[1]}</mark>{parts[2]}" if begin < end else str(escape(text))
        return Markup(f"<pre>{inner}</pre>") if is_plain else Markup(_MARKDOWN.render(text))
    before, words, after = text[:begin], text[begin:end], text[end:]
    marked = "\n".join(
        _lit(line, is_whole=number or not before.rpartition("\n")[2]) for number, line in enumerate(words.split("\n"))
    )
    html = _MARKDOWN.render(f"{before}{marked}{after}")
    html = _LIT_ROW.sub('<tr class="lit">', html).replace(_ROW, "")
    return Markup(html.replace(_BEGIN_LIT, "<mark>").replace(_END_LIT, "</mark>"))


def _lit(line: str, *, is_whole: bool | int) -> str:
    """A line with the signs that light it: a row of a table as a whole, of all else the words behind what begins the line."""
    if not line.strip() or _DASHES.match(line):
        return line
    if " | " in line or line.lstrip().startswith("|"):
        at = len(line) - len(line.lstrip("| \t"))
        return f"{line[:at]}{_ROW}{line[at:]}"
    lead = _LEAD.match(line) if is_whole else None
    at = lead.end() if lead else 0
    return f"{line[:at]}{_BEGIN_LIT}{line[at:].rstrip()}{_END_LIT}"
