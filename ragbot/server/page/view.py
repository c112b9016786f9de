"""What every view of the page is given: who looks, how it looks, and which conversation is on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote, urlencode, urlsplit

from fastapi import Depends, Path, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute

from ragbot.errors import InputError, RagbotError
from ragbot.server import failures
from ragbot.server.page.look import Look, segment
from ragbot.server.page.sign_in import COOKIE
from ragbot.server.parts import Caller, caller_of
from ragbot.server.queue import FullError
from ragbot.server.service import MODEL

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class View:
    """One request to the page."""

    caller: Caller
    look: Look
    request: Request

    async def do(self, call: Callable[[], Result]) -> Result:
        """The result of something quick."""
        return await self.caller.parts.work.do(self.caller.person, call)

    def page(self, template: str, **context: object) -> Response:
        """A view as a whole page, or as the part that the script asked for."""
        who = self.caller.who
        shell = {
            "who": who.name,
            "roles": who.roles,
            "signed_in": COOKIE in self.request.cookies,
            "path": self.request.url.path,
        }
        return self.look.response(template, {**shell, **context})

    def back(self, address: str) -> Response:
        """The way back to a view, for who has no script."""
        return RedirectResponse(address, 303)


async def view_of(request: Request, caller: Annotated[Caller, Depends(caller_of)]) -> View:
    """The view that a request asks for."""
    return View(caller, Look.of(request), request)


Here = Annotated[View, Depends(view_of)]


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation as the page's address names it: session, model, and the time as of which it is asked."""

    session: str
    model: str
    as_of: datetime | None = None

    @property
    def path(self) -> str:
        """Where its session is shown."""
        return f"/c/{segment(self.session)}"

    @property
    def address(self) -> str:
        """Where it is shown, asked as it is."""
        chosen = {"model": self.model if self.model != MODEL else "", "as_of": f"{self.as_of:%Y-%m-%d}" if self.as_of else ""}
        query = urlencode({name: value for name, value in chosen.items() if value})
        return self.path + (f"?{query}" if query else "")

    @property
    def scope(self) -> str:
        """The scope that its model names; "" for the own one."""
        return self.model.partition("@")[2]


def session_of(session: Annotated[str, Path(max_length=1_000)]) -> str:
    """The session that a part of an address names."""
    return unquote(session)


Session = Annotated[str, Depends(session_of)]


def day_of(text: str) -> datetime | None:
    """A day that was chosen; None for none. Raises InputError."""
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as cause:
        raise InputError(f"{text[:40]!r} is no day; write it like 2026-05-01") from cause


def local_path(address: str) -> str:
    """An address if it is one of this page; "/" for all else."""
    parts = urlsplit(address)
    return address if address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.netloc else "/"


class PageRoute(APIRoute):
    """A route whose errors are told to people."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, which turns what went wrong into words on the page."""
        handler = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handler(request)
            except (RagbotError, FullError) as cause:
                status, body = failures.described(cause)
                return Look.of(request).response("failed.html", {"message": body["error"]["message"]}, status)

        return told
