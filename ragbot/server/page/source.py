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
from ragbot.server.page.conversation import own_words, source_address
from ragbot.server.page.look import HEADERS
from ragbot.server.page.view import Here, PageRoute, View
from ragbot.server.service import Explained, Source
from ragbot.types import Chunk

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
    return view.page("source.html", **await opened(view, passage, (begin, end), turn, number))


async def opened(view: View, passage: str, place: tuple[int, int], turn: str, number: int) -> dict[str, object]:
    """An opened source as its template takes it: the source `number` of a turn, if it is one. Raises NotFoundError."""
    service, who = view.caller.service, view.caller.who
    chunk_id = view.caller.parts.links.chunk_id(passage) or 0
    found = await view.do(lambda: service.source(who, chunk_id, BESIDE))
    answered = await view.do(lambda: service.turn(who, turn)) if turn else None
    chunk, lit = found.chunk, (place[0] - found.chunk.start, place[1] - found.chunk.start)
    quote = chunk.text[max(0, lit[0]) : max(0, lit[1])]
    content_type = found.stored.metadata.get("content_type", "") if found.stored else ""
    is_pictured = found.is_current and content_type.startswith(PICTURED)
    return {
        "chunk": chunk,
        "name": harmless_name(found.stored.metadata.get("name", "") if found.stored else "") or harmless_name(chunk.uri),
        "heading": harmless(chunk.heading),
        "stored": found.stored,
        "is_current": found.is_current,
        "quote": harmless(quote),
        "text": _text(found, lit, is_plain=content_type.startswith(PLAIN)),
        "picture": f"/picture/{passage}?from={place[0]}&to={place[1]}" if is_pictured else "",
        "page_of_web": chunk.uri if chunk.uri.startswith(("https://", "http://")) else "",
        **_around(view, answered, number),
    }


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


def _around(view: View, answered: Explained | None, number: int) -> dict[str, object]:
    """The sources of an answer before and behind one, the claim that it carries, and what the reader said about that."""
    sources = markup.sources_of(answered.turn) if answered else []
    at = number - 1
    if answered is None or not 0 <= at < len(sources):
        return {"turn": None, "claim": None, "cited": None, "count": 0}
    ratings, corrections = own_words(view, answered.feedback)
    place = sources[at].claim
    beside = {"before": sources[at - 1 : at] if at else [], "after": sources[at + 1 : at + 2]}
    return {
        "turn": answered.turn,
        "claim": answered.turn.claims[place],
        "cited": sources[at].cited,
        "place": place,
        "number": number,
        "count": len(sources),
        "rating": ratings.get(place),
        "correction": corrections[place].text if place in corrections else "",
        **{name: source_address(view, answered.turn, one[0]) if one else "" for name, one in beside.items()},
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
