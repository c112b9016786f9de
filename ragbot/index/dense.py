"""Nearest vectors: sealed FAISS segments, and an exact tail of what came since.

answer = segments (ids up to `covered`) and tail (ids above it), both under a filter of visible
ids. Segments are immutable files named by their content. Knows nothing of texts or databases.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ragbot.index import manifest as manifests
from ragbot.types import Manifest

if TYPE_CHECKING:
    import faiss

log = logging.getLogger(__name__)

TRIES = 5
DECIMALS = 5
"""Cosines are rounded, so that a vector scores the same in a segment as in the tail."""

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]


class DenseIndex:
    """The vectors of one space, in memory. Scores are inner products of unit vectors: cosines."""

    def __init__(self, dim: int, segments: list[faiss.Index] | None = None) -> None:
        self._segments = segments or []
        self._tail_ids: Ids = np.empty(0, np.int64)
        self._tail: Vectors = np.empty((0, dim), np.float32)

    def append(self, ids: Ids, vectors: Vectors) -> None:
        """Add to the tail; ids ascend and are above all that are here. `vectors` is (n, dim)."""
        self._tail_ids = np.concatenate([self._tail_ids, ids])
        self._tail = np.concatenate([self._tail, vectors])

    def erase(self, ids: Collection[int]) -> None:
        """Drop vectors from the tail. Those in segments stay hidden by the filter until resealed."""
        keep = ~np.isin(self._tail_ids, np.fromiter(ids, np.int64, len(ids)))
        self._tail_ids, self._tail = self._tail_ids[keep], self._tail[keep]

    def search(self, query: Vectors, k: int, visible: Ids) -> list[tuple[int, float]]:
        """The k best (id, cosine) among the `visible` ids (ascending), best first. `query` is (dim,)."""
        found = self._search_tail(query, k, visible)
        for segment in self._segments:
            found += _search_segment(segment, query, k, visible)
        return sorted(found, key=lambda hit: (-hit[1], hit[0]))[:k]

    def _search_tail(self, query: Vectors, k: int, visible: Ids) -> list[tuple[int, float]]:
        at = np.flatnonzero(np.isin(self._tail_ids, visible, assume_unique=True))
        scores = self._tail[at] @ query
        best = np.argsort(-scores, kind="stable")[:k]
        return [(int(self._tail_ids[at[i]]), round(float(scores[i]), DECIMALS)) for i in best]


def _search_segment(segment: faiss.Index, query: Vectors, k: int, visible: Ids) -> list[tuple[int, float]]:
    import faiss

    only = faiss.SearchParameters(sel=faiss.IDSelectorBatch(visible))  # type: ignore[call-arg]
    scores, ids = segment.search(query[None], k, params=only)
    return [(int(i), round(float(s), DECIMALS)) for i, s in zip(ids[0], scores[0], strict=True) if i >= 0]


def open_segments(home: Path, manifest: Manifest) -> list[faiss.Index] | None:
    """The segments that `manifest` names; None if one is missing or is not what its name says."""
    try:
        return [_read(home / manifests.FOLDER / name) for name in manifest.segments]
    except (OSError, ValueError) as cause:
        log.warning("%s: index segment unusable (%s); searching exactly until the next refresh", home, cause)
        return None


def seal(home: Path, ids: Ids, vectors: Vectors) -> str:
    """Write a segment of `vectors` (n, dim) and give its name. It counts once a manifest names it."""
    import faiss

    flat = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
    flat.add_with_ids(vectors, ids)
    content = faiss.serialize_index(flat).tobytes()
    name = f"{hashlib.sha256(content).hexdigest()}.faiss"
    for _ in range(TRIES):
        try:
            manifests.write(home / manifests.FOLDER / name, content)
            return name
        except FileNotFoundError:  # another process swept the folder while this was half written
            continue
    raise OSError(f"{home / manifests.FOLDER}: other processes keep sweeping it")


def _read(file: Path) -> faiss.Index:
    import faiss

    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != file.stem:
        raise ValueError(f"{file.name}: content does not match its name")
    return faiss.deserialize_index(np.frombuffer(content, np.uint8))
