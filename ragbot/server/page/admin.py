"""For administrators: keys, jobs, the index, a check, and how the server does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import Response

from ingest.jobs import definitions, scheduler
from ingest.jobs.definitions import Job
from ragbot.access import Key
from ragbot.changes import Freshness
from ragbot.errors import RagbotError
from ragbot.server.keys import ROLES
from ragbot.server.page.view import Here, PageRoute, View
from ragbot.store.runs import Run

router = APIRouter(prefix="/admin", route_class=PageRoute, include_in_schema=False)
RUNS = 12
Name = Annotated[str, Form(max_length=200)]


@router.get("")
async def admin(view: Here) -> Response:
    """How the home and the server are."""
    return await _show(view)


async def _show(view: View, *, new_key: str = "", checked: tuple[str, ...] | None = None) -> Response:
    service, who, parts = view.caller.service, view.caller.who, view.caller.parts
    service.need(who, "admin")

    def look() -> tuple[list[Key], Freshness, dict[str, str]]:
        return parts.keyring.all(), service.freshness(who), service.memory.versions()

    keys, freshness, versions = await view.caller.task(look)
    jobs, failed = await view.do(lambda: _jobs(view))
    return view.page(
        "admin.html", keys=keys, freshness=freshness, versions=versions, jobs=jobs, jobs_failed=failed,
        all_roles=ROLES, now=datetime.now(UTC), plots=parts.metrics.recent.plots(), new_key=new_key, checked=checked,
    )  # fmt: skip


def _jobs(view: View) -> tuple[list[tuple[Job, list[Run], datetime | None]], str]:
    """The jobs with their last runs and the time of the next one; or why they cannot be read."""
    home = view.caller.service.memory.home
    try:
        found = []
        for job in definitions.load(home).values():
            runs = scheduler.recent_runs(home, job.name, RUNS)
            due = scheduler.first_time(job, runs[0] if runs else None, datetime.now(UTC))[0] if scheduler.timed(job) else None
            found.append((job, runs, due))
        return found, ""
    except RagbotError as cause:
        return [], str(cause)


@router.post("/keys")
async def add_key(
    view: Here,
    name: Name,
    scopes: Annotated[str, Form(max_length=2_000)] = "",
    roles: Annotated[list[str] | None, Form()] = None,
    days: Annotated[int | None, Form(ge=1, le=3_650)] = None,
) -> Response:
    """Make a key; its text is shown once."""
    view.caller.service.need(view.caller.who, "admin")
    until = datetime.now(UTC) + timedelta(days=days) if days else None
    named = [one.strip() for one in scopes.split(",") if one.strip()]
    ring = view.caller.parts.keyring
    _, token = await view.caller.task(lambda: ring.add(name, scopes=named, roles=roles or ("read", "tell"), expires_at=until))
    return await _show(view, new_key=token)


@router.post("/keys/{key}/revoke")
async def revoke(view: Here, key: str) -> Response:
    """Let a key open nothing any more."""
    view.caller.service.need(view.caller.who, "admin")
    await view.caller.task(lambda: view.caller.parts.keyring.revoke(key))
    return await _show(view)


@router.post("/keys/{key}/rotate")
async def rotate(view: Here, key: str) -> Response:
    """Give a key another secret, shown once."""
    view.caller.service.need(view.caller.who, "admin")
    _, token = await view.caller.task(lambda: view.caller.parts.keyring.rotate(key))
    return await _show(view, new_key=token)


@router.post("/check")
async def check(view: Here) -> Response:
    """Compare the index with the database."""
    view.caller.service.need(view.caller.who, "admin")
    done = await view.caller.task(lambda: view.caller.service.memory.check())
    return await _show(view, checked=done.problems)
