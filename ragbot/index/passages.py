"""Passages of the database as segments in memory, and what an index needs of the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np

from ragbot.index import postings
from ragbot.index.columns import FOREVER, Columns, Ints
from ragbot.index.segment import Segment
from ragbot.types import Space

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BLOCK = 4096
"""How many passages become a segment in memory at a time."""

TokensOf = Callable[[str, str, str, datetime | None], Sequence[str]]
"""Title, headings and text of a passage, and when it was said (None: nobody said it) → its tokens."""


class Passage(Protocol):
    """A passage as the database has it; times in microseconds since 1970."""

    @property
    def id(self) -> int: ...
    @property
    def document_id(self) -> int: ...
    @property
    def scope(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def valid_from(self) -> int: ...
    @property
    def retired_at(self) -> int | None: ...
    @property
    def title(self) -> str: ...
    @property
    def heading(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def vector(self) -> bytes: ...


class Source(Protocol):
    """One snapshot of the truth."""

    def active_space(self) -> Space | None: ...
    def last_transaction(self) -> tuple[int, str]: ...
    def token(self, txn: int) -> str | None: ...
    def vector_ids(self, space: Space, above: int = 0) -> Ints: ...
    def passages(self, space: Space, ids: Sequence[int]) -> Sequence[Passage]: ...
    def retired_after(self, txn: int) -> tuple[Ints, Ints]: ...
    def erased_after(self, txn: int) -> Ints: ...


def read(source: Source, space: Space, ids: Ints, tokens_of: TokensOf) -> Iterator[Segment]:
    """Segments in memory of passages of the database."""
    txn = source.last_transaction()[0]
    for at in range(0, len(ids), BLOCK):
        yield of_passages(source.passages(space, ids[at : at + BLOCK].tolist()), space.dim, tokens_of, txn)


def of_passages(passages: Sequence[Passage], dim: int, tokens_of: TokensOf, txn: int) -> Segment:
    """A segment in memory."""
    passages = sorted(passages, key=lambda p: (p.scope, p.id))
    scopes, kinds = sorted({p.scope for p in passages}), sorted({p.kind for p in passages})
    place, sort = {name: code for code, name in enumerate(scopes)}, {name: code for code, name in enumerate(kinds)}
    columns = Columns(
        ids=np.array([p.id for p in passages], np.int64),
        documents=np.array([p.document_id for p in passages], np.int64),
        scope=np.array([place[p.scope] for p in passages], np.int32),
        kind=np.array([sort[p.kind] for p in passages], np.int32),
        valid_from=np.array([p.valid_from for p in passages], np.int64),
        retired_at=np.array([FOREVER if p.retired_at is None else p.retired_at for p in passages], np.int64),
        scopes=tuple(scopes),
        kinds=tuple(kinds),
    )
    tokens = postings.build([tokens_of(p.title, p.heading, p.text, _said_at(p)) for p in passages])
    vectors = np.frombuffer(b"".join(p.vector for p in passages), np.float32).reshape(len(passages), dim)
    return Segment(columns, tokens, vectors, txn=txn)


def _said_at(passage: Passage) -> datetime | None:
    return None if passage.kind == "file" else EPOCH + timedelta(microseconds=passage.valid_from)
