"""The turns of a session as a message history of LangChain. What the bot answered stands in it, and is never evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from ragbot.chat import new_turn_id
from ragbot.errors import InputError
from ragbot.memory import Memory
from ragbot.store import Snapshot, Transaction
from ragbot.text import storable
from ragbot.types import EVERYONE, LOCAL, Turn

PAGE = 500
"""How many turns are read, or erased, at a time."""


class RagbotChatMessageHistory(BaseChatMessageHistory):
    """The questions and answers of one session of one person, as a chat of that session keeps them.

    A turn holds text: messages of the system and of tools, and calls of tools, are left out.
    """

    def __init__(self, memory: Memory, session: str, *, scope: str = LOCAL) -> None:
        """Raises InputError for a session or scope that cannot be one."""
        if not session.strip() or not scope.strip() or scope.strip() == EVERYONE:
            raise InputError(f"a history needs a session, and a scope other than {EVERYONE!r}, that are not empty")
        self.memory, self.session, self.scope = memory, storable(session), storable(scope)

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # LangChain declares an attribute
        """All that was said, oldest first."""
        with self.memory.store.reading() as snapshot:
            turns = list(_turns(snapshot, self.scope, self.session))
        return [message for turn in turns for message in _messages(turn)]

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add what was said, in one transaction: an answer completes the question before it."""
        said = [(message, str(message.text)) for message in messages if isinstance(message, HumanMessage | AIMessage)]
        said = [(message, storable(text)) for message, text in said if text.strip()]
        if not said:
            return
        with self.memory.store.writing() as transaction:
            last = next(iter(transaction.turns(self.scope, self.session, 1)), None)
            for message, text in said:
                last = self._add(transaction, message, text, last)

    def _add(self, transaction: Transaction, message: BaseMessage, text: str, last: Turn | None) -> Turn:
        asks = isinstance(message, HumanMessage)
        if not asks and last and last.question and not last.answer:
            transaction.add_answer(answered := replace(last, answer=text))
            return answered
        turn = Turn(
            id=new_turn_id(),
            session=self.session,
            scope=self.scope,
            question=text if asks else "",
            answer="" if asks else text,
            claims=(),
            grounded=False,
            at=datetime.now(UTC),
        )
        transaction.add_turn(turn)
        return turn

    def clear(self) -> None:
        """Erase what was said in this session, with what each answer stood on. What was told stays known: `forget` erases it."""
        self.memory.forget_session(self.session, scope=self.scope)


def _messages(turn: Turn) -> Iterator[BaseMessage]:
    if turn.question:
        yield HumanMessage(turn.question)
    if turn.answer:
        yield AIMessage(turn.answer)


def _turns(snapshot: Snapshot, scope: str, session: str) -> Iterator[Turn]:
    pages, before = list[tuple[Turn, ...]](), None
    while True:
        page = snapshot.turns_page(scope, session, before, PAGE)
        pages.append(page.turns)
        if (before := page.before_seq) is None:
            break
    for turns in reversed(pages):
        yield from turns
