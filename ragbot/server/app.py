"""The server as one ASGI application."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from importlib.util import find_spec
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

import ragbot
from ragbot.errors import RagbotError
from ragbot.memory import Memory
from ragbot.server import failures, memory_routes, openai, upload_route
from ragbot.server.config import ServerConfig
from ragbot.server.gate import Gate
from ragbot.server.page import admin, conversation, documents, entrance, known, source, turns
from ragbot.server.parts import From, Parts

log = logging.getLogger(__name__)
KB = 1024
FORM_LIMITS: Any = {"max_fields": 8, "max_files": 1, "max_part_size": 4096}


def create_app(memory: Memory, config: ServerConfig, *, keys: bool = True) -> Gate:
    """The application over an open memory, which stays the caller's. Without `keys`, all who reach it are its owner."""
    parts = Parts.of(memory, config)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """What runs ends before the server does."""
        noting = asyncio.create_task(parts.metrics.recent.keep_noting())
        async with app.state.mcp:
            yield
        noting.cancel()
        await asyncio.to_thread(parts.close)

    app = FastAPI(
        title="ragbot",
        version=ragbot.__version__,
        summary="Answers from what it was told, with its sources.",
        lifespan=lifespan,
        docs_url=None,  # its page would fetch scripts from another host
        redoc_url=None,
        max_body_size=config.body_kb * KB,
        # Its spans would hold what stands in addresses, such as links that open, and its logs what exceptions say.
        telemetry={"tracing": False, "logs": False},
        form_limits=FORM_LIMITS,
    )
    app.state.parts = parts
    app.state.mcp = _mcp(app, parts)
    failures.register(app)
    app.include_router(openai.router)
    app.include_router(memory_routes.router)
    for router in (upload_route.router, documents.upload_router):
        app.include_router(router, max_body_size=config.upload_mb * KB * KB)
    for view in (entrance, conversation, turns, source, known, documents, admin):
        app.include_router(view.router)
    _register_own(app, parts)
    app.openapi = functools.partial(_openapi, app.openapi)  # type: ignore[method-assign]
    return Gate(app, parts, keys=keys)


def _mcp(app: FastAPI, parts: Parts) -> AbstractAsyncContextManager[None]:
    """Add MCP, where it is installed."""
    if find_spec("mcp") is None:
        return nullcontext()
    from ragbot.server import mcp

    return mcp.mount(app, parts)


def _register_own(app: FastAPI, parts: Parts) -> None:
    """The routes that tell how the server does."""

    @app.get("/health", tags=["Server"])
    async def health() -> dict[str, str]:
        """Say that the process lives."""
        return {"status": "ok"}

    @app.get("/ready", tags=["Server"], responses={503: {"model": dict[str, str], "description": "Not yet"}})
    async def ready(request: Request) -> Response:
        """Say whether it can answer: the models are loaded, and the database can be read."""
        loading = getattr(request.app.state, "loading", None)
        loaded = loading is None or (loading.done() and loading.result())
        try:
            await asyncio.to_thread(parts.service.memory.kv, "ready")
        except RagbotError as cause:  # it names the home, which is nobody's matter without a key
            log.error("not ready: %s", cause)
            return JSONResponse({"status": "failed"}, 503)
        return JSONResponse({"status": "ready" if loaded else "loading"}, 200 if loaded else 503)

    @app.get("/metrics", tags=["Server"], response_class=PlainTextResponse, responses=failures.documented(401, 403, 429))
    async def metrics(caller: From) -> Response:
        """Give the metrics to Prometheus. For administrators: they count everybody's requests."""
        caller.service.need(caller.who, "admin")
        return Response(parts.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _openapi(made: Any) -> dict[str, Any]:  # noqa: ANN401 (a method)
    """The OpenAPI document: what FastAPI makes of the routes, with wrong requests as 400, as they are answered."""
    document: dict[str, Any] = made()
    for path in document["paths"].values():
        for operation in path.values():
            if "422" in operation["responses"] and operation["responses"]["422"]["description"] == "Validation Error":
                del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    return document
