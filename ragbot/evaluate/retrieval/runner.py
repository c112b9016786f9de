"""A set into a memory, its questions to the memory, and what came of it. Knows nothing of files or of output."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ragbot import __version__
from ragbot.errors import InputError
from ragbot.evaluate.corpus import SEED, Progress, drawn, fill
from ragbot.evaluate.retrieval import measures
from ragbot.evaluate.retrieval.runs import PartRun, Run
from ragbot.evaluate.retrieval.sets import EvaluationSet, Question
from ragbot.memory import Memory
from ragbot.search.candidates import MAX_HITS
from ragbot.settings import NONE
from ragbot.types import EVERYONE, Hit, Part


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


def evaluate(memory: Memory, chosen: EvaluationSet, plan: Plan, progress: Progress | None = None) -> Run:
    """Fill `memory`, which is the evaluation's own, with the set, ask the questions one by one, and measure.

    Raises InputError if the memory holds something else.
    """
    progress = progress or (lambda _what, _done, _all: None)
    if "reranked" in plan.parts and memory.settings.reranker == NONE:  # said now, not when all is remembered
        raise InputError("no reranker is configured; set `reranker` in ragbot.toml, or leave this part out")
    refused = fill(memory, chosen.name, chosen.entries, progress)
    questions = drawn(chosen.questions, plan.limit)
    convs = {entry.conv or EVERYONE for entry in chosen.entries}
    memory.retriever.rerank_budget_s = None  # figures must not depend on how busy the machine is
    memory.warm()
    for part in plan.parts:  # once unmeasured: models load, files are opened
        _ask(memory, questions[0], part, convs, 1)
    asked = []
    for part in plan.parts:
        answers = []
        memory.cool()  # or a part would find the vectors that the one before it computed
        for done, question in enumerate(questions):
            progress(f"Asking, {part}", done, len(questions))
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
        recall={name: getattr(memory.settings, name) for name in ("recall", "reranker", "rerank_ms")},
        questions=tuple(question.id for question in questions),
        categories=tuple(question.category for question in questions),
        parts=tuple(asked),
    )


def _ask(memory: Memory, question: Question, part: Part, convs: set[str], depth: int) -> _Answer:
    """The `depth` best documents, and how long it took to be given as many passages."""
    scopes = {question.conv} if question.conv else convs

    def passages(k: int) -> list[Hit]:
        return memory.recall(question.text, k, scopes=scopes, history=question.history, part=part)

    k, start = depth, time.perf_counter()
    hits = passages(k)
    took_ms = (time.perf_counter() - start) * 1000
    # Several passages of one document are one document: look further down, unmeasured, since no user asks that.
    while len(found := list(dict.fromkeys(_documents(hits)))) < depth and len(hits) == k < MAX_HITS:
        k = min(4 * k, MAX_HITS)
        hits = passages(k)
    return _Answer(tuple(found[:depth]), took_ms)


def _documents(hits: Sequence[Hit]) -> Iterator[str]:
    """Where each hit comes from, best first: its own document, then those of its copies."""
    for hit in hits:
        yield hit.chunk.uri
        yield from (copy.uri for copy in hit.also)
