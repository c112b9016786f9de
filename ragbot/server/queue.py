"""A queue that is fair to people: who asks much waits for who asks little."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class FullError(Exception):
    """Too much waits already, of this person or of all together."""


class FairQueue:
    """Runs the work of many people on few threads, the next of each person in turn.

    Next is the work of who has least running, and among these of who has waited longest for a turn.
    """

    def __init__(self, name: str, threads: int, waiting_per_person: int, waiting: int) -> None:
        self._per_person, self._most = waiting_per_person, waiting
        self._waiting: dict[str, deque[tuple[Future[Any], Callable[[], Any]]]] = {}
        self._running = Counter[str]()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name=f"{name}-{at}", daemon=True) for at in range(threads)]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """How much waits."""
        with self._changed:
            return sum(map(len, self._waiting.values()))

    @property
    def running(self) -> int:
        """How much runs."""
        with self._changed:
            return self._running.total()

    def submit(self, person: str, work: Callable[[], Any]) -> Future[Any]:
        """Let work wait for its turn. Raises FullError if too much waits."""
        future: Future[Any] = Future()
        with self._changed:
            own = self._waiting.get(person, ())
            if self._closed or len(own) >= self._per_person or sum(map(len, self._waiting.values())) >= self._most:
                raise FullError
            self._waiting.setdefault(person, deque()).append((future, work))
            self._changed.notify()
        return future

    def withdraw(self, person: str, future: Future[Any]) -> None:
        """Take back what waits, whose asker has gone. What runs already goes on."""
        if future.cancel():
            with self._changed:
                self._keep(person, deque(one for one in self._waiting.get(person, ()) if one[0] is not future))

    def close(self) -> None:
        """Cancel what waits, and return when what runs has ended."""
        with self._changed:
            self._closed = True
            left = [one for of_person in self._waiting.values() for one in of_person]
            self._waiting.clear()
            self._changed.notify_all()
        for future, _ in left:
            future.cancel()
        for thread in self._threads:
            thread.join()

    def _keep(self, person: str, waiting: deque[tuple[Future[Any], Callable[[], Any]]]) -> None:
        """What waits of a person from now on, behind what waits of others. Called with the lock."""
        self._waiting.pop(person, None)
        if waiting:
            self._waiting[person] = waiting

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                if self._closed:
                    return
                person = min(self._waiting, key=lambda one: self._running[one])
                waiting = self._waiting[person]
                future, work = waiting.popleft()
                self._keep(person, waiting)
                self._running[person] += 1
            try:
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(work())
                    except BaseException as cause:  # its caller gets it
                        failed = cause
                        future.set_exception(failed)
            finally:
                with self._changed:
                    self._running[person] -= 1
                    self._running += Counter()  # forgets who has nothing running
