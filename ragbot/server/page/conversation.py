"""The conversation: ask, hear claim by claim, look back, name, export, delete."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from markupsafe import Markup, escape

from ragbot.chat import new_turn_id
from ragbot.server import failures
from ragbot.server.answering import Question, server_sent
from ragbot.server.page import markup
from ragbot.server.page.look import HEADERS
from ragbot.server.page.view import Here, PageRoute, Session, Talk, View, day_of
from ragbot.server.service import MODEL, Conversation
from ragbot.store.derived import FORGOTTEN
from ragbot.text import layout
from ragbot.types import Citation, Claim, Done, Event, Feedback, Refusal, Turn

router = APIRouter(route_class=PageRoute, include_in_schema=False)
TURNS, SESSIONS = 20, 30
"""So many turns, and so many conversations, are on a page."""
Model = Annotated[str, Query(max_length=200)]
Text = Annotated[str, Form(max_length=20_000)]


@router.get("/")
async def new(view: Here, model: Model = MODEL, as_of: str = "") -> Response:
    """A new conversation."""
    return await _show(view, Talk(secrets.token_urlsafe(9), model, day_of(as_of)), None)


@router.get("/c/{session}")
async def conversation(
    view: Here, session: Session, model: Model = MODEL, as_of: str = "", before: int | None = None
) -> Response:
    """A conversation with its last turns, or with those before a place."""
    return await _show(view, Talk(session, model, day_of(as_of)), before)


async def _show(view: View, talk: Talk, before: int | None) -> Response:
    service, who = view.caller.service, view.caller.who

    def look() -> tuple[Conversation, list[object], list[str]]:
        scope = talk.scope or who.scopes[0]
        found = service.conversation(who, scope, talk.session, before, TURNS)
        return found, list(service.sessions(who, scope, SESSIONS)), service.models(who)

    found, sessions, models = await view.do(look)
    turns = [shown(view, turn, found.feedback.get(turn.id, ())) for turn in found.turns]
    template = "_turns.html" if view.look.is_part and before is not None else "conversation.html"
    return view.page(
        template, talk=talk, turns=turns, before=found.before_seq, sessions=sessions, models=models, name=found.name, words=""
    )


def shown(view: View, turn: Turn, feedback: tuple[Feedback, ...] = ()) -> dict[str, object]:
    """A turn as the templates take it."""
    ratings, corrections = own_words(view, feedback)
    sources = markup.sources_of(turn)
    return {
        "turn": turn,
        "html": markup.answer(turn, lambda source: _number(view, turn, source)),
        "sources": [
            {"number": one.number, "where": where(view, one.cited), "href": source_address(view, turn, one)} for one in sources
        ],
        "nearby": [
            {"where": where(view, one), "href": source_address(view, turn, markup.Source(0, -1, one))}
            for one in dict.fromkeys(turn.nearby)
        ],
        "rating": ratings.get(None),
        "corrections": list(corrections.values()),
    }


def own_words(view: View, feedback: Sequence[Feedback]) -> tuple[dict[int | None, str], dict[int | None, Feedback]]:
    """What the reader said about an answer: ratings and corrections by the place of the claim; None: of the whole."""
    own = [one for one in feedback if one.author == view.caller.who.name]
    ratings: dict[int | None, str] = {one.claim: one.kind for one in own if one.kind in ("up", "down")}
    return ratings, {one.claim: one for one in own if one.kind == "correction" and one.text != FORGOTTEN}


def where(view: View, cited: Citation) -> str:
    """The place of a citation in the reader's language."""
    if cited.said_at is not None:
        told = "source.told_at" if cited.kind == "turn" else "source.corrected_at"
        return view.look.label(told, at=f"{cited.said_at:%Y-%m-%d %H:%M} UTC")
    name = cited.shown or cited.uri
    if cited.page is not None:
        return f"{name}, {view.look.label('source.page', page=cited.page)}"
    return f"{name}, {view.look.label('source.line', line=cited.line)}" if cited.line else cited.where


def source_address(view: View, turn: Turn, source: markup.Source) -> str:
    """Where a source of an answer is shown."""
    cited, passage = source.cited, view.caller.parts.links.id_of(source.cited.chunk_id)
    return f"/source/{passage}?from={cited.start}&to={cited.end}&turn={turn.id}&number={source.number}"


def _number(view: View, turn: Turn, source: markup.Source) -> str:
    said = view.look.label("source.label", number=source.number, where=where(view, source.cited))
    address = escape(source_address(view, turn, source))
    return Markup(
        '<a class="cite" href="{0}" hx-get="{0}" hx-target="#drawer" hx-swap="innerHTML" aria-label="{1}">{2}</a>'
    ).format(address, said, source.number)


