"""Text to unit vectors. One class a runtime, one function to choose.

The bundled models run through OpenVINO, built from their own weights: no torch at start-up.
Every other model runs through sentence-transformers.
"""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ragbot import plugins
from ragbot.errors import ModelError
from ragbot.models import bundled, hub
from ragbot.models.bundled import e5, minilm
from ragbot.models.bundled.encoder import EncoderBuilder, Weights, quantised
from ragbot.models.plugged import PluginEmbedder

if TYPE_CHECKING:
    import openvino as ov

Vectors = NDArray[np.float32]
Progress = Callable[[int], None]

BATCH = 16
BATCH_TOKENS, MOST_TEXTS = 2048, 64
FEW_TOKENS, SMALL_BATCH_TOKENS = 8192, 256
"""Of so few tokens, such as the sentences that are read for an answer, the batches are small: another question, which comes
meanwhile, waits for one batch and not for all; and less of each is padding."""
NEAR = 0.999
FEW, DISTINCT = 12, 0.25
"""Texts of fewer tokens, or with a smaller share of distinct ones, are unlike what the 8 bits were made for."""
CHECK = (
    "The capital of France is Paris.",
    "How do I reset the password of a router?",
    "Interest rates rose by a quarter point in June, and the bank expects a further rise before the end of the year.",
    "战国无双是由光荣开发的系列。",
    "def main(): return 0",
)
"""Texts whose vectors tell whether a processor computes the 8-bit network as it should."""


class Embedder(Protocol):
    """What turns texts into vectors of one space."""

    model: str
    revision: str
    dim: int
    prefixes: tuple[str, str]

    @property
    def calibration(self) -> Mapping[str, float] | None:
        """The numbers that were fitted on its space (`ragbot.search.calibration`); None if it came without any."""
        ...

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Passages to unit vectors (n, dim). `progress` is called with how many more are done."""
        ...

    def encode_query(self, text: str) -> Vectors:
        """A question to a unit vector (dim,)."""
        ...

    def knows_word(self, word: str) -> bool:
        """Whether a word in small letters is one piece of its vocabulary, and so not misspelt; True where that is unknown."""
        ...


def open_embedder(name: str) -> Embedder:
    """The embedder that `name` means: a bundled one, a plugin, a folder, or a Hugging Face id, in this order.

    Raises ModelError if it is not there or does not load.
    """
    if name in bundled.EMBEDDERS:
        return BundledEmbedder(name)
    if plugin := plugins.named(plugins.EMBEDDERS, name, ModelError):
        return PluginEmbedder(plugin)
    # A folder is known by its whole path: the memory is opened from other working folders too.
    with plugins.missing(plugins.EMBEDDERS, name, ModelError):
        return SentenceTransformersEmbedder(str(Path(name).resolve()) if Path(name).is_dir() else name)


class BundledModel(Protocol):
    """What a bundled embedding model brings: its tokens and its weights."""

    prefixes: tuple[str, str]
    revision: str

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, cut to what the model reads."""
        ...

    def words(self, ids: NDArray[np.int64]) -> NDArray[Any]:
        """What the network is given for some tokens (texts, tokens)."""
        ...

    def weights(self) -> Weights:
        """What the network is made of."""
        ...

    def knows_word(self, word: str) -> bool:
        """Whether a word in small letters is one piece of its vocabulary."""
        ...


def open_model(name: str) -> BundledModel:
    """What the bundled embedder of this name is made of. Raises ModelError if its package is missing."""
    return minilm.MiniLM() if name == bundled.MINILM else e5.RetrainedE5()


