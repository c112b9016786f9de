"""Runs the calls of a door on threads: answers in a fair queue, all that is quick beside it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from ragbot.server.queue import FairQueue

Result = TypeVar("Result")
Item = TypeVar("Item")

QUICK_THREADS = os.cpu_count() or 1
"""More would take turns at the interpreter's lock."""
QUICK_PER_PERSON, QUICK_WAITING = 64, 512
"""What is quick waits too where many ask at once: in turns, so that nobody fills the queue alone."""


class GoneError(Exception):
    """Who asked has hung up."""


class Work:
    """The threads of a server."""

    def __init__(self, answers_at_once: int, waiting_per_person: int, waiting: int) -> None:
        self.answers = FairQueue("answer", answers_at_once, waiting_per_person, waiting)
        self.quick = FairQueue("quick", QUICK_THREADS, QUICK_PER_PERSON, QUICK_WAITING)

    def close(self) -> None:
        """Wait for what runs; what waits is cancelled."""
        self.quick.close()
        self.answers.close()

    async def do(self, person: str, call: Callable[[], Result]) -> Result:
        """The result of something quick. Raises FullError, and what the call raises."""
        result: Result = await asyncio.wrap_future(self.quick.submit(person, call))
        return result

    async def answer(self, person: str, call: Callable[[], Result]) -> Result:
        """The result of something that takes long; withdrawn if nobody waits for it any more and it has not begun."""
        future: Future[Result] = self.answers.submit(person, call)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            self.answers.withdraw(person, future)
            raise

    async def stream(self, person: str, begin: Callable[[], Iterator[Item]]) -> AsyncGenerator[Item]:
        """The items of an iterator that runs on a thread, each as it comes. Waits for its turn at once, not at the first item.

        The thread never waits for who reads: a slow reader holds up nobody. If the reader goes, the iterator is closed at its
        next item.
        """
        loop = asyncio.get_running_loop()
        items: asyncio.Queue[Item | _End] = asyncio.Queue()
        gone = threading.Event()

        def put(item: Item | _End) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(items.put_nowait, item)

        def run() -> None:
            failed: BaseException | None = None
            try:
                iterator = begin()
                for item in iterator:
                    if gone.is_set():
                        getattr(iterator, "close", lambda: None)()
                        break
                    put(item)
            except BaseException as cause:  # who reads gets it
                failed = cause
            put(_End(failed))

        future = self.answers.submit(person, run)
        return self._items(person, future, items, gone)

    async def _items(
        self, person: str, future: Future[None], items: asyncio.Queue[Item | _End], gone: threading.Event
    ) -> AsyncGenerator[Item]:
        try:
            while not isinstance(item := await items.get(), _End):
                yield item
            if item.failed:
                raise item.failed
        finally:
            gone.set()
            self.answers.withdraw(person, future)


class _End:
    """The end of a stream, and what failed, if anything did."""

    def __init__(self, failed: BaseException | None) -> None:
        self.failed = failed
