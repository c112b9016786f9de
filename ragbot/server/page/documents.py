"""The sources: documents by folder, files that failed, versions, uploads, conflicts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, File, Form, Query, UploadFile
from fastapi.responses import Response, StreamingResponse

from ingest import uploads
from ragbot.changes import Changed
from ragbot.errors import NotFoundError
from ragbot.safety.gate import harmless, harmless_name
from ragbot.server import failures
from ragbot.server import schema as s
from ragbot.server.answering import server_sent
from ragbot.server.memory_routes import cursor, cursor_of
from ragbot.server.page import markup
from ragbot.server.page.conversation import message_line
from ragbot.server.page.look import HEADERS
from ragbot.server.page.view import Here, PageRoute, View
from ragbot.server.upload_route import begun
from ragbot.store import Stored
from ragbot.types import EVERYONE, Chunk

router = APIRouter(prefix="/sources", route_class=PageRoute, include_in_schema=False)
upload_router = APIRouter(prefix="/sources", route_class=PageRoute, include_in_schema=False)
PAGE, PASSAGES = 100, 40
"""So many documents, and so many passages of one, are on a page."""
VERSIONS = 20
Words = Annotated[str, Query(max_length=200)]


@router.get("")
async def sources(
    view: Here, words: Words = "", scope: Words = "", after: Annotated[str, Query(max_length=4000)] = ""
) -> Response:
    """A page of the documents."""
    service, who = view.caller.service, view.caller.who

    def look() -> tuple[list[Stored], list[tuple[str, str, str]], dict[str, int]]:
        pattern = f"*{words.strip()}*" if words.strip() else ""
        since = cursor(after) if after else None
        found = service.documents(who, after=since, limit=PAGE + 1, scope=scope or None, kinds=("file",), uri=pattern)
        return found, service.failed_files(who) if not after else [], service.counts(who, ("file",))

    found, failed, counts = await view.do(look)
    following = cursor_of(found[PAGE - 1].scope, found[PAGE - 1].uri) if len(found) > PAGE else ""
    template = "_documents.html" if view.look.is_part else "sources.html"
    return view.page(
        template,
        documents=[_row(one) for one in found[:PAGE]],
        failed=[{"scope": scope, "uri": harmless_name(uri), "why": harmless(why)} for scope, uri, why in failed],
        after=following,
        is_first=not after,
        words=words,
        scope=scope,
        scopes=[one for one in who.reads],
        writes=[one for one in who.scopes if one != EVERYONE or "write" in who.roles],
        counts=counts,
    )


def _row(stored: Stored) -> dict[str, object]:
    name = harmless_name(stored.metadata.get("name", "") or stored.uri.removeprefix(uploads.SCHEME))
    title = harmless_name(stored.title)
    folder, _, file = name.rpartition("/")
    return {
        "name": name,
        "folder": folder,
        "file": file,
        "title": "" if title == PurePosixPath(file).stem else title,
        "uri": stored.uri,
        "scope": stored.scope,
        "passages": stored.chunks,
        "valid_from": stored.valid_from,
        "recorded_at": stored.recorded_at,
        "dated_by": stored.metadata.get("dated_by", ""),
    }


@router.get("/document")
async def document(view: Here, uri: Annotated[str, Query(max_length=2_000)], scope: Words = "", since: Words = "") -> Response:
    """A document: its text, its versions, and what changed between them."""
    service, who = view.caller.service, view.caller.who

    def look() -> tuple[Stored, list[Chunk], list[datetime], Changed | None]:
        stored, chunks = service.document(who, uri, scope or None)
        times = service.versions(who, uri, stored.scope)
        changed = None
        if len(times) > 1:
            begin = datetime.fromisoformat(since) if since else times[-1] - timedelta(microseconds=1)
            changed = service.diff(who, uri, stored.scope, begin, None)
        return stored, chunks, times, changed

    stored, chunks, times, changed = await view.do(look)
    return view.page(
        "document.html",
        document=_row(stored),
        text=[markup.passage(harmless(chunk.text), (0, 0), is_plain=False) for chunk in chunks[:PASSAGES]],
        more=max(0, len(chunks) - PASSAGES),
        versions=times[-VERSIONS:][::-1],
        since=since,
        changed=changed,
        may_forget="write" in who.roles and stored.scope in who.scopes,
    )


@router.post("/forget")
async def forget(
    view: Here, uri: Annotated[str, Form(max_length=2_000)], scope: Annotated[str, Form(max_length=200)]
) -> Response:
    """Erase a document."""
    done = await view.caller.task(lambda: view.caller.service.forget(view.caller.who, uri, scope))
    return view.page("forgotten.html", name=harmless_name(uri), passages=done.chunks, cleared=done.cleared)


@router.get("/conflicts")
async def conflicts(view: Here) -> Response:
    """Sentences of different documents that say otherwise about the same."""
    found = await view.caller.task(lambda: view.caller.service.conflicts(view.caller.who, None))
    sides = [
        [
            {
                "name": harmless_name(chunk.uri),
                "uri": chunk.uri,
                "scope": chunk.scope,
                "says": harmless(says),
                "at": chunk.valid_from,
            }
            for chunk, says in ((one.leads, one.says), (one.other, one.other_says))
        ]
        for one in found
    ]
    return view.page("conflicts.html", conflicts=sides)


@upload_router.post("/uploads")
async def upload(view: Here, file: Annotated[UploadFile, File()], scope: Annotated[str, Form(max_length=200)] = "") -> Response:
    """Remember what a file holds, and say what is being done with it until it is searchable."""
    events = await begun(view.caller, file, scope or None)
    name = harmless_name(file.filename or "")
    if not view.look.is_part:
        async for event in events:
            if isinstance(event, s.RememberedOut):
                return view.back("/sources")
        raise NotFoundError(f"{name}: was not read")
    lines = server_sent(_stages(view, name, events), lambda cause: _failed(view, name, cause))
    return StreamingResponse(lines, media_type="text/event-stream", headers=HEADERS)


async def _stages(view: View, name: str, events: AsyncIterator[str | s.RememberedOut]) -> AsyncIterator[str]:
    async for event in events:
        if isinstance(event, str):
            yield message_line(view.look.html("_upload.html", name=name, stage=event, done=None, why=""))
        else:
            yield message_line(view.look.html("_upload.html", name=name, stage="", done=event, why=""))


def _failed(view: View, name: str, cause: Exception) -> str:
    why = failures.described(cause)[1]["error"]["message"]
    return message_line(view.look.html("_upload.html", name=name, stage="", done=None, why=why))
