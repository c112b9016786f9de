"""Reads, all of one snapshot. Every read of passages names the scopes that it may see."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select, text, tuple_

from ragbot.store import derived, rows
from ragbot.store import schema as s
from ragbot.store import statements as q
from ragbot.store.dialects import Database
from ragbot.store.history import HistoryReads
from ragbot.store.sources import SourceReads
from ragbot.store.turns import TurnReads
from ragbot.types import TOLD, Chunk, Citation, Original, Space

MANY = 500
"""How many ids go into one statement."""
KV = "kv:"
"""What the keys of the caller's begin with, among those of the store."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store knows of a document besides its chunks."""

    id: int
    uri: str
    scope: str
    kind: str
    title: str
    sha256: str
    metadata: dict[str, str]
    valid_from: datetime
    valid_to: datetime | None
    recorded_at: datetime
    retired_at: datetime | None
    chunks: int
    """How many are current."""


class Snapshot(TurnReads, SourceReads, HistoryReads):
    """One snapshot of the database."""

    def __init__(self, connection: Connection, database: Database) -> None:
        self._connection, self._database = connection, database

    def last_transaction(self) -> tuple[int, str]:
        """Number and token of the newest transaction; (0, "") before the first."""
        row = self._connection.execute(q.LAST_TRANSACTION).first()
        return (row.txn, row.token) if row else (0, "")

    def token(self, txn: int) -> str | None:
        """The token of one transaction."""
        return self._connection.execute(q.TOKEN, {"of": txn}).scalar()

    def active_space(self) -> Space | None:
        """The space that answers; None before the first chunk."""
        return self._space(q.ACTIVE_SPACE)

    def previous_space(self) -> Space | None:
        """The space that answered before the one that does; None if there was none, or its vectors are gone."""
        return self._set_space("previous_space")

    def next_space(self) -> Space | None:
        """The space that is being made, to answer after this one."""
        return self._set_space("next_space")

    def kv(self, key: str) -> str | None:
        """What is kept under a key of the caller's; None if nothing is."""
        return self._connection.execute(select(s.settings.c.value).where(s.settings.c.key == f"{KV}{key}")).scalar()

    def _set_space(self, key: str) -> Space | None:
        wanted = select(s.settings.c.value).where(s.settings.c.key == key).scalar_subquery()
        return self._space(select(s.spaces).where(s.spaces.c.id == wanted))

    def kept_spaces(self) -> list[Space]:
        """The space that answers, the one before it, and the one that is being made."""
        found = (self.active_space(), self.previous_space(), self.next_space())
        return list(dict.fromkeys(space for space in found if space))

    def space(self, model: str, revision: str) -> Space | None:
        """The space of one revision of a model."""
        return self._space(select(s.spaces).where(s.spaces.c.model == model, s.spaces.c.revision == revision))

    def _space(self, query: Select[Any]) -> Space | None:
        row = self._connection.execute(query).first()
        return rows.space(row) if row else None

    def document(self, scope: str, uri: str) -> Stored | None:
        """One document, retired or not."""
        found = self._documents(and_(s.documents.c.scope == scope, s.documents.c.uri == uri))
        return found[0] if found else None

    def original(self, scope: str, uri: str) -> Original | None:
        """The file that the current version of a document was read from, if it was kept."""
        which = s.documents.c.scope == scope, s.documents.c.uri == uri, s.documents.c.retired_at.is_(None)
        query = select(s.originals.c.content_type, s.originals.c.data).join(s.documents).where(*which)
        row = self._connection.execute(query).first()
        return Original(*row) if row else None

    def current_version(self, scope: str, uri: str) -> tuple[str, int | None] | None:
        """The digest of a current document, and until when it holds; None if there is none."""
        row = self._connection.execute(q.CURRENT_VERSION, {"of_scope": scope, "of_uri": uri}).first()
        return (row.sha256, row.valid_to) if row else None

    def latest_time(self) -> int:
        """The latest time at which something begins or ends to hold that was to come when it was written; 0 if there is none."""
        latest = self._connection.execute(q.LATEST_TIME).scalar()
        return int(latest or 0)

    def time_of(self, as_of: int | None) -> int | None:
        """`as_of`; where it is None, now, if what holds now is not simply what is current: something begins or ends later."""
        now = rows.now()
        return now if as_of is None and self.latest_time() > now else as_of

    def last_id_at(self, at: int) -> int:
        """The highest id of the chunks that were recorded until a time; 0 if there were none."""
        c = s.chunks.c
        newest = select(c.id).where(c.recorded_at <= at).order_by(c.id.desc()).limit(1)
        return int(self._connection.execute(newest).scalar() or 0)

    def documents(self, scopes: Collection[str] | None = None) -> list[Stored]:
        """Every current document, of all scopes or of some, by uri."""
        return self._documents(_current(scopes))

    def documents_page(
        self,
        after: tuple[str, str] | None,
        limit: int,
        scopes: Collection[str] | None = None,
        kinds: Collection[str] = (),
        pattern: str = "",
    ) -> list[Stored]:
        """Up to `limit` current documents in the order of scope and uri, from the first one after that scope and uri.

        Of some kinds, or with a uri that matches a pattern (* stands for anything), if these are given. A page costs what it
        holds, wherever it is; the next one begins after its last document.
        """
        d, which = s.documents.c, _current(scopes)
        if after is not None:
            which = and_(which, tuple_(d.scope, d.uri) > tuple_(*after))
        if kinds:
            which = and_(which, d.kind.in_(list(kinds)))
        if pattern:
            which = and_(which, self._database.matches(d.uri, pattern))
        return self._documents(which, d.scope, d.uri, limit=limit)

    def count_documents(self, scopes: Collection[str], kinds: Collection[str] = ()) -> dict[str, int]:
        """How many current documents, of all kinds or of some, each of some scopes holds."""
        d = s.documents.c
        which = and_(_current(scopes), d.kind.in_(list(kinds))) if kinds else _current(scopes)
        counted = self._connection.execute(select(d.scope, func.count()).where(which).group_by(d.scope))
        return dict.fromkeys(scopes, 0) | {scope: count for scope, count in counted}

    def _documents(self, which: ColumnElement[bool], *order: ColumnElement[Any], limit: int | None = None) -> list[Stored]:
        live = (
            select(func.count())
            .where(s.chunks.c.document_id == s.documents.c.id, s.chunks.c.retired_at.is_(None))
            .scalar_subquery()
        )
        by = order or (s.documents.c.uri, s.documents.c.scope)
        query = select(s.documents, live.label("live")).where(which).order_by(*by).limit(limit)
        return [
            Stored(
                row.id,
                row.uri,
                row.scope,
                row.kind,
                row.title,
                row.sha256,
                json.loads(row.metadata),
                rows.moment(row.valid_from),
                None if row.valid_to is None else rows.moment(row.valid_to),
                rows.moment(row.recorded_at),
                None if row.retired_at is None else rows.moment(row.retired_at),
                row.live,
            )
            for row in self._connection.execute(query)
        ]

    def retired_after(self, txn: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids of chunks that were retired after a transaction, and when (microseconds)."""
        return _pairs(self._connection.execute(q.RETIRED_AFTER, {"of": txn}).all())

    def erased_after(self, txn: int) -> NDArray[np.int64]:
        """Ids of chunks that were erased after a transaction."""
        found = self._connection.execute(q.ERASED_AFTER, {"of": txn}).scalars().all()
        return np.array(found, np.int64)

    def chunks(
        self, ids: Collection[int], scopes: Collection[str], as_of: int | None = None, known_at: int | None = None
    ) -> dict[int, Chunk]:
        """Those of the chunks that `scopes` may see and that are current; or held at `as_of`, by what was known at `known_at`."""
        found: dict[int, Chunk] = {}
        wanted, statement = list(ids), q.CHUNKS_NOW if as_of is None else q.CHUNKS_AS_OF if known_at is None else q.CHUNKS_KNOWN
        for at in range(0, len(wanted), MANY):
            some = {"ids": wanted[at : at + MANY], "scopes": list(scopes), "at": as_of, "known": known_at}
            found |= {row.id: rows.chunk(row) for row in self._connection.execute(statement, some)}
        return found

    def chunk_ever(self, chunk_id: int, scopes: Collection[str]) -> Chunk | None:
        """A chunk that `scopes` may see, current or retired; None if there is none, or it was erased."""
        row = self._connection.execute(select(s.chunks).where(s.chunks.c.id == chunk_id)).first()
        return rows.chunk(row) if row and row.scope in scopes else None

    def scopes_of(self, ids: Collection[int]) -> set[str]:
        """The scopes of those of the chunks that are there."""
        return set(self._connection.execute(select(s.chunks.c.scope).where(s.chunks.c.id.in_(list(ids))).distinct()).scalars())

    def chunks_of(self, scope: str, uri: str) -> list[Chunk]:
        """The current chunks of a document, in order."""
        return [rows.chunk(row) for row in self._connection.execute(q.CHUNKS_OF, {"of_scope": scope, "of_uri": uri})]

    def chunks_beside(self, chunk: Chunk, reach: int, as_of: int | None = None) -> list[Chunk]:
        """The current chunks, or those of `as_of`, of the same document up to `reach` places away, in order, without itself."""
        c, d = s.chunks.c, s.documents.c
        document = select(d.id).where(d.scope == chunk.scope, d.uri == chunk.uri).scalar_subquery()
        near = and_(c.ord.between(chunk.ord - reach, chunk.ord + reach), c.ord != chunk.ord)
        held = c.retired_at.is_(None) if as_of is None else q.HELD
        which = select(s.chunks).where(c.document_id == document, held, near).order_by(c.ord)
        return [rows.chunk(row) for row in self._connection.execute(which, {} if as_of is None else {"at": as_of})]

    def newest_told(self, scope: str, limit: int) -> list[Chunk]:
        """The newest current chunks of what a person told, newest first."""
        return self._told(scope, s.documents.c.uri >= TOLD, s.documents.c.uri < TOLD[:-1] + chr(ord(TOLD[-1]) + 1), limit=limit)

    def chunks_told(self, scope: str, turn_id: str) -> list[Chunk]:
        """The current chunks of what was told in one turn, in order."""
        uri, first = s.documents.c.uri, f"{TOLD}{turn_id}"
        return self._told(scope, or_(uri == first, and_(uri > f"{first}.", uri < f"{first}/")))[::-1]

    def _told(self, scope: str, *which: ColumnElement[bool], limit: int | None = None) -> list[Chunk]:
        """Chunks by way of their documents, whose scope and uri are in an index; newest first."""
        d = s.documents.c
        documents = select(d.id).where(d.scope == scope, d.kind == "turn", d.retired_at.is_(None), *which)
        own = s.chunks.c.document_id.in_(documents.order_by(d.id.desc()).limit(limit))
        query = select(s.chunks).where(own, s.chunks.c.retired_at.is_(None)).order_by(s.chunks.c.id.desc()).limit(limit)
        return [rows.chunk(row) for row in self._connection.execute(query)]

    def documents_like(self, patterns: Collection[str]) -> set[int]:
        """Ids of documents whose uri matches one of `patterns`: * stands for anything, all else for itself, in its case."""
        uri, found, wanted = s.documents.c.uri, set[int](), list(patterns)
        for at in range(0, len(wanted), MANY):
            some = wanted[at : at + MANY]
            exact = uri.in_([pattern for pattern in some if "*" not in pattern])
            wild = [self._database.matches(uri, pattern) for pattern in some if "*" in pattern]
            found.update(self._connection.execute(select(s.documents.c.id).where(or_(exact, *wild))).scalars())
        return found

    def names_of_sources(self, chunk_ids: Sequence[int]) -> dict[int, str]:
        """The names by which people know the sources of chunks (`name` of the metadata), where they have one."""
        wanted = select(s.chunks.c.id, s.documents.c.metadata).join(s.documents, s.documents.c.id == s.chunks.c.document_id)
        found = self._connection.execute(wanted.where(s.chunks.c.id.in_(chunk_ids))).all()
        names = {chunk_id: json.loads(metadata).get("name", "") for chunk_id, metadata in found if '"name"' in metadata}
        return {chunk_id: name for chunk_id, name in names.items() if name}

    def vector_ids(self, space: Space, above: int = 0) -> NDArray[np.int64]:
        """Ids, ascending, of the chunks above `above` that have a vector in a space."""
        found = self._connection.execute(q.VECTOR_IDS, {"of": space.id, "above": above}).scalars().all()
        return np.array(found, np.int64)

    def last_vector_id(self, space: Space) -> int:
        """The highest chunk id that has a vector in a space; 0 if none has."""
        v = s.vectors.c
        query = select(v.chunk_id).where(v.space_id == space.id).order_by(v.chunk_id.desc()).limit(1)
        return int(self._connection.execute(query).scalar() or 0)

    def chunk_states(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Every chunk's id, ascending, and until when it holds (the largest number: no end is known)."""
        c = s.chunks.c
        forever = np.iinfo(np.int64).max
        return _pairs(self._connection.execute(select(c.id, func.coalesce(q.ENDS_AT, forever)).order_by(c.id)).all())

    def passages(self, space: Space, ids: Sequence[int]) -> list[Any]:
        """What an index takes of chunks, with their vectors in a space; those that have none are left out."""
        found: list[Any] = []
        for at in range(0, len(ids), MANY):
            found += self._connection.execute(q.PASSAGES, {"of": space.id, "ids": list(ids[at : at + MANY])}).all()
        return found

    def known(self, space: Space, documents: Collection[tuple[str, str]], digests: Collection[str]) -> dict[str, int]:
        """For digests, chunks that have a vector in a space.

        They are looked for in the current versions of `documents`, which are (scope, uri), and in any version of any
        document of their scope that shares a hook with `digests`: there are copies, earlier versions and what was renamed.
        Never in another scope: whether a passage had to be embedded tells who writes it that somebody has it. Of documents
        of several scopes only what each scope has is known.
        """
        by_scope = [self._known_in(space, scope, documents, digests) for scope in sorted({scope for scope, _ in documents})]
        return (
            {digest: id for digest, id in by_scope[0].items() if all(digest in known for known in by_scope)} if by_scope else {}
        )

    def _known_in(
        self, space: Space, scope: str, documents: Collection[tuple[str, str]], digests: Collection[str]
    ) -> dict[str, int]:
        versions: set[tuple[int, int | None]] = set()
        for of_scope, uri in documents:
            asked = {"of_scope": scope, "of_uri": uri}
            document = self._connection.execute(q.DOCUMENT_ID, asked).scalar() if of_scope == scope else None
            if document is not None:
                versions.add((document, None))
        wanted = list(digests)
        for at in range(0, len(wanted), MANY):
            hooks = {"of_scope": scope, "digests": wanted[at : at + MANY]}
            versions |= {(row[0], row[1]) for row in self._connection.execute(q.HOOKED, hooks)}
        known: dict[str, int] = {}
        for of, retired_at in versions:
            version = {"space": space.id, "of": of, "retired_at": retired_at}
            found = self._connection.execute(q.OF_VERSION, version).all()
            known.update((row.sha256, row.id) for row in found if row.sha256 in digests)
        return known

    def vectors(self, space: Space, ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """Vectors of a space by the id of their chunk."""
        found = {}
        for at in range(0, len(ids), MANY):
            asked = {"of": space.id, "ids": ids[at : at + MANY]}
            found.update(
                {row.chunk_id: np.frombuffer(row.vector, np.float32) for row in self._connection.execute(q.VECTORS, asked)}
            )
        return found

    def count_missing(self, space: Space) -> int:
        """How many chunks have no vector in `space`."""
        has = select(s.vectors.c.chunk_id).where(s.vectors.c.chunk_id == s.chunks.c.id, s.vectors.c.space_id == space.id)
        return int(self._connection.execute(select(func.count()).select_from(s.chunks).where(~has.exists())).scalar_one())

    def missing(self, space: Space, limit: int, after: int = 0) -> list[Chunk]:
        """Up to `limit` chunks of ids above `after`, ascending, retired ones too, that have no vector in `space`."""
        has = select(s.vectors.c.chunk_id).where(s.vectors.c.chunk_id == s.chunks.c.id, s.vectors.c.space_id == space.id)
        query = select(s.chunks).where(s.chunks.c.id > after, ~has.exists()).order_by(s.chunks.c.id).limit(limit)
        return [rows.chunk(row) for row in self._connection.execute(query)]

    def counts(self) -> tuple[int, int, int, int]:
        """Current documents, current chunks, all chunks, turns."""
        count = self._connection.execute(
            select(
                select(func.count()).where(s.documents.c.retired_at.is_(None)).scalar_subquery(),
                select(func.count()).where(s.chunks.c.retired_at.is_(None)).scalar_subquery(),
                select(func.count()).select_from(s.chunks).scalar_subquery(),
                select(func.count()).select_from(s.turns).scalar_subquery(),
            )
        ).one()
        return tuple(count)

    def disputed(
        self, chunk_ids: Collection[int], scopes: Collection[str], as_of: int | None = None, known_at: int | None = None
    ) -> list[tuple[int, int, int, str]]:
        """(chunk id, start, end, uri of what sets it aside) of each disputed span in the chunk's text.

        Now, or at `as_of`, by what was known at `known_at`.
        """
        d, by = s.disputes.c, s.documents.c
        query = (
            select(d.chunk_id, d.start, d.end, by.uri)
            .join(s.documents, by.id == d.document_id)
            .where(d.chunk_id.in_(chunk_ids), by.scope.in_(scopes))
        )
        if as_of is None:
            query = query.where(by.retired_at.is_(None))
        else:
            query = query.where(by.valid_from <= as_of, or_(by.retired_at.is_(None), by.retired_at > as_of))
        if known_at is not None:
            query = query.where(by.recorded_at <= known_at)
        return [tuple(row) for row in self._connection.execute(query)]

    def set_aside_by(self, document_id: int) -> list[Citation]:
        """The words that a correction, or something told, sets aside."""
        d, c = s.disputes.c, s.chunks.c
        query = select(c.id, c.uri, c.start, c.text, d.start.label("begin"), d.end.label("stop"))
        found = self._connection.execute(query.join(s.chunks, c.id == d.chunk_id).where(d.document_id == document_id))
        return [
            Citation(row.id, row.uri, row.start + row.begin, row.start + row.stop, row.text[row.begin : row.stop])
            for row in found
        ]

    def integrity(self) -> list[str]:
        """What the database itself finds wrong, in words; empty if nothing."""
        found = self._database.problems(self._connection)
        checks = {
            "chunk {} is current, but its document is not": "SELECT c.id FROM chunks c JOIN documents d ON d.id = c.document_id "
            "WHERE c.retired_at IS NULL AND d.retired_at IS NOT NULL",
        }
        for problem, query in checks.items():
            found += [problem.format(id) for id in self._connection.execute(text(query)).scalars()]
        return found + derived.check(self._connection)


def _pairs(found: Sequence[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first, second = zip(*found, strict=True) if found else ((), ())
    return np.array(first, np.int64), np.array(second, np.int64)


def _current(scopes: Collection[str] | None) -> ColumnElement[bool]:
    current = s.documents.c.retired_at.is_(None)
    return current if scopes is None else and_(current, s.documents.c.scope.in_(scopes))
