"""What changed in a memory, and what that means: versions of documents, stale answers, a digest, conflicts, freshness; and what
counts for whom: promoted corrections, and what later words set aside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np

from ragbot.errors import InputError, NotFoundError
from ragbot.memory import Memory
from ragbot.safety.gate import harmless, harmless_name
from ragbot.search.newer import outranks
from ragbot.store import Snapshot, Stored
from ragbot.store.history import StaleCitation
from ragbot.store.rows import micros, moment
from ragbot.temporal.conflicts import pairs_that_say_otherwise
from ragbot.text import storable
from ragbot.text.documents import ABOUT
from ragbot.text.sentences import sentences
from ragbot.types import EVERYONE, TOLD, Chunk, Document, Hit, Kind

Progress = Callable[[str, int, int], None]
PROMOTED_BY = "promoted_by"
"""The key, in the metadata of what counts for everyone, of who decided that."""
RECENT, MAX_OLDEST = 30, 5
"""Days of which it is told how soon changes were searchable, and so many of the oldest documents are named."""
Status = Literal["added", "changed", "gone"]


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of a document in some time, in its own sentences."""

    uri: str
    scope: str
    kind: Kind
    name: str
    title: str
    status: Status
    at: datetime
    """When it last changed."""
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two sentences that say otherwise about the same; the first one leads."""

    leads: Chunk
    says: str
    other: Chunk
    other_says: str


Quantiles = tuple[float, float, float]
"""The median, the one of .9 and that of .99."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh the documents of a memory are."""

    documents: int
    age_days: Quantiles
    """How long ago they began to hold."""
    visible_s: Quantiles
    """How long after their files or pages changed they were searchable, of those recorded in the last RECENT days."""
    recent: int
    """How many those are."""
    oldest: tuple[tuple[str, datetime], ...]
    """The names of those that did not change for longest, and since when."""
    failed: tuple[tuple[str, str], ...]
    """Addresses of what could not be read when it was last tried, and why."""


def diff(
    memory: Memory, uri: str, *, scope: str = EVERYONE, since: datetime | None = None, until: datetime | None = None
) -> Changed:
    """What a document says now, or at `until`, and did not at `since`, and the other way round.

    Without `since` it is compared with its version before.

    Raises NotFoundError if there is no such document, or it has no earlier version.
    """
    scope, uri = storable(scope), storable(uri)
    with memory.store.reading() as snapshot:
        stored = snapshot.document(scope, uri)
        if stored is None:
            raise NotFoundError(f"{uri}: no such document in scope {scope!r}; `ingest status` lists what is there")
        times = snapshot.changes_of(stored.id)
        if since is None and len(times) < 2:
            raise NotFoundError(f"{uri}: has no earlier version; it is as it was added on {times[0]:%Y-%m-%d %H:%M} UTC")
        end = micros(until) if until else micros(datetime.now(UTC))
        times = [at for at in times if micros(at) <= end]
        if not times:
            raise NotFoundError(f"{uri}: was not there yet; give a later --to")
        begin = micros(since) if since else micros(times[-1]) - 1
        added, removed = _differences(snapshot, stored.id, begin, end)
        status: Status = "gone" if stored.retired_at and micros(stored.retired_at) <= end else "changed"
        name = harmless_name(stored.metadata.get("name", "") or uri)
        return Changed(uri, scope, stored.kind, name, harmless_name(stored.title), status, times[-1], added, removed)  # type: ignore[arg-type]


