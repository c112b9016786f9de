"""A conversation: ask, stream, events, rate, correct.

What a person tells is memory the moment it is said, before anything is answered. What the bot
answers is history, and never evidence.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ragbot.answer import intent_model
from ragbot.answer import persona as personas
from ragbot.answer.answerer import Answerer, open_gap
from ragbot.answer.context import Context
from ragbot.answer.facts import Effect, Facts
from ragbot.answer.intent import Ask, understand
from ragbot.answer.intent_model import Intent
from ragbot.answer.persona import Persona
from ragbot.answer.quote import cite_own
from ragbot.errors import InputError, NotFoundError, RagbotError
from ragbot.memory import Memory
from ragbot.models.answerability import AnswerabilityModel
from ragbot.models.generator import Generator
from ragbot.models.supersession import SupersessionModel
from ragbot.runtime import Runtime
from ragbot.search import filter
from ragbot.settings import NONE
from ragbot.store import Raced, Transaction
from ragbot.store.derived import FORGOTTEN
from ragbot.store.rows import micros
from ragbot.store.schema import NO_CLAIM
from ragbot.text import layout, messages, storable
from ragbot.types import EVERYONE, LOCAL, Citation, Claim, Document, Done, Event, Hit, Refusal, Turn, TurnHit

HISTORY_TURNS = 4
ANSWERS, REVISES = "quote", "revise"
"""Strategies: the documents are asked, or the answer before is said otherwise."""


def new_turn_id() -> str:
    """An id that no other turn has."""
    return secrets.token_hex(6)


class Chat:
    """One session of one person. Reads what everyone may see, its own scope, and `reads`; writes to its own.

    With `tells` false, what is said is history only: nothing is remembered, corrected or forgotten by it.
    """

    def __init__(
        self,
        memory: Memory,
        session: str,
        scope: str,
        generator: Generator | None = None,
        persona: Persona | None = None,
        reads: Collection[str] = (),
        tells: bool = True,
    ) -> None:
        """A conversation over an open memory. Raises InputError for a session or scope that cannot be one."""
        if not session.strip() or not scope.strip():
            raise InputError("a chat needs a session and a scope that are not empty")
        if scope.strip() == EVERYONE:
            raise InputError(f"{EVERYONE!r} is no person's scope: one would write for all; name the person, or leave it out")
        self.memory = memory
        self.session = storable(session)
        self.scope = storable(scope)
        others = dict.fromkeys(map(storable, (EVERYONE, *reads)))
        self.scopes = (*(one for one in others if one != self.scope), self.scope)
        """Whose knowledge this chat reads, its own last."""
        self.persona = persona or personas.load(memory.settings.persona, memory.home)
        self._tells = tells
        self._generator = generator

    @classmethod
    def open(
        cls,
        home: str | Path | None = None,
        *,
        session: str = "default",
        scope: str = LOCAL,
        create: bool = True,
        runtime: Runtime | None = None,
    ) -> Chat:
        """Open a conversation over the memory in `home`. Loads no model.

        Raises what `Memory.open` raises, and InputError for a session or scope that is empty or reserved.
        """
        memory = Memory.open(home, create=create, runtime=runtime)
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

    def load(self, *, generator: bool = True) -> None:
        """Load the models now and side by side, rather than at the first question and one after the other."""

        def embedder() -> None:
            self.memory.embedder().encode_query("warm")  # its network is put together for its first text

        parts = (embedder, self.answerability_model, *([self.generator] if generator else []))
        with ThreadPoolExecutor() as pool:
            for loaded in [pool.submit(part) for part in parts]:
                loaded.result()

    def generator(self) -> Generator:
        """The configured generator, loaded the first time it is asked for."""
        settings = self.memory.settings
        return self._generator or self.memory.runtime.generator(settings.generator, settings.generator_timeout)

    def answerability_model(self) -> AnswerabilityModel | None:
        """The model that reads question and evidence together; None where the settings say so."""
        return None if self.memory.settings.reader == NONE else self.memory.runtime.answerability_model()

    def _intents(self, texts: Sequence[str]) -> list[Intent]:
        """What the model of intents takes texts for; nothing where its embedder is not that of the memory."""
        space, model = self.memory.retriever.answering_space(), intent_model.shipped()
        if f"{space.model}@{space.revision}" != model.embedder:
            return []
        vectors = [self.memory.encode_query(text, scopes=self.scopes) for text in texts]
        return model.read(texts, np.array(vectors, np.float32))

    def ask(self, question: str, *, history: Sequence[tuple[str, str]] | None = None, as_of: datetime | None = None) -> Turn:
        """Answer a message. The turn's citations carry its sentences; without any, it says it does not know.

        `history` is (role, text), oldest first, for callers that keep the conversation elsewhere; by default it is
        the last turns of this session. `as_of` asks what held then. Raises InputError for an empty message, ModelError if a
        model is missing.
        """
        for event in self.events(question, history=history, as_of=as_of):
            if isinstance(event, Done):
                return event.turn
        raise AssertionError("the events of an answer end with Done")

    def stream(self, question: str, *, history: Sequence[tuple[str, str]] | None = None) -> Iterator[str]:
        """Answer a message piece by piece, as `ask` does; each piece is checked before it is given.

        The turn is stored when the iterator ends. If it is closed early, what was said until then is stored; if it fails,
        likewise, and the turn counts as ungrounded.
        """
        said = ""
        for event in self.events(question, history=history):
            if not isinstance(event, Done):
                piece = layout.between(said, event.text) + event.text
                said += piece
                yield piece

    def events(
        self,
        question: str,
        *,
        history: Sequence[tuple[str, str]] | None = None,
        as_of: datetime | None = None,
        turn_id: str | None = None,
    ) -> Iterator[Event]:
        """Answer a message as typed events, each as soon as it is sure; the last one is Done, with the stored turn.

        `turn_id` is for callers that have to name the turn before it begins: one that `new_turn_id` made.
        """
        if not isinstance(question, str) or not question.strip():
            raise InputError("the message is empty; ask or tell something")
        question = storable(question)
        ask = understand(question, self._history() if history is None else filter.history(history), self._intents)
        context = Context(self.memory, self.scopes, None if as_of is None else micros(as_of, "as_of"))
        answerer = Answerer(context, self.persona, self.generator, self.answerability_model, self.memory.settings)
        gap, last = open_gap(ask, self.persona), self._last(ask.history) if ask.kind == "revise" else None
        # What fills the gap of a check is an exercise, no knowledge.
        turn, did = self._begin(ask, turn_id or new_turn_id(), told=not gap)
        said: list[Event] = []
        failed = True
        try:
            judged = answerer.judged(gap, question) if gap else None
            if gap and judged is None:
                did = self._remember_told(turn, ask)
            for event in [judged] if judged else answerer.events(ask, did, last):
                said.append(event)
                yield event
            failed = False
        except GeneratorExit:
            failed = False
            raise
        finally:
            done = self._finish(turn, ask, said, context.hits, failed, forgot=bool(did.forgotten))
        yield Done(done)

    def understood(self, turn: Turn) -> Ask:
        """How the message of a stored turn is read, after the turns before it."""
        with self.memory.store.reading() as snapshot:
            before = snapshot.turns_before(turn, HISTORY_TURNS)
        return understand(turn.question, _lines(before), self._intents)

    def rate(self, turn_id: str, *, up: bool, author: str = "", claim: int | None = None) -> None:
        """Say whether a turn, or the claim at a place in it, was good. Raises NotFoundError if the scope has no such turn."""
        with self.memory.store.writing() as transaction:
            turn, place = self._rated(transaction.turn(turn_id), turn_id, claim)
            transaction.add_feedback(turn, "up" if up else "down", author=storable(author), claim=place)

    def unrate(self, turn_id: str, *, author: str = "", claim: int | None = None) -> None:
        """Take back what the author said by `rate`. Raises NotFoundError."""
        with self.memory.store.writing() as transaction:
            turn, place = self._rated(transaction.turn(turn_id), turn_id, claim)
            transaction.erase_rating(turn.id, storable(author), place)

    def _rated(self, turn: Turn | None, turn_id: str, claim: int | None) -> tuple[Turn, int]:
        turn = self._own(turn, turn_id)
        if claim is None:
            return turn, NO_CLAIM
        if not 0 <= claim < len(turn.claims):
            raise NotFoundError(f"{turn_id}: its answer has no claim {claim}; it has {len(turn.claims)}, counted from 0")
        return turn, claim

    def correct(self, turn_id: str, text: str, *, author: str = "", claim: int | None = None) -> Document:
        """Say what is right instead of an answer, or of the claim at a place in it.

        From now on it answers in this chat's scope, before what was cited. The cited passages stay: what else they say is still
        true. Raises NotFoundError, InputError.
        """
        with self.memory.store.reading() as snapshot:
            turn, place = self._rated(snapshot.turn(turn_id), turn_id, claim)
        return self._correct(turn, storable(text.strip()), storable(author), place=place)

    def _correct(self, turn: Turn, text: str, author: str = "", new: Turn | None = None, *, place: int = NO_CLAIM) -> Document:
        """Remember a correction of a turn; with `new`, the turn in which it was said, in the same transaction."""
        correction = Document(
            uri=f"correction:{turn.id}" if place == NO_CLAIM else f"correction:{turn.id}.{place}",
            text=text,
            title=messages.parse(
                turn.question
            ).question,  # what was told in it is a document of its own, to be forgotten on its own
            kind="correction",
            scope=self.scope,
            metadata={"author": author} if author else {},
        )

        def also(transaction: Transaction) -> None:
            transaction.add_feedback(turn, "correction", text, author, claim=place)
            if new:
                transaction.add_turn(new)

        cited = turn.citations if place == NO_CLAIM else turn.claims[place].citations
        self.memory.remember(correction, disputes=cited, also=also)
        return correction

    def _own(self, turn: Turn | None, turn_id: str) -> Turn:
        if turn is None or turn.scope != self.scope:
            raise NotFoundError(f"{turn_id}: no such turn in scope {self.scope!r}; `ragbot why` shows the last one")
        return turn

    def _history(self) -> list[tuple[str, str]]:
        with self.memory.store.reading() as snapshot:
            turns = snapshot.turns(self.scope, self.session, HISTORY_TURNS)
        return _lines(turns)

    def _last(self, history: Sequence[tuple[str, str]]) -> Turn | None:
        """The last answer that was no revision, with what was said to it since; None if the history ends with another one."""
        with self.memory.store.reading() as snapshot:
            turns = snapshot.turns(self.scope, self.session, HISTORY_TURNS)
        if not turns or not history or history[-1] != ("assistant", turns[-1].answer):
            return None
        since = [turns.pop()]
        while turns and since[0].strategy == REVISES:
            since.insert(0, turns.pop())
        claims = dict[tuple[Citation, ...], Claim]()
        for claim in (claim for turn in since for claim in turn.claims):
            claims.setdefault(claim.citations, claim)
        return replace(since[0], claims=tuple(claims.values()))

    @property
    def _remembers(self) -> bool:
        return self._tells and self.persona.remember == "told"

    def _begin(self, ask: Ask, turn_id: str, *, told: bool) -> tuple[Turn, Effect]:
        """Store the message, and do what it wants done to the memory: what it tells is evidence in the same transaction."""
        turn = Turn(
            id=turn_id,
            session=self.session,
            scope=self.scope,
            question=ask.text,
            answer="",
            claims=(),
            grounded=False,
            at=datetime.now(UTC),
            strategy=REVISES if ask.kind == "revise" else ANSWERS,
        )
        if ask.kind == "takes back":  # what takes something back stands in its place, so that it can be undone
            ask = replace(ask, told=(ask.text,))
        if told and ask.told and self._remembers:
            return turn, self._remember_told(turn, ask, new=True)
        did = Effect(unheard=not self._tells)
        if ask.kind == "forget" and self._tells:
            did = self._forget(ask)
            turn = replace(turn, question=FORGOTTEN) if did.forgotten else turn
        with self.memory.store.writing() as transaction:
            transaction.add_turn(turn)
        return turn, did

    def _remember_told(self, turn: Turn, ask: Ask, *, new: bool = False) -> Effect:
        """Make what a message tells evidence, and set aside what it ends; with `new`, add the turn in the same transaction."""
        if not ask.told or not self._remembers:
            return Effect()
        last, facts = self._before(turn), Facts(self.memory, self.scope, self._supersession_model)
        ended = facts.ended_by(ask.statements, last)
        if ask.corrects and not ended and last and last.citations and all(one.kind != "turn" for one in last.citations):
            correction = self._correct(last, ask.statements, new=turn if new else None)
            with self.memory.store.reading() as snapshot:
                return Effect(cite_own(snapshot.chunks_of(self.scope, correction.uri)))
        documents = facts.documents(ask.told, turn.id, turn.at.date(), last, ended)
        cited = list[Citation | None]()

        def also(transaction: Transaction) -> None:
            cited.append(cite_own(transaction.chunks_of(self.scope, documents[0].uri)))
            if new and transaction.turn(turn.id) is None:
                transaction.add_turn(turn)

        owners = facts.owners(documents, ended)
        self.memory.remember(documents, disputes=lambda document: owners.get(document.uri, ()), also=also)
        replaced = tuple(
            fact.chunk.text for fact in ended if fact.chunk.text not in ask.told
        )  # who says it again replaces nothing
        return Effect(cited[-1], replaced=replaced)

    def _forget(self, ask: Ask) -> Effect:
        """Erase what an order to forget means."""
        facts, last = Facts(self.memory, self.scope, self._supersession_model), self._before()
        if messages.forgets_all(ask.text):
            meant = facts.all()
        elif messages.forgets_last(ask.text):
            meant = facts.with_versions(facts.just_told(last))
        else:
            meant = facts.forgotten(ask.text, last)
        if not meant:
            return Effect()
        self.memory.forget_each([fact.chunk.uri for fact in meant], scope=self.scope)
        return Effect(forgotten=tuple(fact.chunk.text for fact in meant))

    def _before(self, turn: Turn | None = None) -> Turn | None:
        """The last turn of this session, before `turn`."""
        with self.memory.store.reading() as snapshot:
            turns = [one for one in snapshot.turns(self.scope, self.session, 2) if turn is None or one.id != turn.id]
        return turns[-1] if turns else None

    def _supersession_model(self) -> SupersessionModel | None:
        """The model of what later messages end; None where no model is to read."""
        return None if self.memory.settings.reader == NONE else self.memory.runtime.supersession_model()

    def _finish(self, turn: Turn, ask: Ask, said: Sequence[Event], hits: Sequence[Hit], failed: bool, *, forgot: bool) -> Turn:
        """Store what was said, with what it stands on and what was retrieved; with `forgot`, without the words that are gone."""
        claims = tuple(event for event in said if isinstance(event, Claim))
        texts = [event.text for event in said if not isinstance(event, Done)]
        sure = [event.score for event in claims] + [event.confidence for event in said if isinstance(event, Refusal)]
        done = replace(
            turn,
            answer=layout.joined(texts),
            claims=claims,
            nearby=tuple(cited for event in said if isinstance(event, Refusal) for cited in event.nearby),
            grounded=bool(claims) and not failed and all(claim.verdict == "supported" for claim in claims),
            confidence=max(sure, default=0.0),
            versions=self._versions(),
        )
        features = [TurnHit(hit.chunk.id, at, hit.score, hit.features) for at, hit in enumerate(hits, 1)]
        try:
            with self.memory.store.writing() as transaction:
                transaction.add_answer(replace(done, answer=FORGOTTEN) if forgot else done, features)
        except Raced:  # a cited document was forgotten while the answer was written
            words = self.persona.zh if ask.language == "zh" else self.persona.en
            done = replace(turn, answer=words.unknown, versions=done.versions)  # which names no source
            with self.memory.store.writing() as transaction:
                transaction.add_answer(done)
        return done

    def _versions(self) -> dict[str, str]:
        """Names and revisions of what took part."""
        settings = self.memory.settings
        answerability = "" if settings.reader == NONE else settings.reader
        generator = self._generator.model if self._generator else settings.generator
        own = {"generator": generator, "answerability": answerability, "persona": self.persona.name}
        return {**self.memory.versions(), **own}


def _lines(turns: Sequence[Turn]) -> list[tuple[str, str]]:
    """Turns as a history of (role, text)."""
    return [line for turn in turns for line in (("user", turn.question), ("assistant", turn.answer)) if line[1]]
