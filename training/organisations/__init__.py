"""What customers ask and bots say, over the documents of organisations that do not exist.

One JSON file an organisation, written for this, each text in English and Chinese: four documents (in one of the two);
`questions`, where one sentence holds the answer (`quote`), or none does and `quote` is the sentence that tempts; `claims`, ten
that the quoted sentences support and ten that they do not; `follow_ups`, questions that lean on the turns before, and how they
would stand alone. The first 36 questions are asked in other words than the text has where they are answered, and often in its
words where they are not; the last twelve the other way round. `FITTED` and `REPORTED` train nothing.
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
from ragbot.text.documents import new_chunks_of
from ragbot.text.sentences import sentences

HERE = Path(__file__).parent
LANGUAGES = ("en", "zh")
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
class WrittenClaim:
    """What a bot might say in one language, and the sentences that it is judged by."""

    text: str
    label: str
    """"supported", "contradicted" or "neither"."""
    kind: str
    document: str
    quote: str


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A question in one language that leans on the turns before."""

    turns: tuple[str, ...]
    """What the user and the bot said, in turn."""
    question: str
    stand_alone: str
    kind: str
    document: str
    quote: str


@dataclass(frozen=True, slots=True)
class Organisation:
    """Documents, questions about them, and what a bot might say."""

    name: str
    documents: tuple[Document, ...]
    questions: tuple[CustomerQuestion, ...]
    claims: tuple[WrittenClaim, ...]
    follow_ups: tuple[FollowUp, ...]


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
            for language in LANGUAGES
        )
        claims = tuple(
            WrittenClaim(each[language], *(each[key] for key in ("label", "kind", "document", "quote")))
            for each in one["claims"]
            for language in LANGUAGES
        )
        follow_ups = tuple(
            FollowUp(tuple(said["turns"]), said["question"], said["stand_alone"], each["kind"], each["document"], each["quote"])
            for each in one["follow_ups"]
            for said in (each[language] for language in LANGUAGES)
        )
        found.append(Organisation(file.stem, documents, questions, claims, follow_ups))
    return found


def evidence(organisation: Organisation, claim: WrittenClaim) -> tuple[str, list[str]]:
    """Title and heading of the passage that holds the quoted sentences of a claim, and the sentences of that passage.

    Without a passage that holds them all, the quoted words alone.
    """
    document = next(each for each in organisation.documents if each.uri == claim.document)
    for chunk in new_chunks_of(document):
        if holds(chunk.text, claim.quote):
            parts = chunk.heading.split(" > ")
            return ". ".join(dict.fromkeys((parts[0], parts[-1]))), [
                chunk.text[span.start : span.end] for span in sentences(chunk.text)
            ]
    return "", [claim.quote]


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
