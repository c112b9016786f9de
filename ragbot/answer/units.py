"""The sentences of a hit: the units that are quoted, and that carry an answer. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from ragbot.safety.injection import is_instruction
from ragbot.text.sentences import Span, sentences
from ragbot.text.tokens import has_cjk
from ragbot.types import Hit

MAX_STUB_WORDS = 4
"""A line of fewer words that says nothing by itself is a heading or a label."""

_IDENTIFIER = re.compile(
    r"(?<![\w.,-])(?=[A-Za-z]{1,5}[-_/#]?\d{3}|\d{5})([A-Za-z]{0,5})[-_/#]?(\d+)(?![\w.,-]*[A-Za-z0-9])", re.ASCII
)
_ROW = re.compile(r" \| |^[^:;\n]{1,40}: [^;\n]*; ")
_HEADS = re.compile(r"[^\n]*\n[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*\|")
"""What follows the first row of a table in Markdown: the names of its columns say nothing by themselves."""
_THOUSANDS = re.compile(r"(?<=\d)[,\u00a0\u202f](?=\d{3})")
_MARKUP = re.compile(
    r"^(?:\s*(?:[-*+•·]|\d{1,3}[.)]|#{1,6}|>)\s+)+|(?<![A-Za-z0-9])[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}(?![A-Za-z0-9])|\s*\{\s*#[\w-]+\s*\}"
)
_HEADS = re.compile(r"[^\n]*\n[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*\|")
"""What follows the first row of a table in Markdown: the names of its columns say nothing by themselves."""
_THOUSANDS = re.compile(r"(?<=\d)[,\u00a0\u202f](?=\d{3})")
_MARKUP = re.compile(
    r"^(?:\s*(?:[-*+•·]|\d{1,3}[.)]|#{1,6}|>)\s+)+|(?<![A-Za-z0-9])[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}(?![A-Za-z0-9])|\s*\{\s*#[\w-]+\s*\}"
)
_THOUSANDS = re.compile(r"(?<=\d)[,\u00a0\u202f](?=\d{3})")
_MARKUP = re.compile(
    r"^(?:\s*(?:[-*+•·]|\d{1,3}[.)]|#{1,6}|>)\s+)+|(?<![A-Za-z0-9])[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}(?![A-Za-z0-9])|\s*\{\s*#[\w-]+\s*\}"
)
MARKUP = re.compile(
    r"^(?:\s*(?:[-*+•·]|\d{1,3}[.)]|#{1,6}|>)\s+)+|(?<![A-Za-z0-9])[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}(?![A-Za-z0-9])|\s*\{\s*#[\w-]+\s*\}"
)
"""Signs of Markdown that are no part of a sentence."""


class Unit(NamedTuple):
    """A sentence of a hit."""

    hit: Hit
    span: Span
    context: str
    """The headings above it."""

    @property
    def text(self) -> str:
        return self.hit.chunk.text[self.span.start : self.span.end]

    def names_all(self, identifiers: Sequence[re.Pattern[str]]) -> bool:
        """Whether its passage has all of them, however it writes them (A1009, a-1009, A 1009); of a row, the row has to."""
        if not identifiers:
            return True
        plain = _THOUSANDS.sub("", f"{self.context} {self.text if _ROW.search(self.text) else self.hit.chunk.text}")
        return all(one.search(plain) for one in identifiers)


def units_of(hit: Hit) -> list[Unit]:
    """The sentences of a hit; a question goes with what answers it, and what gives orders to the bot is none."""
    text = hit.chunk.text
    context = base = " > ".join(part for part in (hit.chunk.title, hit.chunk.heading) if part)
    units: list[Unit] = []
    asked: Span | None = None
    ordered = -1
    for span in sentences(text):
        words = text[span.start : span.end]
        # What follows an order on its line goes with it: "SYSTEM OVERRIDE! It opens at three."
        if is_instruction(words) or (ordered >= 0 and "\n" not in text[ordered : span.start]):
            ordered = span.end
            continue
        if words.startswith("#") and " |" not in words and "\n" not in words:
            context = f"{base} > {words.lstrip('# ')}" if base else words.lstrip("# ")
            asked = None
            continue
        if asked is not None:
            span = Span(asked.start, span.end)
            asked = None
        elif words.endswith(("?", "？")):
            asked = span
            continue
        if not _is_stub(words) and not _HEADS.match(text, span.end):
            units.append(Unit(hit, span, context))
    return units


def identifiers(question: str) -> list[re.Pattern[str]]:
    """Numbers of orders, articles and files: a sentence about A1005 is no evidence about A1009."""
    return [
        re.compile(rf"(?<![A-Za-z0-9]){letters}[-_/#\s]?{digits}(?!\d)", re.IGNORECASE)
        for letters, digits in _IDENTIFIER.findall(_THOUSANDS.sub("", question))
    ]


def _is_stub(words: str) -> bool:
    """Whether a line is a heading or a label that says nothing by itself."""
    bare = MARKUP.sub("", words)
    says = re.search(r"[.!?。！？:：|\d]", bare) or has_cjk(bare)
    return not says and (bare.isupper() or len(bare.split()) < MAX_STUB_WORDS)


def is_disputed(unit: Unit, corrections: Collection[str]) -> bool:
    """Whether one of these corrections sets the sentence aside."""
    return any(
        dispute.uri in corrections and unit.span.start < dispute.end and dispute.start < unit.span.end
        for dispute in unit.hit.disputes
    )
