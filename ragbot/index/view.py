"""What this process sees of a home: sealed segments and what came since, kept level with the database.

Following costs what was written since the last time, not what the home holds.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import numpy as np

from ragbot.index import bm25, files, merge_plan, postings, segment_files
from ragbot.index import manifest as manifests
from ragbot.index.columns import FOREVER, Columns, Filter, Ints
from ragbot.index.hnsw import Stop, Stopped, Vectors
from ragbot.index.segment import Segment, best
from ragbot.index.turn_neighbours import TurnNeighbours
from ragbot.types import Manifest, Space

log = logging.getLogger(__name__)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BLOCK = 4096
"""How many passages become a segment in memory at a time."""
GROWTH = 3
"""How much larger a segment has to be than all smaller ones together, to stay apart from them."""

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


class Replaced(Exception):
    """The manifest that was read is in force no longer."""


class View:
    """The passages of one space: `space`, else the one that answers. Not safe for threads."""

    def __init__(self, home: Path, tokens_of: TokensOf, space: Space | None = None, *, verify: bool = True) -> None:
        self._home = home
        self._verify = verify
        self._distrusted: set[str] = set()
        self._kept: dict[str, Segment] = {}
        self._tokens_of = tokens_of
        self.fixed = space
        self._clear(space)

    def _clear(self, space: Space | None) -> None:
        self.space = space
        self.manifest: Manifest | None = None
        self.sealed: dict[str, Segment] = {}
        self.unsealed: list[Segment] = []
        """What no segment on the disk holds."""
        self.damaged: list[str] = []
        """Segments that the manifest names and that cannot be read."""
        self.covered = 0
        self.last_id = 0
        self.transaction = (0, "")

    def distrust(self, name: str) -> None:
        """Take a segment for damaged from now on."""
        self._distrusted.add(name)
        self._clear(self.space)

    @property
    def segments(self) -> list[Segment]:
        """All of them."""
        return [*self.sealed.values(), *self.unsealed]

    def follow(self, source: Source, manifest: Manifest | None, stop: Stop = lambda: False) -> None:
        """Take over what was committed up to `source`.

        `manifest` must have been read before the snapshot was taken: an older manifest covers
        less, a newer one could cover what the snapshot does not know yet. Raises Replaced if it
        has been replaced since and its segments are gone: follow the new one; Stopped if `stop` says so.
        """
        with contextlib.ExitStack() as undo:
            undo.callback(self._clear, self.fixed)  # no half of it: the next time begins anew
            self._follow(source, manifest, stop)
            undo.pop_all()

    def _follow(self, source: Source, manifest: Manifest | None, stop: Stop) -> None:
        space, (txn, token) = self.fixed or source.active_space(), source.last_transaction()
        if (txn, token) == self.transaction and manifest == self.manifest:
            return
        # A home that was restored from a backup goes on from another past than the one seen here.
        same_past = not self.transaction[0] or source.token(self.transaction[0]) == self.transaction[1]
        if space != self.space or not same_past:
            self._clear(space)
        if space is not None:
            since = self.transaction[0] or txn
            if manifest != self.manifest or not self.transaction[0]:
                since = min(since, self._open(source, space, manifest, stop))
            self._hide(source, since)
            self._load(source, space, source.vector_ids(space, self.last_id), stop)
        self.manifest = manifest
        self.transaction = (txn, token)

    def _open(self, source: Source, space: Space, manifest: Manifest | None, stop: Stop) -> int:
        """Open the segments of a manifest, if it speaks for this database. The oldest transaction that they know up to."""
        believed = usable(manifest, source, space)
        known, had_damage = self.sealed, bool(self.damaged)
        kept, self._kept = self._kept, {}
        covered, self.damaged, self.sealed = self.covered, [], {}
        since = source.last_transaction()[0]
        for name in believed.segments if believed else ():
            if name in self._distrusted:
                self.damaged.append(name)
                continue
            if name in known:
                self.sealed[name] = known[name]
                continue
            try:
                file = self._home / manifests.FOLDER / name
                self.sealed[name] = kept[name] if name in kept else segment_files.read(file, verify=self._verify)
            except (OSError, ValueError, KeyError) as cause:
                if manifest != manifests.read(self._home, space.id):
                    self._kept = self.sealed  # most of them are in the new one too, and were verified at some cost
                    raise Replaced from cause
                if isinstance(cause, (files.Damaged, FileNotFoundError)):
                    self._tell_builder(name)
                log.warning(
                    "%s: index segment unusable (%s); searching its passages exactly until it is made again", self._home, cause
                )
                self.damaged.append(name)
                continue
            since = min(since, self.sealed[name].txn)
        self.covered = believed.covered if believed else 0
        if self.damaged or had_damage or self.covered < covered:
            self.unsealed = []
            self._load_lost(source, space, stop)
        else:
            masks = [(segment.columns.ids > self.covered) & ~segment.erased for segment in self.unsealed]
            left = [(segment, mask) for segment, mask in zip(self.unsealed, masks, strict=True) if mask.any()]
            self.unsealed = [s if mask.all() else merge_plan.in_memory([s], [mask]) for s, mask in left]
            self.last_id = max(self.last_id, self.covered)
        return since

    def _tell_builder(self, name: str) -> None:
        """Who builds does not read every byte: to him a segment is damaged that has no list of contents."""
        with contextlib.suppress(OSError):  # a home that may not be written
            (self._home / manifests.FOLDER / name / files.CONTENTS).unlink()

    def _load_lost(self, source: Source, space: Space, stop: Stop) -> None:
        """Load what the database has up to `covered` and no segment."""
        there = [segment.columns.ids for segment in self.sealed.values()]
        ids = source.vector_ids(space)
        self.last_id = self.covered
        lost = np.setdiff1d(ids[ids <= self.covered], np.concatenate(there) if there else ids[:0])
        self._load(source, space, lost, stop)

    def _hide(self, source: Source, since: int) -> None:
        retired, times = source.retired_after(since)
        erased = source.erased_after(since)
        for segment in self.segments:
            segment.retire(retired, times)
            segment.erase(erased)

    def _load(self, source: Source, space: Space, ids: Ints, stop: Stop) -> None:
        for segment in read(source, space, ids, self._tokens_of):
            if stop():
                raise Stopped
            self.unsealed.append(segment)
        if len(ids):
            self.last_id = max(self.last_id, int(ids[-1]))
        self.unsealed.sort(key=len)
        many = merge_policy([len(segment) for segment in self.unsealed if len(segment) < BLOCK])
        if many > 1:
            few = self.unsealed[:many]
            self.unsealed[:many] = [merge_plan.in_memory(few, [~segment.erased for segment in few])]

    def nearest(self, query: Vectors, k: int, wanted: Filter) -> list[tuple[int, float]]:
        """The k best (id, cosine) that `wanted` shows, best first, ties by id. `query` is (dim,)."""
        parts = [segment.nearest(query, k, wanted) for segment in self._searched(wanted)]
        if not parts:
            return []
        ids, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
        return best(ids, scores, k)

    def cosines(self, query: Vectors, ids: Ints) -> Vectors:
        """(n,): how near each of these passages is."""
        found = np.full(len(ids), -1, np.float32)
        for segment in self.segments:
            here, cosines = segment.cosines(query, ids)
            found[here] = cosines
        return found

    def vectors(self, ids: Ints) -> Vectors:
        """(m, dim): the vectors of those of the passages that are here."""
        found = [segment.vectors[segment.rows_of(ids)[0]] for segment in self.segments]
        return np.concatenate(found)

    def words(self, asked: Mapping[str, float], wanted: Filter) -> bm25.TermQuery:
        """A search for tokens, each with how often it counts as asked."""
        return bm25.TermQuery(self._searched(wanted), asked, wanted)

    def talk(self, wanted: Filter) -> TurnNeighbours:
        """The turns among what `wanted` shows."""
        return TurnNeighbours(self._searched(wanted), wanted)

    def _searched(self, wanted: Filter) -> list[Segment]:
        return [segment for segment in self.segments if wanted.as_of is not None or not segment.past]


def usable(manifest: Manifest | None, source: Source, space: Space | None) -> Manifest | None:
    """The manifest, if it is about this space and about the past that this database has."""
    if manifest is None or space is None or manifest.space != space.id:
        return None
    return manifest if source.token(manifest.txn) == manifest.token else None


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


def merge_policy(sizes: Sequence[int]) -> int:
    """How many of the smallest segments should become one, so that sizes grow by GROWTH from each to the next; 0 if none."""
    many, together = 0, 0
    for place, size in enumerate(sorted(sizes), 1):
        if place > 1 and size < GROWTH * together:
            many = place
        together += size
    return many