def digest(
    memory: Memory, since: datetime, *, until: datetime | None = None, scopes: Collection[str] = (EVERYONE,)
) -> list[Changed]:
    """What is new, changed and gone since a time, by scope and address."""
    begin, end = micros(since), micros(until or datetime.now(UTC))
    found = []
    with memory.store.reading() as snapshot:
        for one in snapshot.touched_since(begin, end, [storable(scope) for scope in scopes]):
            added, removed = _differences(snapshot, one.id, begin - 1, end - 1)
            gone = one.retired_at is not None and begin <= one.retired_at < end
            if not added and not removed:
                continue
            status: Status = "gone" if gone else "added" if one.first_at >= begin else "changed"
            changes = [at for at in snapshot.changes_of(one.id) if at < moment(end)]
            name = harmless_name(json.loads(one.metadata).get("name", "") or one.uri)
            found.append(
                Changed(one.uri, one.scope, one.kind, name, harmless_name(one.title), status, changes[-1], added, removed)
            )
    return found


def _differences(snapshot: Snapshot, document_id: int, begin: int, end: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sentences of a document that came, and that went, between two times of the record."""
    before, after = (_sentences(snapshot.recorded_until(document_id, at)) for at in (begin, end))
    added = tuple(harmless(one) for one in after if one not in before)
    return added, tuple(harmless(one) for one in before if one not in after)


def _sentences(chunks: Sequence[Chunk]) -> dict[str, None]:
    return dict.fromkeys(
        " ".join(chunk.text[span.start : span.end].split()) for chunk in chunks for span in sentences(chunk.text)
    )


def affected(memory: Memory, uri: str | None = None, *, scopes: Collection[str] | None) -> list[StaleCitation]:
    """What past answers stood on that has changed since, the newest answers first; `scopes` None: everybody's."""
    with memory.store.reading() as snapshot:
        found = snapshot.stale_citations(scopes, [storable(uri)] if uri else ())
        return list(dict.fromkeys(one for one in found if one.set_aside or not _still_said(snapshot, one)))


def _still_said(snapshot: Snapshot, one: StaleCitation) -> bool:
    """Whether the words only moved to another passage of their document."""
    told = one.uri.startswith(TOLD)
    return not told and any(snapshot.holds_words(one.uri, scope, one.quote) for scope in (EVERYONE, one.scope))


def conflicts(memory: Memory, *, scopes: Collection[str] = (EVERYONE,), progress: Progress | None = None) -> list[Conflict]:
    """Sentences of different documents that say otherwise about the same today; the newer or more authoritative one leads."""
    held = list[tuple[Chunk, str]]()
    with memory.store.reading() as snapshot:
        documents = [
            one for one in snapshot.documents([storable(scope) for scope in scopes]) if one.kind == "file" and _holds(one)
        ]
        names = {one.uri: one.metadata.get("name", "") for one in documents}
        for at, one in enumerate(documents):
            for chunk in snapshot.chunks_of(one.scope, one.uri):
                held += [(chunk, text) for text in _sentences([chunk])]
            if progress:
                progress("reading", at + 1, len(documents))
    found = []
    for first, second in pairs_that_say_otherwise([text for _, text in held]):
        (leads, says), (other, others) = held[first], held[second]
        if leads.uri == other.uri and leads.scope == other.scope:
            continue
        hits = [Hit(chunk, 0.0, name=names.get(chunk.uri, "")) for chunk in (other, leads)]
        if outranks(hits[0], hits[1], memory.settings.authority):
            leads, says, other, others = other, others, leads, says
        found.append(Conflict(leads, harmless(says), other, harmless(others)))
    return found


def _holds(document: Stored) -> bool:
    """Whether it has begun, and has not run out."""
    now = datetime.now(UTC)
    return document.valid_from <= now and (document.valid_to is None or now < document.valid_to)


def freshness(memory: Memory) -> Freshness:
    """How long ago documents changed, how soon they were searchable then, and which sources could not be read."""
    now = datetime.now(UTC)
    with memory.store.reading() as snapshot:
        documents = [one for one in snapshot.documents() if one.kind == "file"]
        scopes = {one.scope for one in documents} | {EVERYONE}
        failed = {uri: state for scope in sorted(scopes) for uri, state in snapshot.source_states("failed", scope, None).items()}
    ages = [(now - one.valid_from).total_seconds() / 86400 for one in documents]
    timed = [one for one in documents if one.metadata.get("dated_by", "").startswith("time of")]
    recent = [one for one in timed if now - one.recorded_at < timedelta(days=RECENT)]
    lags = [(one.recorded_at - one.valid_from).total_seconds() for one in recent]
    oldest = sorted(documents, key=lambda one: one.valid_from)[:MAX_OLDEST]
    return Freshness(
        len(documents),
        _quantiles(ages),
        _quantiles(lags),
        len(recent),
        tuple((harmless_name(one.metadata.get("name", "") or one.uri), one.valid_from) for one in oldest),
        tuple((harmless_name(uri), str(state.values.get("message", ""))) for uri, state in sorted(failed.items())),
    )


def _quantiles(values: Sequence[float]) -> Quantiles:
    median, many, most = (float(one) for one in np.quantile(values, (0.5, 0.9, 0.99))) if values else (0.0, 0.0, 0.0)
    return median, many, most


def promote(memory: Memory, uri: str, *, by: str, scope: str) -> None:
    """Make a correction, or something that a person told, count for everyone; `by` is recorded. Raises NotFoundError."""
    scope, uri, by = storable(scope), storable(uri), storable(by)
    with memory.store.reading() as snapshot:
        stored = _current(snapshot, scope, uri)
        text = "\n".join(chunk.text for chunk in snapshot.chunks_of(scope, uri))
    if stored.kind == "file":
        raise InputError(
            f"{uri}: is a document, and `ingest add` adds it for everyone; corrections and what was told are promoted"
        )
    if stored.metadata.get(ABOUT):
        raise InputError(f"{uri}: says not by itself what it is about; tell it as a whole sentence, and promote that")
    # No title: that of a correction is the question of who made it, which nobody else is to see.
    promoted = Document(uri, text, "", "correction", EVERYONE, metadata={PROMOTED_BY: by}, lines=False)
    memory.remember(promoted, also=lambda transaction: transaction.copy_disputes(scope, uri, EVERYONE))


def retract(memory: Memory, uri: str) -> None:
    """Take back what `promote` made count for everyone; `as_of` still reads it. Raises NotFoundError."""
    with memory.store.reading() as snapshot:
        if PROMOTED_BY not in _current(snapshot, EVERYONE, storable(uri)).metadata:
            raise InputError(f"{uri}: was not promoted; `ingest forget` erases a document")
    memory.retire(uri)


def unsupersede(memory: Memory, uri: str, *, scope: str) -> int:
    """Let what a person told, and later words set aside, hold again. In how many places it was. Raises NotFoundError."""
    with memory.store.writing() as transaction:
        _current(transaction, storable(scope), storable(uri))
        undone = transaction.drop_disputes_on(storable(scope), storable(uri))
    if not undone:
        raise NotFoundError(f"{uri}: nothing that was told later sets it aside; `ragbot facts` shows what is")
    return undone


def retell(memory: Memory, uri: str, text: str, *, scope: str) -> None:
    """Let something that was told, or a correction, say something else from now on; what it sets aside stays so.

    Raises NotFoundError, and InputError for a document, or for no words.
    """
    scope, uri = storable(scope), storable(uri)
    with memory.store.reading() as snapshot:
        stored = _current(snapshot, scope, uri)
        cited = snapshot.set_aside_by(stored.id)
    if stored.kind == "file":
        raise InputError(f"{uri}: is a document; `ingest add` brings its new version")
    new = Document(uri, storable(text.strip()), stored.title, stored.kind, scope, metadata=stored.metadata, lines=False)  # type: ignore[arg-type]
    memory.remember(new, disputes=cited)


def _current(snapshot: Snapshot, scope: str, uri: str) -> Stored:
    stored = snapshot.document(scope, uri)
    if stored is None or stored.retired_at is not None:
        raise NotFoundError(f"{uri}: no such document in scope {scope!r}; `ragbot facts` lists what was told")
    return stored