class BundledEmbedder:
    """A bundled model on OpenVINO: passages in 8 bits where the processor is quick at that, all else in float32.

    In 8 bits the vectors of passages have a mean cosine of .9995 or more to those in float32: it is the same space. Queries, and
    texts unlike any passage (a few tokens, or the same ones again and again), are less exact in 8 bits and are spared it.
    """

    def __init__(self, model: str = bundled.EMBEDDER, *, in_8_bits: bool | None = None) -> None:
        self.model = model
        with hub.loading(model):
            self._model = open_model(model)
            weights = self._model.weights()
            self._exact = compiled(EncoderBuilder(weights).network(model))
        self.prefixes, self.revision, self.dim = self._model.prefixes, self._model.revision, weights.shape.dim
        self._in_8_bits = quick_in_8_bits() if in_8_bits is None else in_8_bits
        self._lock = threading.Lock()

    @cached_property
    def calibration(self) -> Mapping[str, float]:
        """The numbers that ship with it."""
        numbers: dict[str, float] = json.loads(bundled.calibration_file(self.model).read_text(encoding="utf-8"))
        return numbers

    @cached_property
    def _quick(self) -> ov.CompiledModel:
        """The network in 8 bits; the exact one where a processor does not compute it as it should."""
        if not self._in_8_bits:
            return self._exact
        weights = self._model.weights()
        layers, check = quantised(bundled.quantised_file(self.model), weights)
        network = compiled(EncoderBuilder(weights, layers).network(self.model), streams=os.cpu_count() or 1)
        made = self._encode(network, self.token_ids(CHECK))
        return network if (made * check).sum(axis=1).min() >= NEAR else self._exact

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        ids = self.token_ids(texts)
        with self._lock:
            quick = self._quick
        vectors = np.zeros((len(ids), self.dim), np.float32)
        odd = np.array([len(one) < FEW or len(set(one)) < DISTINCT * len(one) for one in ids], np.bool_)
        for network, which in ((self._exact, odd), (quick, ~odd)):
            at = np.flatnonzero(which)
            vectors[at] = self._encode(network, [ids[i] for i in at], progress)
        return vectors

    def encode_query(self, text: str) -> Vectors:
        vector: Vectors = self._encode(self._exact, self._model.tokens([self.prefixes[0] + text]))[0]
        return vector

    def knows_word(self, word: str) -> bool:
        return self._model.knows_word(word)

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of passages, as the network gets them."""
        return self._model.tokens([self.prefixes[1] + text for text in texts])

    def _encode(self, network: ov.CompiledModel, ids: Sequence[list[int]], progress: Progress | None = None) -> Vectors:

        # Texts of like length share a batch, so that little of it is padding; and a batch stays in the processor's cache.
        order = sorted(range(len(ids)), key=lambda at: -len(ids[at]))
        vectors = np.zeros((len(ids), self.dim), np.float32)

        # Requests of its own each time: one serves one thread only. In turns, without a call back into Python: a thread of the
        # network that waits for the interpreter would never end for who lets go of the network.
        many = int(network.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        running: deque[tuple[ov.InferRequest, list[int]]] = deque((network.create_infer_request(), []) for _ in range(many))

        def next_idle() -> ov.InferRequest:
            request, batch = running.popleft()
            if batch:
                request.wait()
                vectors[batch] = request.get_output_tensor(0).data
            return request

        # Batches of like size, and as many for each request: none waits at the end for another one.
        tokens = sum(map(len, ids))
        batch_tokens = SMALL_BATCH_TOKENS if tokens <= FEW_TOKENS else BATCH_TOKENS
        rounds = -(-tokens // (batch_tokens * many))
        size = -(-tokens // max(1, rounds * many))
        start = 0
        while start < len(order):
            longest = len(ids[order[start]])
            batch = order[start : start + max(1, min(MOST_TEXTS, round(size / longest)))]
            padded, mask = np.zeros((len(batch), longest), np.int64), np.zeros((len(batch), longest), np.int64)
            for row, at in enumerate(batch):
                padded[row, : len(ids[at])], mask[row, : len(ids[at])] = ids[at], 1
            request = next_idle()
            request.start_async([self._model.words(padded), mask])
            running.append((request, batch))
            start += len(batch)
            if progress:
                progress(len(batch))
        while running:
            next_idle()
        return vectors


def compiled(network: ov.Model, streams: int = 1) -> ov.CompiledModel:
    """Ready to run: `streams` batches side by side, which together use every core."""
    import openvino as ov

    # Without the first, OpenVINO might take bfloat16, which some processors only imitate.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": os.cpu_count() or 1}
    return ov.Core().compile_model(network, "CPU", settings)


def quick_in_8_bits() -> bool:
    """Whether the processor multiplies bytes in one step (VNNI). Without that, 8 bits would be no quicker and less exact."""
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False


class SentenceTransformersEmbedder:
    """Any sentence-transformers model, by folder or Hugging Face id, on whatever torch finds."""

    calibration: Mapping[str, float] | None = None

    def __init__(self, name: str) -> None:
        self.model = name
        with hub.loading(name):
            source = hub.source(name)
            with hub.quiet_transformers():
                from sentence_transformers import SentenceTransformer

                self._model = SentenceTransformer(source, local_files_only=Path(source).is_dir())
                first: Any = self._model[0]
                config = getattr(first, "model", None) or getattr(first, "auto_model", None)
                commit = getattr(getattr(config, "config", None), "_commit_hash", None)
                self.revision = hub.revision(name, source, commit)
                self.dim = int(self._model.get_embedding_dimension() or self.encode(["dimension"]).shape[1])
        prompts = self._model.prompts or {}
        self.prefixes = (prompts.get("query") or "", prompts.get("document") or prompts.get("passage") or "")

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        done: list[Vectors] = [np.zeros((0, self.dim), np.float32)]
        size = 8 * BATCH
        for start in range(0, len(texts), size):
            batch = [self.prefixes[1] + text for text in texts[start : start + size]]
            done.append(self._encode(batch))
            if progress:
                progress(len(batch))
        return np.concatenate(done)

    def encode_query(self, text: str) -> Vectors:
        vector: Vectors = self._encode([self.prefixes[0] + text])[0]
        return vector

    def knows_word(self, word: str) -> bool:
        tokenizer: Any = self._model.tokenizer
        if not hasattr(tokenizer, "tokenize"):
            return True
        pieces = tokenizer.tokenize(word)
        return len(pieces) == 1 and pieces[0] != tokenizer.unk_token

    def _encode(self, texts: list[str]) -> Vectors:
        vectors = self._model.encode(texts, batch_size=BATCH, normalize_embeddings=True, prompt="", show_progress_bar=False)
        return np.asarray(vectors, np.float32)
