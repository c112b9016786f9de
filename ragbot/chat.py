"""A conversation: ask, stream, rate, correct.

What a person tells is memory the moment it is said, before anything is answered. What the bot
answers is history, and never evidence.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator as Generator_
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ragbot.answer import persona as personas
from ragbot.answer.persona import Persona
from ragbot.answer.replies import Answering, AnswerSentence
from ragbot.errors import InputError, NotFoundError, RagbotError
from ragbot.memory import Memory
from ragbot.models.answerability import AnswerabilityModel, open_answerability_model
from ragbot.models.generator import Generator, open_generator
from ragbot.search import filter
from ragbot.settings import NONE
from ragbot.store import Raced
from ragbot.text import messages, storable
from ragbot.text.tokens import has_cjk
from ragbot.types import EVERYONE, LOCAL, Claim, Document, Turn

HISTORY_TURNS = 4


class Chat:
    """One session of one person. Reads what everyone may see and its own scope; writes to its own."""

    def __init__(
        self, memory: Memory, session: str, scope: str, generator: Generator | None = None, persona: Persona | None = None
    ) -> None:
        self.memory = memory
        self.session = storable(session)
        self.scope = storable(scope)
        self.last: Turn | None = None
        """The newest turn of this object; after a `stream` was read to its end, the finished one."""
        self.persona = persona or personas.load(memory.settings.persona, memory.home)
        self._generator = generator

    @classmethod
    def open(cls, home: str | Path | None = None, *, session: str = "default", scope: str = LOCAL, create: bool = True) -> Chat:
        """Open a conversation over the memory in `home`. Loads no model.

        Raises what `Memory.open` raises, and InputError for an empty session or scope.
        """
        if not session.strip() or not scope.strip():
            raise InputError("a chat needs a session and a scope that are not empty")
        memory = Memory.open(home, create=create)
        try:
            return cls(memory, session, scope)
        except RagbotError:
            memory.close()
            raise

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
        """Load the models now and side by side, rather than at the first question and one after the other."""
        with ThreadPoolExecutor() as pool:
            for loaded in [pool.submit(part) for part in (self.memory.embedder, self.generator, self.reader)]:
                loaded.result()

    def generator(self) -> Generator:
        """The configured generator, loaded the first time it is asked for."""
        if self._generator is None:
            self._generator = open_generator(self.memory.settings.generator, self.memory.settings.generator_timeout)
        return self._generator

    def reader(self) -> AnswerabilityModel | None:
        """What reads questions and evidence together; None where the settings say so."""
        return None if self.memory.settings.reader == NONE else open_answerability_model()

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
        history = self._history() if history is None else filter.history(history)
        answering = Answering(self.memory, self.scopes, self.persona, self.generator, self.reader)
        judged = answering.judged(question, history)
        # What fills the gap of a check is an exercise, no knowledge.
        turn = self._begin(question, "" if judged else messages.statements(question))
        said: list[AnswerSentence] = []
        failed = True
        try:
            for sentence in [judged] if judged else answering.reply(question, history, f"turn:{turn.id}"):
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
        with self.memory.store.writing() as transaction:
            transaction.add_feedback(
                self._own(transaction.turn(turn_id), turn_id), "up" if up else "down", author=storable(author)
            )

    def correct(self, turn_id: str, text: str, *, author: str = "") -> Document:
        """Say what is right instead. From now on it answers in this chat's scope, before what the turn cited.

        The cited passages stay: what else they say is still true. Raises NotFoundError, InputError.
        """
        with self.memory.store.reading() as snapshot:
            turn = self._own(snapshot.turn(turn_id), turn_id)
        correction = Document(
            uri=f"correction:{turn.id}",
            text=storable(text.strip()),
            title=messages.questions(turn.question),  # what was told in it is a document of its own, to be forgotten on its own
            kind="correction",
            scope=self.scope,
            metadata={"author": storable(author)} if author else {},
        )
        self.memory.remember(
            correction,
            disputes=turn.citations,
            also=lambda transaction: transaction.add_feedback(turn, "correction", correction.text, storable(author)),
        )
        return correction

    def _own(self, turn: Turn | None, turn_id: str) -> Turn:
        if turn is None or turn.scope != self.scope:
            raise NotFoundError(f"{turn_id}: no such turn in scope {self.scope!r}; `ragbot why` shows the last one")
        return turn

    def _history(self) -> list[tuple[str, str]]:
        with self.memory.store.reading() as snapshot:
            turns = snapshot.turns(self.scope, self.session, HISTORY_TURNS)
        return [line for turn in turns for line in (("user", turn.question), ("assistant", turn.answer)) if line[1]]

    def _begin(self, question: str, told: str) -> Turn:
        """Store the message, and what it tells as evidence, in one transaction."""
        turn = Turn(
            id=secrets.token_hex(6),
            session=self.session,
            scope=self.scope,
            question=question,
            answer="",
            claims=(),
            grounded=False,
            at=datetime.now(UTC),
        )
        if told and self.persona.remember == "told":
            document = Document(f"turn:{turn.id}", told, kind="turn", scope=self.scope, lines=False)
            self.memory.remember(document, also=lambda transaction: transaction.add_turn(turn))
        else:
            with self.memory.store.writing() as transaction:
                transaction.add_turn(turn)
        self.last = turn
        return turn

    def _finish(self, turn: Turn, said: Sequence[AnswerSentence], failed: bool) -> Turn:
        claims = tuple(_claim(s) for s in said if not s.aside)
        grounded = bool(claims) and not failed and all(claim.verdict == "supported" for claim in claims)
        sure = max((s.confidence for s in said), default=0.0)
        done = replace(turn, answer=" ".join(s.text for s in said), claims=claims, grounded=grounded, confidence=sure)
        try:
            with self.memory.store.writing() as transaction:
                transaction.add_answer(done)
        except Raced:  # a cited document was forgotten while the answer was written
            done = replace(turn, answer=(self.persona.zh if has_cjk(turn.question) else self.persona.en).unknown)
            with self.memory.store.writing() as transaction:
                transaction.add_answer(done)
        return done


def _claim(said: AnswerSentence) -> Claim:
    if said.citation is None:
        return Claim(said.text, "unsupported", said.confidence)
    return Claim(said.text, "supported", said.confidence, (said.citation,))
