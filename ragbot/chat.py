"""A conversation: ask, stream, rate, correct.

What a person tells is memory the moment it is said, before anything is answered. What the bot
answers is history, and never evidence.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator as Generator_
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ragbot import grounding, inputs, prompt
from ragbot.errors import InputError, NotFoundError
from ragbot.grounding import Evidence
from ragbot.memory import Memory
from ragbot.models.generator import Generator, open_generator
from ragbot.store import Raced
from ragbot.text import questions, storable
from ragbot.text.sentences import sentences
from ragbot.text.tokens import content, has_cjk
from ragbot.types import EVERYONE, LOCAL, Citation, Document, Hit, Message, Turn

UNKNOWN = "I don't know: nothing I was told answers that."
UNKNOWN_CJK = "我不知道：我的资料里没有这个问题的答案。"
NOTED = "Noted. I will remember that."
NOTED_CJK = "好的，我记住了。"
GREETING = "I am here. Ask me about what I was told, or tell me something to remember."
GREETING_CJK = "我在。请问我资料里的内容，或者告诉我要记住的事。"
HISTORY_TURNS = 4
FACTS = 3
"""How many sentences the bundled generator is shown; more confuse it."""


@dataclass(frozen=True, slots=True)
class _Said:
    """A sentence of an answer, and what it stands on."""

    text: str
    citation: Citation | None
    confidence: float = 0.0
    """How likely it is that the evidence answers the question."""


class Chat:
    """One session of one person. Reads what everyone may see and its own scope; writes to its own."""

    def __init__(self, memory: Memory, session: str, scope: str, generator: Generator | None = None) -> None:
        self.memory = memory
        self.session = storable(session)
        self.scope = storable(scope)
        self.last: Turn | None = None
        """The newest turn of this object; after a `stream` was read to its end, the finished one."""
        self._generator = generator

    @classmethod
    def open(cls, home: str | Path | None = None, *, session: str = "default", scope: str = LOCAL, create: bool = True) -> Chat:
        """Open a conversation over the memory in `home`. Loads no model.

        Raises what `Memory.open` raises, and InputError for an empty session or scope.
        """
        if not session.strip() or not scope.strip():
            raise InputError("a chat needs a session and a scope that are not empty")
        return cls(Memory.open(home, create=create), session, scope)

    def close(self) -> None:
        """Let go of the memory."""
        self.memory.close()

    def __enter__(self) -> Chat:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def scopes(self) -> tuple[str, ...]:
        """Whose knowledge this chat reads."""
        return tuple(dict.fromkeys((EVERYONE, self.scope)))

    def load(self) -> None:
        """Load the models now, rather than at the first question."""
        self.memory.embedder()
        self.generator()

    def generator(self) -> Generator:
        """The configured generator, loaded the first time it is asked for."""
        if self._generator is None:
            self._generator = open_generator(self.memory.config.generator)
        return self._generator

    def ask(self, question: str, *, history: Sequence[tuple[str, str]] | None = None) -> Turn:
        """Answer a message. The turn's citations carry its sentences; without any, it says it does not know.

        `history` is (role, text), oldest first, for whoever keeps the conversation elsewhere; by default it is
        what was said in this session. Raises InputError for an empty message, ModelError if a model is missing.
        """
        pieces = self._stream(question, history)
        while True:
            try:
                next(pieces)
            except StopIteration as end:
                turn: Turn = end.value
                return turn

    def stream(self, question: str, *, history: Sequence[tuple[str, str]] | None = None) -> Iterator[str]:
        """Answer a message piece by piece, as `ask` does; each piece is checked before it is given.

        The turn is stored when the iterator ends, and is then in `last`. If it is closed early,
        what was said until then is stored; if it fails, likewise, and the turn counts as ungrounded.
        """
        yield from self._stream(question, history)

    def _stream(self, question: str, history: Sequence[tuple[str, str]] | None) -> Generator_[str, None, Turn]:
        if not question.strip():
            raise InputError("the message is empty; ask or tell something")
        question = storable(question)
        history = self._history() if history is None else inputs.history(history)
        turn = self._begin(question)
        said: list[_Said] = []
        failed = True
        try:
            for sentence in self._answer(turn, history):
                piece = sentence.text if not said else f" {sentence.text}"
                said.append(sentence)
                yield piece
            failed = False
        except GeneratorExit:
            failed = False
            raise
        finally:
            turn = self.last = self._finish(turn, said, failed)
        return turn

    def rate(self, turn_id: str, *, up: bool, author: str = "") -> None:
        """Say whether a turn was good. Raises NotFoundError if there is none of this id in the scope."""
        with self.memory.store.writing() as writer:
            writer.add_feedback(self._own(writer.turn(turn_id), turn_id), "up" if up else "down", author=storable(author))

    def correct(self, turn_id: str, text: str, *, author: str = "") -> Document:
        """Say what is right instead. From now on it answers in this chat's scope, before what the turn cited.

        The cited passages stay: what else they say is still true. Raises NotFoundError, InputError.
        """
        with self.memory.store.reading() as reader:
            turn = self._own(reader.turn(turn_id), turn_id)
        correction = Document(
            uri=f"correction:{turn.id}",
            text=storable(text.strip()),
            title=questions.asking(turn.question),  # what was told in it is a document of its own, to be forgotten on its own
            kind="correction",
            scope=self.scope,
            metadata={"author": storable(author)} if author else {},
        )
        self.memory.remember(
            correction,
            disputes=turn.citations,
            also=lambda writer: writer.add_feedback(turn, "correction", correction.text, storable(author)),
        )
        return correction

    def _own(self, turn: Turn | None, turn_id: str) -> Turn:
        if turn is None or turn.scope != self.scope:
            raise NotFoundError(f"{turn_id}: no such turn in scope {self.scope!r}; `ragbot why` shows the last one")
        return turn

    def _history(self) -> list[tuple[str, str]]:
        with self.memory.store.reading() as reader:
            turns = reader.turns(self.scope, self.session, HISTORY_TURNS)
        return [line for turn in turns for line in (("user", turn.question), ("assistant", turn.answer)) if line[1]]

    def _begin(self, question: str) -> Turn:
        """Store the message, and what it tells as evidence, in one transaction."""
        turn = Turn(
            id=secrets.token_hex(6),
            session=self.session,
            scope=self.scope,
            question=question,
            answer="",
            citations=(),
            grounded=False,
            at=datetime.now(UTC),
        )
        told = questions.told(question)
        if told:
            document = Document(f"turn:{turn.id}", told, kind="turn", scope=self.scope, lines=False)
            self.memory.remember(document, also=lambda writer: writer.add_turn(turn))
        else:
            with self.memory.store.writing() as writer:
                writer.add_turn(turn)
        self.last = turn
        return turn

    def _finish(self, turn: Turn, said: Sequence[_Said], failed: bool) -> Turn:
        citations = tuple(dict.fromkeys(s.citation for s in said if s.citation))
        grounded = bool(said) and not failed and all(s.citation for s in said)
        sure = max((s.confidence for s in said), default=0.0)
        done = replace(turn, answer=" ".join(s.text for s in said), citations=citations, grounded=grounded, confidence=sure)
        try:
            with self.memory.store.writing() as writer:
                writer.add_answer(done)
        except Raced:  # a cited document was forgotten while the answer was written
            done = replace(turn, answer=UNKNOWN_CJK if has_cjk(turn.question) else UNKNOWN)
            with self.memory.store.writing() as writer:
                writer.add_answer(done)
        return done

    def _answer(self, turn: Turn, history: Sequence[tuple[str, str]]) -> Iterator[_Said]:
        question = turn.question
        if questions.is_greeting(question) or not (questions.asked(question) or questions.told(question)):
            yield _Said(GREETING_CJK if has_cjk(question) else GREETING, None)
        elif questions.asked(question):
            yield from self._from_evidence(turn, history)
        else:
            yield self._noted(turn)

    def _noted(self, turn: Turn) -> _Said:
        own = self._recall(turn.question)
        mine = [e for e in grounding.evidence(turn.question, own, self._encode) if e.hit.chunk.uri == f"turn:{turn.id}"]
        text = NOTED_CJK if has_cjk(turn.question) else NOTED
        return _Said(text, mine[0].citation if mine else None)

    def _from_evidence(self, turn: Turn, history: Sequence[tuple[str, str]]) -> Iterator[_Said]:
        wanted, found = self._evidence(turn, history)
        if not found:
            yield _Said(UNKNOWN_CJK if has_cjk(turn.question) else UNKNOWN, None)
            return
        carriers, sure = set[Citation](), grounding.confidence(wanted, found)
        for sentence in self._written(prompt.build(wanted, self._facts(found))):
            carrier = grounding.support(sentence, found, self._encode)
            if carrier is None or carrier.citation in carriers:  # unfounded, or the same once more
                break
            carriers.add(carrier.citation)
            yield _Said(sentence, carrier.citation, sure)
        if not carriers:  # the generator found no words that stand: the evidence speaks for itself
            yield _Said(grounding.spoken(found[0]), found[0].citation, sure)

    def _evidence(self, turn: Turn, history: Sequence[tuple[str, str]]) -> tuple[str, list[Evidence]]:
        """The question as it is best understood, and evidence enough to answer it; none if there is not enough.

        It is tried with what it leans on, then with all that the message says, then by itself.
        """
        asking = questions.asking(turn.question)
        completed = questions.standalone(asking, history)
        tries = [(completed, asking, tuple(history)), (turn.question, turn.question, ()), (asking, asking, ())]
        for wanted, query, said in dict.fromkeys(tries):
            hits = self._recall(query, said)
            hits = [hit for hit in hits if hit.chunk.uri != f"turn:{turn.id}" or _answers_itself(asking, hit)]
            found = grounding.evidence(wanted, hits, self._encode, self._set_aside(hits), now=asking)
            if grounding.enough(wanted, found) and (wanted == asking or grounding.touches(asking, found[0])):
                return wanted, found
        return asking, []

    def _recall(self, question: str, history: Sequence[tuple[str, str]] = ()) -> list[Hit]:
        return self.memory.recall(question, self.memory.config.passages, scopes=self.scopes, history=history)

    def _set_aside(self, hits: Sequence[Hit]) -> list[tuple[int, int, int]]:
        """Spans that a correction disputes, where that correction itself speaks to the question."""
        here = {hit.chunk.uri for hit in hits if hit.chunk.kind == "correction"}
        with self.memory.store.reading() as reader:
            disputed = reader.disputed([hit.chunk.id for hit in hits], self.scopes)
        return [(chunk_id, start, end) for chunk_id, start, end, uri in disputed if uri in here]

    def _facts(self, found: Sequence[Evidence]) -> list[str]:
        near = [e for e in found if e.score >= found[0].score - grounding.NEAR_BEST][:FACTS]
        return [grounding.spoken(e) for e in near]

    def _written(self, messages: Sequence[Message]) -> Iterator[str]:
        """What the generator writes, sentence by sentence, each as soon as it is complete."""
        text, given = "", 0
        for piece in self.generator().stream(messages, self.memory.config.max_tokens):
            text += piece
            complete = sentences(text)[:-1]
            for span in complete[given:]:
                yield text[span.start : span.end]
            given = max(given, len(complete))
        for span in sentences(text)[given:]:
            yield text[span.start : span.end]

    def _encode(self, texts: Sequence[str]) -> grounding.Vectors:
        return self.memory.embedder().encode(texts)


def _answers_itself(asking: str, own: Hit) -> bool:
    """Whether what a message tells holds every word that it asks about; mostly it is only the occasion."""
    return set(content(asking)) <= set(content(own.chunk.text))
