"""Segments as folders of files that never change: written once, then mapped into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ragbot.index import columns as column
from ragbot.index import files, hnsw, postings
from ragbot.index.columns import BLANK, Columns
from ragbot.index.hnsw import Stop
from ragbot.index.merge_plan import Plan, plan
from ragbot.index.postings import Postings
from ragbot.index.segment import Segment

_Block = TypeVar("_Block")

FORMAT = 4
"""2: the words of Chinese, Japanese and Korean are single characters too. 4: in simplified characters."""
GRAPH = "graph.faiss"
MOST_BLANK = 0.1
"""With a larger share of blank rows a graph is rebuilt."""
TYPES: dict[str, type[np.generic]] = {
    "ids": np.int64,
    "documents": np.int64,
    "scope": np.int32,
    "kind": np.int32,
    "valid_from": np.int64,
    "retired_at": np.int64,
    "terms": np.uint64,
    "starts": np.int64,
    "rows": np.uint32,
    "counts": np.uint8,
    "lengths": np.uint32,
    "vectors": np.float32,
    "orphans": np.int64,
}
"""One file for each, of bare numbers."""


def write(folder: Path, parts: Sequence[Segment], keep: Sequence[NDArray[np.bool_]], *, txn: int, past: bool, stop: Stop) -> str:
    """Seal the rows of `parts` that `keep` marks into a segment in `folder`; its name.

    `txn` is the transaction up to which the parts know what is hidden. It counts once a manifest
    names it. Raises hnsw.Stopped if `stop` says so on the way.
    """

    def put_graph(aside: Path, made: Plan) -> int:
        vectors = _map(aside, "vectors").reshape(len(made), -1)
        built = hnsw.build(vectors, stop) if len(made) >= hnsw.FROM else None
        _put(aside, "orphans", [built.orphans] if built else [])
        if built:
            built.write(aside / GRAPH)
        return built.ef if built else 0

    return _write(folder, plan(parts, keep), put_graph, txn=txn, past=past, stop=stop)


def write_without_erased(folder: Path, name: str, segment: Segment, *, txn: int, stop: Stop) -> str | None:
    """Seal the segment called `name` again without what was erased of it; its name, None if nothing is left.

    Where there is a graph it stays, with those rows blank: that costs a copy, not a new graph.
    """
    keep = ~segment.erased
    if not keep.any():
        return None
    if segment.graph is None or np.mean(segment.erased) > MOST_BLANK:
        return write(folder, [segment], [keep], txn=txn, past=segment.past, stop=stop)
    built = segment.graph

    def put_graph(aside: Path, made: Plan) -> int:
        gone = np.flatnonzero(segment.erased)
        lost = hnsw.write_blanked(folder / name / GRAPH, gone, aside / GRAPH, segment.vectors, built.ef)
        _put(aside, "orphans", [np.setdiff1d(np.union1d(built.orphans, lost), gone)])
        return built.ef

    rows = np.arange(len(segment))
    columns = replace(segment.columns, scope=np.where(keep, segment.columns.scope, BLANK))
    made = Plan([segment], columns, rows, [np.where(keep, rows, -1)], blank=segment.erased)
    return _write(folder, made, put_graph, txn=txn, past=segment.past, stop=stop)


def _write(folder: Path, made: Plan, put_graph: Callable[[Path, Plan], int], *, txn: int, past: bool, stop: Stop) -> str:
    columns = made.columns.named()
    about: dict[str, Any] = {"format": FORMAT, "txn": txn, "past": past, "dim": made.parts[0].vectors.shape[1]}
    about |= {"scopes": list(columns.scopes), "kinds": list(columns.kinds)}
    with files.folder_aside(folder) as aside:
        for name in column.ARRAYS:
            _put(aside, name, [getattr(columns, name)])
        _put_words(aside, made, stop)
        _put(aside, "vectors", _until(stop, made.vectors()))
        about["ef"] = put_graph(aside, made)
        return files.commit(aside, about)


def _until(stop: Stop, blocks: Iterable[_Block]) -> Iterator[_Block]:
    for block in blocks:
        if stop():
            raise hnsw.Stopped
        yield block


def _put(aside: Path, name: str, blocks: Any) -> None:  # noqa: ANN401 (an iterable of arrays of one type)
    with (aside / name).open("wb") as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block, TYPES[name]).data)


def _put_words(aside: Path, made: Plan, stop: Stop) -> None:
    parts = [part.words for part in made.parts]
    _put(aside, "lengths", [postings.lengths(parts, made.places, len(made))])
    at = 0
    with (aside / "terms").open("wb") as terms, (aside / "starts").open("wb") as starts:
        with (aside / "rows").open("wb") as rows, (aside / "counts").open("wb") as counts:
            starts.write(np.zeros(1, np.int64).data)
            for of_block, found, of_rows, of_counts in _until(stop, postings.merge(parts, made.places)):
                ends = np.cumsum(found) + at
                at += int(found.sum())
                terms.write(np.ascontiguousarray(of_block).data)
                starts.write(ends.astype(np.int64).data)
                rows.write(np.ascontiguousarray(of_rows).data)
                counts.write(np.ascontiguousarray(of_counts).data)


def read(folder: Path, *, verify: bool = True) -> Segment:
    """Map a sealed segment. Raises OSError or ValueError if anything in it is missing or not what it was.

    Without `verify` only the list of contents is compared with its digest, and the files are taken at their word.
    """
    about = files.verified(folder, None if verify else ())
    if about["format"] != FORMAT:
        raise ValueError(f"{folder.name}: is of format {about['format']}, this program reads {FORMAT}")
    of_rows = {name: _map(folder, name) for name in column.ARRAYS}
    columns = Columns(**of_rows, scopes=tuple(about["scopes"]), kinds=tuple(about["kinds"]))
    words = Postings(*(_map(folder, name) for name in ("terms", "starts", "rows", "counts", "lengths")))
    vectors = _map(folder, "vectors").reshape(len(columns), about["dim"])
    made = hnsw.read(folder / GRAPH, about["ef"], _map(folder, "orphans")) if about["ef"] else None
    return Segment(columns, words, vectors, made, txn=about["txn"], past=about["past"])


def _map(folder: Path, name: str) -> Any:  # noqa: ANN401 (an array of the type in TYPES)
    file = folder / name
    if not file.stat().st_size:  # nothing to map
        return np.empty(0, TYPES[name])
    return np.memmap(file, TYPES[name], "r").view(np.ndarray)
