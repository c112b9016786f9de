"""A source, opened: its page as a picture with the quoted words lit, or its text with them marked."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from markupsafe import Markup

from ingest.parsers import picture
from ragbot.errors import NotFoundError
from ragbot.safety.gate import harmless, harmless_name
from ragbot.server.page import markup
from ragbot.server.page.conversation import source_address
from ragbot.server.page.look import HEADERS
from ragbot.server.page.view import Here, PageRoute, View
from ragbot.server.service import Source
from ragbot.types import Chunk, Turn

router = APIRouter(route_class=PageRoute, include_in_schema=False)
BESIDE = 2
"""So many passages before and behind the cited one are shown."""
KEPT_PICTURES = 16
PICTURED = ("application/pdf", "image/")
PLAIN = ("text/plain", "text/x-", "application/json", "application/xml", "text/csv", "text/tab")
"""What the media types begin with whose text is shown as it stands."""
Place = Annotated[int, Query(ge=0, le=1 << 40)]
_pictures: OrderedDict[tuple[int, int, int], bytes] = OrderedDict()
"""Pictures that were drawn last, by chunk and place: who sees the chunk sees its picture."""


@router.get("/source/{passage}")
async def source(
    view: Here,
    passage: str,
    begin: Annotated[int, Query(alias="from", ge=0, le=1 << 40)] = 0,
    end: Annotated[int, Query(alias="to", ge=0, le=1 << 40)] = 0,
    turn: Annotated[str, Query(max_length=64)] = "",
    number: Annotated[int, Query(ge=0, le=10_000)] = 0,
) -> Response:
    """A passage with its document, the quoted words lit, and the answer's sources before and behind it."""
    service, who = view.caller.service, view.caller.who
    chunk_id = view.caller.parts.links.chunk_id(passage) or 0
    found = await view.do(lambda: service.source(who, chunk_id, BESIDE))
    answered = (await view.do(lambda: service.turn(who, turn))).turn if turn else None
    chunk, lit = found.chunk, (begin - found.chunk.start, end - found.chunk.start)
    quote = chunk.text[max(0, lit[0]) : max(0, lit[1])]
    content_type = found.stored.metadata.get("content_type", "") if found.stored else ""
    is_pictured = found.is_current and content_type.startswith(PICTURED)
    return view.page(
        "source.html",
        chunk=chunk,
        name=harmless_name(found.stored.metadata.get("name", "") if found.stored else "") or harmless_name(chunk.uri),
        title=harmless_name(chunk.title),
        heading=harmless(chunk.heading),
        stored=found.stored,
        is_current=found.is_current,
        quote=harmless(quote),
        text=_text(found, lit, is_plain=content_type.startswith(PLAIN)),
        picture=f"/picture/{passage}?from={begin}&to={end}" if is_pictured else "",
        page_of_web=chunk.uri if chunk.uri.startswith(("https://", "http://")) else "",
        turn=answered,
        **_around(view, answered, number),
    )


def _text(found: Source, lit: tuple[int, int], *, is_plain: bool) -> list[tuple[bool, Markup]]:
    """The passage and those beside it as HTML, each with whether it is the cited one."""
    own = found.chunk
    shown = sorted((own, *found.beside), key=lambda chunk: chunk.ord)
    return [(chunk is own, _html(chunk, lit if chunk is own else (0, 0), is_plain=is_plain)) for chunk in shown]


def _html(chunk: Chunk, lit: tuple[int, int], *, is_plain: bool) -> Markup:
    safe = harmless(chunk.text)
    if safe != chunk.text:  # something was masked: the places are no longer those of the text
        quote = harmless(chunk.text[max(0, lit[0]) : max(0, lit[1])]).strip()
        at = safe.find(quote) if quote else -1
        lit = (at, at + len(quote)) if at >= 0 else (0, 0)
    return markup.passage(safe, lit, is_plain=is_plain)


def _around(view: View, turn: Turn | None, number: int) -> dict[str, object]:
    """The sources of an answer before and behind one, and what it carries."""
    sources = markup.sources_of(turn) if turn else []
    at = next((at for at, one in enumerate(sources) if one.number == number), None)
    if turn is None or at is None:
        return {"number": 0, "count": 0, "before": "", "after": "", "claim": None, "place": 0, "cited": None}
    before, after = sources[at - 1 : at] if at else [], sources[at + 1 : at + 2]
    return {
        "number": number,
        "count": len(sources),
        "before": source_address(view, turn, before[0]) if before else "",
        "after": source_address(view, turn, after[0]) if after else "",
        "claim": turn.claims[sources[at].claim],
        "place": sources[at].claim,
        "cited": sources[at].cited,
    }


@router.get("/picture/{passage}")
async def page_picture(
    view: Here,
    passage: str,
    begin: Annotated[int, Query(alias="from", ge=0, le=1 << 40)] = 0,
    end: Annotated[int, Query(alias="to", ge=0, le=1 << 40)] = 0,
) -> Response:
    """The page of the original as a picture, with the quoted words lit."""
    chunk_id = view.caller.parts.links.chunk_id(passage) or 0
    kept = (chunk_id, begin, end)

    def drawn() -> bytes:
        chunk, original = view.caller.service.original(view.caller.who, chunk_id)
        if kept in _pictures:
            return _pictures[kept]
        quote = chunk.text[max(0, begin - chunk.start) : max(0, end - chunk.start)] or chunk.text[:400]
        made = picture.draw(original.data, original.content_type, chunk.page or 1, quote)
        if made is None:
            raise NotFoundError("the page cannot be drawn; its text is shown instead")
        _pictures[kept] = made
        while len(_pictures) > KEPT_PICTURES:
            _pictures.popitem(last=False)
        return made

    data = await view.caller.task(drawn)
    return Response(data, media_type="image/webp", headers={**HEADERS, "cache-control": "private, max-age=300"})
