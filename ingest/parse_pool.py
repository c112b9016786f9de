"""Reads many files at once, each in a process that can be killed: no file takes the run down, or holds it up for ever."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ingest.parsers import worker
from ingest.parsers.damage import MAX_TEXT_CHARACTERS
from ragbot.errors import BrokenError, ReadError
from ragbot.types import Document

SILENCE = 120.0
"""Seconds without a word of a process (it says so with each page) after which it is killed."""
LONGEST = 3_600.0
"""Seconds that a file may take at all."""
AHEAD = 32
"""How many files are read ahead of the one that is taken."""
OVERDUE_S = 10.0
"""How long what was read waits for an item before it that takes longer."""
IDLE_S = 1.0
"""After so long without an item, the caller is told so."""
LETTERS_AHEAD = MAX_TEXT_CHARACTERS
"""How much text may wait to be taken: with more, no further file is begun."""
RENEWED = 500
"""A process that has read so many files is replaced: what parsers leave behind goes with it."""

_NO_MEMORY = re.compile(rb"bad_alloc|memory allocation|out of memory|allocate memory|malloc failed|MemoryError", re.IGNORECASE)
"""What C++, Rust, OpenBLAS and Python say before they end the process for want of memory."""
_NONSENSE = "its reader crashed (what it answered makes no sense)"

_Item = TypeVar("_Item")


@dataclass(slots=True)
class _Ahead:
    """What was read and is not taken yet. `first` is the number of the first item of which that is so."""

    letters: int = 0
    first: int = 0
    waited_s: float = 0.0
    """How long that item was waited for."""


@dataclass(frozen=True, slots=True)
class _Pending(Generic[_Item]):
    """An item that is to be read."""

    number: int
    item: _Item
    future: Future[Document | ReadError | None]

    @property
    def read(self) -> bool:
        """Whether it is known what came of it."""
        return self.future.done() and not self.future.cancelled()


@dataclass(frozen=True, slots=True)
class Request:
    """A file to read. `suffix` stands for the one of its name, where the name does not tell what it is."""

    path: Path
    uri: str
    scope: str
    password: str | None = None
    suffix: str | None = None


class ParsePool:
    """A few processes that read files. Use it in a `with` statement, which ends them.

    Where an exception leaves it, `stop` is called: it tells what `wanted` waits for to end, before the threads are waited for.
    """

    def __init__(self, processes: int | None = None, stop: Callable[[], None] = lambda: None) -> None:
        self._threads = ThreadPoolExecutor(processes or min(os.cpu_count() or 1, 4), thread_name_prefix="read")
        self._stop = stop
        self._free: list[_Process] = []
        self._all: list[_Process] = []
        self._changed = threading.Condition()
        self._closed = False

    def __enter__(self) -> ParsePool:
        return self

    def __exit__(self, kind: object = None, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if kind:
            self._stop()
        with self._changed:
            for process in self._all:
                process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._all:
            process.close()

    def each(
        self, items: Iterable[_Item], wanted: Callable[[_Item], Request | None]
    ) -> Iterator[tuple[_Item, Document | ReadError | None] | None]:
        """Every item with its document or why there is none; with None if `wanted` says that it need not be read.

        In order, but what is read does not wait for an item that takes longer than OVERDUE_S. None comes in place of an item
        where there is none for IDLE_S. On KeyboardInterrupt what was read comes before it is raised again.
        `wanted` is called ahead, in the threads of this object; a ReadError that it raises is the item's.
        """
        waiting: deque[_Pending[_Item]] = deque()
        ahead = _Ahead()
        try:
            for number, item in enumerate(items):
                waiting.append(_Pending(number, item, self._threads.submit(self._one, number, item, wanted, ahead)))
                while len(waiting) > AHEAD:
                    yield self._next(waiting, ahead)
            while waiting:
                yield self._next(waiting, ahead)
        except KeyboardInterrupt:
            yield from [(one.item, one.future.result()) for one in waiting if one.read]
            raise
        finally:
            for one in waiting:
                one.future.cancel()
            with self._changed:  # what is under way waits for nobody
                ahead.first = sys.maxsize
                self._changed.notify_all()

    def read(self, request: Request) -> Document:
        """Read one file. Raises a ReadError that says why it cannot be."""
        process = self._take()
        answer = process.ask(request)
        if answer is None and process.read and not process.late:  # it may have been what an earlier file left behind
            self._end(process)
            process = self._take(fresh=True)
            answer = process.ask(request)
        if answer is None:
            process.kill()
            why = process.ended()
            self._end(process)
            raise BrokenError(f"{request.uri}: {why}")
        self._give_back(process)
        if isinstance(answer, ReadError):
            raise answer
        return answer

    def _one(
        self, number: int, item: _Item, wanted: Callable[[_Item], Request | None], ahead: _Ahead
    ) -> Document | ReadError | None:
        try:
            with self._changed:  # the item that is waited for needs no room: else all might wait for each other
                self._changed.wait_for(lambda: ahead.letters < LETTERS_AHEAD or number <= ahead.first or self._closed)
                self._check_open()
            request = wanted(item)
            document = self.read(request) if request else None
        except ReadError as cause:
            return cause
        with self._changed:
            ahead.letters += len(document.text) if document else 0
        return document

    def _next(self, waiting: deque[_Pending[_Item]], ahead: _Ahead) -> tuple[_Item, Document | ReadError | None] | None:
        """Take the first item once it is read; when it is overdue, the first that is. None if there is none for IDLE_S."""
        first = waiting[0]
        if not first.read:
            began = time.monotonic()
            wait([one.future for one in waiting] if ahead.waited_s >= OVERDUE_S else [first.future], IDLE_S, FIRST_COMPLETED)
            ahead.waited_s += time.monotonic() - began
        taken = next((one for one in waiting if one.read), None)
        if taken is None or (taken is not first and ahead.waited_s < OVERDUE_S):
            return None
        if taken is first:
            ahead.waited_s = 0.0
        waiting.remove(taken)
        document = taken.future.result()
        with self._changed:
            ahead.first = waiting[0].number if waiting else taken.number + 1
            ahead.letters -= len(document.text) if isinstance(document, Document) else 0
            self._changed.notify_all()
        return taken.item, document

    def _take(self, *, fresh: bool = False) -> _Process:
        with self._changed:
            if self._free and not fresh:
                return self._free.pop()
            self._check_open()
            self._all.append(process := _Process())
            return process

    def _give_back(self, process: _Process) -> None:
        process.read += 1
        with self._changed:
            if process.read < RENEWED and not self._closed:
                self._free.append(process)
                return
        self._end(process)

    def _end(self, process: _Process) -> None:
        process.kill()
        process.close()
        with self._changed:
            self._all.remove(process)

    def _check_open(self) -> None:
        if self._closed:
            raise ReadError("reading was stopped")


class _Process:
    """A process that reads one file after the other."""

    def __init__(self) -> None:
        self.read = 0
        self.late = False
        self._why = ""
        # -P: not what lies in the working folder under the name of some other module.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", worker.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        os.set_blocking(self._process.stderr.fileno(), False)
        self._answers = selectors.DefaultSelector()
        self._answers.register(self._process.stdout, selectors.EVENT_READ)
        self._rest, self._seen = bytearray(), 0

    def ask(self, request: Request) -> Document | ReadError | None:
        """The document, or why there is none; None if the process ended, takes too long, or says what makes no sense."""
        said = {
            "path": os.fspath(request.path),
            "uri": request.uri,
            "scope": request.scope,
            "password": request.password,
            "suffix": request.suffix,
        }
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(said).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:  # it is gone
            self._reap()
            return None
        until = time.monotonic() + LONGEST
        while (line := self._line(min(time.monotonic() + SILENCE, until))) is not None:
            if line != worker.ALIVE:
                return self._meant(line, request)
        return None

    def _meant(self, line: bytearray, request: Request) -> Document | ReadError | None:
        """What an answer says. It may come from what a hostile file has taken over: then it is none."""
        self._last_words()  # of an earlier file: they leave room for those to come
        try:
            document = worker.document_of(json.loads(line))
        except ReadError as said:
            return said
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            document = None
        if document and (document.uri, document.scope) == (request.uri, request.scope):
            return document
        self._why = _NONSENSE
        return None

    def _line(self, until: float) -> bytearray | None:
        """The next line; None if none comes in time, or no end of it."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while (end := self._rest.find(b"\n", self._seen)) < 0:
            self._seen = len(self._rest)
            if not self._answers.select(max(until - time.monotonic(), 0)):
                self.late = True
                self._why = f"takes too long to read (killed after {SILENCE:.0f} s without progress)"
                return None
            piece = os.read(pipe, 1 << 20)
            if not piece:
                self._reap()
                return None
            if self._seen > worker.LONGEST_ANSWER:
                self._why = _NONSENSE
                return None
            self._rest += piece
        line, self._seen = self._rest[:end], 0
        del self._rest[: end + 1]
        return line

    def _reap(self) -> None:
        """Wait for the end of a process that has closed its output, so that its own exit is told and not how it was killed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)

    def kill(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Close the pipes to it. Not while another thread listens."""
        self._answers.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def ended(self) -> str:
        """Why there is no answer, and what to do. Asked before `close`."""
        code = self._process.returncode
        if not self._why and (code == -signal.SIGKILL or _NO_MEMORY.search(self._last_words())):
            return worker.TOO_LARGE
        why = self._why or f"its reader crashed ({f'signal {-code}' if code and code < 0 else f'exit {code}'})"
        return f"{why}; export it again, or split it"

    def _last_words(self) -> bytes:
        """What compiled code has written to standard error since the last call, as far as the pipe holds it."""
        assert self._process.stderr is not None
        try:
            return os.read(self._process.stderr.fileno(), 1 << 20)
        except OSError:  # nothing
            return b""
