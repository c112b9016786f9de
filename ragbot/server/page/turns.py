"""What people say about an answer, and why it was given."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form
from fastapi.responses import Response
from markupsafe import Markup

from ragbot.safety.gate import harmless, harmless_name
from ragbot.search.explain import describe
from ragbot.server.page import markup
from ragbot.server.page.conversation import shown, source_address
from ragbot.server.page.source import opened
from ragbot.server.page.view import Here, PageRoute, Talk, View
from ragbot.server.service import MODEL, Explained
from ragbot.types import Turn

router = APIRouter(prefix="/turn", route_class=PageRoute, include_in_schema=False)
Place = Annotated[int | None, Form()]
Words = Annotated[str, Form(max_length=20_000)]


async def _told(view: View, turn_id: str, number: int | None = None) -> Response:
    """The turn with what was said about it; with a number, the source that is open, and the turn beside it."""
    found = await view.do(lambda: view.caller.service.turn(view.caller.who, turn_id))
    turn, sources = found.turn, markup.sources_of(found.turn)
    talk = Talk(turn.session, _model_of(view, turn))
    open_source = sources[number - 1] if number and number <= len(sources) else None
    if not view.look.is_part:
        return view.back(source_address(view, turn, open_source) if open_source else f"{talk.address}#turn-{turn_id}")
    if open_source is None:
        return view.page("_turn.html", **shown(view, turn, found.feedback))
    cited = open_source.cited
    passage = view.caller.parts.links.id_of(cited.chunk_id)
    context = await opened(view, passage, (cited.start, cited.end), turn_id, open_source.number)
    beside = view.look.html("_turn.html", roles=view.caller.who.roles, **shown(view, turn, found.feedback))
    return view.page("_source_and_turn.html", beside=Markup(beside), **context)


def _model_of(view: View, turn: Turn) -> str:
    return MODEL if turn.scope == view.caller.who.scopes[0] else f"{MODEL}@{turn.scope}"


@router.post("/{turn}/rate")
async def rate(
    view: Here, turn: str, value: Annotated[Literal["up", "down", "none"], Form()], claim: Place = None, number: Place = None
) -> Response:
    """Say whether an answer, or a claim of it, was good; or take it back."""
    up = None if value == "none" else value == "up"
    await view.do(lambda: view.caller.service.rate(view.caller.who, turn, up=up, claim=claim))
    return await _told(view, turn, number)


@router.post("/{turn}/correct")
async def correct(view: Here, turn: str, text: Words, claim: Place = None, number: Place = None) -> Response:
    """Say what is right instead."""
    await view.caller.task(lambda: view.caller.service.correct(view.caller.who, turn, text, claim))
    return await _told(view, turn, number)


@router.post("/{turn}/outdated")
async def outdated(view: Here, turn: str, claim: Annotated[int, Form(ge=0)], number: Place = None) -> Response:
    """Say that what a claim stands on is no longer so."""
    found = await view.do(lambda: view.caller.service.turn(view.caller.who, turn))
    said = found.turn.claims[claim].text if claim < len(found.turn.claims) else ""
    words = view.look.label("outdated.said", text=" ".join(said.split()))
    await view.caller.task(lambda: view.caller.service.correct(view.caller.who, turn, words, claim))
    return await _told(view, turn, number)


@router.post("/{turn}/undo")
async def undo(view: Here, turn: str, claim: Place = None, number: Place = None) -> Response:
    """Erase a correction; what it set aside answers again."""
    uri = f"correction:{turn}" if claim is None else f"correction:{turn}.{claim}"
    found = await view.do(lambda: view.caller.service.turn(view.caller.who, turn))
    await view.caller.task(lambda: view.caller.service.forget(view.caller.who, uri, found.turn.scope))
    return await _told(view, turn, number)


@router.get("/{turn}/why")
async def why(view: Here, turn: str) -> Response:
    """How an answer came about."""
    found = await view.do(lambda: view.caller.service.turn(view.caller.who, turn))
    read = await view.caller.task(lambda: view.caller.service.read(view.caller.who, turn))
    cited = {one.chunk_id: source_address(view, found.turn, markup.Source(0, -1, one)) for one in found.turn.citations}
    return view.page(
        "why.html",
        turn=found.turn,
        read=read,
        reading=view.look.label(f"kind.{read.kind.replace(' ', '_')}"),
        candidates=_candidates(view, found, cited),
        claims=[(claim, view.look.label(f"verdict.{claim.verdict}")) for claim in found.turn.claims],
    )


def _candidates(view: View, found: Explained, cited: dict[int, str]) -> list[dict[str, object]]:
    return [
        {
            "place": hit.ord,
            "score": hit.score,
            "name": harmless_name(found.names.get(chunk.id) or chunk.uri) if (chunk := found.current.get(hit.chunk_id)) else "",
            "heading": harmless(chunk.heading) if chunk else "",
            "text": harmless(chunk.text)[:280] if chunk else "",
            "reasons": list(describe(hit.features, chunk, {})) if chunk else [],
            "used": hit.chunk_id in cited,
            "href": cited.get(hit.chunk_id, f"/source/{view.caller.parts.links.id_of(hit.chunk_id)}"),
        }
        for hit in found.retrieved
    ]
