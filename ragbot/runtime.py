"""The models that a process has open, shared by all of its memories and chats.

Each is loaded the first time it is asked for, once, whichever thread asks; different models load side by side.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, runtime_checkable

from ragbot.models import bundled
from ragbot.models.answerability import AnswerabilityModel, open_answerability_model
from ragbot.models.embedder import Embedder, open_embedder
from ragbot.models.generator import Generator, open_generator
from ragbot.models.reranker import Reranker, open_reranker
from ragbot.models.supersession import SupersessionModel, open_supersession_model

Model = TypeVar("Model")


@runtime_checkable
class Closable(Protocol):
    """A model that holds more than memory."""

    def close(self) -> None:
        """Let go of it."""
        ...


class Runtime:
    """A shelf of loaded models by kind and name. Safe to use from several threads."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, ...], Any] = {}
        self._loading: dict[tuple[str, ...], threading.Lock] = {}
        self._lock = threading.Lock()

    def embedder(self, name: str) -> Embedder:
        """The embedder called `name`. Raises ModelError if it is not there or does not load, as do the others."""
        name = bundled.embedder_called(name)
        return self._model(("embedder", name), lambda: open_embedder(name))

    def reload_embedder(self, name: str) -> Embedder:
        """The embedder called `name`, loaded again: what goes by this name may have changed."""
        embedder = open_embedder(bundled.embedder_called(name))
        with self._lock:
            self._models["embedder", embedder.model] = embedder
        return embedder

    def generator(self, name: str, timeout_s: float) -> Generator:
        """The generator called `name`; a provider's server may be silent for `timeout_s` seconds."""
        return self._model(("generator", name, str(timeout_s)), lambda: open_generator(name, timeout_s))

    def reranker(self, name: str) -> Reranker:
        """The cross-encoder called `name`."""
        return self._model(("reranker", name), lambda: open_reranker(name))

    def answerability_model(self) -> AnswerabilityModel:
        """The bundled answerability model."""
        return self._model(("answerability",), open_answerability_model)

    def supersession_model(self) -> SupersessionModel | None:
        """The bundled model of what later messages end; None where its package is not there."""
        return self._model(("supersession",), open_supersession_model)

    def close(self) -> None:
        """Let go of every model. A reply that has begun still ends; a model that is asked for again is loaded again."""
        with self._lock:
            models = list(self._models.values())
            self._models.clear()
        for model in models:
            if isinstance(model, Closable):
                model.close()

    def _model(self, key: tuple[str, ...], load: Callable[[], Model]) -> Model:
        with self._lock:
            if key in self._models:
                loaded: Model = self._models[key]
                return loaded
            loading = self._loading.setdefault(key, threading.Lock())
        with loading:
            with self._lock:
                if key in self._models:
                    return self._models[key]  # type: ignore[no-any-return]
            made = load()
            with self._lock:
                self._models[key] = made
            return made


@functools.lru_cache(maxsize=1)
def shared_runtime() -> Runtime:
    """The runtime of this process, which memories and chats use unless they are given another."""
    return Runtime()
