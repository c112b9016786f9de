"""Embedders and generators of other packages, watched: what they raise, or give in a wrong shape, becomes a ModelError.

Their code is trusted, as that of every installed package is; their results are checked, since a vector of a wrong length or
norm in the database would be wrong for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

from ragbot.errors import ModelError
from ragbot.plugins import Plugin
from ragbot.types import Message

Vectors = NDArray[np.float32]

NORM_TOLERANCE = 1e-3
_PROBES = ("a probe", "another one")
_MISSING = object()

Value = TypeVar("Value")
Fits = Callable[[object], TypeGuard[Value]]


class PluginEmbedder:
    """An embedder that a plugin offers. Its `model` is the plugin's name: under it a home finds it again."""

    def __init__(self, plugin: Plugin) -> None:
        """Load it, and embed a few words. Raises ModelError if it does not load, or is not what an `Embedder` is."""
        self._plugin = plugin
        self._embedder: Any = _made(plugin)
        of = self._embedder
        self.model = _attribute(plugin, of, "model", _is_text, "a text")
        if self.model != plugin.name:
            raise plugin.wrong(ModelError, f"its model is {_short(self.model)}, not {plugin.name!r}, its name as a plugin")
        self.revision = _attribute(plugin, of, "revision", _is_text, "a text")
        self.dim = _attribute(plugin, of, "dim", _is_count, "a whole number from 1 up")
        self.prefixes = _attribute(plugin, of, "prefixes", _is_pair, "two texts")
        self.calibration = _attribute(plugin, of, "calibration", _is_calibration, "numbers by name, or None")
        for method in ("encode", "encode_query", "knows_word"):
            _attribute(plugin, of, method, _is_method, "a method")
        self.encode(_PROBES)
        self.encode_query(_PROBES[0])
        self.knows_word("probe")

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        with self._plugin.failing(ModelError, "encode failed"):
            vectors = np.asarray(self._embedder.encode(list(texts), progress), np.float32)
        return self._checked("encode", vectors, (len(texts), self.dim))

    def encode_query(self, text: str) -> Vectors:
        with self._plugin.failing(ModelError, "encode_query failed"):
            vector = np.asarray(self._embedder.encode_query(text), np.float32)
        return self._checked("encode_query", vector, (self.dim,))

    def knows_word(self, word: str) -> bool:
        with self._plugin.failing(ModelError, "knows_word failed"):
            return bool(self._embedder.knows_word(word))

    def close(self) -> None:
        """Let go of it, if it wants to be told."""
        _close(self._plugin, self._embedder)

    def _checked(self, method: str, vectors: Vectors, shape: tuple[int, ...]) -> Vectors:
        if vectors.shape != shape:
            raise self._plugin.wrong(ModelError, f"{method} gave the shape {vectors.shape} instead of {shape}")
        lengths = np.linalg.norm(vectors, axis=-1)
        if not np.all(np.abs(lengths - 1) <= NORM_TOLERANCE):  # nor is what is not a number
            raise self._plugin.wrong(ModelError, f"{method} gave vectors that are not of length 1")
        return vectors


class PluginGenerator:
    """A generator that a plugin offers."""

    def __init__(self, plugin: Plugin, timeout: float) -> None:
        """Load it. Raises ModelError if it does not load, or is not what a `Generator` is."""
        self._plugin = plugin
        self._generator: Any = _made(plugin, timeout)
        self.model = _attribute(plugin, self._generator, "model", _is_text, "a text")
        self.window = _attribute(plugin, self._generator, "window", _is_count, "a whole number from 1 up")
        for method in ("stream", "count", "close"):
            _attribute(plugin, self._generator, method, _is_method, "a method")

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        with self._plugin.failing(ModelError, "stream failed"):
            pieces = iter(self._generator.stream(messages, max_tokens))
            try:
                for piece in pieces:
                    if not isinstance(piece, str):
                        raise TypeError(f"gave {type(piece).__name__} instead of str")
                    yield piece
            finally:
                if close := getattr(pieces, "close", None):  # of a generator function: it stops writing
                    close()

    def count(self, text: str) -> int:
        with self._plugin.failing(ModelError, "count failed"):
            return int(self._generator.count(text))

    def close(self) -> None:
        _close(self._plugin, self._generator)


def _made(plugin: Plugin, *arguments: object) -> object:
    make = plugin.load(ModelError)
    with plugin.failing(ModelError, f"{plugin.module} cannot be called"):
        return make(*arguments)


def _attribute(plugin: Plugin, made: object, name: str, fits: Fits[Value], meant: str) -> Value:
    with plugin.failing(ModelError, f"its {name} cannot be read"):
        value = getattr(made, name, _MISSING)
    if value is _MISSING:
        raise plugin.wrong(ModelError, f"its {type(made).__name__} has no {name}")
    if not fits(value):
        raise plugin.wrong(ModelError, f"its {name} is {_short(value)}, not {meant}")
    return value


def _close(plugin: Plugin, made: object) -> None:
    with plugin.failing(ModelError, "close failed"):
        if callable(close := getattr(made, "close", None)):
            close()


def _short(value: object) -> str:
    said = " ".join(repr(value).split())
    return said if len(said) <= 60 else f"{said[:59]}…"


def _is_method(value: object) -> TypeGuard[Callable[..., object]]:
    return callable(value)


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip())


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_pair(value: object) -> TypeGuard[tuple[str, str]]:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(one, str) for one in value)


def _is_calibration(value: object) -> TypeGuard[Mapping[str, float] | None]:
    return value is None or (
        isinstance(value, Mapping)
        and all(isinstance(name, str) and isinstance(number, int | float) for name, number in value.items())
    )
