"""Reads many files at once, each in a process that can be killed: no file takes the run down, or holds it up for ever."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ingest.readers import worker
from ragbot.errors import BrokenError, ReadError
from ragbot.types import Document

SILENCE = 120.0
"""Seconds without a word of a process (it says so with each page) after which it is killed."""
LONGEST = 3_600.0
"""Seconds that a file may take at all."""
AHEAD = 32
"""How many files are read ahead of the one that is taken."""
RENEWED = 500
"""A process that has read so many files is replaced: what parsers leave behind goes with it."""

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Request:
    """A file to read. `suffix` stands for the one of its name, where the name does not tell what it is."""

    path: Path
    uri: str
    scope: str
    password: str | None = None
    suffix: str | None = None


class Reading:
    """A few processes that read files. Use it in a `with` statement, which ends them."""

    def __init__(self, processes: int | None = None) -> None:
        self._threads = ThreadPoolExecutor(processes or min(os.cpu_count() or 1, 4), thread_name_prefix="read")
        self._free: list[_Process] = []
        self._all: list[_Process] = []
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            for process in self._all:
                process.kill()
        self._threads.shutdown(cancel_futures=True)

    def each(
        self, items: Iterable[_Item], wanted: Callable[[_Item], Request | None]
    ) -> Iterator[tuple[_Item, Document | ReadError | None]]:
        """Every item in order, with its document or why there is none; with None if `wanted` says that it need not be read.

        `wanted` is called ahead, in the threads of this object; a ReadError that it raises is the item's.
        """
        waiting: deque[tuple[_Item, Future[Document | ReadError | None]]] = deque()
        try:
            for item in items:
                waiting.append((item, self._threads.submit(self._one, item, wanted)))
                if len(waiting) > AHEAD:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()

    def read(self, request: Request) -> Document:
        """Read one file. Raises a ReadError that says why it cannot be."""
        process = self._take()
        answer = process.ask(request)
        if answer is None and process.read:  # it may have been what an earlier file left behind
            process.kill()
            process = self._take(fresh=True)
            answer = process.ask(request)
        if answer is None:
            process.kill()
            raise BrokenError(f"{request.uri}: {process.ended()}")
        self._give_back(process)
        return worker.document_of(answer)

    def _one(self, item: _Item, wanted: Callable[[_Item], Request | None]) -> Document | ReadError | None:
        try:
            request = wanted(item)
            return self.read(request) if request else None
        except ReadError as cause:
            return cause

    def _take(self, *, fresh: bool = False) -> _Process:
        with self._lock:
            if self._free and not fresh:
                return self._free.pop()
            if self._closed:
                raise ReadError("reading was stopped")
            self._all.append(process := _Process())
            return process

    def _give_back(self, process: _Process) -> None:
        process.read += 1
        with self._lock:
            if process.read < RENEWED and not self._closed:
                self._free.append(process)
                return
        process.kill()


class _Process:
    """A process that reads one file after the other."""

    def __init__(self) -> None:
        self.read = 0
        self._late = ""
        # -P: not what lies in the working folder under the name of some other module.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", worker.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._rest = b""

    def ask(self, request: Request) -> dict[str, Any] | None:
        """The last answer; None if the process ended, or was killed because it took too long."""
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
            return None
        until = time.monotonic() + LONGEST
        while (line := self._line(min(time.monotonic() + SILENCE, until))) is not None:
            answer: dict[str, Any] = json.loads(line)
            if "alive" not in answer:
                return answer
        return None

    def _line(self, until: float) -> bytes | None:
        """The next line; None if none comes in time."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        pieces = [self._rest]
        while b"\n" not in pieces[-1]:
            if not select.select([pipe], [], [], max(until - time.monotonic(), 0))[0]:
                self._late = f"takes too long to read (killed after {SILENCE:.0f} s without progress)"
                return None
            piece = os.read(pipe, 1 << 20)
            if not piece:
                return None
            pieces.append(piece)
        line, _, self._rest = b"".join(pieces).partition(b"\n")
        return line

    def kill(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def ended(self) -> str:
        """Why there is no answer, and what to do."""
        code = self._process.returncode
        why = self._late or f"its reader crashed ({f'signal {-code}' if code and code < 0 else f'exit {code}'})"
        return f"{why}; export it anew, or split it"
