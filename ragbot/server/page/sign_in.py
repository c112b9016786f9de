"""Who is signed in: a cookie that says which key opened the page, signed, for as long as that key opens."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ragbot.memory import Memory
from ragbot.server.keys import Identity, Keyring
from ragbot.server.links import secret_of

COOKIE = "ragbot"
LASTS_S = 30 * 24 * 3600


class SignIn:
    """Makes and reads the cookies of a home."""

    def __init__(self, memory: Memory, keyring: Keyring) -> None:
        self._key, self._keyring = secret_of(memory), keyring

    def cookie_of(self, key_id: str) -> str:
        """The cookie of whoever has shown a key."""
        until = int(time.time()) + LASTS_S
        return f"{key_id}.{until}.{self._signature(key_id, until, self._keyring.stamp_of(key_id))}"

    async def identity(self, headers: Headers) -> Identity | None:
        """Who sent a request, by its cookie; None where there is none, or it opens nothing any more."""
        parts = cookie_parser(headers.get("cookie", "")).get(COOKIE, "").split(".")
        if len(parts) != 3 or not (parts[1].isascii() and parts[1].isdigit() and len(parts[1]) <= 12):
            return None
        key_id, until, signature = parts[0], int(parts[1]), parts[2]
        if time.time() >= until:
            return None
        stamp = await asyncio.to_thread(self._keyring.stamp_of, key_id)
        if not stamp or not hmac.compare_digest(self._signature(key_id, until, stamp).encode(), signature.encode()):
            return None
        return await asyncio.to_thread(self._keyring.identity_of, key_id)

    def _signature(self, key_id: str, until: int, stamp: str) -> str:
        return hmac.digest(self._key, f"page {key_id} {until} {stamp}".encode(), hashlib.sha256).hex()


def is_page(path: str) -> bool:
    """Whether a path is one of the page's, and not of the doors for programs."""
    return not path.startswith(("/v1/", "/mcp", "/health", "/ready", "/metrics", "/openapi.json"))


def is_cross_site(method: str, headers: Headers) -> bool:
    """Whether a web page of others sends something in the name of who is signed in here.

    Browsers say where a request comes from by Sec-Fetch-Site, older ones by Origin; who says neither is no browser.
    """
    if method in ("GET", "HEAD", "OPTIONS"):
        return False
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def signed_out(method: str, path: str, query: str) -> Response:
    """The way to sign in, and back to where somebody wanted to be."""
    there = f"{path}?{query}" if query else path
    address = f"/sign-in?next={quote(there, safe='')}" if method == "GET" else "/sign-in"
    if method == "GET":
        return RedirectResponse(address, 303)
    return HTMLResponse('<p role="alert"><a href="/sign-in">You are signed out; sign in again</a></p>', 401)
