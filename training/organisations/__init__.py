"""Questions that customers ask in words of their own, over the documents of organisations that do not exist.

One JSON file an organisation, written for this: four documents, in English or Chinese, and 36 questions, each in both languages.
Of 22 one sentence holds the answer (`quote`); of 14 none does, and `quote` is the sentence that tempts. `FITTED` and `REPORTED`
train nothing.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ragbot import Document, Memory
from ragbot.answer.answer_span import about_best, as_read
from ragbot.answer.context import TurnVectors
from ragbot.answer.quote import Evidence, select_sentences

HERE = Path(__file__).parent
FITTED = {"a-05", "b-06", "c-06", "d-04", "e-05", "f-06", "k-06", "m-05"}
"""Organisations whose questions fit the curves of confidence."""
REPORTED = {"a-06", "b-05", "c-05", "d-05", "g-05", "h-05", "n-03", "p-01"}
"""Organisations whose questions report figures."""


@dataclass(frozen=True, slots=True)
class CustomerQuestion:
    """A question in one language, and the words that answer it, or tempt."""

    text: str
    answerable: bool
    document: str
    quote: str


@dataclass(frozen=True, slots=True)
class Organisation:
    """Documents, and questions about them."""

    name: str
    documents: tuple[Document, ...]
    questions: tuple[CustomerQuestion, ...]


def read(names: set[str] | None = None) -> list[Organisation]:
    """The organisations with these names; without, those that train."""
    found = []
    for file in sorted(HERE.glob("*.json")):
        if (file.stem in FITTED | REPORTED) if names is None else (file.stem not in names):
            continue
        one = json.loads(file.read_text(encoding="utf-8"))
        documents = tuple(Document(each["name"], each["text"]) for each in one["documents"])
        questions = tuple(
            CustomerQuestion(each[language], each["answerable"], each["document"], each["quote"])
            for each in one["questions"]
            for language in ("en", "zh")
        )
        found.append(Organisation(file.stem, documents, questions))
    return found


def holds(text: str, quote: str) -> bool:
    """Whether a text holds the quoted words, whatever stands between them that is no word."""
    return _letters(quote) in _letters(text)


def _letters(text: str) -> str:
    return re.sub(r"\W+", "", text)


def passages(organisation: Organisation) -> Iterator[tuple[CustomerQuestion, list[tuple[str, str, bool]]]]:
    """Each question with (title, text, whether it answers) of all passages: the quoted one first, then the nearest."""
    with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
        memory.remember(organisation.documents)
        memory.recall("what is there?")
        vectors = TurnVectors(memory.encode_query, memory.encode, memory.calibration())
        for question in organisation.questions:
            hits = memory.recall(question.text, 40)
            found = select_sentences(question.text, hits, vectors)
            yield question, [*_read(question, found)]


def _read(question: CustomerQuestion, found: Sequence[Evidence]) -> Iterator[tuple[str, str, bool]]:
    """The passage with the quoted words first, about them; then the others, each about its best sentence."""
    quoted = next((e for e in found if holds(e.text, question.quote) or holds(question.quote, e.text)), None)
    by_chunk: dict[int, list[Evidence]] = {}
    for e in [quoted, *found] if quoted else found:
        some = by_chunk.setdefault(e.hit.chunk.id, [])
        if e not in some:
            some.append(e)
    for some in by_chunk.values():
        title, text, *_ = as_read(about_best(some))
        yield title, text, question.answerable and holds(text, question.quote)
