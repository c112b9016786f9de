"""Embedding spaces: which one answers, who makes its vectors, and how a memory moves to another."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ragbot.errors import BusyError, HomeError, ModelError
from ragbot.models.embedder import Embedder
from ragbot.runtime import Runtime
from ragbot.search.calibration import Calibration, calibration_of
from ragbot.search.query import WeightedMessage
from ragbot.store import Raced, Store, Transaction
from ragbot.text import chunks as chunking
from ragbot.types import NewChunk, Space

Counted = Callable[[int], None]
"""Called with how many more chunks are embedded."""
Vector = NDArray[np.float32]

BATCH = 256
"""How many chunks are embedded for one transaction."""
REMEMBERED = 256
"""Vectors of questions that are kept, by who asked: the next question leans on the last one."""


class Spaces:
    """The spaces of one home."""

    def __init__(self, store: Store, configured: str, runtime: Runtime) -> None:
        self._store = store
        self._configured = configured
        self._runtime = runtime
        self._calibrations: dict[int, Calibration] = {}
        self._query_vector = functools.lru_cache(REMEMBERED)(self._encode_query)

    def cool(self) -> None:
        """Forget the vectors of questions."""
        self._query_vector.cache_clear()

    def active(self) -> Space:
        """The space that answers; a new home takes the one of its configured embedder."""
        with self._store.reading() as snapshot:
            space = snapshot.active_space()
        if space:
            return space
        embedder = self._runtime.embedder(self._configured)
        numbers = calibration_of(embedder).as_mapping()
        with self._store.writing() as transaction:
            space = transaction.active_space()
            if space is None:
                space = _add(transaction, embedder, numbers)
                transaction.replace_active_space(space)
        return space

    def embedder_of(self, space: Space) -> Embedder:
        """The embedder that made `space`. Raises ModelError if another one goes by its name now."""
        embedder = self._runtime.embedder(space.model)
        if (embedder.revision, embedder.dim) != (space.revision, space.dim):
            raise ModelError(
                f"{space.model}: is not the model that this memory was embedded with (revision {embedder.revision}, "
                f"was {space.revision}); put the old one back, or run `ingest refresh --model {space.model}`"
            )
        return embedder

    def _encode_query(self, space: Space, text: str, scopes: frozenset[str]) -> Vector:
        return self.embedder_of(space).encode_query(text)

    def query_vector(self, space: Space, text: str, scopes: frozenset[str]) -> Vector:
        """The vector (dim,) of a question, embedded as a question.

        Kept for who reads the same `scopes` only: a quick answer would tell others that somebody has just asked this.
        """
        return self._query_vector(space, text, scopes)

    def calibration(self, space: Space) -> Calibration:
        """The numbers of a space: those that are kept with it, else those of its embedder, which are kept then."""
        found = self._calibrations.get(space.id)
        if found is None:
            numbers = space.calibration or self._calibrated(space)
            found = self._calibrations[space.id] = Calibration.of(numbers)
        return found

    def _calibrated(self, space: Space) -> Mapping[str, float]:
        numbers = calibration_of(self.embedder_of(space)).as_mapping()
        with contextlib.suppress(HomeError, BusyError, Raced), self._store.writing() as transaction:
            transaction.set_calibration(space, numbers)  # a home that may not be written is calibrated again by each process
        return numbers

    def mixed(self, space: Space, said: Sequence[WeightedMessage], scopes: frozenset[str]) -> Vector:
        """The unit vector of a question of who reads `scopes`, with what it leans on; zeros of nothing."""
        vector = np.zeros(space.dim, np.float32)
        for one in said:
            vector += np.float32(one.meaning) * self._query_vector(space, one.text, scopes)
        length = np.linalg.norm(vector)
        return vector / length if len(said) > 1 and length else vector

    def vectors(
        self, documents: Collection[tuple[str, str]] | None, new_chunks: Sequence[NewChunk], progress: Counted | None = None
    ) -> tuple[Space, dict[str, Vector]]:
        """The active space, and vectors in it by digest, of the new chunks that the store has none for; None: all of them."""
        texts = {new_chunk.sha256: new_chunk.embedded for new_chunk in new_chunks}
        with self._store.reading() as snapshot:
            space = snapshot.active_space()
            known = snapshot.known(space, documents, texts) if space and documents else {}
        space = space or self.active()
        new = [digest for digest in texts if digest not in known]
        if not new:
            return space, {}
        vectors = self.embedder_of(space).encode([texts[digest] for digest in new], progress)
        return space, dict(zip(new, vectors, strict=True))

    def add(self, model: str) -> Space:
        """The space of a model as it is today."""
        embedder = self._runtime.reload_embedder(model)
        numbers = calibration_of(embedder).as_mapping()
        with self._store.writing() as transaction:
            return _add(transaction, embedder, numbers)

    def missing(self, space: Space) -> int:
        """How many chunks have no vector in a space."""
        with self._store.reading() as snapshot:
            return snapshot.count_missing(space)

    def fill(self, space: Space, progress: Counted | None = None) -> int:
        """Give every chunk that has none a vector in `space`. How many; cut off, the next call goes on where it was.

        It walks the ids once: a chunk that comes meanwhile has a higher one.
        """
        embedder = self.embedder_of(space)
        filled = last = 0
        while True:
            with self._store.reading() as snapshot:
                missing = snapshot.missing(space, BATCH, last)
            if not missing:
                return filled
            last = missing[-1].id
            texts = [chunking.embedded(chunk.title, chunk.heading, chunk.text) for chunk in missing]
            vectors = embedder.encode(texts, progress)
            with self._store.writing() as transaction:
                transaction.add_vectors(space, {chunk.id: vector for chunk, vector in zip(missing, vectors, strict=True)})
            filled += len(missing)


def _add(transaction: Transaction, embedder: Embedder, numbers: Mapping[str, float]) -> Space:
    """The space of an embedder, with its calibration."""
    space = transaction.add_space(embedder.model, embedder.revision, embedder.dim, embedder.prefixes)
    transaction.set_calibration(space, numbers)
    return replace(space, calibration=numbers)
