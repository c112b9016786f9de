"""Read question sets with reference answers from the files of a folder. Does not use the memory.

Three layouts: a corpus with qa, a corpus with tasks (MTRAG), and questions with their own passages (RAMDocs, RGB).
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ragbot.errors import InputError
from ragbot.evaluate.records import Record, records
from ragbot.evaluate.retrieval.sets import CORPUS, Entry, choose, entries, evidence, history, sibling

ANSWERABILITY = {"ANSWERABLE": True, "PARTIAL": True, "UNANSWERABLE": False}
"""The labels of MTRAG. Its label CONVERSATIONAL marks messages without a question, which are left out."""
RIGHT, OTHER = ("positive",), ("positive_wrong", "negative")
"""The passage fields of RGB: those with the right answer, and those with a wrong one or none."""


@dataclass(frozen=True, slots=True)
class AnswerQuestion:
    """A question with its reference answers; if it is not `answerable`, the right reply is a refusal.

    `scope` is that of its conversation or of its own passages; "" for the whole corpus. `history` is (role, text),
    oldest first.
    """

    id: str
    text: str
    answers: tuple[str, ...]
    answerable: bool
    relevant: frozenset[str]
    """Ids of the entries that hold the answer, if known."""
    wrong: tuple[str, ...] = ()
    """Wrong answers that some passages give."""
    scope: str = ""
    category: str = ""
    history: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerSet:
    """A corpus and the questions about it."""

    name: str
    digest: str
    """Digest of corpus and questions: only runs with equal digests can be compared."""
    entries: tuple[Entry, ...]
    questions: tuple[AnswerQuestion, ...]
    left_out: int
    """Number of messages left out because they ask nothing."""


def read_answer_set(folder: Path, name: str | None = None) -> AnswerSet:
    """The set in `folder`, or the one called `name` of several.

    Raises InputError, which names the file and the line, if there is no such set or a record is invalid.
    """
    holds = "corpus.jsonl with qa.jsonl or tasks.jsonl, or questions with their own passages"
    title, files = choose(folder, name, _sets_in, holds)
    if files.corpus is None:
        own, questions = _with_passages(files.questions)
        found, given = tuple(own), len(questions)
    else:
        found = tuple(entries(files.corpus))
        questions, given = _corpus_questions(files.questions, found, files.domain)
    if not questions:
        raise InputError(f"{files.questions}: holds no question that can be asked; add some")
    return AnswerSet(title, _digest(found, questions), found, tuple(questions), given - len(questions))


@dataclass(frozen=True, slots=True)
class _Files:
    corpus: Path | None
    questions: Path
    domain: str = ""
    """Take only questions of this domain, if the file holds those of several corpora; "" for all."""


def _sets_in(folder: Path) -> dict[str, _Files]:
    sets = dict[str, _Files]()
    for corpus in sorted(folder.iterdir()):
        if named := CORPUS.fullmatch(corpus.name):
            before, after = named.groups("")
            plain = "".join((before, after)).strip("_")
            qa, tasks = sibling(corpus, f"{before}qa{after}.jsonl"), sibling(corpus, "tasks.jsonl")
            if qa or tasks:
                sets.setdefault(plain or folder.resolve().name, _Files(corpus, qa or tasks or corpus, "" if qa else plain))
    return sets or {_stem(file): _Files(None, file) for file in sorted(folder.iterdir()) if _has_passages(file)}


def _stem(file: Path) -> str:
    return file.name.partition(".jsonl")[0]


def _has_passages(file: Path) -> bool:
    if not file.name.endswith((".jsonl", ".jsonl.gz")):
        return False
    try:
        with gzip.open(file, "rt", encoding="utf-8-sig") if file.suffix == ".gz" else file.open(encoding="utf-8-sig") as text:
            first = json.loads(text.readline())
    except (OSError, EOFError, ValueError, RecursionError):
        return False
    return isinstance(first, dict) and "question" in first and any(name in first for name in ("passages", *RIGHT))


def _corpus_questions(file: Path, corpus: Sequence[Entry], domain: str) -> tuple[list[AnswerQuestion], int]:
    """The questions about a corpus, and the number of messages, those that ask nothing included."""
    conv_of = {entry.id: entry.conv for entry in corpus}
    questions, given = list[AnswerQuestion](), 0
    for id, record in records(file):
        if domain and record.word("domain", default=domain) != domain:
            continue
        given += 1
        relevant = frozenset(evidence(record))
        if missing := sorted(relevant - conv_of.keys()):
            raise record.line.wrong(f"names {missing[0]!r}, which is not in the corpus; take it out, or add the document")
        answers, due = _answers(record, "answers"), _answerable(record)
        if due is None:
            continue
        scope = record.word("conv", default="")
        if scope and scope not in conv_of.values():
            raise record.line.wrong(f"is about the conversation {scope!r}, of which the corpus has no turn; correct 'conv'")
        turns, text = tuple(history(record)), record.filled("text", "question")
        questions.append(
            AnswerQuestion(
                id, text, answers, due, relevant if due else frozenset(), scope=scope, category=_category(record), history=turns
            )
        )
    return questions, given


def _answerable(record: Record) -> bool | None:
    """Whether the question is answerable; None if the message asks nothing."""
    if "answerability" in record.fields:
        return ANSWERABILITY.get(record.word("answerability"))
    due = record.fields.get("answerable", bool(record.list("answers")))
    if not isinstance(due, bool):
        raise record.line.wrong(f"'answerable' is {json.dumps(due)[:40]}; it takes true or false")
    return due


def _category(record: Record) -> str:
    return record.word("category", "answerability", default="")


def _answers(record: Record, *names: str) -> tuple[str, ...]:
    """The texts in these fields; each field is a text or a list, nested to any depth, of texts."""
    found = list[str]()
    for name in names:
        waiting = [record.fields.get(name)]
        while waiting:
            one = waiting.pop(0)
            if isinstance(one, list):
                waiting = one + waiting
            elif type(one) in (str, int, float):
                found.append(str(one))
            elif one is not None:
                raise record.line.wrong(f"{name!r} holds {json.dumps(one)[:40]}; it takes texts")
    return tuple(found)


def _with_passages(file: Path) -> tuple[list[Entry], list[AnswerQuestion]]:
    """The passages of all questions, each question in a scope of its own, and the questions."""
    passages, questions = list[Entry](), list[AnswerQuestion]()
    for id, record in records(file):
        relevant = set[str]()
        for text, right in _passages(record):
            passages.append(Entry(f"{id}/{len(passages)}", text, asked=id))
            relevant |= {passages[-1].id} if right else set()
        wrong = _answers(record, "wrong_answers", "fake_answer")
        answers = _answers(record, "answers")
        category = _category(record)
        question = record.filled("question")
        questions.append(AnswerQuestion(id, question, answers, bool(answers), frozenset(relevant), wrong, id, category))
    return passages, questions


def _passages(record: Record) -> Iterator[tuple[str, bool]]:
    """(text, holds the right answer) of each passage of a question."""
    for one in record.list("passages"):
        passage = Record(record.line, one if isinstance(one, dict) else {"text": one})
        yield passage.filled("text"), passage.word("type", default="") == "correct"
    for name in (*RIGHT, *OTHER):
        for one in record.list(name):
            for text in one if isinstance(one, list) else [one]:
                yield Record(record.line, {name: text}).word(name), name in RIGHT


def _digest(corpus: Iterable[Entry], questions: Iterable[AnswerQuestion]) -> str:
    digest = hashlib.sha256()
    for entry in corpus:
        digest.update(json.dumps([entry.id, entry.title, entry.text, entry.conv, entry.date]).encode())
    for one in questions:
        due = [one.id, one.text, one.scope, one.history, one.answers, one.answerable, sorted(one.relevant), one.wrong]
        digest.update(json.dumps(due).encode())
    return digest.hexdigest()
