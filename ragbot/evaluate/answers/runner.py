"""A set into a memory, its questions to a chat, and what it replied. Knows nothing of files or of output."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from ragbot import __version__
from ragbot.answer import prompt
from ragbot.chat import Chat
from ragbot.evaluate.answers import overlap
from ragbot.evaluate.answers.questions import AnswerQuestion, AnswerSet
from ragbot.evaluate.corpus import SEED, Progress, drawn, fill, scope
from ragbot.memory import Memory
from ragbot.types import EVERYONE, Done

System = Literal["ragbot", "plain"]
"""The whole pipeline, or its generator with the same passages in its prompt and nothing around it."""

DECLINES = re.compile(
    r"\b(?:do(?:es)? not|don't|doesn't|cannot|can't|no) (?:\w+ ){0,3}"
    r"(?:know|contain|provide|mention|specif|information|answer|say)|unable to"
    r"|not (?:mentioned|provided|specified|stated|given)|不知道|没有(?:提到|提供|说明|相关)|无法(?:回答|确定)",
    re.IGNORECASE,
)
"""What a reply that declines says, in the words of a plain model."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was said to a question, and what it stands on."""

    text: str
    answered: bool
    """Not a refusal, and no question back."""
    confidence: float
    """0 to 1, or 0 from a system that gives none."""
    cited: tuple[str, ...]
    """Ids of the entries of its citations, one for each."""
    first_ms: float
    """Until the first words were there."""
    took_ms: float


@dataclass(frozen=True, slots=True)
class AnswerRun:
    """One evaluation of one set."""

    set: str
    digest: str
    documents: int
    refused: int
    """Entries that the memory did not take."""
    left_out: int
    generator: str
    reader: str
    persona: str
    model: str
    version: str
    at: datetime
    limit: int | None
    seed: int
    questions: tuple[AnswerQuestion, ...]
    replies: dict[System, tuple[Reply, ...]]


def evaluate(
    memory: Memory,
    chosen: AnswerSet,
    systems: Sequence[System] = ("ragbot",),
    limit: int | None = None,
    progress: Progress | None = None,
) -> AnswerRun:
    """Fill `memory`, which is the evaluation's own, with the set, and ask the questions one by one.

    Raises InputError if the memory holds something else.
    """
    progress = progress or (lambda _what, _done, _all: None)
    refused = fill(memory, chosen.name, chosen.entries, progress)
    questions = drawn(chosen.questions, limit)
    chat = Chat(memory, session="warm", scope=scope("warm"))
    chat.load()
    asking: dict[System, Callable[[Chat, AnswerQuestion], Reply]] = {"ragbot": _asked, "plain": _plainly}
    found = dict[System, tuple[Reply, ...]]()
    for system in systems:
        memory.cool()
        said = list[Reply]()
        for done, question in enumerate(questions):
            progress(f"Asking {system}", done, len(questions))
            said.append(asking[system](_chat_about(question, chat), question))
        found[system] = tuple(said)
    return AnswerRun(
        set=chosen.name,
        digest=chosen.digest,
        documents=len(chosen.entries) - refused,
        refused=refused,
        left_out=chosen.left_out,
        generator=memory.settings.generator,
        reader=memory.settings.reader,
        persona=memory.settings.persona,
        model=memory.embedder().model,
        version=__version__,
        at=datetime.now(UTC),
        limit=limit,
        seed=SEED,
        questions=tuple(questions),
        replies=found,
    )


def _chat_about(question: AnswerQuestion, loaded: Chat) -> Chat:
    """A chat for this question alone: what one question tells is not known to the next."""
    own = question.scope or scope(question.id)
    return Chat(loaded.memory, session=secrets.token_hex(6), scope=own, generator=loaded.generator(), persona=loaded.persona)


def _asked(chat: Chat, question: AnswerQuestion) -> Reply:
    start = time.perf_counter()
    first, turn = None, None
    for event in chat.events(question.text, history=question.history):
        first = first or time.perf_counter()
        turn = event.turn if isinstance(event, Done) else None
    end = time.perf_counter()
    assert turn is not None, "the events of an answer end with Done"
    # What the message itself progress, and is only noted, answers nothing.
    cited = tuple(citation.uri for citation in turn.citations if citation.uri != f"turn:{turn.id}")
    return Reply(turn.answer, bool(cited), turn.confidence, cited, ((first or end) - start) * 1000, (end - start) * 1000)


def _plainly(chat: Chat, question: AnswerQuestion) -> Reply:
    start = time.perf_counter()
    config = chat.memory.settings
    hits = chat.memory.recall(question.text, config.passages, scopes=(EVERYONE, chat.scope), history=question.history)
    pieces, first = list[str](), None
    for piece in chat.generator().stream(prompt.plain(question.text, [hit.chunk.text for hit in hits]), config.max_tokens):
        first = first or time.perf_counter()
        pieces.append(piece)
    end, text = time.perf_counter(), "".join(pieces).strip()
    answered = bool(text) and not DECLINES.search(text)
    return Reply(text, answered, 0.0, (), ((first or end) - start) * 1000, (end - start) * 1000)


def right(question: AnswerQuestion, reply: Reply) -> bool:
    """Whether it says what is due: the answer, or where that is long the passage that holds it; nothing where none is due."""
    if not question.answerable:
        return not reply.answered
    if overlap.is_long(question.answers):
        return reply.answered and bool(question.relevant & set(reply.cited))
    return reply.answered and bool(overlap.holds(reply.text, question.answers))
