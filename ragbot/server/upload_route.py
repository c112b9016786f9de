"""The route that takes files: the one whose requests may be large."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.responses import Response, StreamingResponse

from ingest import uploads
from ingest.pipeline import Outcome
from ragbot.server import failures
from ragbot.server import schema as s
from ragbot.server.answering import STREAMS, server_sent
from ragbot.server.memory_routes import event_line, failed_line
from ragbot.server.parts import Caller, From
from ragbot.server.work import Stream

router = APIRouter(
    prefix="/v1/memory", tags=["Memory"], responses=failures.documented(400, 401, 403, 404, 408, 413, 422, 429, 503)
)


@router.post("/uploads", response_model=s.RememberedOut, responses=STREAMS)
async def upload(
    request: Request,
    caller: From,
    file: Annotated[UploadFile, File(description="A file of any type that `ingest add` reads.")],
    scope: Annotated[s.Name | None, Form()] = None,
) -> Response | s.RememberedOut:
    """Remember what a file holds. With `Accept: text/event-stream` each stage is an event: reading, embedding, done."""
    events = await begun(caller, file, scope)
    if "text/event-stream" in request.headers.get("accept", ""):
        return StreamingResponse(server_sent(_told(events), failed_line), media_type="text/event-stream")
    return await caller.attended(_last(events))


async def begun(caller: Caller, file: UploadFile, scope: str | None) -> Stream[str | s.RememberedOut]:
    """Take a file, and begin to remember what it holds: what is being done, and at last what became of it."""
    name = file.filename or ""
    uploads.uri_of(name)
    with ExitStack() as until_it_waits:
        folder = Path(tempfile.mkdtemp(prefix="ragbot-upload-"))
        remove = functools.partial(shutil.rmtree, folder, ignore_errors=True)
        until_it_waits.callback(remove)
        path = folder / "file"
        await caller.parts.work.do(caller.person, lambda: caller.service.writes(caller.who, scope, "write"))
        await caller.parts.work.do(caller.person, lambda: _copy(file, path))
        events = Stream(caller.parts.work.tasks, caller.person, lambda: _stages(caller, path, name, scope), after=remove)
        until_it_waits.pop_all()
    return events


async def _last(events: AsyncIterator[str | s.RememberedOut]) -> s.RememberedOut:
    async for event in events:
        if isinstance(event, s.RememberedOut):
            return event
    raise AssertionError("an upload ends with what became of it")


def _copy(file: UploadFile, path: Path) -> None:
    with path.open("wb") as copy:
        shutil.copyfileobj(file.file, copy)


def _stages(caller: Caller, path: Path, name: str, scope: str | None) -> Iterator[str | s.RememberedOut]:
    """What is being done with a file, and at last what became of it."""
    written = caller.service.writes(caller.who, scope, "write")
    for stage in caller.service.upload(caller.who, path, name, scope):
        yield stage if isinstance(stage, str) else _outcome(stage, written)


def _outcome(outcome: Outcome, scope: str) -> s.RememberedOut:
    done = outcome.chunks
    return s.RememberedOut(
        uri=outcome.uri,
        scope=scope,
        status=outcome.status,  # type: ignore[arg-type]
        added=done.added,
        kept=done.kept,
        retired=done.retired,
        note=outcome.reason,
    )


async def _told(events: AsyncIterator[str | s.RememberedOut]) -> AsyncIterator[str]:
    async for event in events:
        yield (
            event_line("stage", {"stage": event}) if isinstance(event, str) else event_line("done", event.model_dump(mode="json"))
        )
