"""Text while it is written: a callback as an iterator, and reasoning left out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from queue import Empty, SimpleQueue

OPENING, CLOSING = "<think>", "</think>"
"""How reasoning models mark their thoughts: DeepSeek-R1, Qwen3 and those that follow them."""


class Silence(Exception):
    """Nothing was written for too long."""


def iterate(write: Callable[[Callable[[str], bool]], None], timeout: float | None = None) -> Generator[str]:
    """Turn a callback into an iterator: a thread writes while the pieces are read.

    `write` gets a function that takes each piece, and returns whether to stop. An empty piece is a sign of life.
    Raises what `write` raises, and Silence where it gives no sign of life for `timeout` seconds; its thread is then left behind.
    """
    queue: SimpleQueue[str | BaseException | None] = SimpleQueue()
    stopped = threading.Event()

    def take(piece: str) -> bool:
        queue.put(piece)
        return stopped.is_set()

    def work() -> None:
        try:
            write(take)
            queue.put(None)
        except BaseException as cause:
            queue.put(cause)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        while (piece := queue.get(timeout=timeout)) is not None:
            if isinstance(piece, BaseException):
                raise piece
            if piece:
                yield piece
    except Empty as cause:
        raise Silence from cause
    finally:
        stopped.set()
        if timeout is None:  # a model of this process stops within a token; a server may never
            worker.join()


def without_reasoning(pieces: Generator[str], inside: bool = False) -> Iterator[str]:
    """The pieces less what stands between <think> and </think>, and less blanks before the first word.

    A mark may be split over pieces. A thought that does not end hides all that follows it.
    `inside`: the prompt has opened a thought already.
    """
    held, begun = "", False
    with closing(pieces):
        for piece in pieces:
            answer, held, inside = _split(held + piece, inside)
            answer = answer if begun else answer.lstrip()
            if answer:
                begun = True
                yield answer
    if held and not inside:
        yield held


def _split(text: str, inside: bool) -> tuple[str, str, bool]:
    """What of a text is answer, its end that may begin a mark, and whether a thought is open at that end."""
    answer = ""
    while True:
        mark = CLOSING if inside else OPENING
        before, found, after = text.partition(mark)
        if not found:
            break
        answer += "" if inside else before
        text, inside = after, not inside
    kept = next((n for n in range(min(len(mark) - 1, len(text)), 0, -1) if mark.startswith(text[-n:])), 0)
    end = len(text) - kept
    return answer + ("" if inside else text[:end]), text[end:], inside
