"""Sets of judged questions over a corpus, read from the files of a folder. Knows nothing of a memory.

Two layouts: that of BEIR (corpus, queries, qrels), and that of question sets (corpus or turns, qa).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ragbot.errors import InputError
from ragbot.text import storable

CORPUS = re.compile(r"(.+_)?(?:corpus|turns)(_.+)?\.jsonl(?:\.gz)?")
"""The name of a corpus; what stands before and behind names the set, and stands in the names of its other files too."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A document of a corpus; with `conv`, a turn of that conversation."""

    id: str
    text: str
    title: str = ""
    conv: str = ""
    session: str = ""
    date: str = ""
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and the ids of the entries that answer it, with their grades (from 1 up).

    With `conv` it is about that conversation alone. `history` is (role, text), oldest first.
    """

    id: str
    text: str
    relevant: Mapping[str, int]
    conv: str = ""
    category: str = ""
    history: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """A corpus and the questions about it that have something to find."""

    name: str
    digest: str
    """Of the corpus and the questions: runs over equal ones can be compared."""
    entries: tuple[Entry, ...]
    questions: tuple[Question, ...]
    left_out: int
    """Questions of which nothing is judged relevant."""


def read_set(folder: Path, name: str | None = None) -> EvaluationSet:
    """The set in `folder`, or the one called `name` of several.

    Raises InputError, which names the file and the line, if there is none, or if it is not in order.
    """
    title, files = _chosen(folder, name)
    entries = tuple(_entries(files.corpus))
    conv_of = {entry.id: entry.conv for entry in entries}
    asked = _questions(files.questions, conv_of)
    judged = _with_qrels(asked, files.qrels, conv_of) if files.qrels else asked
    questions = tuple(question for question in judged if question.relevant)
    if not questions:
        raise InputError(f"{files.qrels or files.questions}: names nothing that answers any of {len(asked)} questions; add some")
    return EvaluationSet(title, _digest(entries, questions), entries, questions, len(asked) - len(questions))


# Which files


@dataclass(frozen=True, slots=True)
class _Files:
    corpus: Path
    questions: Path
    qrels: Path | None
    """None: the questions name their evidence themselves."""


def _chosen(folder: Path, name: str | None) -> tuple[str, _Files]:
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder; name one that holds a set")
    title, sets = folder.resolve().name, _sets_in(folder)
    if not sets:
        raise InputError(f"{folder}: holds no set; one is corpus.jsonl with queries.jsonl and qrels.tsv, or with qa.jsonl")
    if name is None and len(sets) > 1:
        raise InputError(f"{folder}: holds several sets; choose one with --set: {', '.join(sets)}")
    chosen = next(iter(sets)) if name is None else name
    if chosen not in sets:
        raise InputError(f"{folder}: holds no set {chosen!r}; there is {', '.join(sets)}")
    return title if chosen == title else f"{title}/{chosen}", sets[chosen]


def _sets_in(folder: Path) -> dict[str, _Files]:
    """The sets of a folder by name; one whose files have plain names is called like the folder."""
    sets = dict[str, _Files]()
    for corpus in sorted(folder.iterdir()):
        named = CORPUS.fullmatch(corpus.name)
        files = _files(corpus, named[1] or "", named[2] or "") if named else None
        if named and files:
            sets.setdefault("".join(named.groups("")).strip("_") or folder.resolve().name, files)
    return sets


def _files(corpus: Path, before: str, after: str) -> _Files | None:
    """What belongs to a corpus; None if its questions are not there. With both layouts, that of BEIR counts."""
    queries, qa = (_beside(corpus, f"{before}{word}{after}.jsonl") for word in ("queries", "qa"))
    qrels = _beside(corpus, f"{before}qrels{after}.tsv") or (None if before or after else _beside(corpus, "qrels/test.tsv"))
    if queries and qrels:
        return _Files(corpus, queries, qrels)
    return _Files(corpus, qa, None) if qa else None


def _beside(corpus: Path, name: str) -> Path | None:
    return next((file for file in (corpus.parent / name, corpus.parent / f"{name}.gz") if file.is_file()), None)


# What is in them


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a file."""

    file: Path
    number: int
    text: str

    def wrong(self, cause: str) -> InputError:
        return InputError(f"{self.file}, line {self.number}: {cause}")


@dataclass(frozen=True, slots=True)
class _Record:
    """The JSON object of a line."""

    line: _Line
    fields: Mapping[str, Any]

    def word(self, *names: str, default: str | None = None) -> str:
        """The text of the first field of these that is there; numbers count as text."""
        name, value = next(((name, self.fields[name]) for name in names if self.fields.get(name) is not None), ("", default))
        if value is None:
            raise self.line.wrong(f"has no {' or '.join(map(repr, names))}; add it")
        if type(value) not in (str, int):
            raise self.line.wrong(f"{name!r} is {json.dumps(value)[:40]}; it takes a text")
        return storable(str(value))

    def filled(self, *names: str) -> str:
        if not (word := self.word(*names)).strip():
            raise self.line.wrong(f"{' or '.join(map(repr, names))} is empty; fill it in")
        return word

    def list(self, name: str) -> list[Any]:
        found = self.fields.get(name)
        if found is not None and not isinstance(found, list):
            raise self.line.wrong(f"{name!r} is {json.dumps(found)[:40]}; it takes a list")
        return found or []


