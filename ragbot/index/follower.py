"""Keeps a view of a home level with the database. Following costs what was written since the last time, not what the home holds.

One thread follows at a time; it makes the next view beside the one in force and puts it in its place by one assignment.
Who searches takes the view in force and needs no lock: `docs/decisions/0021-reads-without-a-lock.md`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from ragbot.index import files, merge_plan, passages, segment_files
from ragbot.index import manifest as manifests
from ragbot.index.columns import Ints
from ragbot.index.hnsw import Stop, Stopped
from ragbot.index.passages import Source, TokensOf
from ragbot.index.segment import Segment
from ragbot.index.view import View
from ragbot.types import Manifest, Space

log = logging.getLogger(__name__)


TRIES = 20

_Source = TypeVar("_Source", bound=Source)


class Replaced(Exception):
    """The manifest that was read is in force no longer."""


class Moved(Exception):
    """Another embedding space answers by now."""


class Follower:
    """The view of one space: `space`, else the one that answers.

    Safe for threads: reading `view` needs no lock, following takes one.
    """

    def __init__(self, home: Path, tokens_of: TokensOf, space: Space | None = None, *, verify: bool = True) -> None:
        self._home = home
        self._verify = verify
        self._tokens_of = tokens_of
        self._distrusted: set[str] = set()
        self._kept: dict[str, Segment] = {}
        self._read: tuple[tuple[int, ...], Manifest | None] = (), None
        self._lock = threading.RLock()
        self.fixed = space
        self.view = View(space)
        """The view in force."""

    def distrust(self, name: str) -> None:
        """Take a segment for damaged from now on."""
        with self._lock:
            self._distrusted.add(name)
            self.view = View(self.view.space)

    def manifest(self, space: Space) -> Manifest | None:
        """The manifest in force; read again only where its file is another than the last time. Take it before the snapshot."""
        try:
            found = os.stat(manifests.path_of(self._home, space.id))
        except OSError:
            return manifests.read(self._home, space.id)
        mark = (space.id, found.st_ino, found.st_size, found.st_mtime_ns)
        seen, manifest = self._read
        if seen != mark:
            manifest = manifests.read(self._home, space.id)
            self._read = mark, manifest
        return manifest

    @contextmanager
    def level_with(self, reading: Callable[[], AbstractContextManager[_Source]], space: Space) -> Iterator[tuple[_Source, View]]:
        """A snapshot, and the view of that very moment.

        Where nothing was written since the view was made no lock is taken, and none is held within the block. Raises Moved if
        another space than `space` answers now, Replaced if manifests are replaced faster than they can be followed.
        """
        with ExitStack() as opened:
            manifest = self.manifest(space)
            snapshot = opened.enter_context(reading())
            view = self._level(snapshot, manifest)
            if view is None:
                with self._lock:
                    view = self._level(snapshot, manifest) or self._caught_up(snapshot, manifest, space)
                    if view is None:
                        opened.close()
                        snapshot, view = self._followed(opened, reading, space)
            if view.space != space:
                raise Moved
            yield snapshot, view

    def _caught_up(self, snapshot: _Source, manifest: Manifest | None, space: Space) -> View | None:
        """The view of this snapshot; None where a newer one is due: another thread has followed beyond it."""
        if self.view.transaction[0] > snapshot.last_transaction()[0] or snapshot.active_space() != space:
            return None
        with contextlib.suppress(Replaced):
            return self.follow(snapshot, manifest)
        return None

    def _followed(
        self, opened: ExitStack, reading: Callable[[], AbstractContextManager[_Source]], space: Space
    ) -> tuple[_Source, View]:
        """A new snapshot, which `opened` closes, and the view of it. Hold the lock: nobody else follows a later one meanwhile."""
        for _ in range(TRIES):
            manifest = self.manifest(space)
            snapshot = opened.enter_context(reading())
            if snapshot.active_space() != space:
                raise Moved
            with contextlib.suppress(Replaced):
                return snapshot, self.follow(snapshot, manifest)
            opened.close()
        raise Replaced

    def _level(self, source: Source, manifest: Manifest | None) -> View | None:
        """The view in force, if it is of the very transaction and manifest of this snapshot; else None."""
        view = self.view  # once: another thread may put the next one in its place
        seen = view.transaction[0] and view.manifest == manifest and view.transaction == source.last_transaction()
        return view if seen else None

    def follow(self, source: Source, manifest: Manifest | None, stop: Stop = lambda: False) -> View:
        """Take over what was committed up to `source`, and give the view of it.

        `manifest` must have been read before the snapshot was taken: an older manifest covers
        less, a newer one could cover what the snapshot does not know yet. Raises Replaced if it
        has been replaced since and its segments are gone: follow the new one; Stopped if `stop` says so.
        Whatever is raised, the view stays what it was.
        """
        with self._lock:
            view = self._level(source, manifest)
            if view is None:
                view = self.view = self._next(source, manifest, stop)
            return view

    def _next(self, source: Source, manifest: Manifest | None, stop: Stop) -> View:
        view, space, (txn, token) = self.view, self.fixed or source.active_space(), source.last_transaction()
        # A home that was restored from a backup goes on from another past than the one seen here.
        same_past = not view.transaction[0] or source.token(view.transaction[0]) == view.transaction[1]
        if space != view.space or not same_past:
            view = View(space)
        if space is not None:
            since, seen = view.transaction[0] or txn, view.transaction[0]
            if manifest != view.manifest or not seen:
                view, known = self._opened(view, source, space, manifest, stop)
                since = min(since, known)
            view = _hidden(view, source, since)
            view = self._loaded(view, source, space, source.vector_ids(space, view.last_id), stop)
        return replace(view, manifest=manifest, transaction=(txn, token))

    def _opened(self, old: View, source: Source, space: Space, manifest: Manifest | None, stop: Stop) -> tuple[View, int]:
        """The view with the segments of a manifest that speaks for this database, and the oldest transaction they know up to."""
        believed = usable(manifest, source, space)
        kept, self._kept = {**self._kept, **old.sealed}, {}
        damaged, sealed = list[str](), dict[str, Segment]()
        since = source.last_transaction()[0]
        for name in believed.segments if believed else ():
            if name in self._distrusted:
                damaged.append(name)
                continue
            try:
                file = self._home / manifests.FOLDER / name
                sealed[name] = kept[name] if name in kept else segment_files.read(file, verify=self._verify)
            except (OSError, ValueError, KeyError) as cause:
                if manifest != manifests.read(self._home, space.id):
                    # Most of them are in the new one too, and were verified at some cost.
                    self._kept = {name: segment for name, segment in sealed.items() if name not in old.sealed}
                    raise Replaced from cause
                self._report_damage(name, cause)
                damaged.append(name)
                continue
            if name not in old.sealed:
                since = min(since, sealed[name].txn)
        covered = believed.covered if believed else 0
        view = replace(old, sealed=sealed, damaged=tuple(damaged), covered=covered)
        if damaged or old.damaged or covered < old.covered:
            return self._with_lost(view, source, space, stop), since
        masks = [(segment.ids > covered) & ~segment.erased for segment in old.unsealed]
        left = [(segment, mask) for segment, mask in zip(old.unsealed, masks, strict=True) if mask.any()]
        unsealed = tuple(s if mask.all() else merge_plan.in_memory([s], [mask]) for s, mask in left)
        return replace(view, unsealed=unsealed, last_id=max(old.last_id, covered)), since

    def _report_damage(self, name: str, cause: Exception) -> None:
        """Warn, and mark the segment for the builder, who does not read every byte: one without a list of contents is damaged."""
        if isinstance(cause, (files.Damaged, FileNotFoundError)):
            with contextlib.suppress(OSError):  # a home that may not be written
                (self._home / manifests.FOLDER / name / files.CONTENTS).unlink()
        log.warning("%s: index segment unusable (%s); searching its passages exactly until it is made again", self._home, cause)

    def _with_lost(self, view: View, source: Source, space: Space, stop: Stop) -> View:
        """The view with what the database has up to `covered` and no segment."""
        there = [segment.ids for segment in view.sealed.values()]
        ids = source.vector_ids(space)
        lost = np.setdiff1d(ids[ids <= view.covered], np.concatenate(there) if there else ids[:0])
        return self._loaded(replace(view, unsealed=(), last_id=view.covered), source, space, lost, stop)

    def _loaded(self, view: View, source: Source, space: Space, ids: Ints, stop: Stop) -> View:
        """The view with these passages of the database in memory."""
        if not len(ids):
            return view
        unsealed = list(view.unsealed)
        for segment in passages.read(source, space, ids, self._tokens_of):
            if stop():
                raise Stopped
            unsealed.append(segment)
        unsealed.sort(key=len)
        many = merge_plan.merge_policy([len(segment) for segment in unsealed if len(segment) < passages.BLOCK])
        if many > 1:
            few = unsealed[:many]
            unsealed[:many] = [merge_plan.in_memory(few, [~segment.erased for segment in few])]
        return replace(view, unsealed=tuple(unsealed), last_id=max(view.last_id, int(ids[-1])))


def _hidden(view: View, source: Source, since: int) -> View:
    """The view without what was retired or erased after a transaction."""
    retired, times = source.retired_after(since)
    erased = source.erased_after(since)
    if not len(retired) and not len(erased):
        return view
    sealed = {name: segment.hiding(retired, times, erased) for name, segment in view.sealed.items()}
    unsealed = tuple(segment.hiding(retired, times, erased) for segment in view.unsealed)
    return replace(view, sealed=sealed, unsealed=unsealed)


def usable(manifest: Manifest | None, source: Source, space: Space | None) -> Manifest | None:
    """The manifest, if it is about this space and about the past that this database has."""
    if manifest is None or space is None or manifest.space != space.id:
        return None
    return manifest if source.token(manifest.txn) == manifest.token else None
