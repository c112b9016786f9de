"""Files into the memory: read, compare, remember. One failed file never touches another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ingest import readers, sources
from ragbot.errors import EmptyError, InputError, LockedError, ReadError, UnsupportedError
from ragbot.memory import Memory
from ragbot.types import EVERYONE, Document, Remembered

Status = Literal["added", "updated", "unchanged", "retired", "skipped", "failed"]
FILE_DIGEST, READER = "file_sha256", "reader"
FILES, CHARACTERS = 256, 200_000
"""How many files, or how much of their text, wait to be remembered together."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one document. "skipped": of a type that is not read, met in a folder."""

    uri: str
    status: Status
    reason: str = ""
    chunks: Remembered = field(default_factory=Remembered)


Progress = Callable[[int, int, Outcome], None]
"""Called after each file with how many are done, how many there are, and what became of it."""


def add(
    memory: Memory,
    paths: Sequence[Path],
    *,
    scope: str = EVERYONE,
    password: str | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Ingest files and folders. Unchanged files cost no parsing and no embedding."""
    files, unread = sources.find(paths, memory.home)
    return _ingest_all(memory, files, unread, scope, password, progress)


def sync(
    memory: Memory,
    folder: Path,
    *,
    scope: str = EVERYONE,
    password: str | None = None,
    allow_empty: bool = False,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Ingest a folder, and retire what came from it and is no longer there.

    Nothing is retired if part of the folder could not be listed, or if no file is left and
    `allow_empty` is false: that is what a mount looks like that has vanished.
    """
    if not folder.is_dir():
        raise ReadError(f"{folder}: is not a folder; nothing was changed")
    files, unread = sources.find([folder], memory.home)
    empty = not files and all(isinstance(failure.cause, EmptyError) for failure in unread)
    if empty and allow_empty:
        unread = []
    outcomes = _ingest_all(memory, files, unread, scope, password, progress)
    return outcomes if unread else outcomes + _retire_gone(memory, folder, {file.uri for file in files}, scope)


def _retire_gone(memory: Memory, folder: Path, there: Collection[str], scope: str) -> list[Outcome]:
    """Retire the documents that came from files of `folder` and are not `there` any more; none that came otherwise."""
    outcomes = []
    for stored in memory.documents([scope]):
        came_from_it = FILE_DIGEST in stored.metadata and sources.is_under(stored.uri, folder, memory.home)
        # A file may have come since the folder was listed, and another process may have ingested it.
        if came_from_it and stored.uri not in there and not sources.path_of(stored.uri, memory.home).is_file():
            retired = memory.retire(stored.uri, scope=scope)
            outcomes.append(Outcome(stored.uri, "retired", "no longer in the folder", Remembered(retired=retired)))
    return outcomes


def _ingest_all(
    memory: Memory,
    files: Sequence[sources.Found],
    unread: Sequence[sources.Unread],
    scope: str,
    password: str | None,
    progress: Progress | None,
) -> list[Outcome]:
    outcomes = [Outcome(failure.uri, "failed", str(failure.cause)) for failure in unread]
    for outcome in _ingest(memory, files, scope, password):
        outcomes.append(outcome)
        if progress:
            progress(len(outcomes) - len(unread), len(files), outcome)
    return outcomes


def _ingest(memory: Memory, files: Sequence[sources.Found], scope: str, password: str | None) -> Iterator[Outcome]:
    """Read the files one by one, and remember some at a time: they share a pass through the embedder and a transaction."""
    waiting: list[_Read] = []
    for file in files:
        try:
            read = _read(memory, file, scope, password)
        except UnsupportedError as cause:
            read = Outcome(file.uri, "failed" if file.named else "skipped", str(cause))
        except ReadError as cause:
            read = _failed(memory, file.uri, scope, cause)
        if isinstance(read, Outcome):
            yield read
            continue
        waiting.append(read)
        if len(waiting) >= FILES or sum(len(one.document.text) for one in waiting) >= CHARACTERS:
            yield from _remember(memory, waiting)
            waiting = []
    yield from _remember(memory, waiting)


@dataclass(frozen=True, slots=True)
class _Read:
    """A file that was read, and whether an earlier version of it is known."""

    document: Document
    known: bool


def _read(memory: Memory, file: sources.Found, scope: str, password: str | None) -> _Read | Outcome:
    stored = memory.document(file.uri, scope=scope)
    noted = {FILE_DIGEST: _digest(file.path), READER: readers.READER_VERSION}
    if stored and noted.items() <= stored.metadata.items():
        return Outcome(file.uri, "unchanged")
    return _Read(_noted(readers.read(file.path, file.uri, scope=scope, password=password), noted), stored is not None)


def _failed(memory: Memory, uri: str, scope: str, cause: Exception) -> Outcome:
    old = memory.document(uri, scope=scope)
    return Outcome(uri, "failed", f"{cause} (its version of {old.ingested_at:%Y-%m-%d} still answers)" if old else str(cause))


def _remember(memory: Memory, waiting: Sequence[_Read]) -> Iterator[Outcome]:
    remembered = memory.remember_each([one.document for one in waiting])
    for one, (document, done) in zip(waiting, remembered, strict=True):
        if isinstance(done, InputError):
            yield _failed(memory, document.uri, document.scope, done)
        elif done.skipped:  # other bytes, same text
            memory.note(document)
            yield Outcome(document.uri, "unchanged", chunks=done)
        else:
            lost = document.metadata.get("pages_failed", "")
            reason = f"much of page {lost} could not be read" if lost else ""
            yield Outcome(document.uri, "updated" if one.known else "added", reason, done)


def _noted(document: Document, noted: dict[str, str]) -> Document:
    return replace(document, metadata={**document.metadata, **noted})


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as cause:
        raise LockedError(f"{path}: cannot be opened ({cause.strerror}); check its permissions") from cause
