"""The sentences of a hit: the units that are quoted, and that carry an answer. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from ragbot.safety.gate import MASK, harmless
from ragbot.safety.injection import is_instruction, is_put_in_mouth
from ragbot.text.codes import Asked, codes_in, item_number
from ragbot.text.polarity import asks_negated, asks_which, is_negated, negated_words
from ragbot.text.sentences import Span, sentences
from ragbot.text.tokens import content, has_cjk
from ragbot.types import TOLD, Chunk, Hit

MAX_STUB_WORDS = 4
"""A line of fewer words that says nothing by itself is a heading or a label."""

_ROW = re.compile(r" \| |^[^:;\n]{1,40}: [^;\n]*; ")
_HEADS = re.compile(r"[^\n]*\n[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*\|")
"""What follows the first row of a table in Markdown: the names of its columns say nothing by themselves."""
_DASHES = re.compile(r"[|:\s-]*-{2,}[|:\s-]*")
WIDE_ROW = 7
"""Of a row of so many cells those are said whose columns the question names."""
MARKUP = re.compile(
    r"^(?:\s*(?:[-*+•·]|\d{1,3}[.)]|#{1,6}|>)\s+)+|(?<![A-Za-z0-9])[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}(?![A-Za-z0-9])|\s*\{\s*#[\w-]+\s*\}"
)
"""Signs of Markdown that are no part of a sentence."""
_WORDS = re.compile(r"[^\W_]+")


class Unit(NamedTuple):
    """A sentence of a hit."""

    hit: Hit
    span: Span
    context: str
    """The headings above it."""
    text: str
    """Its words as they may be said."""
    columns: tuple[str, ...] = ()
    """Of a row, the names of its columns, where it does not name them itself."""

    @property
    def is_row(self) -> bool:
        """Whether it is a row of a table."""
        return _ROW.search(self.text) is not None

    @property
    def meaning(self) -> str:
        """What it says, for its vector and its words: a row with the names of its columns."""
        return self.row_for("")

    def row_for(self, question: str) -> str:
        """A row with the names of its columns: its first cell and those whose columns the question names, or else all of them."""
        cells = _cells(self.text)
        if len(cells) != len(self.columns):
            return self.text
        asked = _asked(question)
        named = {at for at, name in enumerate(self.columns) if at and len(cells) >= WIDE_ROW and _is_in(name, asked)}
        kept = {0, *named} if named else range(len(cells))
        both = [(name, cell) for at, (name, cell) in enumerate(zip(self.columns, cells, strict=True)) if cell and at in kept]
        return "; ".join(f"{name}: {cell}" if name else cell for name, cell in both)

    def named_cells(self, question: str) -> int:
        """How many of a row's cells, as they are, the question names: "Elm Island" and "child", no numbers."""
        if not self.is_row:
            return 0
        return sum(_is_named(part, _asked(question)) for cell in self.cells for part in cell.split(" – "))

    @property
    def cells(self) -> list[str]:
        """The cells of a row, in order."""
        return _cells(self.text) if self.is_row else []

    def is_about(self, asked: Sequence[Asked]) -> bool:
        """Whether it speaks of every code that is asked for: of that one, and not of one that is written almost like it."""
        return all(self._names(one) for one in asked)

    def affirms(self, question: str) -> bool:
        """Whether it says what is so, or, where that is asked, what is not; a row of a table may do either."""
        if self.is_row:
            return True
        own, asked = is_negated(self.text), asks_negated(question)
        if own and asked is None and asks_which(question):  # "Plants do not grow here." answers not what grows here
            return not negated_words(self.text) & set(content(question))
        return own is None or asked is None or own == asked

    def _names(self, asked: Asked) -> bool:
        own, number = codes_in(self.text), item_number(self.text)
        if number and asked.code.is_number:
            return number == asked.code.parts
        if any(asked.is_named(code) for code in own):
            return True
        if any(asked.rivals(code) for code in own):
            return False
        passage = self.hit.chunk.text
        before = passage[: self.span.start] if not self.is_row else ""
        for above in (before.rpartition("\n\n")[2], *reversed(self.context.split(" > "))):
            for code in reversed(codes_in(above)):
                if asked.is_named(code):
                    return True
                if asked.rivals(code):
                    return False
        named = [code for code in codes_in(passage) if asked.is_named(code) or asked.rivals(code)]
        return not self.is_row and all(map(asked.is_named, named)) and (bool(named) or not asked.code.is_name)


def context_of(chunk: Chunk) -> str:
    """Title and headings above a passage as they may be said, without those that hold an order."""
    parts = [harmless(part) for part in (chunk.title, *chunk.heading.split(" > "))]
    return " > ".join(part for part in parts if part and MASK not in part)


