"""What went wrong, in the shape of the OpenAI protocol: {"error": {"message", "type", "param", "code"}}."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from ragbot.errors import (
    AccessError,
    BusyError,
    InputError,
    ModelError,
    NotFoundError,
    RagbotError,
    ReadError,
)
from ragbot.server.queue import FullError
from ragbot.server.schema import Error
from ragbot.server.service import NoModelError

log = logging.getLogger(__name__)

BUSY_S = "1"
KINDS: Sequence[tuple[type[Exception], int, str, str | None]] = (
    (InputError, 400, "invalid_request_error", None),
    (AccessError, 403, "permission_error", "insufficient_permissions"),
    (NoModelError, 404, "invalid_request_error", "model_not_found"),
    (NotFoundError, 404, "invalid_request_error", "not_found"),
    (ReadError, 422, "invalid_request_error", "unreadable_file"),
    (FullError, 429, "rate_limit_error", "too_many_waiting"),
    (BusyError, 503, "server_error", "busy"),
    (ModelError, 503, "server_error", "model_failed"),
    (RagbotError, 500, "server_error", "home_failed"),
)
STATUS_TYPES = {401: "authentication_error", 403: "permission_error", 408: "timeout_error", 429: "rate_limit_error"}
FULL = "too many requests wait for an answer already; try again in a moment"


def body(message: str, kind: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """The JSON of an error."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def response(status: int, message: str, code: str | None = None, param: str | None = None, **headers: str) -> JSONResponse:
    """An error as a response."""
    kind = STATUS_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return JSONResponse(body(message, kind, code, param), status, headers=headers or None)


def described(cause: Exception) -> tuple[int, dict[str, Any]]:
    """The status and the JSON of what went wrong; nothing of what nobody foresaw gets out."""
    for kind, status, name, code in KINDS:
        if isinstance(cause, kind):
            return status, body(FULL if kind is FullError else str(cause), name, code)
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(cause.__traceback__)]
    log.error("unforeseen %s at %s", type(cause).__name__, "; ".join(frames[-8:]))  # its message may hold somebody's words
    return 500, body("something went wrong here; the server's log says what", "server_error", "internal_error")


def failed(cause: Exception) -> JSONResponse:
    """What went wrong as a response."""
    status, text = described(cause)
    headers = {"Retry-After": BUSY_S} if status in (429, 503) else None
    return JSONResponse(text, status, headers=headers)


def register(app: FastAPI) -> None:
    """Answer every exception in the protocol's shape."""

    async def known(_: Request, cause: Exception) -> JSONResponse:
        return failed(cause)

    async def invalid(_: Request, cause: Exception) -> JSONResponse:
        assert isinstance(cause, RequestValidationError)
        first = cause.errors()[0]
        if first["type"] == "json_invalid":
            return response(400, "the body is no JSON; send one object, with Content-Type: application/json", "invalid_json")
        if first["type"] == "model_attributes_type" and first["loc"] == ("body",):
            return response(400, "the body is no JSON object; send one, with Content-Type: application/json", "invalid_json")
        names = [str(part) for part in first["loc"][1:] if "constrained" not in str(part) and "[" not in str(part)]
        where = ".".join(names) or str(first["loc"][0])
        return response(400, f"{where}: {first['msg']}"[:500], "invalid_value", where[:200])

    async def http(_: Request, cause: Exception) -> JSONResponse:
        assert isinstance(cause, HTTPException)
        headers = dict(cause.headers or {})
        return response(cause.status_code, str(cause.detail), None, None, **headers)

    app.add_exception_handler(RagbotError, known)
    app.add_exception_handler(FullError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the errors of a route."""
    words = {
        400: "Something in the request has no sense",
        401: "No key, or one that opens nothing",
        403: "The key does not allow it",
        404: "Not there, or not for this key",
        408: "The request took too long to arrive",
        413: "The request is too large",
        415: "Not JSON",
        422: "The file gives no text",
        429: "Too many requests",
        503: "Busy, or a model does not run",
    }
    return {status: {"model": Error, "description": words[status]} for status in statuses}
