"""A chat over a memory as a chat model of LangChain."""
# ruff: noqa: ANN401 (the signatures are LangChain's)

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from ragbot.chat import Chat
from ragbot.errors import InputError
from ragbot.integrations.langchain import citations
from ragbot.memory import Memory
from ragbot.text import layout, storable
from ragbot.text.tokens import estimated_tokens
from ragbot.types import LOCAL, Done, Event, Turn

SESSION = "langchain-"
"""What the names of sessions begin with that nobody named."""


class ChatRagbot(BaseChatModel):
    """Answers the last message from a memory, in the words of its sources; says that it does not know where nothing answers.

    The messages before are its history. Those of the system and of tools, temperature and the like change nothing.
    """

    memory: Memory = Field(default_factory=Memory.open, exclude=True, repr=False)
    """By default the one in RAGBOT_HOME, else `indexes`."""
    scope: str = LOCAL
    """Whose chat it is: who tells something tells it here."""
    reads: tuple[str, ...] = ()
    """Other scopes that it reads, beside its own and what everyone may see."""
    session: str | None = None
    """None: the session in which the last answer of the messages was given; a new one where there is none."""
    tells: bool = True
    """Whether what is said is remembered, corrected and forgotten, as in every chat; False: it is history only."""
    as_of: datetime | None = None
    """What held then."""
    model: str | None = None
    """The generator, as the setting `generator` names it; None: the configured one."""
    stop: list[str] | None = None
    cache: Any = Field(default=False, exclude=True)
    """What was told a second ago changes the answer: nothing is cached."""

    @property
    def _llm_type(self) -> str:
        return "ragbot"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"home": str(self.memory.home), "scope": self.scope, "session": self.session, "model": self._name(None)}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        model = kwargs.get("model")
        return super()._get_ls_params(stop=stop or self.stop, **{**kwargs, "model": self._name(model)})

    def _name(self, model: str | None) -> str:
        return model or self.model or self.memory.settings.generator

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        model: str | None = kwargs.get("model")
        for event in self._events(messages, model):
            if isinstance(event, Done):
                turn, text = event.turn, _until(event.turn.answer, stop or self.stop)
                message = AIMessage(
                    text,
                    additional_kwargs=citations.kept(turn, len(text)),
                    response_metadata=self._metadata(turn, model),
                    usage_metadata=_usage(messages, text),
                )
                return ChatResult(generations=[ChatGeneration(message=message)])
        raise AssertionError("the events of an answer end with Done")

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        model: str | None = kwargs.get("model")
        said = shown = ""
        with closing(self._events(messages, model)) as events:
            for event in events:
                if isinstance(event, Done):
                    last = AIMessageChunk(
                        content="",
                        additional_kwargs=citations.kept(event.turn, len(shown)),
                        response_metadata=self._metadata(event.turn, model),
                        usage_metadata=_usage(messages, shown),
                        chunk_position="last",
                    )
                    yield ChatGenerationChunk(message=last)
                    continue
                said += layout.between(said, event.text) + event.text
                piece, shown = _until(said, stop or self.stop)[len(shown) :], _until(said, stop or self.stop)
                if piece:
                    yield ChatGenerationChunk(message=AIMessageChunk(content=piece))

    def _events(self, messages: Sequence[BaseMessage], model: str | None) -> Generator[Event]:
        question, history = conversation(messages)
        name, settings = model or self.model, self.memory.settings
        generator = self.memory.runtime.generator(name, settings.generator_timeout) if name else None
        session = self.session or self._session(history) or f"{SESSION}{secrets.token_hex(6)}"
        chat = Chat(self.memory, session, self.scope, generator, reads=self.reads, tells=self.tells)
        yield from chat.events(question, history=history, as_of=self.as_of)

    def _session(self, history: Sequence[tuple[str, str]]) -> str | None:
        """The session of the last answer, so that what refers to it finds what it stood on."""
        with self.memory.store.reading() as snapshot:
            return snapshot.session_of(storable(self.scope), [(role, storable(text)) for role, text in history])

    def _metadata(self, turn: Turn, model: str | None) -> dict[str, Any]:
        known = {"turn": turn.id, "session": turn.session, "grounded": turn.grounded, "confidence": turn.confidence}
        return {"model_name": self._name(model), "model_provider": citations.PROVIDER, "finish_reason": "stop", **known}


def conversation(messages: Sequence[BaseMessage]) -> tuple[str, list[tuple[str, str]]]:
    """The message to answer, which is the last one, and (role, text) of what was said before. Raises InputError."""
    roles = [("user" if isinstance(one, HumanMessage) else "assistant", one) for one in messages if _is_said(one)]
    said = [(role, str(one.text)) for role, one in roles if one.text.strip()]
    if not said or said[-1][0] != "user":
        raise InputError("the messages do not end with one of the user's; add the question as a HumanMessage with text")
    return said[-1][1], said[:-1]


def _is_said(message: BaseMessage) -> bool:
    return isinstance(message, HumanMessage | AIMessage)


def _until(text: str, stop: Sequence[str] | None) -> str:
    """The text before the first of some words."""
    places = [at for word in stop or () if word and (at := text.find(word)) >= 0]
    return text[: min(places)] if places else text


def _usage(messages: Sequence[BaseMessage], answer: str) -> UsageMetadata:
    read, written = sum(estimated_tokens(str(message.text)) for message in messages), estimated_tokens(answer)
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
