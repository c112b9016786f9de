"""What a reader learns from: passages, each with questions and statements about it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ragbot.text.sentences import Span
from ragbot.text.tokens import content

MOST = 14
"""How many rows a passage has at most; more of them make a second group."""
DRAWN = 6
"""From how many questions about other passages of the title the nearest one is taken."""


@dataclass(frozen=True, slots=True)
class ReaderQuestion:
    """A question about a passage; without a span it is not answered there."""

    question: str
    passage: str
    title: str
    span: Span | None
    claim: bool = False
    """It is no question but a statement: with a span the passage states it, else it does not."""
    worded: bool = True
    """The span is short and to the point: its words are learnt too."""
    weight: float = 1.0

    @property
    def answer(self) -> str | None:
        return self.passage[self.span.start : self.span.end] if self.span else None


@dataclass(frozen=True, slots=True)
class Row:
    """One question, or statement, and what is to be replied."""

    question: str
    answer: str | None
    """None if the passage has none; "" if it has one that is not written out."""
    claim: bool
    weight: float


@dataclass(frozen=True, slots=True)
class Group:
    """A passage, read once for all of its rows."""

    title: str
    passage: str
    rows: tuple[Row, ...]


def groups(asked: Iterable[ReaderQuestion], rng: random.Random, beside: int) -> list[Group]:
    """The passages with their rows, and up to `beside` questions that another passage of the same title answers."""
    by_passage, by_title = defaultdict[str, list[ReaderQuestion]](list), defaultdict[str, list[ReaderQuestion]](list)
    for one in asked:
        by_passage[one.passage].append(one)
        if one.span and not one.claim:
            by_title[one.title].append(one)
    found = []
    for passage, some in by_passage.items():
        title = some[0].title
        rows = [Row(one.question, one.answer if one.worded or not one.span else "", one.claim, one.weight) for one in some]
        others = [one for one in by_title[title] if one.answer and one.answer not in passage]
        for _ in range(beside if others else 0):
            other = _nearest(passage, [rng.choice(others) for _ in range(DRAWN)])
            rows.append(Row(other.question, None, False, 0.5))
        rng.shuffle(rows)
        found += [Group(title, passage, tuple(rows[at : at + MOST])) for at in range(0, len(rows), MOST)]
    return found


def _nearest(passage: str, asked: list[ReaderQuestion]) -> ReaderQuestion:
    """The question that has most of its words in a passage which does not answer it."""
    there = set(content(passage))

    def share(one: ReaderQuestion) -> float:
        words = set(content(one.question))
        return len(words & there) / max(1, len(words))

    return max(asked, key=share)
