"""The bundled models, loaded once by each process that runs tests, and handed to all tests that want them."""

import os
from contextlib import contextmanager
from functools import cached_property
from threading import RLock

from filelock import FileLock

import ragbot.runtime
from ragbot.models import answerability, bundled, embedder, generator, supersession

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
"""The number of this process among those that run tests side by side; "" where it is the only one."""


@contextmanager
def one_core():
    """Let what is loaded meanwhile run on one core for good, where each core has a process that runs tests.

    OpenVINO makes its threads while it loads, as many as it sees cores. Two processes with two threads each on two cores
    take half as much time again for the same work.
    """
    if not WORKER or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[int(WORKER) % len(before)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class BundledModels:
    """Each model is loaded the first time that a test wants it.

    The lock file keeps the processes that run tests side by side from converting the same model for the first time at once:
    `bundled.converted` allows that, and it would take twice as long.
    """

    def __init__(self, lock_file):
        self._loading = RLock()
        self._converting = FileLock(lock_file)

    @cached_property
    def embedder(self):
        with one_core():
            return embedder.open_embedder(bundled.EMBEDDER)

    @cached_property
    def generator(self):
        with self._converting, one_core():
            return generator.open_generator(bundled.GENERATOR)

    @cached_property
    def answerability(self):
        with self._converting, one_core():
            return answerability.open_answerability_model()

    @cached_property
    def english_reader(self):
        with self._converting, one_core():
            return answerability.GenerativeReader()

    @cached_property
    def supersession(self):
        with one_core():
            return supersession.open_supersession_model()

    def replace_openers(self, monkeypatch):
        """Let runtimes get the models from here. This is the only place that knows where they open them."""
        monkeypatch.setattr(ragbot.runtime, "open_embedder", self._open_embedder)
        monkeypatch.setattr(ragbot.runtime, "open_generator", self._open_generator)
        monkeypatch.setattr(ragbot.runtime, "open_answerability_model", self._open_answerability_model)
        monkeypatch.setattr(ragbot.runtime, "open_supersession_model", self._open_supersession_model)

    def _open_embedder(self, name):
        with self._loading:
            return self.embedder if name == bundled.EMBEDDER else embedder.open_embedder(name)

    def _open_generator(self, name, *others):
        with self._loading:
            return self.generator if name == bundled.GENERATOR else generator.open_generator(name, *others)

    def _open_answerability_model(self):
        with self._loading:
            return self.answerability

    def _open_supersession_model(self):
        with self._loading:
            return self.supersession
