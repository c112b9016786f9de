"""One answer for a door: its turn in the queue, its events, its measurements, its trace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opentelemetry import trace

from ragbot.access import Principal
from ragbot.chat import Chat, new_turn_id
from ragbot.server.metrics import Metrics
from ragbot.server.service import Service
from ragbot.server.work import Stream, Work
from ragbot.types import Done, Event, Turn

tracer = trace.get_tracer("ragbot")
UNTOLD: Any = {"record_exception": False, "set_status_on_exception": False}
"""What an exception says may hold somebody's words."""
PING_S = 15.0
"""After so long without an event, a stream says that it lives."""
PING = ": ping\n\n"
STREAMS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}
"""What OpenAPI says of a route that may answer in events."""


@dataclass(frozen=True, slots=True)
class Question:
    """A message to a persona in a session."""

    text: str
    model: str
    session: str
    history: Sequence[tuple[str, str]] | None = None
    """What was said before; None: the last turns of the session."""
    as_of: datetime | None = None
    tells: bool = True
    """Whether what it tells is remembered, if who asks may tell."""


@dataclass(frozen=True, slots=True)
class Answering:
    """Answers for one server."""

    service: Service
    work: Work
    metrics: Metrics
    load: Callable[[], object]
    """Begins to load the generator, once: a server that nobody asks does without it."""

    async def ask(self, who: Principal, question: Question, turn_id: str | None = None) -> Turn:
        """The whole answer. Raises FullError, and what the chat raises."""
        async with aclosing(self._begun(who, question, turn_id or new_turn_id())) as events:
            async for event in events:
                if isinstance(event, Done):
                    return event.turn
        raise AssertionError("the events of an answer end with Done")

    async def events(self, who: Principal, question: Question, turn_id: str) -> Stream[Event]:
        """The events of an answer. What is wrong with the question is raised here, before the first event."""
        await self.work.do(who.name, lambda: self._chat(who, question))
        return self._begun(who, question, turn_id)

    def _begun(self, who: Principal, question: Question, turn_id: str) -> Stream[Event]:
        asked = time.perf_counter()
        self.load()
        return self.work.answer(who.name, lambda: self._events(who, question, turn_id, asked))

    def _chat(self, who: Principal, question: Question) -> Chat:
        return self.service.chat(who, question.model, question.session, tells=question.tells)

    def _events(self, who: Principal, question: Question, turn_id: str, asked: float) -> Iterator[Event]:
        """The events, measured. Closed early, the answer is kept as far as it came."""
        first, outcome = True, "broken off"
        chat = self._chat(who, question)
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "ragbot",
            "gen_ai.request.model": question.model,
            "gen_ai.response.id": turn_id,
        }
        with tracer.start_as_current_span(f"chat {question.model}", attributes=attributes, **UNTOLD) as span:
            try:
                for event in chat.events(question.text, history=question.history, as_of=question.as_of, turn_id=turn_id):
                    if first:
                        self.metrics.first_words.observe(time.perf_counter() - asked)
                        first = False
                    if isinstance(event, Done):
                        outcome = "grounded" if event.turn.grounded else "cited" if event.turn.claims else "without a source"
                    yield event
            except Exception:
                outcome = "failed"
                raise
            finally:
                span.set_attribute("gen_ai.response.finish_reasons", [outcome])
                self.metrics.answers.labels(outcome).inc()


async def server_sent(texts: AsyncIterator[str], failed: Callable[[Exception], str]) -> AsyncIterator[str]:
    """The lines of a stream, with a sign of life where there is nothing to say, and an error as the last of it."""
    ahead: asyncio.Task[str] | None = None
    try:
        while True:
            ahead = ahead or asyncio.ensure_future(anext(texts))
            done, _ = await asyncio.wait({ahead}, timeout=PING_S)
            if not done:
                yield PING
                continue
            finished, ahead = ahead, None
            yield finished.result()
    except StopAsyncIteration:
        return
    except Exception as cause:  # the status was sent long ago: the stream itself says what failed
        yield failed(cause)
    finally:
        if ahead is not None:
            ahead.cancel()
