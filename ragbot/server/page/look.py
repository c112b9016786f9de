"""How a view becomes HTML: templates, labels in the reader's language, static files, headers."""

from __future__ import annotations

import functools
import gzip
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from importlib.resources import files
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

LANGUAGES = {"en": "English", "zh": "中文"}
LANGUAGE_COOKIE = "ragbot_language"
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {"content-security-policy": POLICY, "referrer-policy": "same-origin"}
"""With no referrer at all, browsers would not say which page a form came from either."""
FOR_EVER = "public, max-age=31536000, immutable"
_HERE = files("ragbot.server.page")


@dataclass(frozen=True, slots=True)
class Static:
    """A static file, packed, under an address that changes with its content."""

    data: bytes
    packed: bytes
    content_type: str
    version: str


@functools.cache
def static_files() -> Mapping[str, Static]:
    """The static files by name."""
    found = {}
    for file in _HERE.joinpath("static").iterdir():
        suffix = file.name[file.name.rfind(".") :]
        if suffix in TYPES:
            data = file.read_bytes()
            version = hashlib.sha256(data).hexdigest()[:12]
            found[file.name] = Static(data, gzip.compress(data, 9, mtime=0), TYPES[suffix], version)
    return found


def static_response(request: Request, name: str) -> Response | None:
    """A static file, or None if there is none of this name."""
    found = static_files().get(name)
    if found is None:
        return None
    headers = {"cache-control": FOR_EVER, "vary": "accept-encoding"}
    packed = "gzip" in request.headers.get("accept-encoding", "")
    if packed:
        headers["content-encoding"] = "gzip"
    return Response(found.packed if packed else found.data, media_type=found.content_type, headers=headers)


@functools.cache
def labels(language: str) -> Mapping[str, str]:
    """The labels of a language, by name; those that it lacks are English."""
    own = tomllib.loads(_HERE.joinpath("labels", f"{language}.toml").read_text(encoding="utf-8"))
    return own if language == "en" else {**labels("en"), **own}


def language_of(request: Request) -> str:
    """The language of a reader: the one that was chosen, else the first of the browser's that there is."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    wanted = [part.split(";")[0].strip()[:2].lower() for part in request.headers.get("accept-language", "").split(",")]
    return next((one for one in wanted if one in LANGUAGES), "en")


@functools.cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("ragbot.server.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["static"] = lambda name: f"/static/{name}?v={static_files()[name].version}"
    made.globals["languages"] = LANGUAGES
    made.filters |= {"moment": _moment, "day": _day, "segment": segment}
    return made


def segment(text: str) -> str:
    """A text as one part of an address, quoted twice: a server reads what is quoted once as the slash that it is."""
    return quote(quote(text, safe=""), safe="")


def _moment(at: datetime | None) -> str | Markup:
    """A time as the browser may tell it in its own zone; of a whole day its date."""
    if at is None:
        return ""
    at = at.astimezone(UTC)
    if at.time() == time():
        return _day(at)
    return Markup('<time datetime="{}">{:%Y-%m-%d %H:%M} UTC</time>').format(at.isoformat(timespec="seconds"), at)


def _day(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}" if at else ""


@dataclass(frozen=True, slots=True)
class Look:
    """How views look for one request."""

    language: str
    is_part: bool
    """Whether the script asks for a part of a page, not a whole one."""

    @classmethod
    def of(cls, request: Request) -> Look:
        """The look that a request asks for."""
        return cls(language_of(request), "hx-request" in request.headers and "hx-boosted" not in request.headers)

    def label(self, name: str, /, **values: object) -> str:
        """A label in the reader's language, with values put in."""
        return labels(self.language)[name].format(**values)

    def html(self, template: str, **context: object) -> str:
        """A template filled."""
        made = _environment().get_template(template)
        return made.render(t=self.label, language=self.language, is_part=self.is_part, **context)

    def response(self, template: str, context: Mapping[str, object], status: int = 200) -> HTMLResponse:
        """A template as a response."""
        return HTMLResponse(self.html(template, **context), status, headers=HEADERS)
