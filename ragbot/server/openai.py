"""The OpenAI protocol: models, chat completions, responses, embeddings."""

from __future__ import annotations

import base64
import functools
import json
import re
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse, Response, StreamingResponse

from ragbot.chat import new_turn_id
from ragbot.errors import InputError, NotFoundError
from ragbot.server import failures
from ragbot.server import openai_types as o
from ragbot.server.answering import STREAMS, Question, server_sent
from ragbot.server.footnotes import footnotes, url_citations
from ragbot.server.parts import Caller, From
from ragbot.server.schema import MAX_NAME
from ragbot.text import layout
from ragbot.text.tokens import estimated_tokens
from ragbot.types import Done, Event, Turn

router = APIRouter(prefix="/v1", tags=["OpenAI"], responses=failures.documented(400, 401, 403, 404, 408, 413, 429, 503))
SESSION = "openai-"
"""What the names of sessions begin with that no client named."""
_FRONT_ENDS_OWN = re.compile(r"^\s*### Task:|<chat_history>|^(?:USER|ASSISTANT): ", re.MULTILINE)
"""Front-ends ask for titles and tags of a conversation with all of it in the message: nobody tells that."""
RESPONSE, COMPLETION = "resp_", "chatcmpl-"


@router.get("/models")
async def list_models(caller: From) -> o.ModelList:
    """List the personas and scopes that this key can talk to."""
    names = await caller.parts.work.do(caller.person, lambda: caller.service.models(caller.who))
    return o.ModelList(data=[o.ModelObject(id=name) for name in names])


@router.get("/models/{model}")
async def get_model(model: str, caller: From) -> o.ModelObject:
    """Say whether there is a model."""
    await caller.parts.work.do(caller.person, lambda: caller.service.chat(caller.who, model, "-"))
    return o.ModelObject(id=model)


@router.post("/chat/completions", response_model=o.Answer, responses=STREAMS)
async def complete(
    asked: o.ChatRequest, caller: From, x_ragbot_session: str | None = Header(None, max_length=MAX_NAME, pattern=r"\S")
) -> Response:
    """Answer the last message of the user, from the memory. Tools, temperature and the like change nothing."""
    text, history = o.conversation_of(asked.messages)
    session = x_ragbot_session or (asked.metadata.session if asked.metadata else None)
    session = session or await _session(caller, asked.model, history)
    question = Question(text, asked.model, session, history, tells=_FRONT_ENDS_OWN.search(text) is None)
    completion = _Completion(caller, asked)
    if asked.stream:
        events = await caller.parts.answering.events(caller.who, question, new_turn_id())
        return StreamingResponse(server_sent(completion.stream(events), _failed), media_type="text/event-stream")
    turn = await caller.attended(caller.parts.answering.ask(caller.who, question))
    return JSONResponse(completion.whole(turn))


async def _session(caller: Caller, model: str, history: list[tuple[str, str]]) -> str:
    """The session that a history belongs to: the one of its last answer; a new one where there is none."""
    find = functools.partial(caller.service.session_of, caller.who, model, history)
    found = await caller.parts.work.do(caller.person, find) if history else None
    return found or f"{SESSION}{secrets.token_hex(6)}"


def _failed(cause: Exception) -> str:
    return f"data: {json.dumps(failures.described(cause)[1])}\n\n"


def _said(turn: Turn) -> dict[str, Any]:
    """What the protocol has no field for."""
    return {"turn": turn.id, "session": turn.session, "grounded": turn.grounded, "confidence": turn.confidence}


