"""Moves vectors from the exact tail into sealed segments, and keeps erased ones out of them.

What is published was read from one committed snapshot; publishing waits for the write lock and
gives way to anyone who published meanwhile.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from ragbot.index import dense
from ragbot.index import manifest as manifests
from ragbot.index.view import Source, usable
from ragbot.types import Manifest, Space

SEAL_AT = 8192
"""A tail this long is sealed by whoever made it so long."""


class _Erasing(Source, Protocol):
    def erased_after(self, txn: int) -> bool: ...


class _Store(Protocol):
    def reading(self) -> AbstractContextManager[_Erasing]: ...
    def writing(self) -> AbstractContextManager[_Erasing]: ...


def seal_long_tail(home: Path, store: _Store) -> None:
    """Seal the tail into one more segment, once it is long. The older segments stay as they are."""
    manifest = manifests.read(home)
    with store.reading() as source:
        space = source.active_space()
        if space is None:
            return
        base = usable(manifest, source, space)
        if base and source.erased_after(base.txn):
            base = None  # its segments hold something that was forgotten: seal all of it anew
        ids, vectors = source.vectors(space, base.covered if base else 0)
        transaction = source.last_transaction()
    if len(ids) >= SEAL_AT:
        _publish(home, store, manifest, base, space, ids, vectors, transaction)


def seal_all(home: Path, store: _Store) -> int:
    """Seal every vector into one segment. How many there are."""
    manifest = manifests.read(home)
    with store.reading() as source:
        space = source.active_space()
        if space is None:
            return 0
        ids, vectors = source.vectors(space)
        transaction = source.last_transaction()
    _publish(home, store, manifest, None, space, ids, vectors, transaction)
    return len(ids)


def drop_erased(home: Path, store: _Store) -> None:
    """Make the segments anew if they still hold the vectors of something erased, and drop files that nobody names."""
    while True:
        with store.writing() as source:
            manifest = manifests.read(home)
            space = source.active_space()
            if manifest is None or usable(manifest, source, space) is None:
                manifests.withdraw(home)
                return
            if not source.erased_after(manifest.txn):
                manifests.sweep(home, manifest)
                return
        seal_all(home, store)


def problems(home: Path, source: _Erasing, space: Space | None, manifest: Manifest | None) -> list[str]:
    """What is wrong with the sealed part, in words."""
    if manifest is None:
        there = (home / manifests.FILE).exists()
        return [f"{manifests.FILE}: cannot be understood; `ragbot` searches exactly until it is sealed again"] if there else []
    if space is None or manifest.space != space.id:
        return [f"{manifests.FILE}: is of another embedding model; it is not used until `ingest refresh`"]
    if usable(manifest, source, space) is None:
        return [f"{manifests.FILE}: is of another past than the database (a restored backup?); it is not used"]
    segments = dense.open_segments(home, manifest)
    if segments is None:
        return [f"{manifests.FOLDER}: a segment is missing or damaged; it is not used"]
    found = [f"{name}: a segment that no manifest names" for name in manifests.strays(home, manifest)]
    if source.erased_after(manifest.txn):
        found.append(f"{manifests.FOLDER}: hold vectors of something that was forgotten")
    ids, vectors = source.vectors(space)
    for at in range(0, len(ids), max(1, len(ids) // 50)):
        index = dense.DenseIndex(space.dim, segments)
        if ids[at] <= manifest.covered and not index.search(vectors[at], 1, ids[at : at + 1]):
            found.append(f"chunk {ids[at]} is not found by its own vector")
    return found


def _publish(
    home: Path,
    store: _Store,
    seen: Manifest | None,
    base: Manifest | None,
    space: Space,
    ids: dense.Ids,
    vectors: dense.Vectors,
    transaction: tuple[int, str],
) -> None:
    """Seal the vectors beside those of `base`, unless the ground changed since they were read.

    It did if a manifest other than `seen` is in force, something was erased, or another space
    answers. Then the new segment goes again.
    """
    segments = (dense.seal(home, ids, vectors),) if len(ids) else ()
    covered = int(ids[-1]) if len(ids) else 0
    with store.writing() as source:
        in_force = manifests.read(home)
        kept = base.segments if base else ()
        swept = not all((home / manifests.FOLDER / name).exists() for name in kept + segments)
        if in_force != seen or swept or source.erased_after(transaction[0]) or source.active_space() != space:
            manifests.sweep(home, in_force)
            return
        generation = seen.generation + 1 if seen else 1
        manifests.publish(home, Manifest(generation, space.id, covered, kept + segments, *transaction))
