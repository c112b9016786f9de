"""A graph over the vectors of a large segment: HNSW (Malkov and Yashunin 2018) of 8-bit codes, by FAISS.

It proposes rows; their exact scores come from the vectors themselves. How far a search looks (`ef`)
is set when the graph is made, by trying it against exact search.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import faiss

log = logging.getLogger(__name__)

FROM = 4096
"""A segment of fewer rows has no graph: looking at all of them is as fast."""
LINKS = 32
CONSTRUCTION = 120
SAMPLE = 65_536
BLOCK = 4096
EFS = (32, 48, 64, 80, 96, 112, 128, 160, 192, 256, 384, 512)
PROBES = 512
PROBED = 10
NOISE = np.float32(1.5)
RECALL = 0.97
"""How much of the ten nearest of its probes a graph should find: as far as that it looks."""
ENOUGH = 0.95
"""With less, even where it looks furthest, it is not used."""
MOST_ORPHANS = 0.02

Vectors = NDArray[np.float32]
Ints = NDArray[np.int64]
Stop = Callable[[], bool]


class Stopped(Exception):
    """The making of an index was called off; nothing was changed."""


@dataclass(frozen=True, slots=True)
class HnswIndex:
    """An HNSW index whose labels are rows. `orphans` are rows that it does not find by their own vectors."""

    index: faiss.Index
    ef: int
    orphans: Ints

    def search(self, query: Vectors, k: int, look: int) -> Ints:
        """About the k nearest rows, best first, of `look` that are looked at; not all orphans."""
        import faiss

        _, rows = self.index.search(query[None], k, params=faiss.SearchParametersHNSW(efSearch=max(look, k)))
        found: Ints = rows[0][rows[0] >= 0]
        return found

    def finds(self, vectors: Vectors, rows: Ints) -> NDArray[np.bool_]:
        """Which `rows` of `vectors` a search with their own vector finds: themselves, or as many equal ones as were asked for."""
        return _finds(self.index, vectors, rows, self.ef) | np.isin(rows, self.orphans)

    def write(self, file: Path) -> None:
        """Write the graph to `file`."""
        import faiss

        faiss.write_index(self.index, str(file))


def read(file: Path, ef: int, orphans: Ints) -> HnswIndex:
    """Map a graph from a file: nothing is loaded but what a search touches. Raises OSError if that cannot be done."""
    import faiss

    try:
        return HnswIndex(faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC), ef, orphans)
    except RuntimeError as cause:
        raise OSError(f"{file.parent.name}/{file.name}: cannot be mapped ({cause})") from cause


def write_blanked(source: Path, rows: Ints, file: Path, vectors: Vectors, ef: int) -> Ints:
    """Write a copy of the graph in `source` in which nothing is left of the codes of `rows`. Which others it finds no longer.

    A blank row takes the code of one of the rows that it is linked with, and so stays a way to what lies beyond it.
    """
    import faiss

    copy = faiss.read_index(str(source))
    codes = faiss.downcast_index(copy.storage)
    view = faiss.rev_swig_ptr(codes.codes.data(), copy.ntotal * codes.code_size).reshape(copy.ntotal, codes.code_size)
    blank = np.zeros(copy.ntotal, np.bool_)
    blank[rows] = True
    linked = _linked(copy.hnsw, rows)
    kept = (linked >= 0) & ~blank[linked]
    # Of any of them: many copies of one row would fill a search that comes near it.
    drawn = np.where(kept, np.random.default_rng(len(rows)).random(kept.shape), -1).argmax(axis=1)
    taken = view[linked[np.arange(len(rows)), drawn]]
    # Amid others that are blank it leads nowhere, and lies where no search goes.
    taken[~kept.any(axis=1)] = codes.sa_encode(np.zeros((1, copy.d), np.float32))
    view[rows] = taken
    faiss.write_index(copy, str(file))
    near = np.unique(linked[kept])
    return near[~_finds(copy, vectors, near, ef)]


def _linked(hnsw: faiss.HNSW, rows: Ints) -> Ints:
    """(len(rows), links): which rows each is linked with on the lowest level, -1 where it has fewer links."""
    import faiss

    links = hnsw.nb_neighbors(0)
    offsets = faiss.rev_swig_ptr(hnsw.offsets.data(), hnsw.offsets.size())
    neighbors = faiss.rev_swig_ptr(hnsw.neighbors.data(), hnsw.neighbors.size())
    found: Ints = neighbors[offsets[rows].astype(np.int64)[:, None] + np.arange(links)].astype(np.int64)
    return found


def build(vectors: Vectors, stop: Stop) -> HnswIndex | None:
    """A graph of `vectors` (n, dim), tried against exact search; None if it does not come near enough.

    Raises Stopped if `stop` says so on the way.
    """
    import faiss

    index = faiss.IndexHNSWSQ(vectors.shape[1], faiss.ScalarQuantizer.QT_8bit, LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = CONSTRUCTION
    step = max(1, len(vectors) // SAMPLE)
    index.train(np.ascontiguousarray(vectors[::step]))
    for at in range(0, len(vectors), BLOCK):
        if stop():
            raise Stopped
        index.add(np.ascontiguousarray(vectors[at : at + BLOCK]))
    ef = _tuned(index, vectors)
    if ef is None:
        log.warning("a graph of %d vectors found too few of its probes; they are searched exactly", len(vectors))
        return None
    orphans = _orphans(index, vectors, ef, stop)
    if len(orphans) > MOST_ORPHANS * len(vectors):
        log.warning("a graph of %d vectors loses %d of them; they are searched exactly", len(vectors), len(orphans))
        return None
    return HnswIndex(index, ef, orphans)


def _tuned(index: faiss.Index, vectors: Vectors) -> int | None:
    """The smallest ef with which the graph finds what it should of its probes; None if it finds too little."""
    import faiss

    rng = np.random.default_rng(len(vectors))
    some = np.sort(rng.choice(len(vectors), min(PROBES, len(vectors)), replace=False))
    noise = rng.standard_normal((len(some), vectors.shape[1]), np.float32)
    # Questions lie beside passages, not on them: with this much noise a graph finds as much of real ones.
    probes = vectors[some] + NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    best = np.full((len(probes), PROBED), -np.inf, np.float32)
    for at in range(0, len(vectors), BLOCK):
        best = np.partition(np.hstack([best, probes @ vectors[at : at + BLOCK].T]), -PROBED, axis=1)[:, -PROBED:]
    found_share = 0.0
    for ef in EFS:
        parameters = faiss.SearchParametersHNSW(efSearch=ef)
        _, found = index.search(probes, 2 * PROBED, params=parameters)
        scores = _exact(vectors, found, probes)
        # By score and not by row: equal passages stand for each other.
        found_share = float(np.mean(np.sort(scores, axis=1)[:, -PROBED:] >= best.min(axis=1, keepdims=True) - 1e-5))
        if found_share >= RECALL:
            return ef
    return EFS[-1] if found_share >= ENOUGH else None


def _orphans(index: faiss.Index, vectors: Vectors, ef: int, stop: Stop) -> Ints:
    """Rows that a search with their own vector does not find."""
    lost = [np.empty(0, np.int64)]
    for at in range(0, len(vectors), BLOCK):
        if stop():
            raise Stopped
        rows = np.arange(at, min(at + BLOCK, len(vectors)))
        # Nearly all are found by looking no further than the least.
        rows = rows[~_finds(index, vectors, rows, EFS[0])]
        lost.append(rows[~_finds(index, vectors, rows, ef)])
    return np.concatenate(lost)


def _finds(index: faiss.Index, vectors: Vectors, rows: Ints, ef: int) -> NDArray[np.bool_]:
    import faiss

    if not len(rows):
        return np.ones(0, np.bool_)
    own = np.ascontiguousarray(vectors[rows])
    _, found = index.search(own, PROBED, params=faiss.SearchParametersHNSW(efSearch=ef))
    right: NDArray[np.bool_] = (found == rows[:, None]).any(axis=1)
    missing = np.flatnonzero(~right)
    if len(missing):
        scores = _exact(vectors, found[missing], own[missing])
        right[missing] = scores.min(axis=1) >= np.einsum("pd,pd->p", own[missing], own[missing]) - 1e-5
    return right


def _exact(vectors: Vectors, found: Ints, queries: Vectors) -> Vectors:
    """(q, k): the scores of the rows found for each query; the least there is where none was."""
    scores: Vectors = np.einsum("pkd,pd->pk", vectors[np.maximum(found, 0)], queries)
    scores[found < 0] = -np.inf
    return scores
