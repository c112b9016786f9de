"""What this process sees of a home: rows and vectors in memory, kept level with the database.

Following costs what was written since the last time, not what the home holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ragbot.index import dense
from ragbot.index.rows import FOREVER, Row, Rows
from ragbot.types import Manifest, Space


class Changes(Protocol):
    """New, retired and erased chunks."""

    @property
    def added(self) -> Sequence[tuple[int, str, int, int | None]]: ...
    @property
    def retired(self) -> Sequence[tuple[int, int]]: ...
    @property
    def erased(self) -> Sequence[int]: ...


class Source(Protocol):
    """One snapshot of the truth."""

    def active_space(self) -> Space | None: ...
    def last_transaction(self) -> tuple[int, str]: ...
    def token(self, txn: int) -> str | None: ...
    def changes(self, since_id: int, since_txn: int) -> Changes: ...
    def vectors(self, space: Space, above: int = 0) -> tuple[dense.Ids, dense.Vectors]: ...


class View:
    """Rows and vectors of the space that answers. Not safe for threads; `Memory` holds the lock."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._clear(None, None)

    def _clear(self, space: Space | None, manifest: Manifest | None) -> None:
        self.space = space
        self._manifest = manifest
        self.rows = Rows()
        self.index = dense.DenseIndex(space.dim if space else 1)
        self._last_id = 0
        self._transaction = (0, "")

    def follow(self, source: Source, manifest: Manifest | None) -> None:
        """Take over what was committed up to `source`.

        `manifest` must have been read before the snapshot was taken: an older manifest covers
        less, a newer one could cover what the snapshot does not know yet.
        """
        space, (txn, token) = source.active_space(), source.last_transaction()
        if (txn, token) == self._transaction and manifest == self._manifest:
            return
        # A home that was restored from a backup goes on from another past than the one seen here.
        same_past = not self._transaction[0] or source.token(self._transaction[0]) == self._transaction[1]
        if space != self.space or manifest != self._manifest or not same_past:
            self._clear(space, manifest)
        if space is not None:
            self._take(source, space)
        self._transaction = (txn, token)

    def _take(self, source: Source, space: Space) -> None:
        changes = source.changes(self._last_id, self._transaction[0])
        above = self._last_id
        if not above:
            above = self._open_segments(source, space)
        self.rows.append([Row(id, scope, valid, FOREVER if end is None else end) for id, scope, valid, end in changes.added])
        self.index.append(*source.vectors(space, above))
        gone = set(changes.erased)
        self.rows.retire([(id, at) for id, at in changes.retired if id not in gone])
        if gone:
            self.rows.erase(gone)
            self.index.erase(gone)
        if changes.added:
            self._last_id = changes.added[-1][0]

    def _open_segments(self, source: Source, space: Space) -> int:
        """Open the sealed segments, if they speak for this database; the id up to which they do."""
        manifest = usable(self._manifest, source, space)
        segments = dense.open_segments(self._home, manifest) if manifest else None
        if manifest is None or segments is None:
            return 0
        self.index = dense.DenseIndex(space.dim, segments)
        return manifest.covered


def usable(manifest: Manifest | None, source: Source, space: Space | None) -> Manifest | None:
    """The manifest, if it is about this space and about the past that this database has."""
    if manifest is None or space is None or manifest.space != space.id:
        return None
    return manifest if source.token(manifest.txn) == manifest.token else None
