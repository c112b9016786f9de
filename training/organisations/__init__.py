"""What customers ask and bots say, over the documents of organisations that do not exist.

One JSON file an organisation, written for this, each text in English and Chinese: four documents (in one of the two);
`questions`, where one sentence holds the answer (`quote`), or none does and `quote` is the sentence that tempts; `claims`, ten
that the quoted sentences support and ten that they do not; `follow_ups`, questions that lean on the turns before, and how they
would stand alone. The first 36 questions are asked in other words than the text has where they are answered, and often in its
words where they are not; the last twelve the other way round. `answers/*.jsonl` has questions with all sentences that a complete
answer says, in order: lists, steps, exceptions, sums, two questions in one. `FITTED` and `REPORTED` train nothing.
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
class CompleteAnswer:
    """A question in one language, and what a complete answer says."""

    question: str
    kind: str
    quotes: tuple[tuple[str, str], ...]
    """(document, sentence, list item or row), in the order in which they are said."""

    def says(self, document: str, sentence: str) -> bool:
        """Whether a sentence of a document is said."""
        return any(uri == document and same(sentence, quote) for uri, quote in self.quotes)


@dataclass(frozen=True, slots=True)
class Organisation:
    """Documents, questions about them, and what a bot might say."""

    name: str
    documents: tuple[Document, ...]
    questions: tuple[CustomerQuestion, ...]
    claims: tuple[WrittenClaim, ...]
    follow_ups: tuple[FollowUp, ...]
    answers: tuple[CompleteAnswer, ...]


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
        lines = (HERE / "answers" / f"{file.stem}.jsonl").read_text(encoding="utf-8").splitlines()
        answers = tuple(
            CompleteAnswer(each[language], each["kind"], tuple((document, quote) for document, quote in each["quotes"]))
            for each in map(json.loads, lines)
            for language in LANGUAGES
        )
        found.append(Organisation(file.stem, documents, questions, claims, follow_ups, answers))
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


def same(sentence: str, quote: str) -> bool:
    """Whether a sentence is what is quoted, or the most part of it, or holds it."""
    one, other = _letters(sentence), _letters(quote)
    return bool(one) and (other in one or one in other and 2 * len(one) >= len(other))


@dataclass(frozen=True, slots=True)
class Read:
    """A passage as it is read for a question."""

    title: str
    sentences: tuple[str, ...]
    said: tuple[bool, ...]
    """Of each sentence, whether a complete answer says it."""

    @property
    def text(self) -> str:
        """Title and sentences."""
        return f"{self.title}\n{' '.join(self.sentences)}"

    @property
    def marked(self) -> tuple[tuple[int, int], ...]:
        """Where in the text the sentences stand that are said."""
        found, at = [], len(self.title) + 1
        for sentence, said in zip(self.sentences, self.said, strict=True):
            found += [(at, at + len(sentence))] if said else []
            at += len(sentence) + 1
        return tuple(found)


def passages(organisation: Organisation, questions: Sequence[CustomerQuestion | CompleteAnswer]) -> Iterator[list[Read]]:
    """For each question the passages that hold what answers or tempts, then the others, the nearest first."""
    with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
        memory.remember(organisation.documents)
        memory.recall("what is there?")
        vectors = TurnVectors(memory.encode_query, memory.encode, memory.calibration())
        for question in questions:
            text = question.text if isinstance(question, CustomerQuestion) else question.question
            found = select_sentences(text, memory.recall(text, 40), vectors)
            by_chunk: dict[int, list[Evidence]] = {}
            for e in sorted(found, key=lambda e: not _holds_quote(question, e)):
                by_chunk.setdefault(e.hit.chunk.id, []).append(e)
            yield [_read(question, some) for some in by_chunk.values()]


def _read(question: CustomerQuestion | CompleteAnswer, found: Sequence[Evidence]) -> Read:
    """The sentences of one passage, about the first of these."""
    about = about_best(found)
    answers = not isinstance(question, CustomerQuestion) or question.answerable
    return Read(as_read(about).title, tuple(e.text for e in about), tuple(answers and _holds_quote(question, e) for e in about))


def _holds_quote(question: CustomerQuestion | CompleteAnswer, one: Evidence) -> bool:
    if isinstance(question, CompleteAnswer):
        return question.says(one.hit.chunk.uri, one.text)
    return one.hit.chunk.uri == question.document and (holds(one.text, question.quote) or holds(question.quote, one.text))
