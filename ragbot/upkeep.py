"""What keeps a home in order: a new index, another embedding model, checks, repair, backups.

`python -m ragbot.upkeep HOME` does what is due to the index of a home and ends: the background builder.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ragbot.errors import BusyError, HomeError, ModelError, RagbotError
from ragbot.index import checking, files, sealing
from ragbot.index import manifest as manifests
from ragbot.index.graph import Stopped
from ragbot.spaces import Progress, Spaces
from ragbot.store import Raced, Store
from ragbot.text.chunks import tokens_of
from ragbot.types import Checked, Refreshed, Space

log = logging.getLogger(__name__)

Told = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and of how much."""

TRIES = 20
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
        embedded = 0
        for _ in range(TRIES):
            total, done = self._spaces.missing(space), 0

            def count(more: int, total: int = total) -> None:
                nonlocal done
                done += more
                told("embedding", done, total)

            embedded += self._spaces.fill(space, count)
            told("indexing", 0, 1)
            # Before the swap: it must answer as fast as the old one from its first question on.
            sealed = self._sealed_anew(space)
            try:
                with self._store.writing() as writer:
                    writer.replace_active_space(space)
            except Raced:  # somebody added a chunk since: embed that too
                continue
            while self._dropped_vectors():
                pass
            self.drop_erased()  # and the files of a space that is kept no longer
            return embedded, sealed
        raise BusyError(f"{self._home}: other processes kept changing the home; try again")

    def _dropped_vectors(self) -> int:
        with self._store.writing() as writer:
            return writer.drop_vectors_of_other_spaces()

    def _sealed_anew(self, space: Space) -> int:
        for _ in range(TRIES):
            with sealing.building(self._home):
                try:
                    return self._sealer(space).seal_all(lambda: False)
                except Stopped:  # the ground changed
                    continue
        raise BusyError(f"{self._home}: other processes kept changing the home; try again")

    def _sealer(self, space: Space | None = None) -> sealing.Sealer:
        return sealing.Sealer(self._home, self._store, tokens_of, space)

    def settle(self, most: int) -> None:
        """Do what is due, up to merges of `most` passages."""
        with sealing.building(self._home):
            sealer = self._sealer()
            with contextlib.suppress(Stopped):  # the ground changed; the next one goes on
                while sealer.step(lambda: False, most=most):
                    pass

    def drop_erased(self) -> None:
        """Leave nothing of what was erased in the files of the index."""
        with sealing.building(self._home):
            for space in self._kept():
                self._sealer(space).drop_erased()

    def _kept(self) -> list[Space]:
        with self._store.reading() as reader:
            return reader.spaces_kept()

    def check(self, deep: bool, progress: Progress) -> Checked:
        """Compare the index with the truth."""
        manifests_seen = {space.id: manifests.read(self._home, space.id) for space in self._kept()}
        with self._store.reading() as reader:
            documents, chunks, _, _ = reader.counts()
            found = reader.integrity()
            active = reader.active_space()
            if active:
                found += [f"chunk {c.id} ({c.uri}) has no vector of {active.model}" for c in reader.missing(active, NAMED)]
            for space in reader.spaces_kept():
                found += checking.problems(
                    self._home, reader, space, manifests_seen.get(space.id), tokens_of, deep=deep, progress=progress
                )
        return Checked(documents, chunks, tuple(found))

    def repaired(self, deep: bool, progress: Progress) -> Checked:
        """Compare the index with the truth, and make it anew where they disagree."""
        found = self.check(deep, progress)
        if not found.problems:
            return found
        with sealing.building(self._home), self._store.writing() as writer:
            for space in writer.spaces_kept():
                manifests.path_of(self._home, space.id).unlink(missing_ok=True)
            for stray in manifests.strays(self._home, ()):
                files.remove(stray)
        for space in self._kept():
            self._sealed_anew(space)
        return replace(self.check(deep, progress), repaired=found.problems)

    def backup(self, target: Path) -> Path:
        """Copy the database into the folder `target`."""
        if target.exists() and any(target.iterdir()):
            raise HomeError(f"{target}: is not empty; name a new folder for the backup")
        target.mkdir(parents=True, exist_ok=True)
        self._store.copy_to(target)
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
