"""Seals and merges in the background of a process that writes: in a process of its own, which may be killed at any time.

A thread would not do: it would hold the interpreter again and again while the others write and answer.
`python -m ragbot.maintenance.builder HOME` does what is due to the index of a home and ends.
"""

from __future__ import annotations

import atexit
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from ragbot.errors import BusyError, RagbotError
from ragbot.index import compaction
from ragbot.index import manifest as manifests
from ragbot.index.compaction import SEAL_AT
from ragbot.index.hnsw import Stopped
from ragbot.store import Store
from ragbot.text.chunks import tokens_of

log = logging.getLogger(__name__)

LOOK_EVERY = SEAL_AT // 8
"""After so many passages it is looked whether there is enough to seal."""


class Builder:
    """Starts the process that builds, whenever there is something to build and it does not run."""

    def __init__(self, home: Path, store: Store, command: Sequence[str]) -> None:
        self._home, self._store, self._command = home, store, command
        self._unseen = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def added(self, passages: int) -> None:
        """Hear of what was written, and see from time to time whether there is enough to seal."""
        with self._lock:
            self._unseen += passages
            if self._unseen < LOOK_EVERY or (self._process and self._process.poll() is None):
                return
            self._unseen = 0
            if self._due():
                self._start()

    def _due(self) -> bool:
        with self._store.reading() as source:
            space = source.active_space()
            if space is None:
                return False
            manifest = manifests.read(self._home, space.id)
            return source.last_vector_id(space) - (manifest.covered if manifest else 0) >= SEAL_AT

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(
                [*self._command, str(self._home)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        except OSError as cause:  # all is remembered and found; `settle` and `refresh` build too
            log.warning("%s: the background builder did not start (%s)", self._home, cause)
            return
        atexit.register(self.close)

    def close(self) -> None:
        """Stop the process, if it runs: nothing is lost by it."""
        atexit.unregister(self.close)
        with self._lock:
            if self._process and self._process.poll() is None:
                self._process.terminate()
                self._process.wait()


def command() -> list[str]:
    """How to start the builder with this interpreter."""
    # -P: not what lies in the working folder under the name of some other module.
    return [sys.executable, "-P", "-m", __spec__.name]


def build(home: Path) -> None:
    """Seal and merge until nothing is due, or somebody asks for the builder's place."""
    store = Store.open(home, create=False)
    try:
        compactor = compaction.Compactor(home, store, tokens_of)
        with compaction.building(home, wait_s=0):
            while compactor.step(lambda: compaction.asked_aside(home)):
                pass
    except (BusyError, Stopped):  # another one is at it, or the ground changed: who writes next starts another
        return
    finally:
        store.close()


def main() -> None:
    """Run the background builder, in the shade of who writes and answers."""
    if hasattr(os, "nice"):
        os.nice(10)
    compaction.use_cores(max(1, (os.cpu_count() or 2) // 2))
    home = Path(sys.argv[1])
    try:
        build(home)
    except (RagbotError, OSError) as cause:
        log.warning("%s: the index was not brought up to date (%s)", home, cause)


if __name__ == "__main__":
    main()
