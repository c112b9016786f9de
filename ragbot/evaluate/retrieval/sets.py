"""Read sets of judged questions over a corpus from the files of a folder. Does not use the memory.

Two layouts: that of BEIR (corpus, queries, qrels), and that of question sets (corpus or turns, qa).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from ragbot.errors import InputError
from ragbot.evaluate.records import Line, Record, lines, records
from ragbot.text import storable

Files = TypeVar("Files")
"""The type for the files of a set; each layout has its own."""
DATES = ("%I:%M %p on %d %B, %Y", "%B-%d-%Y")
"""Date formats of conversation sets (LoCoMo, BEAM), tried after ISO 8601."""
CORPUS = re.compile(r"(.+_)?(?:corpus|turns)(_.+)?\.jsonl(?:\.gz)?")
"""The file name of a corpus. Its prefix or suffix is the name of the set, and is the same in the set's other files."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A document of a corpus.

    With `conv` it is a turn of that conversation; with `asked` it belongs to the question of that id alone.
    """

    id: str
    text: str
    title: str = ""
    conv: str = ""
    session: str = ""
    date: str = ""
    speaker: str = ""
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its relevant entries: grade, from 1 up, by id.

    With `conv` it is asked in that conversation alone. `history` is (role, text), oldest first.
    """

    id: str
    text: str
    relevant: Mapping[str, int]
    conv: str = ""
    category: str = ""
    history: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """A corpus and the questions about it that have relevant entries."""

    name: str
    digest: str
    """Digest of corpus and questions: only runs with equal digests can be compared."""
    entries: tuple[Entry, ...]
    questions: tuple[Question, ...]
    left_out: int
    """Number of questions left out because nothing is judged relevant."""


def read_set(folder: Path, name: str | None = None) -> EvaluationSet:
    """The set in `folder`, or the one called `name` of several.

    Raises InputError, which names the file and the line, if there is no such set or a record is invalid.
    """
    title, files = choose(folder, name, _sets_in, "corpus.jsonl with queries.jsonl and qrels.tsv, or with qa.jsonl")
    found = tuple(entries(files.corpus))
    conv_of = {entry.id: entry.conv for entry in found}
    asked = _questions(files.questions, conv_of)
    judged = _with_qrels(asked, files.qrels, conv_of) if files.qrels else asked
    questions = tuple(question for question in judged if question.relevant)
    if not questions:
        raise InputError(
            f"{files.qrels or files.questions}: names no relevant document for any of the {len(asked)} questions; add some"
        )
    return EvaluationSet(title, _digest(found, questions), found, questions, len(asked) - len(questions))


# Find the files of a set


@dataclass(frozen=True, slots=True)
class _Files:
    corpus: Path
    questions: Path
    qrels: Path | None
    """None if the questions name their evidence themselves."""


def choose(folder: Path, name: str | None, sets_in: Callable[[Path], dict[str, Files]], holds: str) -> tuple[str, Files]:
    """The title and the files of the set called `name`, or of the only one. Raises InputError if there is no such set.

    `holds` describes the files of a set, for the message if the folder has none.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: is not a folder; name one that holds a set")
    title, sets = folder.resolve().name, sets_in(folder)
    if not sets:
        corpora = [file.name for file in sorted(folder.iterdir()) if CORPUS.fullmatch(file.name)]
        lacks = f"{corpora[0]} has no questions beside it" if corpora else "holds no set"
        raise InputError(f"{folder}: {lacks}; a set is {holds}")
    if name is None and len(sets) > 1:
        raise InputError(f"{folder}: holds several sets; choose one with --set: {', '.join(sets)}")
    chosen = next(iter(sets)) if name is None else name
    if chosen not in sets:
        raise InputError(f"{folder}: holds no set {chosen!r}; there is {', '.join(sets)}")
    return title if chosen == title else f"{title}/{chosen}", sets[chosen]


def _sets_in(folder: Path) -> dict[str, _Files]:
    """The sets of a folder by name; a set without prefix or suffix takes the name of the folder."""
    sets = dict[str, _Files]()
    for corpus in sorted(folder.iterdir()):
        named = CORPUS.fullmatch(corpus.name)
        files = _files(corpus, named[1] or "", named[2] or "") if named else None
        if named and files:
            sets.setdefault("".join(named.groups("")).strip("_") or folder.resolve().name, files)
    return sets


def _files(corpus: Path, before: str, after: str) -> _Files | None:
    """The files of a corpus; None if its questions are missing. If both layouts are present, BEIR's is used."""
    queries, qa = (sibling(corpus, f"{before}{word}{after}.jsonl") for word in ("queries", "qa"))
    qrels = sibling(corpus, f"{before}qrels{after}.tsv") or (None if before or after else sibling(corpus, "qrels/test.tsv"))
    if queries and qrels:
        return _Files(corpus, queries, qrels)
    return _Files(corpus, qa, None) if qa else None


