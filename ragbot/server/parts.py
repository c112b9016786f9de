"""What every route of a server is given: its parts, who asks, and the shapes of what it gives."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from ragbot.access import Principal
from ragbot.memory import Memory
from ragbot.server import loading
from ragbot.server.answering import Answering
from ragbot.server.config import ServerConfig
from ragbot.server.keys import Identity, Keyring
from ragbot.server.links import Links
from ragbot.server.metrics import Metrics
from ragbot.server.page.sign_in import SignIn
from ragbot.server.service import Service
from ragbot.server.shapes import Shapes
from ragbot.server.work import GoneError, Work

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one server."""

    config: ServerConfig
    service: Service
    keyring: Keyring
    work: Work
    metrics: Metrics
    links: Links
    answering: Answering
    sign_in: SignIn

    @classmethod
    def of(cls, memory: Memory, config: ServerConfig, links: type[Links] = Links) -> Parts:
        """The parts over an open memory, which stays the caller's."""
        service, work = Service(memory), Work(config.answers_at_once, config.waiting_per_person, config.waiting)
        metrics, keyring = Metrics(work), Keyring(memory.store, config.groups)
        made = links(memory, config.public_url)
        load = functools.cache(functools.partial(loading.begin, memory, generator=True))
        answering = Answering(service, work, metrics, load)
        return cls(config, service, keyring, work, metrics, made, answering, SignIn(memory, keyring))

    def close(self) -> None:
        """End the processes that read files, and wait for what else runs."""
        self.service.close()
        self.work.close()


@dataclass(frozen=True, slots=True)
class Caller:
    """One request: who asks, through which parts."""

    who: Principal
    shapes: Shapes
    parts: Parts
    request: Request | None = None

    @property
    def service(self) -> Service:
        """What it may ask for."""
        return self.parts.service

    @property
    def person(self) -> str:
        """In whose name it waits for its turn."""
        return self.who.name

    async def task(self, call: Callable[[], Result]) -> Result:
        """The result of something that takes long, in its queue; given up when who asks hangs up."""
        return await self.attended(self.parts.work.task(self.person, call))

    async def attended(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of work, which is given up when who asks hangs up. Raises GoneError then."""

        receive = self.request.receive if self.request else None
        if receive is None:
            return await work

        async def hung_up() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        working, watching = asyncio.ensure_future(work), asyncio.ensure_future(hung_up())
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise GoneError
            return working.result()
        finally:
            watching.cancel()
            working.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)


def parts_of(request: Request) -> Parts:
    """The parts of the server that a request came to."""
    parts: Parts = request.app.state.parts
    return parts


bearer = HTTPBearer(auto_error=False, description="A key that `ragbot keys add NAME` made.")
"""For OpenAPI; the gate checks keys before a byte of a body is read."""


async def caller_of(request: Request, _: Annotated[object, Security(bearer)]) -> Caller:
    """Who sent a request, as the gate found out."""
    identity: Identity = request.state.identity
    parts = parts_of(request)
    return Caller(identity.principal, Shapes(parts.links, str(request.base_url), identity.key_id), parts, request)


From = Annotated[Caller, Depends(caller_of)]
