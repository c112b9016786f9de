"""Embeddings of ragbot for LangChain, and embeddings of LangChain for ragbot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from ragbot import settings
from ragbot.errors import ConfigError, InputError
from ragbot.memory import Memory
from ragbot.models.embedder import Embedder, Progress, Vectors
from ragbot.runtime import Model, Runtime, shared_runtime

IDENTITY = (
    "model",
    "model_name",
    "model_id",
    "repo_id",
    "deployment",
    "azure_deployment",
    "dimensions",
    "size",
    "normalize",
    "task_type",
    "query_instruction",
    "embed_instruction",
)
"""The parameters of an embeddings class that say which vectors it makes. Keys, addresses and limits are none of them."""
BATCH = 64


class RagbotEmbeddings(Embeddings):
    """The vectors of a memory's embedder, or of one that is named: a passage as a passage, a question as a question."""

    def __init__(self, model: str = "bundled", *, memory: Memory | None = None) -> None:
        """The embedder of `memory`, else the one called `model`. It is loaded at the first text."""
        self.model = model
        self.memory = memory

    def embedder(self) -> Embedder:
        """The embedder itself. Raises ModelError if it is not there."""
        return self.memory.embedder() if self.memory else shared_runtime().embedder(self.model)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Unit vectors of passages."""
        return [[float(value) for value in vector] for vector in self.embedder().encode(texts)]

    def embed_query(self, text: str) -> list[float]:
        """The unit vector of a question."""
        return [float(value) for value in self.embedder().encode_query(text)]


class LangChainEmbedder:
    """Any embeddings of LangChain as an embedder of ragbot."""

    prefixes = ("", "")
    revision = "langchain"
    calibration = None
    """ragbot measures its space when a home first takes it: some 250 short texts are embedded."""

    def __init__(self, embeddings: Embeddings) -> None:
        """Embeds one word, to learn the dimension."""
        self._embeddings = embeddings
        self.model = name_of(embeddings)
        self.dim = len(embeddings.embed_query("dimension"))

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        done: list[Vectors] = [np.zeros((0, self.dim), np.float32)]
        for start in range(0, len(texts), BATCH):
            batch = list(texts[start : start + BATCH])
            done.append(_unit(self._embeddings.embed_documents(batch)))
            if progress:
                progress(len(batch))
        return np.concatenate(done)

    def encode_query(self, text: str) -> Vectors:
        vector: Vectors = _unit([self._embeddings.embed_query(text)])[0]
        return vector

    def knows_word(self, word: str) -> bool:
        return True  # that is unknown: nothing is taken for misspelt


class GivenEmbedder(Runtime):
    """The models of this process, with one embedder that somebody gave."""

    def __init__(self, embedder: Embedder, new_home: str) -> None:
        """`new_home` is the name by which a new home asks for its embedder."""
        super().__init__()
        self._given, self._names, self._shared = embedder, (embedder.model, new_home), shared_runtime()

    def embedder(self, name: str) -> Embedder:
        return self._given if name in self._names else self._shared.embedder(name)

    def reload_embedder(self, name: str) -> Embedder:
        return self._given if name == self._given.model else self._shared.reload_embedder(name)

    def _model(self, key: tuple[str, ...], load: Callable[[], Model]) -> Model:
        return self._shared._model(key, load)


def name_of(embeddings: Embeddings) -> str:
    """The name of its space: its class, and what says which model it is."""
    values = {name: getattr(embeddings, name, None) for name in IDENTITY}
    shown = ", ".join(f"{name}={value}" for name, value in values.items() if isinstance(value, str | int) and value != "")
    return f"langchain:{type(embeddings).__name__}({shown})"


def memory_with(memory: Memory | str | Path | None, embedding: Embeddings | None) -> tuple[Memory, bool]:
    """The memory for a store, and whether it was opened here. Raises ConfigError if it is embedded with another model."""
    if embedding is not None and not isinstance(embedding, Embeddings):
        raise InputError(f"embedding is {embedding!r:.60}; it takes embeddings of LangChain, or None for those of the memory")
    if isinstance(embedding, RagbotEmbeddings) and embedding.memory and memory in (None, embedding.memory):
        return embedding.memory, False
    if isinstance(memory, Memory):
        if embedding is not None:
            _need_same(memory, _embedder(embedding))
        return memory, False
    if embedding is None:
        return Memory.open(memory), True
    embedder = _embedder(embedding)
    configured = settings.load(settings.home_folder(memory)).embedder
    opened = Memory.open(memory, runtime=GivenEmbedder(embedder, configured))
    with ExitStack() as unless_it_fits:
        unless_it_fits.callback(opened.close)
        with opened.store.reading() as snapshot:
            new = snapshot.active_space() is None
        if not new:
            _need_same(opened, embedder)
        unless_it_fits.pop_all()
    return opened, True


def _embedder(embedding: Embeddings) -> Embedder:
    return embedding.embedder() if isinstance(embedding, RagbotEmbeddings) else LangChainEmbedder(embedding)


def _need_same(memory: Memory, embedder: Embedder) -> None:
    with memory.store.reading() as snapshot:
        space = snapshot.active_space()
    name = space.model if space else memory.embedder().model
    if name != embedder.model:
        raise ConfigError(
            f"{memory.home}: is embedded with {name}, and the embedding given is {embedder.model}; leave `embedding` out, "
            "or take another home"
        )


def _unit(vectors: Any) -> Vectors:  # noqa: ANN401 (whatever array an integration gives)
    found = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    unit: Vectors = (found / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return unit
