"""Loads the models of a server beside everything else that its start takes."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import threading
from concurrent.futures import Future

from ragbot.chat import Chat
from ragbot.memory import Memory

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
"""Of glibc's malloc.h."""
MAPPED_BYTES = 128 * 1024


def begin(memory: Memory, *, generator: bool = False) -> Future[bool]:
    """Load what a search needs, in the background: the embedder and the answerability model; with `generator` that too.

    The result is there when that is done: whether all did. One that does not is logged, and named again by whoever asks for it.
    """
    done: Future[bool] = Future()

    def load() -> None:
        try:
            Chat(memory, "loading", "loading").load(generator=generator)
            done.set_result(True)
        except Exception as cause:
            failed = cause
            logging.getLogger(__name__).error("a model does not load: %s", failed)
            done.set_result(False)

    threading.Thread(target=load, name="load", daemon=True).start()
    return done


def give_memory_back() -> None:
    """Let what models leave behind while they load go back to the system (glibc only).

    Else each of many threads keeps a heap of its own: a fifth of all that a server took was that.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
