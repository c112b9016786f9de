"""Signing in and out, the reader's language, static files."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from ragbot.server.config import ServerConfig
from ragbot.server.keys import is_trusted
from ragbot.server.page.look import LANGUAGE_COOKIE, LANGUAGES, Look, static_response
from ragbot.server.page.sign_in import COOKIE, LASTS_S, is_cross_site
from ragbot.server.page.view import local_path
from ragbot.server.parts import parts_of

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
async def entrance(request: Request, next: str = "/") -> Response:
    """Where a key opens the page."""
    return Look.of(request).response("sign_in.html", {"next": local_path(next), "wrong": ""})


@router.post("/sign-in")
async def sign_in(request: Request, key: Annotated[str, Form(max_length=200)], next: Annotated[str, Form()] = "/") -> Response:
    """Open the page with a key."""
    parts, look = parts_of(request), Look.of(request)
    wrong = look.label("sign_in.wrong")
    if is_cross_site("POST", request.headers):
        return look.response("sign_in.html", {"next": local_path(next), "wrong": wrong}, 403)
    refused = await request.app.state.gate.by_key(request.scope, key.strip())
    if refused is not None:
        return look.response("sign_in.html", {"next": local_path(next), "wrong": wrong}, 401)
    response = RedirectResponse(local_path(next), 303)
    cookie = await asyncio.to_thread(parts.sign_in.cookie_of, request.state.identity.key_id)
    secure = _is_https(request, parts.config)
    response.set_cookie(COOKIE, cookie, max_age=LASTS_S, httponly=True, samesite="strict", secure=secure, path="/")
    return response


def _is_https(request: Request, config: ServerConfig) -> bool:
    """Whether people reach the page over https: as the settings say, or a proxy that is trusted."""
    peer, said = request.client.host if request.client else "", request.headers.get("x-forwarded-proto", "")
    return config.public_url.startswith("https://") or (is_trusted(config, peer) and said == "https")


@router.post("/sign-out")
async def sign_out() -> Response:
    """Close the page."""
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


@router.post("/language")
async def language(code: Annotated[str, Form(max_length=10)], next: Annotated[str, Form(max_length=2_000)] = "/") -> Response:
    """Choose the language of the labels."""
    response = RedirectResponse(local_path(next), 303)
    if code in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, code, max_age=LASTS_S, httponly=True, samesite="strict", path="/")
    return response


@router.get("/static/{name}")
async def static(request: Request, name: str) -> Response:
    """A static file."""
    return static_response(request, name) or Response(status_code=404)
