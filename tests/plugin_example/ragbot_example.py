"""One plugin of each kind for ragbot: small, and complete."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ingest.parsers.formats import Extract, Source
from ragbot.errors import BrokenError, ModelError
from ragbot.types import Message


def parse(source: Source) -> Extract:
    """A made-up format: XYZ1, then the title and the pages, each with a zero byte before it."""
    if not source.data.startswith(b"XYZ1\0"):
        raise BrokenError(f"{source.name}: does not begin with XYZ1; save it again")
    title, *pages = source.data.removeprefix(b"XYZ1\0").decode("utf-8").split("\0")
    text, starts = "", []
    for page in pages:
        source.alive()
        starts.append(len(text))
        text += f"{page}\n\n"
    return Extract(text, title=title, pages=tuple(starts))


class Hashing:
    """Texts that share words are near."""

    model = "example"
    revision = "1"
    dim = 128
    prefixes = ("", "")
    calibration = None

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> np.ndarray:
        vectors = np.array([self._vector(text) for text in texts], np.float32).reshape(len(texts), self.dim)
        if progress:
            progress(len(texts))
        return vectors

    def encode_query(self, text: str) -> np.ndarray:
        return self._vector(text)

    def knows_word(self, word: str) -> bool:
        return True

    def _vector(self, text: str) -> np.ndarray:
        vector = np.full(self.dim, 1e-3, np.float32)
        for word in re.findall(r"\w+", text.lower()):
            vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % self.dim] += 1
        return vector / np.linalg.norm(vector)


class Echo:
    """Says the first sentence of the first passage that it is shown."""

    model = "example"
    window = 16_000

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.closed = False

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        if self.closed:
            raise ModelError("example: was closed; open it again")
        passage = re.search(r"^\[1\] .*\n(.+?\.)(?:\s|$)", messages[-1].content, re.MULTILINE)
        answer = f"It is so that {passage[1]} [1]" if passage else "NO_ANSWER"
        yield from answer.split(" ", max_tokens)[0:1]
        yield from (f" {word}" for word in answer.split()[1:max_tokens])

    def count(self, text: str) -> int:
        return len(text.split())

    def close(self) -> None:
        self.closed = True
