"""What keeps a home in order: a new index, another embedding model, checks, repair, backups."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from ragbot import settings
from ragbot.errors import BusyError, HomeError, ModelError
from ragbot.index import compaction, verify
from ragbot.index import manifest as manifests
from ragbot.index.hnsw import Stopped
from ragbot.maintenance.spaces import Counted, Spaces
from ragbot.store import Raced, Store
from ragbot.store.store import ASIDE
from ragbot.text.chunks import tokens_of
from ragbot.types import Checked, Refreshed, Space

log = logging.getLogger(__name__)

T = TypeVar("T")

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and of how much."""

TRIES = 20
PATIENCE_S = 300.0
"""How long a rebuild of the index waits for another one, in seconds: a large segment takes its time to reach the disk."""
NAMED = 100


class Maintenance:
    """The long work on one home. It runs beside readers and writers."""

    def __init__(self, home: Path, store: Store, spaces: Spaces) -> None:
        self._home, self._store, self._spaces = home, store, spaces

    def refresh(self, model: str | None, *, back: bool, progress: Progress) -> Refreshed:
        """Rebuild the index; with `model` or `back`, move to that space first."""
        if model is not None or back:
            space = self._spaces.add(model) if model is not None else self._previous()
            embedded, sealed = self._move_to(space, progress)
        else:
            space, embedded = self._spaces.active(), 0
            progress("indexing", 0, 1)
            sealed = self._rebuilt(space)
        self._store.scrub()
        return Refreshed(space, embedded, sealed)

    def _previous(self) -> Space:
        with self._store.reading() as snapshot:
            space = snapshot.previous_space()
        if space is None:
            raise ModelError(f"{self._home}: there is no earlier embedding model to go back to")
        return space

    def _move_to(self, space: Space, progress: Progress) -> tuple[int, int]:
        """Let `space` answer. How many vectors were computed, and how many passages are in its index."""
        with self._store.writing() as transaction:
            transaction.set_next_space(space)
        embedded = self._filled(space, progress)
        progress("indexing", 0, 1)
        # Before the swap: it must answer as fast as the old one from its first question on.
        sealed = self._rebuilt(space)
        self._need_sound(space)
        for _ in range(TRIES):
            # What came since is searched beside the index, as always.
            embedded += self._filled(space, progress)
            try:
                with self._store.writing() as transaction:
                    if transaction.next_space() != space:
                        raise BusyError(f"{self._home}: another process moves it to another model; try again when that is done")
                    transaction.replace_active_space(space)
            except Raced:  # somebody added a chunk since: embed that too
                continue
            while self._dropped_vectors():
                pass
            self.drop_erased()  # and the files of a space that is kept no longer
            return embedded, sealed
        raise BusyError(f"{self._home}: other processes kept changing the home; try again")

    def _filled(self, space: Space, progress: Progress) -> int:
        total, done = self._spaces.missing(space), 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            progress("embedding", done, total)

        return self._spaces.fill(space, count)

    def _need_sound(self, space: Space) -> None:
        """Raise HomeError if the index of a space lacks a passage, or has one too many.

        What its graphs find was compared with exact search when they were made.
        """
        problems = self._problems(space, deep=False, progress=lambda _: None)
        problems = [problem for problem in problems if not problem.endswith(verify.PASSING)]
        if problems:
            with compaction.building(self._home):  # the next try makes it of the database
                manifests.path_of(self._home, space.id).unlink(missing_ok=True)
            raise HomeError(f"{self._home}: the new index is not sound ({problems[0]}); the old one goes on answering")

    def _dropped_vectors(self) -> int:
        with self._store.writing() as transaction:
            return transaction.drop_vectors_of_other_spaces()

    def _rebuilt(self, space: Space) -> int:
        return self._built(lambda: self._compactor(space).compact_all(lambda: False), PATIENCE_S)

    def _built(self, work: Callable[[], T], wait_s: float = compaction.WAIT_S) -> T:
        """Build with the builder's lock, again where the ground changed under it."""
        for _ in range(TRIES):
            with contextlib.suppress(Stopped), self._on_disk(), compaction.building(self._home, wait_s):
                return work()
            # Who asked for the builder's place, a `forget` perhaps, is quick: let it have it.
            while compaction.asked_aside(self._home):
                time.sleep(0.1)
        raise BusyError(f"{self._home}: other processes kept changing the home; try again")

    @contextlib.contextmanager
    def _on_disk(self) -> Iterator[None]:
        """Raise HomeError where the index cannot be read or written, as on a full disk. The database is as it was."""
        try:
            yield
        except OSError as cause:
            place, why = cause.filename or self._home, cause.strerror or cause
            raise HomeError(f"{place}: cannot be read or written ({why}); nothing is lost: make room and run it again") from cause

    def _compactor(self, space: Space | None = None) -> compaction.Compactor:
        return compaction.Compactor(self._home, self._store, tokens_of, space)

    def compact(self, most: int) -> None:
        """Do what is due, up to merges of `most` passages."""
        with self._on_disk(), compaction.building(self._home, PATIENCE_S):
            compactor = self._compactor()
            with contextlib.suppress(Stopped):  # the ground changed; the next one goes on
                while compactor.step(lambda: False, most=most):
                    pass

    def drop_erased(self) -> None:
        """Leave nothing of what was erased in the files of the index."""

        def work() -> None:
            for space in self._kept():
                self._compactor(space).drop_erased()

        self._built(work)

    def clear(self, samples: Sequence[str]) -> bool:
        """Leave nothing of what was erased in any file, then look for samples of it. False if something is left for now."""
        self.drop_erased()
        return self._store.scrub(samples, [self._home / manifests.FOLDER])

    def _kept(self) -> list[Space]:
        with self._store.reading() as snapshot:
            return snapshot.kept_spaces()

    def check(self, deep: bool, progress: Counted) -> Checked:
        """Compare the index with the truth."""
        found = self._checked(deep, progress)
        if found.problems and os.access(self._home, os.W_OK):
            # A builder may have replaced what was being looked at: look again while none is at work.
            try:
                with compaction.building(self._home):
                    return self._checked(deep, progress)
            except BusyError:
                return replace(found, problems=tuple(p for p in found.problems if not p.endswith(verify.PASSING)))
        return found

    def _checked(self, deep: bool, progress: Counted) -> Checked:
        with self._store.reading() as snapshot:
            documents, chunks, _, _ = snapshot.counts()
            found = snapshot.integrity()
            active = snapshot.active_space()
            if active:
                found += [f"chunk {c.id} ({c.uri}) has no vector of {active.model}" for c in snapshot.missing(active, NAMED)]
        for space in self._kept():
            found += self._problems(space, deep, progress)
        return Checked(documents, chunks, tuple(dict.fromkeys(found)))

    def _problems(self, space: Space, deep: bool, progress: Counted) -> list[str]:
        manifest = manifests.read(self._home, space.id)
        with self._store.reading() as snapshot:
            return verify.problems(self._home, snapshot, space, manifest, tokens_of, deep=deep, progress=progress)

    def repaired(self, deep: bool, progress: Counted) -> Checked:
        """Compare the index with the truth, and rebuild it where they disagree."""
        found = self.check(deep, progress)
        if not found.problems:
            return found
        for space in self._kept():
            self._built(partial(self._compactor(space).rebuild, lambda: False), PATIENCE_S)
        return replace(self.check(deep, progress), repaired=found.problems)

    def backup(self, target: Path) -> Path:
        """Copy the database into the folder `target`."""
        try:
            target.mkdir(parents=True, exist_ok=True)
            there = {path.name for path in target.iterdir()}
            if there and all(name.startswith(ASIDE) for name in there):  # of a backup that was killed
                for name in there:
                    (target / name).unlink()
                there = set()
        except OSError as cause:
            raise HomeError(f"{target}: cannot be a folder for the backup ({cause.strerror}); name another") from cause
        if there:
            raise HomeError(f"{target}: is not empty; name a new folder for the backup")
        self._store.copy_to(target)
        if (self._home / settings.FILE).exists():
            shutil.copy(self._home / settings.FILE, target / settings.FILE)
        return target

    def restore(self, source: Path) -> None:
        """Replace the database by the one in the folder `source`."""
        with compaction.building(self._home):
            self._store.copy_from(source)
        self._store.scrub()  # what was erased before the backup was made may be left in its unused parts
