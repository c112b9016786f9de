"""Writes, all of one transaction.

A document's next version is worked out inside the transaction, against what is there at that
moment: two processes that write the same document race for the lock, never over each other.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, case, delete, insert, select, update

from ragbot.store import derived, rows
from ragbot.store import schema as s
from ragbot.store import statements as q
from ragbot.store.derived import Erased, ErasedDocument
from ragbot.store.dialects import Database
from ragbot.store.snapshot import KV, MANY, Snapshot
from ragbot.store.sources import SourceWrites
from ragbot.store.turns import Raced, TurnWrites
from ragbot.types import Citation, Document, NewChunk, Original, Remembered, SourceState, Space

_Held = tuple[int, int, int | None]
"""Id, valid_from and valid_to of a chunk."""


class Transaction(Snapshot, TurnWrites, SourceWrites):
    """One transaction. Reads within it see its own writes."""

    def __init__(self, connection: Connection, database: Database) -> None:
        super().__init__(connection, database)
        self.at = rows.now()
        insertion = insert(s.transactions).values(token=secrets.token_hex(8), at=self.at)
        self.txn = int(connection.execute(insertion).inserted_primary_key[0])  # type: ignore[index]

    # Spaces and vectors

    def add_space(self, model: str, revision: str, dim: int, prefixes: tuple[str, str]) -> Space:
        """The space of one revision of a model, made if it is new."""
        found = self.space(model, revision)
        if found:
            return found
        values = {"model": model, "revision": revision, "dim": dim, "query_prefix": prefixes[0], "passage_prefix": prefixes[1]}
        self._connection.execute(insert(s.spaces).values(values))
        made = self.space(model, revision)
        assert made is not None
        return made

    def set_calibration(self, space: Space, calibration: Mapping[str, float]) -> None:
        """Keep the calibration of a space, in place of the one before. Raises Raced if the space is there no longer."""
        values = {"calibration": json.dumps({name: float(value) for name, value in calibration.items()})}
        if not self._connection.execute(update(s.spaces).where(s.spaces.c.id == space.id).values(values)).rowcount:
            raise Raced

    def replace_active_space(self, space: Space) -> None:
        """Let `space` answer from now on, and keep the one that did; others go.

        Raises Raced if a chunk has no vector in it, or it is there no longer.
        """
        if self.missing(space, 1) or self.space(space.model, space.revision) != space:
            raise Raced
        before = self.active_space()
        if before != space:
            self._set("space", space.id)
            if before:
                self._set("previous_space", before.id)
        self._drop("next_space")

    def set_next_space(self, space: Space) -> None:
        """Keep what is made for `space`, which does not answer yet. One at a time: an earlier one that never did goes."""
        self._set("next_space", space.id)

    def drop_vectors_of_other_spaces(self) -> int:
        """Drop some vectors of spaces that are kept no longer. How many; 0 once all are gone."""
        kept = [one.id for one in self.kept_spaces()]
        other = s.vectors.c.space_id.not_in(kept)
        some = select(s.vectors.c.chunk_id).where(other).limit(20 * MANY)
        return self._connection.execute(delete(s.vectors).where(other, s.vectors.c.chunk_id.in_(some))).rowcount

    def set_kv(self, key: str, value: str) -> None:
        """Keep a value under a key of the caller's, in place of the one before."""
        self._set(f"{KV}{key}", value)

    def _set(self, key: str, value: int | str) -> None:
        self._drop(key)
        self._connection.execute(insert(s.settings).values(key=key, value=str(value)))

    def _drop(self, *keys: str) -> None:
        self._connection.execute(delete(s.settings).where(s.settings.c.key.in_(keys)))

    def add_vectors(self, space: Space, vectors: Mapping[int, NDArray[np.float32]]) -> None:
        """Add vectors by chunk id. Chunks that were erased, or have one by now, are passed over.

        Raises Raced if the space is there no longer.
        """
        if self.space(space.model, space.revision) != space:
            raise Raced
        there = select(s.chunks.c.id).where(s.chunks.c.id.in_(list(vectors)))
        alive = self._connection.execute(there).scalars()
        values = [{"chunk_id": id, "space_id": space.id, "vector": _bytes(vectors[id])} for id in alive]
        self._database.insert_new(self._connection, q.INSERT_VECTOR, values)

    # Documents

    def replace_document(
        self,
        document: Document,
        new_chunks: Sequence[NewChunk],
        space: Space,
        vectors: Mapping[str, NDArray[np.float32]],
        disputes: Sequence[Citation] = (),
        states: Sequence[SourceState] = (),
    ) -> Remembered:
        """Make `new_chunks` the current version of `document`, and `states` what is known of its source.

        Chunks whose digest is still there are kept, the others retired, new ones added with
        their vector from `vectors` (by digest). Raises Raced if `space` no longer answers, or a
        vector is needed that nobody has.
        """
        if self.active_space() != space:
            raise Raced
        document_id, there = self._put_document(document)
        valid_from, valid_to = self._validity(document)
        self._note_time(max(valid_from, valid_to or 0))
        kept, new, gone = self._difference(document_id, new_chunks, valid_to) if there else ({}, range(len(new_chunks)), [])
        self._move({chunk_id: new_chunks[at] for chunk_id, at in kept.items()}, kept)
        self._end_early(document_id, valid_from)
        self._retire(gone, valid_from, by=document.sha256)
        self._add(document_id, document, valid_from, {at: new_chunks[at] for at in new}, space, vectors)
        if there:
            self._connection.execute(q.DROP_DISPUTES, {"of": document_id})
        self._replace_sources_of(document.scope, document.uri, states)
        self._replace_original(document_id, document.original)
        self._add_disputes(document_id, disputes)
        embedded = sum(new_chunks[at].sha256 in vectors for at in new)
        return Remembered(added=len(new), kept=len(kept), retired=len(gone), embedded=embedded)

    def _replace_original(self, document_id: int, original: Original | None) -> None:
        self._connection.execute(delete(s.originals).where(s.originals.c.document_id == document_id))
        if original:
            values = {"document_id": document_id, "content_type": original.content_type, "data": original.data}
            self._connection.execute(insert(s.originals).values(values))

    def _validity(self, document: Document) -> tuple[int, int | None]:
        """From when until when a document holds; None: no end is known."""
        valid_from = rows.micros(document.valid_from) if document.valid_from else self.at
        return valid_from, rows.micros(document.valid_to) if document.valid_to else None

    def _note_time(self, at: int) -> None:
        """Remember that something begins or ends at a time to come: until then, what is asked now is asked as of now."""
        if at > max(self.at, self.latest_time()):
            self._set(q.LATEST_TIME_KEY, at)

    def _add_disputes(self, document_id: int, cited: Sequence[Citation]) -> None:
        """Set aside every occurrence of the cited words in their chunks, by its place in the chunk: chunks move in documents."""
        if not cited:
            return
        wanted = select(s.chunks.c.id, s.chunks.c.text, s.chunks.c.start).where(s.chunks.c.id.in_({c.chunk_id for c in cited}))
        chunks = {row.id: row for row in self._connection.execute(wanted)}
        ends: dict[tuple[int, int], int] = {}
        for one in cited:
            if (chunk := chunks.get(one.chunk_id)) is None or not one.quote:
                continue
            long = one.end - one.start
            starts = list(_occurrences(one.quote, chunk.text))
            if starts:
                long = len(one.quote)
            elif 0 <= one.start - chunk.start < len(chunk.text):  # markup was taken out of the quote
                starts = [one.start - chunk.start]
            for start in starts:
                ends[chunk.id, start] = max(start + long, ends.get((chunk.id, start), 0))
        values = [
            {"document_id": document_id, "chunk_id": chunk_id, "start": start, "end": end}
            for (chunk_id, start), end in ends.items()
        ]
        self._database.execute_many(self._connection, q.INSERT_DISPUTE, values)

    def copy_disputes(self, scope: str, uri: str, to_scope: str) -> None:
        """Let the document of the same uri in another scope set aside what this one does."""
        d = s.disputes.c
        source, target = self.document(scope, uri), self.document(to_scope, uri)
        assert source is not None and target is not None
        found = self._connection.execute(select(d.chunk_id, d.start, d.end).where(d.document_id == source.id)).all()
        values = [{"document_id": target.id, "chunk_id": row[0], "start": row[1], "end": row[2]} for row in found]
        self._database.execute_many(self._connection, q.INSERT_DISPUTE, values)

    def drop_disputes_on(self, scope: str, uri: str) -> int:
        """Let nothing that was told set a document aside any more. How many spans were."""
        own = [chunk.id for chunk in self.chunks_of(scope, uri)]
        told = select(s.documents.c.id).where(s.documents.c.kind == "turn")
        which = s.disputes.c.chunk_id.in_(own), s.disputes.c.document_id.in_(told)
        return self._connection.execute(delete(s.disputes).where(*which)).rowcount

    def _put_document(self, document: Document) -> tuple[int, bool]:
        """Its id, and whether it was there."""
        valid_from, valid_to = self._validity(document)
        values: dict[str, Any] = {
            "kind": document.kind,
            "title": document.title,
            "sha256": document.sha256,
            "metadata": json.dumps(dict(document.metadata), ensure_ascii=False),
            "valid_from": valid_from,
            "valid_to": valid_to,
            "recorded_at": self.at,
            "retired_at": None,
        }
        found = self._connection.execute(q.DOCUMENT_ID, {"of_scope": document.scope, "of_uri": document.uri}).scalar()
        if found is not None:
            self._connection.execute(q.UPDATE_DOCUMENT, {"of": found, **values})
            return int(found), True
        values |= {"scope": document.scope, "uri": document.uri}
        return int(self._connection.execute(q.INSERT_DOCUMENT, values).inserted_primary_key[0]), False  # type: ignore[index]

    def _difference(
        self, document_id: int, new_chunks: Sequence[NewChunk], valid_to: int | None = None
    ) -> tuple[dict[int, int], Sequence[int], list[_Held]]:
        """Chunks that stay (id → place among the new_chunks), places of new ones, and those that go, with their validity.

        One that ends at another time than the new version does not stay.
        """
        waiting: dict[str, list[_Held]] = {}
        gone: list[_Held] = []
        for row in self._connection.execute(q.CURRENT_CHUNKS, {"of": document_id}).all():
            one = (row.id, row.valid_from, row.valid_to)
            (waiting.setdefault(row.sha256, []) if row.valid_to == valid_to else gone).append(one)
        kept: dict[int, int] = {}
        new: list[int] = []
        for at, new_chunk in enumerate(new_chunks):
            same = waiting.get(new_chunk.sha256)
            if same:
                kept[same.pop(0)[0]] = at
            else:
                new.append(at)
        return kept, new, [*gone, *(one for left in waiting.values() for one in left)]

    def _move(self, new_chunks: Mapping[int, NewChunk], places: Mapping[int, int]) -> None:
        moves = [
            {
                "chunk": id,
                "ord": places[id],
                "start": new_chunk.start,
                "end": new_chunk.end,
                "page": new_chunk.page,
                "line": new_chunk.line,
            }
            for id, new_chunk in new_chunks.items()
        ]
        self._database.execute_many(self._connection, q.UPDATE_CHUNK, moves)

    def _retire(self, gone: Sequence[_Held], at: int, by: str) -> None:
        # Never before it began: a version may arrive late and be older than the one it replaces.
        record = {"retired_at": self.at, "retired_by": by, "retired_txn": self.txn}
        values = [
            {"chunk": id, "valid_to": max(began, at if ends is None else min(at, ends)), **record} for id, began, ends in gone
        ]
        self._database.execute_many(self._connection, q.UPDATE_CHUNK, values)

    def _end_early(self, document_id: int, at: int) -> None:
        """Let versions of a document that were to hold until a time to come end when another version, or none, follows them."""
        c = s.chunks.c
        which = (c.document_id == document_id, c.retired_at.is_not(None), c.valid_to > max(at, self.at))
        values = {"valid_to": case((c.valid_from > at, c.valid_from), else_=at), "retired_txn": self.txn}
        self._connection.execute(update(s.chunks).where(*which).values(values))

    def _add(
        self,
        document_id: int,
        document: Document,
        valid_from: int,
        new_chunks: Mapping[int, NewChunk],
        space: Space,
        vectors: Mapping[str, NDArray[np.float32]],
    ) -> None:
        wanted = {new_chunk.sha256 for new_chunk in new_chunks.values()} - vectors.keys()
        there = self.known(space, [(document.scope, document.uri)], wanted) if wanted else {}
        if len(there) < len(wanted):
            raise Raced
        by_id = self.vectors(space, list(there.values()))
        known = {**{digest: by_id[id] for digest, id in there.items()}, **vectors}
        common = {
            "document_id": document_id,
            "scope": document.scope,
            "uri": document.uri,
            "kind": document.kind,
            "title": document.title,
            "valid_from": valid_from,
            "valid_to": self._validity(document)[1],
            "recorded_at": self.at,
        }
        values = [
            {
                **common,
                "ord": at,
                "heading": new_chunk.heading,
                "text": new_chunk.text,
                "start": new_chunk.start,
                "end": new_chunk.end,
                "page": new_chunk.page,
                "line": new_chunk.line,
                "sha256": new_chunk.sha256,
            }
            for at, new_chunk in new_chunks.items()
        ]
        if not values:
            return
        first = self._database.next_chunk_id(self._connection)
        chunks = [{"id": first + n, **value} for n, value in enumerate(values)]
        self._database.execute_many(self._connection, q.INSERT_CHUNK, chunks)
        given = [
            {"chunk_id": first + n, "space_id": space.id, "vector": _bytes(known[new_chunk.sha256])}
            for n, new_chunk in enumerate(new_chunks.values())
        ]
        self._database.execute_many(self._connection, q.INSERT_VECTOR, given)

    def retire_document(self, scope: str, uri: str) -> int:
        """Retire a document and its current chunks; `as_of` still reads them. How many chunks."""
        stored = self.document(scope, uri)
        if stored is None or stored.retired_at is not None:
            return 0
        _, _, gone = self._difference(stored.id, ())
        self._end_early(stored.id, self.at)
        self._retire(gone, self.at, by="removed")
        self._connection.execute(update(s.documents).where(s.documents.c.id == stored.id).values(retired_at=self.at))
        return len(gone)

    def erase_document(self, scope: str, uri: str) -> Erased:
        """Erase a document, every version of it, and all that is derived from it (`derived.REGISTER`)."""
        stored = self.document(scope, uri)
        if stored is None:
            return Erased((), ())
        gone = [ErasedDocument(stored.id, scope, uri, stored.kind), *derived.corrections_of(self._connection, stored.id)]
        samples, ids = list[str](), list[int]()
        for one in gone:
            samples += derived.samples(self._connection, one.id)
            ids += derived.erase_document(self._connection, one)
        if ids:
            self._connection.execute(insert(s.erasures), [{"chunk_id": id, "txn": self.txn} for id in ids])
        return Erased(tuple(ids), tuple(samples))


def _occurrences(words: str, text: str) -> Iterator[int]:
    """Where `words` stand in a text, without overlaps."""
    at = text.find(words)
    while at >= 0:
        yield at
        at = text.find(words, at + len(words))


def _bytes(vector: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(vector, np.float32).tobytes()
