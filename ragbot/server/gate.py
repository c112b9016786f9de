"""The gate before every route: who asks, how often, how slowly; what is logged, and what is not."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import parse_qs

from fastapi import FastAPI
from limits import RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ragbot.errors import AccessError
from ragbot.server import failures
from ragbot.server.config import LOOPBACK
from ragbot.server.keys import OWNER, Identity, is_trusted, proxied
from ragbot.server.links import PATH
from ragbot.server.page.sign_in import is_cross_site, is_page, signed_out
from ragbot.server.parts import Parts
from ragbot.server.passage_page import page_that_expired
from ragbot.server.work import GoneError

log = logging.getLogger("ragbot.access")

OPEN = ("/health", "/ready", "/openapi.json", "/sign-in", "/language")
"""Routes that tell nothing of the memory; neither does what begins with STATIC."""
STATIC = "/static/"
BODY_S = 30.0
"""How long a body may be silent."""
READER_S = 60.0
"""How long who asks may not take what is sent."""
WRONG_KEYS = RateLimitItemPerMinute(60)
"""How many keys that are not known yet one address may try: each costs a slow hash."""
UPLOADS_AT_ONCE = 4
"""Of one person: each may be as large as a file may."""
CORS_HEADERS = ["authorization", "content-type", "x-ragbot-session", "mcp-protocol-version", "mcp-method", "mcp-name"]
UPLOADS = ("/v1/memory/uploads", "/sources/uploads")
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


class Gate:
    """An ASGI layer around the routes. It reads no body before it knows who asks."""

    def __init__(self, app: FastAPI, parts: Parts, *, keys: bool) -> None:
        self.app, self.parts, self._keys = app, parts, keys
        self._limits = SlidingWindowCounterRateLimiter(MemoryStorage())
        config = parts.config
        self._all = RateLimitItemPerMinute(config.requests_per_minute)
        self._uploads = RateLimitItemPerHour(config.uploads_per_hour)
        self._uploading = Counter[str]()
        self._inner: ASGIApp = self._let_in
        app.state.gate = self
        if config.cors_origins:
            origins = list(config.cors_origins)
            self._inner = CORSMiddleware(self._let_in, origins, allow_methods=["*"], allow_headers=CORS_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        began, status, request_id = time.perf_counter(), 499, secrets.token_hex(8)

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers["x-request-id"] = request_id
            await send(message)

        try:
            await self._inner(scope, receive, send_marked)
        finally:
            self._note(scope, status, time.perf_counter() - began, request_id)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_open = scope["path"] in OPEN or scope["path"].startswith(STATIC)
        sending = _Sending(scope, receive, send)
        try:
            refused = None if is_open else await self._identify(scope) or self._spend(scope)
            if refused is not None:
                await refused(scope, receive, sending)
                return
            with self._counted(scope):
                await self.app(scope, _timed(receive), sending)
        except GoneError:  # nobody hears what would be said
            return
        except Exception as cause:  # nothing of what failed gets out, and the connection ends where an answer had begun
            failed = cause
            if sending.began:
                raise
            await failures.failed(failed)(scope, receive, send)

    async def _identify(self, scope: Scope) -> ASGIApp | None:
        """Find out who asks, and put it into the request's state; a refusal where nobody is known."""
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        if not self._keys:
            if refused := _foreign(scope["method"], headers):
                return refused
            state["identity"] = OWNER
            return None
        peer = scope["client"][0] if scope.get("client") else ""
        if identity := proxied(self.parts.config, peer, _plain(headers)):
            if is_cross_site(scope["method"], headers):
                return failures.response(403, "a web page of another origin may not ask in your name")
            state["identity"] = identity
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return await self.by_key(scope, token.strip())
        if is_page(scope["path"]):
            return await self._by_cookie(scope, headers)
        if identity := await self._by_link(scope):
            state["identity"] = identity
            return None
        if scope["path"].startswith(PATH) and "text/html" in headers.get("accept", ""):
            return HTMLResponse(page_that_expired(), 401)
        return _unknown("no key came with the request; send `Authorization: Bearer rb-…` (`ragbot keys add NAME` makes one)")

    async def _by_cookie(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        """Who is signed in on the page; else the way to sign in."""
        identity = await self.parts.sign_in.identity(headers)
        if identity is None:
            return signed_out(scope["method"], scope["path"], scope["query_string"].decode("latin-1"))
        if is_cross_site(scope["method"], headers):
            return failures.response(403, "a web page of another origin may not ask in your name")
        scope["state"]["identity"] = identity
        return None

    async def by_key(self, scope: Scope, token: str) -> ASGIApp | None:
        """Find out whose key it is that a request came with; a refusal where it opens nothing."""
        keyring, peer = self.parts.keyring, scope["client"][0] if scope.get("client") else ""
        address = _address(self.parts, peer, Headers(scope=scope))
        identity = keyring.at_once(token)
        if identity is None:  # who is known already is never locked out by others of the same address
            if not self._limits.hit(WRONG_KEYS, "unproved key", address):
                return _too_many("too many wrong keys came from this address; wait a minute")
            identity = await asyncio.to_thread(keyring.identity, token)
        if identity is None:
            return _unknown("the key opens nothing: it is wrong, has expired, or was revoked")
        scope.setdefault("state", {})["identity"] = identity
        return None

    async def _by_link(self, scope: Scope) -> Identity | None:
        """Who made a link to a source, if that is what was asked for, and if the link still opens."""
        if scope["method"] != "GET" or not scope["path"].startswith(PATH):
            return None
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
        key_id, signature, passage_id = query.get("key", ""), query.get("signature", ""), scope["path"].removeprefix(PATH)
        until, begin, end = (_number(query.get(name, "")) for name in ("until", "from", "to"))
        if not self.parts.links.opens(passage_id, key_id, until, (begin, end), signature):
            return None
        return await asyncio.to_thread(self.parts.keyring.identity_of, key_id)

    def _spend(self, scope: Scope) -> ASGIApp | None:
        """Count a request of a person; a refusal where there were too many."""
        who, uploads = scope["state"]["identity"].principal, scope["path"] in UPLOADS
        if uploads and "write" not in who.roles:  # before a byte of it is kept
            return failures.failed(AccessError("this key has not the role 'write', so it uploads nothing"))
        if uploads and self._uploading[who.name] >= UPLOADS_AT_ONCE:
            return _too_many(f"more than {UPLOADS_AT_ONCE} uploads at once; wait for one to end")
        if not self._limits.hit(self._all, "request", who.name):
            return _too_many(f"more than {self._all.amount} requests a minute; wait a moment")
        if uploads and not self._limits.hit(self._uploads, "upload", who.name):
            return _too_many(f"more than {self._uploads.amount} uploads an hour; wait a moment")
        return None

    @contextmanager
    def _counted(self, scope: Scope) -> Iterator[None]:
        """Count an upload while it lasts."""
        if scope["path"] not in UPLOADS:
            yield
            return
        name = scope["state"]["identity"].principal.name
        self._uploading[name] += 1
        try:
            yield
        finally:
            self._uploading[name] -= 1
            self._uploading += Counter()  # forgets who has none

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        """Log a request by its route, never by its words."""
        route = getattr(scope.get("route"), "path", "") or ("/mcp" if scope["path"].startswith("/mcp") else "other")
        self.parts.metrics.requests.labels(route, scope["method"], str(status)).inc()
        self.parts.metrics.seconds.labels(route).observe(seconds)
        identity: Identity | None = scope.get("state", {}).get("identity")
        said = {
            "at": round(time.time(), 3),
            "request": request_id,
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "key": identity.key_id if identity else None,
        }
        log.info("%s", json.dumps(said))


class _Sending:
    """Sends an answer: with its own words for what the framework says as plain text, and not without end to who reads nothing."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self.began = self._replaced = False

    async def __call__(self, message: Message) -> None:
        """Send a part of it."""
        if message["type"] == "http.response.start":
            self.began, self._replaced = True, message["status"] == 413
            if self._replaced:
                refusal = failures.response(413, "the request is larger than this route takes")
                await refusal(self._scope, self._receive, self._send)
        if not self._replaced:
            async with asyncio.timeout(READER_S):
                await self._send(message)


def _timed(receive: Receive) -> Receive:
    """The same body, which may not be silent for longer than BODY_S; after it, the end of the connection is waited for."""
    whole = False

    async def timed() -> Message:
        nonlocal whole
        if whole:
            return await receive()
        try:
            async with asyncio.timeout(BODY_S):
                message = await receive()
        except TimeoutError as cause:
            silent = f"the request's body was silent for {BODY_S:.0f} s; send it again"
            raise HTTPException(408, silent, headers={"Connection": "close"}) from cause
        whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return timed


def _number(text: str) -> int:
    """A number of a link; 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0


def _plain(headers: Headers) -> Mapping[str, str]:
    """Headers that came once. One that came twice may be the client's beside the proxy's: it says nothing."""
    found: dict[str, list[str]] = {}
    for name, value in headers.items():
        found.setdefault(name, []).append(value)
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def _address(parts: Parts, peer: str, headers: Headers) -> str:
    """The address that a request came from; behind trusted proxies, the last one that is not one of theirs."""
    came = [peer]
    if is_trusted(parts.config, peer):
        came += [one.strip() for one in reversed(",".join(headers.getlist("x-forwarded-for")).split(","))]
    return next((one for one in came if one and not is_trusted(parts.config, one)), peer)


def _foreign(method: str, headers: Headers) -> ASGIApp | None:
    """A refusal of what a web page of others sends to a server without keys on this machine, by its own name or another."""
    host = headers.get("host", "").rpartition("]")[0].lstrip("[") or headers.get("host", "").partition(":")[0]
    origin = headers.get("origin")
    if host not in LOOPBACK:
        return failures.response(403, "this server answers this machine only, under its own name; make keys to serve others")
    if origin is not None and origin.partition("://")[2] != headers.get("host") or is_cross_site(method, headers):
        return failures.response(403, "a web page of another origin may not ask a server without keys")
    return None


def _unknown(message: str) -> ASGIApp:
    return failures.response(401, message, "invalid_api_key", None, **{"WWW-Authenticate": "Bearer"})


def _too_many(message: str) -> ASGIApp:
    return failures.response(429, message, "rate_limit_exceeded", None, **{"Retry-After": "5"})
