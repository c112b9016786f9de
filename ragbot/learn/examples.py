"""What a reader learns from: a question, or a claim, with a few sentences that answer it or do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ragbot.grounding import LONGEST
from ragbot.text.sentences import Span, sentences
from ragbot.text.tokens import content


@dataclass(frozen=True, slots=True)
class Example:
    """A text to read with a question, and whether it answers it."""

    question: str
    text: str
    answers: bool
    span: Span | None = None
    """The answer within `text`, where it is known and short."""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a passage; without a span it is not answered there."""

    question: str
    passage: str
    title: str
    span: Span | None
    claim: bool = False
    """It is no question but a statement: the passage states it, or not."""
    stated: bool = False
    """Of a claim: whether it does; where it does, `span` is the sentence."""
    weight: float = 1.0


def windows(passage: str) -> list[tuple[int, Span]]:
    """Each sentence, and where the text that is read with it begins."""
    found = sentences(passage)
    return [
        (found[at - 1].start if at and span.end - found[at - 1].start < LONGEST else span.start, span)
        for at, span in enumerate(found)
    ]


def shown(title: str, passage: str, begin: int, end: int) -> tuple[str, int]:
    """The text that is read for a sentence, under its title; and where offset 0 of the passage would lie in it."""
    head = f"{title}. " if title else ""
    return head + passage[begin:end], len(head) - begin


def examples(asked: Asked, beside: int) -> Iterator[Example]:
    """The sentence that answers, and up to `beside` others that share most words with the question."""
    places = windows(asked.passage)
    answer = _holding(places, asked.span) if asked.span else None
    if asked.span and answer is None:
        return
    if answer is not None and asked.span:
        begin, sentence = places[answer]
        text, moved = shown(asked.title, asked.passage, begin, sentence.end)
        span = None if asked.claim else Span(asked.span.start + moved, asked.span.end + moved)
        yield Example(asked.question, text, asked.stated or not asked.claim, span, asked.weight)
    # A sentence right behind the answer is read together with it, and may be taken for one that answers.
    others = [at for at in _nearest(asked.question, asked.passage, places) if answer is None or at not in (answer, answer + 1)]
    for at in others[: beside if answer is not None else max(1, beside)]:
        begin, sentence = places[at]
        text, _ = shown(asked.title, asked.passage, begin, sentence.end)
        yield Example(asked.question, text, False, None, asked.weight * (0.5 if answer is not None else 1.0))


def _holding(places: list[tuple[int, Span]], span: Span) -> int | None:
    return next((at for at, (_, s) in enumerate(places) if s.start <= span.start and span.end <= s.end), None)


def _nearest(question: str, passage: str, places: list[tuple[int, Span]]) -> list[int]:
    """Sentences by how many of the question's words they hold, the rarer ones counting more."""
    words = set(content(question))
    held = [set(content(passage[span.start : span.end])) for _, span in places]
    often = Counter(word for one in held for word in one)
    scores = [sum(1 / (1 + often[word] / len(places)) for word in words & one) for one in held]
    return sorted(range(len(places)), key=lambda at: -scores[at])
