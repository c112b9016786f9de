"""Seals and merges in the background of a process that writes: in a process of its own, which may be killed at any time.

A thread would not do: it would hold the interpreter again and again while the others write and answer.
"""

from __future__ import annotations

import atexit
import logging
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from ragbot.index import manifest as manifests
from ragbot.index.sealing import SEAL_AT, Store

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


def command(module: str) -> list[str]:
    """How to run a module of this program with this interpreter."""
    # -P: not what lies in the working folder under the name of some other module.
    return [sys.executable, "-P", "-m", module]
