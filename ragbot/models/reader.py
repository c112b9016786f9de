"""Reads a question together with a few sentences: is the answer there, and which words are it? Of a claim: is it said there?

The bundled reader is trained by `ragbot.learn` on the layers of the bundled embedder, whose word vectors it shares
(`python -m ragbot.learn DATA`; seed 20, 32,000 made questions, 34 minutes on 2 cores). It knows English; other languages are not
asked of it. It is not used by default: docs/models/reader.md has its figures.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ragbot.models import bundled, hub, minilm
from ragbot.models.embedder import compiled

FILE = Path(__file__).parent / "reader.npz"
MAX_TOKENS = 192
LONGEST = 40
"""The most tokens of an answer."""
BATCH_TOKENS = 2048


class Read(NamedTuple):
    """What the reader makes of one text: logits, and the words that it takes for the answer."""

    answers: float
    """Above 0 where the text rather answers the question, or says the claim."""
    found: float
    """How much more the words are the answer than nothing is."""
    start: int
    end: int
    """The words, as characters of the text."""


class Reader(Protocol):
    """What reads."""

    def read(self, question: str, texts: Sequence[str]) -> list[Read]:
        """What it makes of each text."""
        ...


@lru_cache(maxsize=1)
def open_reader() -> Reader:
    """The bundled reader; the same one for all who ask. Raises ModelError if a part of it is missing."""
    return BundledReader()


class BundledReader:
    """The reader that comes with ragbot, on OpenVINO."""

    def __init__(self) -> None:
        from tokenizers import Tokenizer

        folder = bundled.embedder_folder()
        with hub.loading("reader"):
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._tokenizer.enable_truncation(MAX_TOKENS, strategy="longest_first")
            self._tokenizer.no_padding()
            state = _state(folder)
            self._span, self._answers = ((state[f"{name}.weight"], state[f"{name}.bias"]) for name in ("span", "answers"))
            body = {name.removeprefix("body."): value for name, value in state.items()}
            self._network = compiled(minilm.reading(minilm.of_state(body)))
        self._lock = threading.Lock()

    def read(self, question: str, texts: Sequence[str]) -> list[Read]:
        """What it makes of each text; texts of like length share a batch."""
        pairs = self._tokenizer.encode_batch([(question, text) for text in texts])
        order, found = sorted(range(len(pairs)), key=lambda at: len(pairs[at].ids)), dict[int, Read]()
        batch = list[int]()
        for at in [*order, None]:
            if at is None or (batch and len(pairs[at].ids) * (len(batch) + 1) > BATCH_TOKENS):
                found |= self._batch({one: pairs[one] for one in batch})
                batch = []
            batch += [] if at is None else [at]
        return [found[at] for at in range(len(pairs))]

    def _batch(self, pairs: dict[int, Encoding]) -> dict[int, Read]:
        if not pairs:
            return {}
        longest = max(len(one.ids) for one in pairs.values())
        given = np.zeros((3, len(pairs), longest), np.int64)
        for row, one in enumerate(pairs.values()):
            n = len(one.ids)
            given[0, row, :n], given[1, row, :n], given[2, row, :n] = one.ids, 1, one.type_ids
        with self._lock:
            states = np.array(self._network(list(given))[0])
        answers = states[:, 0] @ self._answers[0][0] + self._answers[1][0]
        ends = states @ self._span[0].T + self._span[1]
        return {at: _read(one, float(answers[row]), ends[row]) for row, (at, one) in enumerate(pairs.items())}


class Encoding(Protocol):
    """What a tokenizer makes of a pair of texts."""

    @property
    def ids(self) -> list[int]: ...
    @property
    def type_ids(self) -> list[int]: ...
    @property
    def offsets(self) -> list[tuple[int, int]]: ...


def _read(pair: Encoding, answers: float, ends: NDArray[np.float32]) -> Read:
    inside = [at for at, (kind, (start, end)) in enumerate(zip(pair.type_ids, pair.offsets, strict=True)) if kind and end > start]
    if not inside:
        return Read(answers, 0.0, 0, 0)
    first, last = inside[0], inside[-1] + 1
    scores = ends[first:last, 0][:, None] + ends[first:last, 1][None, :]
    allowed = np.tril(np.triu(np.ones_like(scores, dtype=bool)), LONGEST - 1)
    begin, end = np.unravel_index(int(np.where(allowed, scores, -np.inf).argmax()), scores.shape)
    found = float(scores[begin, end] - ends[0].sum())
    return Read(answers, found, pair.offsets[first + begin][0], pair.offsets[first + end][1])


def _state(folder: Path) -> dict[str, minilm.Floats]:
    """All weights in float32: those that were trained, and the word vectors of the embedder."""
    from safetensors.numpy import load_file

    shared = load_file(str(folder / "model.safetensors"))
    found = dict[str, minilm.Floats]()
    for name, value in shared.items():
        if "word_embeddings" in name or "position_embeddings" in name:
            found["embeddings." + name.partition("embeddings.")[2]] = value
    with np.load(FILE) as stored:
        for name in stored.files:
            if name.endswith(".scale"):
                continue
            value = stored[name].astype(np.float32)
            found[name] = value * stored[f"{name}.scale"][:, None] if f"{name}.scale" in stored.files else value
    return found
