"""Several segments into one: rows that are kept, in the order of scope and id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragbot.index import columns as column
from ragbot.index import postings
from ragbot.index.columns import Columns, Ints
from ragbot.index.hnsw import Vectors
from ragbot.index.segment import Segment

BLOCK = 4096
GROWTH = 3
"""How much larger a segment has to be than all smaller ones together, to stay apart from them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes where when `parts` become one of n rows."""

    parts: Sequence[Segment]
    columns: Columns
    sources: Ints
    """(n,): where each row comes from, counted through all parts."""
    places: Sequence[Ints]
    """A part's rows → the new rows, -1 for those that are dropped."""
    blank: NDArray[np.bool_] | None = None
    """(n,): rows that stay, without what was in them."""

    def __len__(self) -> int:
        return len(self.columns)

    def vectors(self) -> Iterator[Vectors]:
        """Blocks of the vectors, in the new order."""
        ends = np.cumsum([len(part) for part in self.parts])
        for at in range(0, len(self), BLOCK):
            wanted = self.sources[at : at + BLOCK]
            block = np.empty((len(wanted), self.parts[0].vectors.shape[1]), np.float32)
            of = np.searchsorted(ends, wanted, side="right")
            for index, part in enumerate(self.parts):
                here = of == index
                if here.any():
                    block[here] = part.vectors[wanted[here] - (ends[index] - len(part))]
            if self.blank is not None:
                block[self.blank[at : at + BLOCK]] = 0
            yield block


def plan(parts: Sequence[Segment], keep: Sequence[NDArray[np.bool_]]) -> Plan:
    """How to make one of the rows of `parts` that `keep` marks."""
    kept = [np.flatnonzero(mask) for mask in keep]
    together = column.joined([part.columns.take(rows) for part, rows in zip(parts, kept, strict=True)])
    order = np.lexsort((together.ids, together.scope))
    starts = np.cumsum([0] + [len(part) for part in parts[:-1]])
    sources = np.concatenate([rows + start for rows, start in zip(kept, starts, strict=True)])[order]
    new_rows = np.empty(len(order), np.int64)
    new_rows[order] = np.arange(len(order))
    places, at = [], 0
    for part, rows in zip(parts, kept, strict=True):
        place = np.full(len(part), -1, np.int64)
        place[rows] = new_rows[at : at + len(rows)]
        at += len(rows)
        places.append(place)
    return Plan(parts, together.take(order), sources, places)


def in_memory(parts: Sequence[Segment], keep: Sequence[NDArray[np.bool_]]) -> Segment:
    """One segment in memory, without a graph."""
    made = plan(parts, keep)
    vectors = list(made.vectors())
    return Segment(
        made.columns,
        postings.in_memory([part.words for part in parts], made.places, len(made)),
        np.concatenate(vectors) if vectors else parts[0].vectors[:0],
        txn=min(part.txn for part in parts),
    )


def merge_policy(sizes: Sequence[int]) -> int:
    """How many of the smallest segments should become one, so that sizes grow by GROWTH from each to the next; 0 if none."""
    many, together = 0, 0
    for place, size in enumerate(sorted(sizes), 1):
        if place > 1 and size < GROWTH * together:
            many = place
        together += size
    return many
