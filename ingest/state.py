"""What is known of the places that documents came from: a file, a page, a feed, a file that could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import ClassVar, TypeVar

from ragbot.text import storable
from ragbot.types import SourceState


@dataclass(frozen=True, slots=True)
class FileState:
    """What was in a file when it was read, and how and on which device it lay then."""

    kind: ClassVar[str] = "file"
    sha256: str
    stamp: str = ""
    """Size, times and place (`sources.stamp`); "" if it had changed too lately to tell it by that."""
    device: str = ""
    parser: str = ""
    """The version of the parsers that read it."""


@dataclass(frozen=True, slots=True)
class WebState:
    """What a server sent, how it marked it, and where that was."""

    kind: ClassVar[str] = "web"
    sha256: str
    etag: str = ""
    last_modified: str = ""
    url: str = ""
    parser: str = ""


@dataclass(frozen=True, slots=True)
class FeedState:
    """How a server marked a feed, and the pages that the feed named."""

    kind: ClassVar[str] = "feed"
    etag: str = ""
    last_modified: str = ""
    url: str = ""
    parser: str = ""
    pages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FailedState:
    """Why a file could not be read, and which version of it."""

    kind: ClassVar[str] = "failed"
    error: str
    """The name of a ReadError's class."""
    message: str
    file: FileState
    at: datetime


DocumentState = FileState | WebState
State = TypeVar("State", FileState, WebState)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the source of a current document; nothing where it was told and not ingested."""

    file: FileState | None = None
    web: WebState | None = None

    @property
    def parser(self) -> str:
        """The version of the parsers that read it; "" if none did."""
        state = self.file or self.web
        return state.parser if state else ""


def updated(known: State, new: State) -> State:
    """`known` with all of `new` that is not empty."""
    return replace(known, **{name: value for name, value in asdict(new).items() if value})


def stored(scope: str, uri: str, state: FileState | WebState | FeedState | FailedState) -> SourceState:
    """A state as the store keeps it."""
    scope, uri = storable(scope), storable(uri)
    if isinstance(state, FailedState):
        values = {"error": state.error, "message": state.message, "file": asdict(state.file)}
        return SourceState(scope, uri, state.kind, values, state.at)
    return SourceState(scope, uri, state.kind, asdict(state))


def file_state(source: SourceState) -> FileState:
    """The state of a file, as the store kept it."""
    return FileState(**_texts(FileState, source.values))


def web_state(source: SourceState) -> WebState:
    """The state of a page, as the store kept it."""
    return WebState(**_texts(WebState, source.values))


def feed_state(source: SourceState) -> FeedState:
    """The state of a feed, as the store kept it."""
    texts, pages = _texts(FeedState, source.values), source.values.get("pages")
    named = tuple(str(page) for page in pages) if isinstance(pages, list | tuple) else ()
    return FeedState(texts["etag"], texts["last_modified"], texts["url"], texts["parser"], named)


def failed_state(source: SourceState) -> FailedState:
    """Why a file could not be read, as the store kept it."""
    file = source.values.get("file")
    state = FileState(**_texts(FileState, file if isinstance(file, Mapping) else {}))
    assert source.at is not None, "what the store gives has a time"
    return FailedState(str(source.values.get("error", "")), str(source.values.get("message", "")), state, source.at)


def _texts(kind: type[FileState] | type[WebState] | type[FeedState], values: Mapping[str, object]) -> dict[str, str]:
    """The values of fields that hold text. What is not known is "": a digest like that equals none."""
    return {field.name: str(values.get(field.name, "")) for field in fields(kind) if field.name != "pages"}
