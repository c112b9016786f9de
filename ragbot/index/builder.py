"""Seals and merges in the background of a process that writes."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from pathlib import Path

from ragbot.errors import BusyError, RagbotError
from ragbot.index import manifest as manifests
from ragbot.index.graph import Stopped
from ragbot.index.sealing import SEAL_AT, Sealer, Store, asked_aside, building
from ragbot.index.view import TokensOf

log = logging.getLogger(__name__)

PAUSE_S = 1.0


class Builder:
    """One thread, started when there is work for the first time."""

    def __init__(self, home: Path, store: Store, tokens_of: TokensOf) -> None:
        self._home, self._store, self._tokens_of = home, store, tokens_of
        self._due = threading.Event()
        self._closing = False
        self._pause = threading.Event()
        self._unseen = 0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def added(self, passages: int) -> None:
        """Hear of what was written, and see from time to time whether there is enough to seal."""
        self._unseen += passages
        if self._unseen >= SEAL_AT // 8:
            self._unseen = 0
            self._look()

    def _look(self) -> None:
        with self._store.reading() as source:
            space = source.active_space()
            if space is None:
                return
            manifest = manifests.read(self._home, space.id)
            new = source.last_vector_id(space) - (manifest.covered if manifest else 0)
        if new < SEAL_AT:
            return
        with self._lock:
            if self._closing:
                return
            self._due.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ragbot-builder", daemon=True)
                # The interpreter must not end under it.
                atexit.register(self.close)
                self._thread.start()

    def close(self) -> None:
        """Stop at the next point where nothing is lost, and wait for that."""
        with self._lock:
            self._closing = True
        self._pause.set()
        self._due.set()
        if self._thread is not None:
            self._thread.join()
            atexit.unregister(self.close)

    def _run(self) -> None:
        _use_cores(max(1, (os.cpu_count() or 2) // 2))  # the others answer
        sealer = Sealer(self._home, self._store, self._tokens_of)
        while True:
            self._due.wait()
            self._due.clear()
            if self._closing:
                return
            try:
                with building(self._home, wait_s=0):
                    while sealer.step(self._stop):
                        pass
            except (Stopped, BusyError):  # the ground changed, or another one is at it
                if not self._pause.wait(PAUSE_S):
                    self._due.set()
            except (OSError, RagbotError) as cause:
                # What was remembered is there all the same; the next look tries again.
                log.warning("%s: the index was not sealed (%s)", self._home, cause)

    def _stop(self) -> bool:
        return self._closing or asked_aside(self._home)


def _use_cores(count: int) -> None:
    import faiss

    faiss.omp_set_num_threads(count)