class _Completion:
    """A chat completion in the shapes of the protocol."""

    def __init__(self, caller: Caller, asked: o.ChatRequest) -> None:
        self._asked, self._shapes = asked, caller.shapes
        self._head = {"id": f"{COMPLETION}{secrets.token_hex(12)}", "created": int(time.time()), "model": asked.model}
        self._usage = bool(asked.stream_options and asked.stream_options.include_usage)
        self._read = sum(estimated_tokens(message.read()) for message in asked.messages)

    def whole(self, turn: Turn) -> dict[str, Any]:
        """The completion of an answer."""
        message = {
            "role": "assistant",
            "content": turn.answer + self._footnotes(turn),
            "refusal": None,
            "annotations": self._annotations(turn),
        }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": self._used(turn), "ragbot": _said(turn)}

    async def stream(self, events: AsyncIterator[Event]) -> AsyncIterator[str]:
        """The lines of a stream, claim by claim; the last piece carries the citations."""
        yield self._piece({"role": "assistant", "content": ""})
        said = ""
        async for event in events:
            if not isinstance(event, Done):
                piece = layout.between(said, event.text) + event.text
                said += piece
                yield self._piece({"content": piece})
                continue
            if notes := self._footnotes(event.turn):
                yield self._piece({"content": notes})
            yield self._piece({"annotations": self._annotations(event.turn)}, "stop", ragbot=_said(event.turn))
            if self._usage:
                yield self._line(
                    {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": self._used(event.turn)}
                )
        yield "data: [DONE]\n\n"

    def _piece(self, delta: dict[str, Any], finish: str | None = None, **beside: Any) -> str:  # noqa: ANN401 (JSON)
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if self._usage else {}
        return self._line({**self._head, "object": "chat.completion.chunk", "choices": [choice], **usage, **beside})

    def _line(self, chunk: dict[str, Any]) -> str:
        return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"

    def _footnotes(self, turn: Turn) -> str:
        return footnotes(turn, self._shapes) if self._asked.footnotes else ""

    def _annotations(self, turn: Turn) -> list[dict[str, Any]]:
        return [{"type": "url_citation", "url_citation": one} for one in url_citations(turn, self._shapes)]

    def _used(self, turn: Turn) -> dict[str, int]:
        written = estimated_tokens(turn.answer)
        return {"prompt_tokens": self._read, "completion_tokens": written, "total_tokens": self._read + written}


@router.post("/responses", response_model=o.Answer, responses=STREAMS)
async def respond(asked: o.ResponseRequest, caller: From) -> Response:
    """Answer a message, from the memory; `previous_response_id` or `conversation` goes on with what was said before."""
    text, history = o.conversation_of(o.messages_of(asked.input))
    known = await _response_session(caller, asked)
    question = Question(text, asked.model, known or await _session(caller, asked.model, history), None if known else history)
    turn_id = new_turn_id()
    made = _Response(caller, asked, turn_id)
    if asked.stream:
        events = await caller.parts.answering.events(caller.who, question, turn_id)
        return StreamingResponse(server_sent(made.stream(events), made.failed), media_type="text/event-stream")
    return JSONResponse(made.whole(await caller.attended(caller.parts.answering.ask(caller.who, question, turn_id))))


@router.get("/responses/{response_id}", response_model=o.Answer)
async def get_response(response_id: str, caller: From) -> Response:
    """Show an earlier response."""
    explained = await caller.parts.work.do(
        caller.person, lambda: caller.service.turn(caller.who, response_id.removeprefix(RESPONSE))
    )
    turn = explained.turn
    return JSONResponse(_Response(caller, o.ResponseRequest(model="ragbot", input=turn.question), turn.id).whole(turn))


async def _response_session(caller: Caller, asked: o.ResponseRequest) -> str | None:
    """The session that a response goes on with; None: a new one. Raises NotFoundError for one that there is not."""
    if asked.previous_response_id is not None:
        turn_id = asked.previous_response_id.removeprefix(RESPONSE)
        try:
            found = await caller.parts.work.do(caller.person, lambda: caller.service.turn(caller.who, turn_id))
        except NotFoundError as cause:
            raise NotFoundError(
                f"previous_response_id: there is no response {asked.previous_response_id[:100]!r} here"
            ) from cause
        return found.turn.session
    if asked.conversation is not None:
        return asked.conversation if isinstance(asked.conversation, str) else asked.conversation.id
    return asked.metadata.session if asked.metadata else None


class _Response:
    """A response in the shapes of the protocol."""

    def __init__(self, caller: Caller, asked: o.ResponseRequest, turn_id: str) -> None:
        self._asked, self._shapes = asked, caller.shapes
        self._id, self._item = f"{RESPONSE}{turn_id}", f"msg_{turn_id}"
        self._created, self._number = int(time.time()), 0
        self._read = sum(estimated_tokens(message.read()) for message in o.messages_of(asked.input))

    def whole(self, turn: Turn) -> dict[str, Any]:
        """The response of an answer."""
        return self._response("completed", [self._message("completed", [self._part(turn)])], turn)

    async def stream(self, events: AsyncIterator[Event]) -> AsyncIterator[str]:
        """The events of the protocol, claim by claim."""
        place = {"item_id": self._item, "output_index": 0, "content_index": 0}
        empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        for name in ("created", "in_progress"):
            yield self._event(f"response.{name}", response=self._response("in_progress", []))
        yield self._event("response.output_item.added", output_index=0, item=self._message("in_progress", []))
        yield self._event("response.content_part.added", **place, part=empty)
        said = ""
        async for event in events:
            if not isinstance(event, Done):
                piece = layout.between(said, event.text) + event.text
                said += piece
                yield self._event("response.output_text.delta", **place, delta=piece, logprobs=[])
                continue
            part = self._part(event.turn)
            if notes := part["text"].removeprefix(event.turn.answer):
                yield self._event("response.output_text.delta", **place, delta=notes, logprobs=[])
            for at, one in enumerate(part["annotations"]):
                yield self._event("response.output_text.annotation.added", **place, annotation_index=at, annotation=one)
            yield self._event("response.output_text.done", **place, text=part["text"], logprobs=[])
            yield self._event("response.content_part.done", **place, part=part)
            yield self._event("response.output_item.done", output_index=0, item=self._message("completed", [part]))
            yield self._event("response.completed", response=self.whole(event.turn))

    def failed(self, cause: Exception) -> str:
        """The last event of a stream that failed."""
        error = failures.described(cause)[1]["error"]
        return self._event("error", code=error["code"], message=error["message"], param=error["param"])

    def _event(self, name: str, **values: Any) -> str:  # noqa: ANN401 (JSON)
        self._number += 1
        event = {"type": name, "sequence_number": self._number - 1, **values}
        return f"event: {name}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n"

    def _message(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {"id": self._item, "type": "message", "status": status, "role": "assistant", "content": content}

    def _part(self, turn: Turn) -> dict[str, Any]:
        text = turn.answer + (footnotes(turn, self._shapes) if self._asked.footnotes else "")
        cited = [{"type": "url_citation", **one} for one in url_citations(turn, self._shapes)]
        return {"type": "output_text", "text": text, "annotations": cited, "logprobs": []}

    def _response(self, status: str, output: list[dict[str, Any]], turn: Turn | None = None) -> dict[str, Any]:
        written = estimated_tokens(turn.answer) if turn else 0
        usage = {
            "input_tokens": self._read,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self._read + written,
        }
        return {
            "id": self._id,
            "object": "response",
            "created_at": int(turn.at.timestamp()) if turn else self._created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "model": self._asked.model,
            "output": output,
            "parallel_tool_calls": False,
            "previous_response_id": self._asked.previous_response_id,
            "temperature": None,
            "top_p": None,
            "tool_choice": "none",
            "tools": [],
            "usage": usage if turn else None,
            **({"ragbot": _said(turn)} if turn else {}),
        }


@router.post("/embeddings")
async def embed(asked: o.EmbeddingRequest, caller: From) -> o.Embeddings:
    """Embed texts as the memory embeds passages, or questions where `input_type` says so."""
    texts = [asked.input] if isinstance(asked.input, str) else asked.input

    def encode() -> tuple[np.ndarray[Any, np.dtype[np.float32]], str]:
        caller.service.need(caller.who, "read")
        embedder = caller.service.memory.embedder()
        if asked.dimensions not in (None, embedder.dim):
            raise InputError(f"dimensions is {asked.dimensions}; the model {embedder.model} has {embedder.dim} and no other")
        if asked.input_type == "query":
            return np.array([embedder.encode_query(text) for text in texts], np.float32), embedder.model
        return embedder.encode(texts), embedder.model

    vectors, model = await caller.task(encode)
    read = sum(map(estimated_tokens, texts))
    return o.Embeddings(
        model=model,
        data=[o.EmbeddingObject(index=at, embedding=_encoded(one, asked.encoding_format)) for at, one in enumerate(vectors)],
        usage=o.EmbeddingUsage(prompt_tokens=read, total_tokens=read),
    )


def _encoded(vector: np.ndarray[Any, np.dtype[np.float32]], form: str | None) -> list[float] | str:
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return [float(value) for value in vector]
