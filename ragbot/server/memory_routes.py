"""The memory's own routes: the verbs of ragbot over HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from ragbot.chat import new_turn_id
from ragbot.errors import InputError
from ragbot.server import failures, shapes
from ragbot.server import schema as s
from ragbot.server.answering import STREAMS, Question, server_sent
from ragbot.server.parts import Caller, From
from ragbot.server.passage_page import page_of
from ragbot.server.service import Selection
from ragbot.text import storable
from ragbot.types import Block, Claim, Document, Done, Event, Kind, Refusal

router = APIRouter(prefix="/v1/memory", tags=["Memory"], responses=failures.documented(400, 401, 403, 404, 408, 413, 429, 503))
Scope = Annotated[s.Name | None, Query(description="Only of this scope; else of all that the key sees.")]
Uri = Annotated[s.Name, Query(description="The address of a document.")]
When = Annotated[s.Time | None, Query()]
Limit = Annotated[int, Query(ge=1, le=200)]


@router.post("/ask", response_model=s.Turn, responses=STREAMS)
async def ask(asked: s.Ask, caller: From) -> Response | s.Turn:
    """Answer a message, or remember what it tells."""
    history = None if asked.history is None else [(one.role, one.content) for one in asked.history]
    question = Question(asked.message, asked.model, asked.session, history, asked.as_of)
    if not asked.stream:
        return caller.shapes.turn(await caller.attended(caller.parts.answering.ask(caller.who, question)))
    events = await caller.parts.answering.events(caller.who, question, new_turn_id())
    return StreamingResponse(server_sent(_lines(events, caller), failed_line), media_type="text/event-stream")


async def _lines(events: AsyncIterator[Event], caller: Caller) -> AsyncIterator[str]:
    async for event in events:
        match event:
            case Done():
                yield event_line("done", caller.shapes.turn(event.turn).model_dump(mode="json"))
            case Claim():
                yield event_line("claim", caller.shapes.claim(event).model_dump(mode="json"))
            case Refusal():
                nearby = [caller.shapes.citation(one).model_dump(mode="json") for one in event.nearby]
                yield event_line("refusal", {"text": event.text, "confidence": event.confidence, "nearby": nearby})
            case _:
                yield event_line("block" if isinstance(event, Block) else "note", {"text": event.text})


def event_line(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def failed_line(cause: Exception) -> str:
    return event_line("error", failures.described(cause)[1])


@router.post("/recall")
async def recall(asked: s.Recall, caller: From) -> s.Hits:
    """Find the passages that fit a query best, with their features."""
    selection = Selection(asked.as_of, asked.known_at, asked.since, asked.until, tuple(asked.kinds), tuple(asked.uris))
    history = [(one.role, one.content) for one in asked.history]

    def find() -> s.Hits:
        hits = caller.service.recall(caller.who, asked.query, asked.k, selection, scope=asked.scope, history=history)
        return s.Hits(hits=[caller.shapes.hit(hit, explain=asked.explain) for hit in hits])

    return await caller.parts.work.do(caller.person, find)


@router.get("/documents")
async def documents(
    caller: From,
    scope: Scope = None,
    uri: Annotated[s.Pattern | None, Query(description="Only addresses that match; * stands for anything.")] = None,
    kind: Annotated[list[Kind] | None, Query(max_length=3)] = None,
    after: Annotated[str | None, Query(max_length=4000, description="The cursor `next` of the page before.")] = None,
    limit: Limit = 50,
) -> s.Documents:
    """List documents, page by page."""

    def page() -> s.Documents:
        found = caller.service.documents(
            caller.who, after=cursor(after) if after else None, limit=limit + 1, scope=scope, kinds=kind or (), uri=uri or ""
        )
        following = cursor_of(found[limit - 1].scope, found[limit - 1].uri) if len(found) > limit else None
        return s.Documents(documents=[shapes.document(one) for one in found[:limit]], next=following)

    return await caller.parts.work.do(caller.person, page)


def cursor_of(scope: str, uri: str) -> str:
    """Where a page of documents ends, for who asks for the next one."""
    return base64.urlsafe_b64encode(json.dumps([scope, uri]).encode()).decode()


def cursor(text: str) -> tuple[str, str]:
    """Scope and uri that a cursor stands for. Raises InputError."""
    try:
        scope, uri = json.loads(base64.urlsafe_b64decode(text.encode()))
        if isinstance(scope, str) and isinstance(uri, str):
            return storable(scope), storable(uri)
    except (ValueError, TypeError, RecursionError):
        pass
    raise InputError("after is no cursor; give the `next` of a page, or leave it out")


@router.post("/documents", responses=failures.documented(422))
async def remember(given: s.Remember, caller: From) -> s.RememberedOut:
    """Remember a text; one of the same address is replaced by it."""
    document = Document(
        given.uri,
        given.text,
        given.title,
        valid_from=given.valid_from,
        valid_to=given.valid_to,
        metadata=given.metadata,
    )

    def add() -> s.RememberedOut:
        scope = caller.service.writes(caller.who, given.scope, "write")
        done = caller.service.remember(caller.who, document, given.scope)
        status: Literal["added", "updated", "unchanged"] = (
            "unchanged" if done.skipped else "updated" if done.kept or done.retired else "added"
        )
        return s.RememberedOut(
            uri=given.uri, scope=scope, status=status, added=done.added, kept=done.kept, retired=done.retired, note=""
        )

    return await caller.task(add)


@router.delete("/documents")
async def forget(caller: From, uri: Uri, scope: Scope = None) -> s.ForgottenOut:
    """Erase a document, a correction or something told, with all that is derived from it."""
    done = await caller.task(lambda: caller.service.forget(caller.who, uri, scope))
    return s.ForgottenOut(uri=uri, passages=done.chunks, cleared=done.cleared)


@router.get("/document")
async def document(caller: From, uri: Uri, scope: Scope = None) -> s.WholeDocument:
    """Show a document with its passages."""

    def look() -> s.WholeDocument:
        stored, chunks = caller.service.document(caller.who, uri, scope)
        text = [caller.shapes.passage(chunk) for chunk in chunks]
        return s.WholeDocument(**shapes.document(stored).model_dump(), text=text)

    return await caller.parts.work.do(caller.person, look)


@router.get("/passages/{passage}", response_model=s.Passage)
async def passage(
    passage: Annotated[str, s.Field(max_length=64)],
    request: Request,
    caller: From,
    begin: Annotated[int, Query(alias="from", ge=0, le=1 << 40)] = 0,
    end: Annotated[int, Query(alias="to", ge=0, le=1 << 40)] = 0,
) -> Response | s.Passage:
    """Show a passage that an answer cited; as a page with the quoted words marked, where a browser asks."""
    chunk_id = caller.parts.links.chunk_id(passage)
    chunk, _ = await caller.parts.work.do(caller.person, lambda: caller.service.passage(caller.who, chunk_id or 0))
    shape = caller.shapes.passage(chunk)
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(page_of(shape, chunk.text[max(0, begin - chunk.start) : max(0, end - chunk.start)]))
    return shape


@router.get("/turns")
async def turns(caller: From, session: Annotated[s.Name, Query()], scope: Scope = None, limit: Limit = 50) -> s.Turns:
    """List the last turns of a session."""
    found = await caller.parts.work.do(caller.person, lambda: caller.service.turns(caller.who, session, scope, limit))
    return s.Turns(turns=[caller.shapes.turn(one) for one in found])


TurnId = Annotated[str, s.Field(max_length=64)]


@router.get("/turns/{turn}")
async def why(turn: TurnId, caller: From) -> s.TurnWhy:
    """Show what an answer stands on, whether that is still current, and what was retrieved for it."""
    return caller.shapes.why(await caller.parts.work.do(caller.person, lambda: caller.service.turn(caller.who, turn)))


@router.post("/turns/{turn}/rating")
async def rate(turn: TurnId, rating: s.Rating, caller: From) -> s.Done:
    """Say whether an answer was good."""
    await caller.parts.work.do(caller.person, lambda: caller.service.rate(caller.who, turn, up=rating.up))
    return s.Done(uri=turn, done=True)


@router.post("/turns/{turn}/correction")
async def correct(turn: TurnId, correction: s.Correction, caller: From) -> s.Done:
    """Say what is right instead; it answers from now on."""
    made = await caller.task(lambda: caller.service.correct(caller.who, turn, correction.text))
    return s.Done(uri=made.uri, done=True)


@router.get("/facts")
async def facts(caller: From, scope: Scope = None, limit: Limit = 50) -> s.Facts:
    """List what was told, the newest first."""
    found = await caller.parts.work.do(caller.person, lambda: caller.service.facts(caller.who, scope, limit))
    return s.Facts(facts=[shapes.told(hit) for hit in found])


@router.post("/facts/unsupersede")
async def unsupersede(given: s.Address, caller: From) -> s.Done:
    """Let something that later words set aside hold again."""
    await caller.parts.work.do(caller.person, lambda: caller.service.unsupersede(caller.who, given.uri, given.scope))
    return s.Done(uri=given.uri, done=True)


@router.post("/promotions")
async def promote(given: s.Address, caller: From) -> s.Done:
    """Make a correction, or something told, count for everyone."""
    await caller.task(lambda: caller.service.promote(caller.who, given.uri, given.scope))
    return s.Done(uri=given.uri, done=True)


@router.delete("/promotions")
async def retract(caller: From, uri: Uri) -> s.Done:
    """Take back what was made to count for everyone."""
    await caller.parts.work.do(caller.person, lambda: caller.service.retract(caller.who, uri))
    return s.Done(uri=uri, done=True)


@router.get("/diff")
async def diff(
    caller: From,
    uri: Uri,
    scope: Scope = None,
    since: Annotated[s.Time | None, Query(alias="from")] = None,
    until: Annotated[s.Time | None, Query(alias="to")] = None,
) -> s.ChangedOut:
    """Show which sentences of a document came and went."""
    return shapes.changed(
        await caller.parts.work.do(caller.person, lambda: caller.service.diff(caller.who, uri, scope, since, until))
    )


@router.get("/digest")
async def digest(caller: From, since: Annotated[s.Time, Query()], scope: Scope = None) -> s.Digest:
    """Say what is new, changed and gone, document by document."""
    found = await caller.task(lambda: caller.service.digest(caller.who, since, scope))
    return s.Digest(changes=[shapes.changed(one) for one in found])


@router.get("/affected")
async def affected(
    caller: From,
    uri: Annotated[s.Name | None, Query()] = None,
    everybody: Annotated[bool, Query(description="For administrators.")] = False,
) -> s.Affected:
    """List past answers that stand on words which have changed since."""
    return shapes.stale(await caller.task(lambda: caller.service.affected(caller.who, uri, everybody=everybody)))


@router.get("/conflicts")
async def conflicts(caller: From, scope: Scope = None) -> s.Conflicts:
    """List sentences of different documents that say otherwise about the same."""
    found = await caller.task(lambda: caller.service.conflicts(caller.who, scope))
    return s.Conflicts(conflicts=[shapes.conflict(one) for one in found])


@router.get("/status")
async def status(caller: From) -> s.Status:
    """Show what this key is, may do and sees."""

    def look() -> s.Status:
        who, service = caller.who, caller.service
        return s.Status(
            name=who.name,
            scopes=list(who.reads),
            roles=sorted(who.roles),
            models=service.models(who),
            documents=service.counts(who),
            embedder=service.memory.settings.embedder,
            freshness=json.loads(json.dumps(asdict(service.freshness(who)), default=str)) if "admin" in who.roles else None,
        )

    return await caller.parts.work.do(caller.person, look)
