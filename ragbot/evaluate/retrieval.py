"""A set into a memory, its questions to the memory, and what came of it. Knows nothing of files or of output."""

from __future__ import annotations

import contextlib
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ragbot import __version__
from ragbot.errors import InputError
from ragbot.evaluate import measures
from ragbot.evaluate.runs import PartRun, Run
from ragbot.evaluate.sets import Entry, EvaluationSet, Question
from ragbot.memory import Memory
from ragbot.recalling import MOST
from ragbot.types import EVERYONE, Document, Hit, Part

Told = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is done, and of how much."""

MARK = "evaluation"
"""The mark of a home that is an evaluation's: the name of its set."""
SEED = 20
DATES = ("%I:%M %p on %d %B, %Y", "%B-%d-%Y")
"""Beside ISO 8601, how conversation sets write them (LoCoMo, BEAM)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask of which parts, and up to which places to look."""

    parts: tuple[Part, ...] = ("dense", "lexical", "fused")
    cutoffs: tuple[int, ...] = (5, 10)
    limit: int | None = None
    """So many questions, drawn with `SEED`: with a larger limit the same, and more."""


@dataclass(frozen=True, slots=True)
class _Answer:
    documents: tuple[str, ...]
    """Ids, best first."""
    took_ms: float


def evaluate(memory: Memory, chosen: EvaluationSet, plan: Plan, told: Told | None = None) -> Run:
    """Fill `memory`, which is the evaluation's own, with the set, ask the questions one by one, and measure.

    Raises InputError if the memory holds something else.
    """
    told = told or (lambda _what, _done, _all: None)
    refused = fill(memory, chosen, told)
    questions = _drawn(chosen.questions, plan.limit)
    convs = {entry.conv or EVERYONE for entry in chosen.entries}
    memory.warm()
    for part in plan.parts:  # once unmeasured: models load, files are opened
        _ask(memory, questions[0], part, convs, 1)
    asked = []
    for part in plan.parts:
        answers = []
        for done, question in enumerate(questions):
            told(f"Asking, {part}", done, len(questions))
            answers.append(_ask(memory, question, part, convs, measures.depth(plan.cutoffs)))
        values = measures.measured(questions, [answer.documents for answer in answers], plan.cutoffs)
        asked.append(PartRun(part, values, tuple(answer.took_ms for answer in answers)))
    embedder = memory.embedder()
    return Run(
        set=chosen.name,
        digest=chosen.digest,
        documents=len(chosen.entries) - refused,
        refused=refused,
        left_out=chosen.left_out,
        model=embedder.model,
        revision=embedder.revision,
        version=__version__,
        at=datetime.now(UTC),
        cutoffs=plan.cutoffs,
        limit=plan.limit,
        seed=SEED,
        questions=tuple(question.id for question in questions),
        categories=tuple(question.category for question in questions),
        parts=tuple(asked),
    )


def fill(memory: Memory, chosen: EvaluationSet, told: Told) -> int:
    """Make the memory hold the set and nothing else; how many entries it refused. What is unchanged costs little."""
    held = memory.marks(MARK).get(MARK)
    if held is None and memory.documents():
        raise InputError(f"{memory.home}: holds a memory that is no evaluation's; name another folder for it")
    if held not in (None, chosen.name):
        raise InputError(f"{memory.home}: holds the evaluation of {held}; name another folder for {chosen.name}")
    memory.set_marks({MARK: chosen.name})
    taken = set[tuple[str, str]]()
    results = memory.remember_each(document(entry) for entry in chosen.entries)
    for done, (given, result) in enumerate(results, 1):
        told("Remembering", done, len(chosen.entries))
        if not isinstance(result, InputError):
            taken.add((given.scope, given.uri))
    gone = defaultdict[str, list[str]](list)
    for stored in memory.documents():
        if (stored.scope, stored.uri) not in taken:
            gone[stored.scope].append(stored.uri)
    for scope, uris in gone.items():
        memory.retire_each(uris, scope=scope)
    memory.settle()
    return len(chosen.entries) - len(taken)


def document(entry: Entry) -> Document:
    """What the memory is given of an entry."""
    if not entry.conv:
        return Document(uri=entry.id, text=entry.text, title=entry.title)
    said = {"speaker": entry.speaker, "session": entry.session}
    return Document(
        uri=entry.id,
        text=entry.text,
        title=entry.title,
        kind="turn",
        scope=entry.conv,
        valid_from=_moment(entry.date),
        metadata={key: value for key, value in said.items() if value},
    )


def _moment(date: str) -> datetime | None:
    """A date as it is written, in UTC unless it says otherwise; None if it is none."""
    with contextlib.suppress(ValueError):
        at = datetime.fromisoformat(date)
        return at.replace(tzinfo=at.tzinfo or UTC)
    for form in DATES:
        with contextlib.suppress(ValueError):
            return datetime.strptime(date, form).replace(tzinfo=UTC)
    return None


def _drawn(questions: Sequence[Question], limit: int | None) -> list[Question]:
    drawn = list(questions)
    if limit is not None and limit < len(drawn):
        random.Random(SEED).shuffle(drawn)
    return drawn[:limit]


def _ask(memory: Memory, question: Question, part: Part, convs: set[str], depth: int) -> _Answer:
    """The `depth` best documents, and how long it took to be given as many passages."""
    scopes = {question.conv} if question.conv else convs

    def passages(k: int) -> list[Hit]:
        return memory.recall(question.text, k, scopes=scopes, history=question.history, part=part)

    k, start = depth, time.perf_counter()
    hits = passages(k)
    took_ms = (time.perf_counter() - start) * 1000
    # Several passages of one document are one document: look further down, unmeasured, since no user asks that.
    while len(found := list(dict.fromkeys(_documents(hits)))) < depth and len(hits) == k < MOST:
        k = min(4 * k, MOST)
        hits = passages(k)
    return _Answer(tuple(found[:depth]), took_ms)


def _documents(hits: Sequence[Hit]) -> Iterator[str]:
    """Where each hit comes from, best first: its own document, then those of its copies."""
    for hit in hits:
        yield hit.chunk.uri
        yield from (copy.uri for copy in hit.also)