@router.post("/ask")
async def ask(
    view: Here, message: Text, session: Annotated[str, Form(max_length=200)], model: Annotated[str, Form()] = MODEL,
    as_of: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Answer a message: claim by claim for the script, as the whole conversation for who has none."""
    talk, answering = Talk(session, model, day_of(as_of)), view.caller.parts.answering
    question = Question(message, model, session, as_of=talk.as_of)
    if not view.look.is_part:
        turn = await view.caller.attended(answering.ask(view.caller.who, question))
        return view.back(f"{talk.address}#turn-{turn.id}")
    turn_id = new_turn_id()
    events = await answering.events(view.caller.who, question, turn_id)
    begun = Turn(turn_id, session, "", message, "", (), False, datetime.now(UTC))
    lines = server_sent(_lines(view, talk, begun, events), lambda cause: _failed(view, cause))
    return StreamingResponse(lines, media_type="text/event-stream", headers=HEADERS)


async def _lines(view: View, talk: Talk, turn: Turn, events: AsyncIterator[Event]) -> AsyncIterator[str]:
    yield message_line(view.look.html("_draft.html", **shown(view, turn)))
    said: list[str] = []
    async with aclosing(events) as hearing:  # type: ignore[type-var]
        async for event in hearing:
            if isinstance(event, Done):
                yield message_line(
                    view.look.html("_answered.html", talk=talk, roles=view.caller.who.roles, **shown(view, event.turn))
                )
                yield f"event: answered\ndata: {talk.address}\n\n"
                return
            said.append(event.text)
            claims = (*turn.claims, event) if isinstance(event, Claim) else turn.claims
            nearby = event.nearby if isinstance(event, Refusal) else ()
            turn = replace(turn, answer=layout.joined(said), claims=claims, nearby=nearby)
            yield message_line(view.look.html("_draft.html", **shown(view, turn)))


def _failed(view: View, cause: Exception) -> str:
    message = failures.described(cause)[1]["error"]["message"]
    return message_line(view.look.html("_failed.html", message=message)) + "event: failed\ndata: \n\n"


def message_line(html: str) -> str:
    """HTML as one message of a stream."""
    return "".join(f"data: {line}\n" for line in html.splitlines()) + "\n"


@router.get("/conversations")
async def conversations(
    view: Here, words: Annotated[str, Query(max_length=200)] = "", model: Model = MODEL, before: int | None = None
) -> Response:
    """The conversations in which some words were said."""
    who, talk = view.caller.who, Talk("", model)
    scope = talk.scope or who.scopes[0]
    found = await view.do(lambda: view.caller.service.sessions(who, scope, SESSIONS, before, words.strip()))
    template = "_conversations.html" if view.look.is_part else "conversations.html"
    return view.page(template, sessions=found, talk=talk, words=words)


@router.post("/c/{session}/name")
async def rename(
    view: Here, session: Session, name: Annotated[str, Form(max_length=200)], model: Annotated[str, Form()] = MODEL
) -> Response:
    """Call a conversation something."""
    talk, who = Talk(session, model), view.caller.who
    await view.do(lambda: view.caller.service.rename_session(who, talk.scope or who.scopes[0], session, name))
    return view.back(talk.address)


@router.post("/c/{session}/delete")
async def delete(view: Here, session: Session, model: Annotated[str, Form()] = MODEL) -> Response:
    """Erase what was asked and answered in a conversation."""
    talk, who = Talk(session, model), view.caller.who
    await view.caller.task(lambda: view.caller.service.forget_session(who, talk.scope or who.scopes[0], session))
    return view.back("/" if model == MODEL else f"/?{urlencode({'model': model})}")


@router.get("/c/{session}/export")
async def export(view: Here, session: Session, model: Model = MODEL, form: str = "md") -> Response:
    """A conversation as a file: Markdown for people, JSON for programs."""
    talk, who = Talk(session, model), view.caller.who

    def whole() -> list[Turn]:
        scope, found, before = talk.scope or who.scopes[0], list[Turn](), None
        while True:
            page = view.caller.service.conversation(who, scope, session, before, 200)
            found, before = [*page.turns, *found], page.before_seq
            if before is None:
                return found

    turns = await view.do(whole)
    if form == "json":
        body = json.dumps([view.caller.shapes.turn(turn).model_dump(mode="json") for turn in turns], ensure_ascii=False, indent=1)
    else:
        body = "\n".join(_as_markdown(turn) for turn in turns)
    headers = {**HEADERS, "content-disposition": f'attachment; filename="conversation.{"json" if form == "json" else "md"}"'}
    return PlainTextResponse(body, media_type="application/json" if form == "json" else "text/markdown", headers=headers)


def _as_markdown(turn: Turn) -> str:
    sources = "".join(
        f"\n{one.number}. {one.cited.where}: “{' '.join(one.cited.quote.split())}”" for one in markup.sources_of(turn)
    )
    return f"## {turn.question}\n\n*{turn.at:%Y-%m-%d %H:%M} UTC*\n\n{turn.answer}\n{sources}\n"
