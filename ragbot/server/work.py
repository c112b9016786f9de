"""Runs the calls of a door on threads: answers in a fair queue, all that is quick beside it."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Generic, TypeVar

from ragbot.server.queue import FairQueue

Result = TypeVar("Result")
Item = TypeVar("Item")

QUICK_THREADS = os.cpu_count() or 1
"""More would take turns at the interpreter's lock."""
TASK_THREADS = 2
"""For files, documents and what reads all of them: no answer waits for these."""
QUICK_PER_PERSON, QUICK_WAITING = 64, 512
"""What is quick waits too where many ask at once: in turns, so that nobody fills the queue alone."""


class GoneError(Exception):
    """Who asked has hung up."""


class Work:
    """The threads of a server."""

    def __init__(self, answers_at_once: int, waiting_per_person: int, waiting: int) -> None:
        self.answers = FairQueue("answer", answers_at_once, waiting_per_person, waiting)
        self.tasks = FairQueue("task", TASK_THREADS, waiting_per_person, waiting)
        self.quick = FairQueue("quick", QUICK_THREADS, QUICK_PER_PERSON, QUICK_WAITING)

    @property
    def queues(self) -> dict[str, FairQueue]:
        """The queues by name."""
        return {"quick": self.quick, "tasks": self.tasks, "answers": self.answers}

    def close(self) -> None:
        """Wait for what runs; what waits is cancelled."""
        for queue in self.queues.values():
            queue.close()

    async def do(self, person: str, call: Callable[[], Result]) -> Result:
        """The result of something quick. Raises FullError, and what the call raises."""
        result: Result = await asyncio.wrap_future(self.quick.submit(person, call))
        return result

    async def task(self, person: str, call: Callable[[], Result]) -> Result:
        """The result of something that takes long and is no answer; withdrawn if nobody waits for it and it has not begun."""
        future: Future[Result] = self.tasks.submit(person, call)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self.tasks.withdraw(person, future)
            raise

    def answer(self, person: str, begin: Callable[[], Iterator[Item]]) -> Stream[Item]:
        """The items of an answer, each as it comes."""
        return Stream(self.answers, person, begin)


class Stream(Generic[Item]):
    """The items of an iterator that runs on a thread of a queue. It waits for its turn at once, not at the first item.

    The thread never waits for who reads: a slow reader holds up nobody. If the reader goes, whether or not it has begun to read,
    what waits is withdrawn, and what runs is closed at its next item. `after` is called when it has ended or is withdrawn.
    """

    def __init__(
        self, queue: FairQueue, person: str, begin: Callable[[], Iterator[Item]], after: Callable[[], None] | None = None
    ) -> None:
        loop, gone = asyncio.get_running_loop(), threading.Event()
        items: asyncio.Queue[Item | _End] = asyncio.Queue()

        def put(item: Item | _End) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(items.put_nowait, item)

        def run() -> None:
            failed: BaseException | None = None
            try:
                iterator = iter(()) if gone.is_set() else begin()
                for item in iterator:
                    if gone.is_set():
                        getattr(iterator, "close", lambda: None)()
                        break
                    put(item)
            except BaseException as cause:  # who reads gets it
                failed = cause
            put(_End(failed))

        future = queue.submit(person, run)
        if after:
            future.add_done_callback(lambda _: after())
        self._items = items
        self._release = weakref.finalize(self, _release, queue, person, future, gone)

    def __aiter__(self) -> Stream[Item]:
        return self

    async def __anext__(self) -> Item:
        try:
            item = await self._items.get()
        except asyncio.CancelledError:  # who asked has hung up
            self._release()
            raise
        if not isinstance(item, _End):
            return item
        self._release()
        if item.failed:
            raise item.failed
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Let go of it."""
        self._release()


def _release(queue: FairQueue, person: str, future: Future[None], gone: threading.Event) -> None:
    gone.set()
    queue.withdraw(person, future)


class _End:
    """The end of a stream, and what failed, if anything did."""

    def __init__(self, failed: BaseException | None) -> None:
        self.failed = failed