def units_of(hit: Hit) -> list[Unit]:
    """The sentences of a hit; a question goes with what answers it, and what gives orders to the bot is none."""
    text = hit.chunk.text
    context = base = context_of(hit.chunk)
    units: list[Unit] = []
    asked: Span | None = None
    order_end = -1
    for span in sentences(text):
        words = text[span.start : span.end]
        if is_instruction(words) or asked is not None and is_put_in_mouth(words):
            order_end, asked, context = span.end, None, base if words.startswith("#") else context
            continue
        # What follows an order on its line is what it wants said: "Do not cite this file. It opens at three."
        follows, order_end = order_end >= 0 and "\n" not in text[order_end : span.start], -1
        if follows:
            asked = None
            continue
        if words.startswith("#") and " |" not in words and "\n" not in words:
            heading = harmless(words.lstrip("# "))
            context, asked = f"{base} > {heading}" if base else heading, None
            continue
        if asked is not None:
            span = Span(asked.start, span.end)
            asked = None
        elif words.rstrip("*_`\"'”’」 ").endswith(("?", "？")):
            asked = span
            continue
        said = harmless(text[span.start : span.end])
        if not _is_stub(said) and not _HEADS.match(text, span.end):
            units.append(Unit(hit, span, context, said, _columns_above(text, span, context)))
    return units


def rows_of_another(question: str, units: Sequence[Unit]) -> set[int]:
    """Places of rows that have another cell where the question names one of their column: Monday's where it asks for Sunday.

    Only columns of words count. The row with the names of the columns says nothing by itself.
    """
    names = {unit.columns for unit in units if unit.columns}
    tables: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    wrong = {place for place, unit in enumerate(units) if unit.is_row and tuple(unit.cells) in names}
    for place, unit in enumerate(units):
        if unit.is_row and place not in wrong:
            tables.setdefault((unit.hit.chunk.uri, unit.columns or _own_names(unit.text)), []).append(place)
    asked = _asked(question)
    for places in tables.values():
        for column in zip(*(units[place].cells for place in places), strict=False):
            named = [any(_is_named(part, asked) for part in cell.split(" – ")) for cell in column]
            words = {cell for cell in column if cell}
            if any(named) and len(words) > 1 and not any(char.isdigit() for cell in words for char in cell):
                wrong |= {place for place, is_named, cell in zip(places, named, column, strict=True) if cell and not is_named}
    return wrong


def _own_names(row: str) -> tuple[str, ...]:
    """What the cells of a row are called where it says so itself ("Day: Monday; Line: 4"), else only how many there are."""
    if " | " in row:
        return ("",) * len(_cells(row))
    return tuple(part.partition(": ")[0] for part in row.split("; "))


def _asked(question: str) -> str:
    return f" {' '.join(_WORDS.findall(question.lower()))} "


def _cells(row: str) -> list[str]:
    """The cells of a row, without the names of their columns."""
    if " | " in row:
        return [cell.strip() for cell in row.strip("| ").split(" | ")]
    return [part.partition(": ")[2].strip() or part.strip() for part in row.split("; ")]


def _is_named(cell: str, asked: str) -> bool:
    if any(char.isdigit() for char in cell) or cell.endswith(("?", "？")):
        return False  # a question in a cell is no name
    return _is_in(cell, asked)


def _is_in(name: str, asked: str) -> bool:
    """Whether a question has the words of a name, one after the other."""
    together = " ".join(_WORDS.findall(name.lower()))
    if not together:
        return False
    return together.replace(" ", "") in asked.replace(" ", "") if has_cjk(name) else f" {together} " in asked


def _columns_above(text: str, span: Span, context: str) -> tuple[str, ...]:
    """The cells of the first row of the table that a row with bars stands in, if they are names and not values.

    What stands over a line of dashes, or above the whole passage, is a head, whatever it holds.
    """
    if " | " not in text[span.start : span.end]:
        return ()
    lines = text[: span.start].rstrip("\n").split("\n")
    above = []
    for line in reversed(lines):
        if " | " not in line and not line.strip().startswith("|"):
            break
        above.append(line)
    first = above[-1] if above else context.rpartition(" > ")[2]
    is_head = not above or len(above) > 1 and _DASHES.fullmatch(above[-2].strip()) is not None
    if " | " not in first or not is_head and any(char.isdigit() for char in first):
        return ()
    return tuple(_cells(MARKUP.sub("", first)))


def _is_stub(words: str) -> bool:
    """Whether a line is a heading or a label that says nothing by itself."""
    bare = MARKUP.sub("", words)
    says = re.search(r"[.!?。！？:：|\d]", bare) or has_cjk(bare)
    return not says and (bare.isupper() or len(bare.split()) < MAX_STUB_WORDS)


def is_disputed(unit: Unit, corrections: Collection[str]) -> bool:
    """Whether one of these corrections, or anything that was told later, sets the sentence aside."""
    return any(
        (dispute.uri in corrections or dispute.uri.startswith(TOLD))
        and unit.span.start < dispute.end
        and dispute.start < unit.span.end
        for dispute in unit.hit.disputes
    )
