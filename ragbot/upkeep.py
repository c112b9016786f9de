"""What keeps a home in order: a new index, another embedding model, checks, repair, backups.

`python -m ragbot.upkeep HOME` does what is due to the index of a home and ends: the background builder.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from ragbot import config
from ragbot.errors import BusyError, HomeError, ModelError, RagbotError
from ragbot.index import checking, sealing
from ragbot.index import manifest as manifests
from ragbot.index.graph import Stopped
from ragbot.spaces import Progress, Spaces
from ragbot.store import Raced, Store
from ragbot.text.chunks import tokens_of
from ragbot.types import Checked, Refreshed, Space

log = logging.getLogger(__name__)

T = TypeVar("T")

Told = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and of how much."""

TRIES = 20
PATIENCE_S = 300.0
"""Who makes the index anew waits so long for another one who does: a large segment takes its time to reach the disk."""
NAMED = 100


class Upkeep:
    """The long work on one home. It runs beside readers and writers."""

    def __init__(self, home: Path, store: Store, spaces: Spaces) -> None:
        self._home, self._store, self._spaces = home, store, spaces

    def refresh(self, model: str | None, *, back: bool, told: Told) -> Refreshed:
        """Make the index anew; with `model` or `back`, move to that space first."""
        if model is not None or back:
            space = self._spaces.add(model) if model is not None else self._previous()
            embedded, sealed = self._move_to(space, told)
        else:
            space, embedded = self._spaces.active(), 0
            told("indexing", 0, 1)
            sealed = self._sealed_anew(space)
        self._store.scrub()
        return Refreshed(space, embedded, sealed)

    def _previous(self) -> Space:
        with self._store.reading() as reader:
            space = reader.previous_space()
        if space is None:
            raise ModelError(f"{self._home}: there is no earlier embedding model to go back to")
        return space

    def _move_to(self, space: Space, told: Told) -> tuple[int, int]:
        """Let `space` answer. How many vectors were computed, and how many passages are in its index."""
        with self._store.writing() as writer:
            writer.keep_space(space)
        embedded = self._filled(space, told)
        told("indexing", 0, 1)
        # Before the swap: it must answer as fast as the old one from its first question on.
        sealed = self._sealed_anew(space)
        self._need_sound(space)
        for _ in range(TRIES):
            # What came since is searched beside the index, as always.
            embedded += self._filled(space, told)
            try:
                with self._store.writing() as writer:
                    if writer.next_space() != space:
                        raise BusyError(f"{self._home}: another process moves it to another model; try again when that is done")
                    writer.replace_active_space(space)
            except Raced:  # somebody added a chunk since: embed that too
                continue
            while self._dropped_vectors():
                pass
            self.drop_erased()  # and the files of a space that is kept no longer
            return embedded, sealed
        raise BusyError(f"{self._home}: other processes kept changing the home; try again")

    def _filled(self, space: Space, told: Told) -> int:
        total, done = self._spaces.missing(space), 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            told("embedding", done, total)

        return self._spaces.fill(space, count)

    def _need_sound(self, space: Space) -> None:
        """Raise HomeError if the index of a space lacks a passage, or has one too many.

        What its graphs find was compared with exact search when they were made.
        """
        problems = self._problems(space, deep=False, progress=lambda _: None)
        problems = [problem for problem in problems if not problem.endswith(checking.PASSING)]
        if problems:
            with sealing.building(self._home):  # the next try makes it of the database
                manifests.path_of(self._home, space.id).unlink(missing_ok=True)
            raise HomeError(f"{self._home}: the new index is not sound ({problems[0]}); the old one goes on answering")

    def _dropped_vectors(self) -> int:
        with self._store.writing() as writer:
            return writer.drop_vectors_of_other_spaces()

    def _sealed_anew(self, space: Space) -> int:
        return self._built(lambda: self._sealer(space).seal_all(lambda: False), PATIENCE_S)

    def _built(self, work: Callable[[], T], wait_s: float = sealing.WAIT_S) -> T:
        """Build with the builder's lock, again where the ground changed under it."""
        for _ in range(TRIES):
            with contextlib.suppress(Stopped), sealing.building(self._home, wait_s):
                return work()
            # Who asked for the builder's place, a `forget` perhaps, is quick: let it have it.
            while sealing.asked_aside(self._home):
                time.sleep(0.1)
        raise BusyError(f"{self._home}: other processes kept changing the home; try again")

    def _sealer(self, space: Space | None = None) -> sealing.Sealer:
        return sealing.Sealer(self._home, self._store, tokens_of, space)

    def settle(self, most: int) -> None:
        """Do what is due, up to merges of `most` passages."""
        with sealing.building(self._home, PATIENCE_S):
            sealer = self._sealer()
            with contextlib.suppress(Stopped):  # the ground changed; the next one goes on
                while sealer.step(lambda: False, most=most):
                    pass

    def drop_erased(self) -> None:
        """Leave nothing of what was erased in the files of the index."""

        def work() -> None:
            for space in self._kept():
                self._sealer(space).drop_erased()

        self._built(work)

    def _kept(self) -> list[Space]:
        with self._store.reading() as reader:
            return reader.spaces_kept()

    def check(self, deep: bool, progress: Progress) -> Checked:
        """Compare the index with the truth."""
        found = self._checked(deep, progress)
        if found.problems and os.access(self._home, os.W_OK):
            # A builder may have replaced what was being looked at: look again while none is at work.
            try:
                with sealing.building(self._home):
                    return self._checked(deep, progress)
            except BusyError:
                return replace(found, problems=tuple(p for p in found.problems if not p.endswith(checking.PASSING)))
        return found

    def _checked(self, deep: bool, progress: Progress) -> Checked:
        with self._store.reading() as reader:
            documents, chunks, _, _ = reader.counts()
            found = reader.integrity()
            active = reader.active_space()
            if active:
                found += [f"chunk {c.id} ({c.uri}) has no vector of {active.model}" for c in reader.missing(active, NAMED)]
        for space in self._kept():
            found += self._problems(space, deep, progress)
        return Checked(documents, chunks, tuple(dict.fromkeys(found)))

    def _problems(self, space: Space, deep: bool, progress: Progress) -> list[str]:
        manifest = manifests.read(self._home, space.id)
        with self._store.reading() as reader:
            return checking.problems(self._home, reader, space, manifest, tokens_of, deep=deep, progress=progress)

    def repaired(self, deep: bool, progress: Progress) -> Checked:
        """Compare the index with the truth, and make it anew where they disagree."""
        found = self.check(deep, progress)
        if not found.problems:
            return found
        for space in self._kept():
            self._built(partial(self._sealer(space).seal_anew, lambda: False), PATIENCE_S)
        return replace(self.check(deep, progress), repaired=found.problems)

    def backup(self, target: Path) -> Path:
        """Copy the database into the folder `target`."""
        try:
            target.mkdir(parents=True, exist_ok=True)
            there = any(target.iterdir())
        except OSError as cause:
            raise HomeError(f"{target}: cannot be a folder for the backup ({cause.strerror}); name another") from cause
        if there:
            raise HomeError(f"{target}: is not empty; name a new folder for the backup")
        self._store.copy_to(target)
        if (self._home / config.FILE).exists():
            shutil.copy(self._home / config.FILE, target / config.FILE)
        return target

    def restore(self, source: Path) -> None:
        """Replace the database by the one in the folder `source`."""
        with sealing.building(self._home):
            self._store.copy_from(source)


def build(home: Path) -> None:
    """Seal and merge until nothing is due, or somebody asks for the builder's place."""
    store = Store.open(home, create=False)
    try:
        sealer = sealing.Sealer(home, store, tokens_of)
        with sealing.building(home, wait_s=0):
            while sealer.step(lambda: sealing.asked_aside(home)):
                pass
    except (BusyError, Stopped):  # another one is at it, or the ground changed: who writes next starts another
        return
    finally:
        store.close()


def main() -> None:
    """Run the background builder, in the shade of who writes and answers."""
    if hasattr(os, "nice"):
        os.nice(10)
    sealing.use_cores(max(1, (os.cpu_count() or 2) // 2))
    home = Path(sys.argv[1])
    try:
        build(home)
    except (RagbotError, OSError) as cause:
        log.warning("%s: the index was not brought up to date (%s)", home, cause)


if __name__ == "__main__":
    main()