def sibling(corpus: Path, name: str) -> Path | None:
    """The file of this name, or its gzipped form, in the folder of `corpus`."""
    return next((file for file in (corpus.parent / name, corpus.parent / f"{name}.gz") if file.is_file()), None)


# Read them


def entries(file: Path) -> Iterator[Entry]:
    """The entries of a corpus file. Raises InputError for an invalid record."""
    names = ("title", "conv", "session", "date", "speaker")
    for id, record in records(file):
        entry = Entry(id, record.word("text"), *(record.word(name, default="") for name in names))
        if entry.conv and entry.date and moment(entry.date) is None:
            raise record.line.wrong(f"'date' is {entry.date[:40]!r}; write it as 2026-05-01T09:30, or leave it out")
        yield entry


def moment(date: str) -> datetime | None:
    """Parse a date to UTC, which is also the default time zone; None if it is not a date."""
    with contextlib.suppress(ValueError, OverflowError):
        at = datetime.fromisoformat(date)
        return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    for form in DATES:
        with contextlib.suppress(ValueError):
            return datetime.strptime(date, form).replace(tzinfo=UTC)
    return None


def _questions(file: Path, conv_of: Mapping[str, str]) -> list[Question]:
    convs, questions = set(conv_of.values()), list[Question]()
    for id, record in records(file):
        question = Question(
            id,
            record.filled("text", "question"),
            {id: 1 for id in evidence(record)},
            record.word("conv", default=""),
            record.word("category", default=""),
            tuple(history(record)),
        )
        if question.conv and question.conv not in convs:
            raise record.line.wrong(
                f"is about the conversation {question.conv!r}, of which the corpus has no turn; correct 'conv'"
            )
        for id in question.relevant:
            _need_found(id, question, conv_of, record.line)
        questions.append(question)
    return questions


def evidence(record: Record) -> Iterator[str]:
    """The ids of the entries that answer a question."""
    for id in record.list("evidence"):
        if not isinstance(id, str):
            raise record.line.wrong(f"'evidence' holds {json.dumps(id)[:40]}; it takes ids of the corpus, in quotes")
        yield storable(id)


def history(record: Record) -> Iterator[tuple[str, str]]:
    """(role, text) of the earlier messages, oldest first."""
    for turn in record.list("history"):
        if not isinstance(turn, dict):
            raise record.line.wrong(f"'history' holds {json.dumps(turn)[:40]}; it takes objects with role and text")
        if "text" not in turn:
            raise record.line.wrong(f"'history' holds {json.dumps(turn)[:40]}, which has no 'text'; add it")
        message = Record(record.line, turn)
        yield "user" if message.word("role") == "user" else "assistant", message.word("text")


def _with_qrels(questions: Sequence[Question], file: Path, conv_of: Mapping[str, str]) -> list[Question]:
    """The questions with the relevance judgements of a qrels file; a grade of 0 or less means not relevant."""
    asked = {question.id: question for question in questions}
    relevant, judged = defaultdict[str, dict[str, int]](dict), set[tuple[str, str]]()
    for at, line in enumerate(lines(file)):
        fields = [storable(field.strip()) for field in (line.text.split("\t") if "\t" in line.text else line.text.split())]
        if len(fields) == 4:  # the format of TREC
            del fields[1]
        if len(fields) != 3:
            raise line.wrong(f"has {len(fields)} columns; it takes query, document and grade, with tabs between")
        query, document, grade = fields
        if not re.fullmatch(r"-?\d{1,6}", grade):
            if at == 0 and not re.search(r"\d", grade):  # a header
                continue
            raise line.wrong(f"grade {grade[:20]!r} is not an integer of at most six digits; correct it")
        if query not in asked:
            raise line.wrong(f"judges the query {query!r}, which is not among the queries; take it out, or add the query")
        _need_found(document, asked[query], conv_of, line)
        if (query, document) in judged:
            raise line.wrong(f"judges {document!r} for {query!r} a second time; remove one of them")
        judged.add((query, document))
        if int(grade) > 0:
            relevant[query][document] = int(grade)
    return [replace(question, relevant=relevant[question.id]) for question in questions]


def _need_found(id: str, question: Question, conv_of: Mapping[str, str], line: Line) -> None:
    if id not in conv_of:
        raise line.wrong(f"names {id!r}, which is not in the corpus; take it out, or add the document")
    if question.conv and conv_of[id] != question.conv:
        raise line.wrong(f"names {id!r}, which is not in the conversation {question.conv!r} of the question; correct it")


def _digest(entries: Iterable[Entry], questions: Iterable[Question]) -> str:
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(json.dumps([entry.id, entry.title, entry.text, entry.conv, entry.date]).encode())
    for asked in questions:
        digest.update(json.dumps([asked.id, asked.text, asked.conv, asked.history, sorted(asked.relevant.items())]).encode())
    return digest.hexdigest()