def _lines(file: Path) -> Iterator[_Line]:
    try:
        with gzip.open(file, "rt", encoding="utf-8-sig") if file.suffix == ".gz" else file.open(encoding="utf-8-sig") as lines:
            for number, text in enumerate(lines, 1):
                if text.strip():
                    yield _Line(file, number, text)
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError) as cause:
        raise InputError(f"{file}: is damaged ({cause}); fetch it anew") from cause


def _records(file: Path) -> Iterator[tuple[str, _Record]]:
    """The objects of a file by their ids, which differ."""
    seen = dict[str, int]()
    for line in _lines(file):
        try:
            fields = json.loads(line.text)
        except (ValueError, RecursionError) as cause:
            raise line.wrong(f"is no JSON ({cause}); mend it") from cause
        if not isinstance(fields, dict):
            raise line.wrong("is no JSON object; write {…}")
        record = _Record(line, fields)
        id = record.filled("_id", "id")
        if id in seen:
            raise line.wrong(f"id {id!r} is that of line {seen[id]} too; give it another")
        seen[id] = line.number
        yield id, record


def _entries(file: Path) -> Iterator[Entry]:
    names = ("title", "conv", "session", "date", "speaker")
    for id, record in _records(file):
        yield Entry(id, record.word("text"), *(record.word(name, default="") for name in names))


def _questions(file: Path, conv_of: Mapping[str, str]) -> list[Question]:
    convs, questions = set(conv_of.values()), list[Question]()
    for id, record in _records(file):
        question = Question(
            id,
            record.filled("text", "question"),
            {evidence: 1 for evidence in _evidence(record)},
            record.word("conv", default=""),
            record.word("category", default=""),
            tuple(_history(record)),
        )
        if question.conv and question.conv not in convs:
            raise record.line.wrong(f"is about the conversation {question.conv!r}, of which the corpus has no turn; mend 'conv'")
        for evidence in question.relevant:
            _need_found(evidence, question, conv_of, record.line)
        questions.append(question)
    return questions


def _evidence(record: _Record) -> Iterator[str]:
    for evidence in record.list("evidence"):
        if not isinstance(evidence, str):
            raise record.line.wrong(f"'evidence' holds {json.dumps(evidence)[:40]}; it takes ids of the corpus, in quotes")
        yield storable(evidence)


def _history(record: _Record) -> Iterator[tuple[str, str]]:
    for said in record.list("history"):
        if not isinstance(said, dict):
            raise record.line.wrong(f"'history' holds {json.dumps(said)[:40]}; it takes objects with role and text")
        message = _Record(record.line, said)
        yield "user" if message.word("role") == "user" else "assistant", message.word("text")


def _with_qrels(questions: Sequence[Question], file: Path, conv_of: Mapping[str, str]) -> list[Question]:
    """The questions with what the file judges relevant: a grade of 0 or less is as good as none."""
    asked = {question.id: question for question in questions}
    relevant = defaultdict[str, dict[str, int]](dict)
    for at, line in enumerate(_lines(file)):
        fields = [storable(field.strip()) for field in (line.text.split("\t") if "\t" in line.text else line.text.split())]
        if len(fields) == 4:  # as TREC writes it
            del fields[1]
        if len(fields) != 3:
            raise line.wrong(f"has {len(fields)} columns; it takes query, document and grade, with tabs between")
        query, document, grade = fields
        if not re.fullmatch(r"-?\d+", grade):
            if at == 0:  # a header
                continue
            raise line.wrong(f"grade {grade!r} is no whole number; mend it")
        if query not in asked:
            raise line.wrong(f"judges the query {query!r}, which is not among the queries; take it out, or add the query")
        _need_found(document, asked[query], conv_of, line)
        if int(grade) > 0:
            relevant[query][document] = int(grade)
    return [replace(question, relevant=relevant[question.id]) for question in questions]


def _need_found(id: str, question: Question, conv_of: Mapping[str, str], line: _Line) -> None:
    if id not in conv_of:
        raise line.wrong(f"names {id!r}, which is not in the corpus; take it out, or add the document")
    if question.conv and conv_of[id] != question.conv:
        raise line.wrong(f"names {id!r}, which is not of the conversation {question.conv!r} that is asked about; mend it")


def _digest(entries: Iterable[Entry], questions: Iterable[Question]) -> str:
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(json.dumps([entry.id, entry.title, entry.text, entry.conv, entry.date]).encode())
    for asked in questions:
        digest.update(json.dumps([asked.id, asked.text, asked.conv, asked.history, sorted(asked.relevant.items())]).encode())
    return digest.hexdigest()
