"""What the bot knows about a person: facts and corrections with their dates, to be edited and forgotten."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from ragbot.safety.gate import harmless
from ragbot.server.page.view import Here, PageRoute, Talk, View
from ragbot.server.service import MODEL

router = APIRouter(prefix="/known", route_class=PageRoute, include_in_schema=False)
Uri = Annotated[str, Form(max_length=2_000)]
Model = Annotated[str, Form(max_length=200)]
FACTS = 200


@router.get("")
async def known(view: Here, model: Annotated[str, Query(max_length=200)] = MODEL) -> Response:
    """All that was told in a scope, and all corrections."""
    return await _show(view, model)


async def _show(view: View, model: str, receipt: tuple[int, bool] | None = None) -> Response:
    service, who = view.caller.service, view.caller.who
    scope = Talk("", model).scope or who.scopes[0]

    def look() -> tuple[list[dict[str, object]], list[str]]:
        told = [
            {
                "uri": hit.chunk.uri,
                "text": harmless(hit.chunk.text),
                "about": harmless(hit.chunk.heading),
                "at": hit.chunk.valid_from,
                "is_set_aside": hit.is_set_aside,
                "is_correction": False,
            }
            for hit in service.facts(who, scope, FACTS)
        ]
        corrected = [
            {
                "uri": chunk.uri,
                "text": harmless(chunk.text),
                "about": harmless(chunk.title),
                "at": chunk.recorded_at,
                "is_set_aside": False,
                "is_correction": True,
            }
            for chunk in service.corrections(who, scope)
        ]
        return [*told, *corrected], [one for one in service.models(who) if ":" not in one]

    facts, models = await view.do(look)
    return view.page("known.html", facts=facts, model=model, models=models, receipt=receipt)


@router.post("/edit")
async def edit(view: Here, uri: Uri, text: Annotated[str, Form(max_length=20_000)], model: Model = MODEL) -> Response:
    """Let something that was told say something else."""
    await view.caller.task(lambda: view.caller.service.retell(view.caller.who, uri, text, Talk("", model).scope or None))
    return await _show(view, model)


@router.post("/forget")
async def forget(view: Here, uri: Uri, model: Model = MODEL) -> Response:
    """Erase something that was told, or a correction."""
    done = await view.caller.task(lambda: view.caller.service.forget(view.caller.who, uri, Talk("", model).scope or None))
    return await _show(view, model, (1, done.cleared))


@router.post("/forget-all")
async def forget_all(view: Here, model: Model = MODEL) -> Response:
    """Erase all that was told in a scope, and all corrections."""
    done = await view.caller.task(lambda: view.caller.service.forget_told(view.caller.who, Talk("", model).scope or None))
    return await _show(view, model, (done.chunks, done.cleared))
