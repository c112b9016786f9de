"""What a search must know of each chunk before it may show it: whose it is, and when it held.

Columns of numbers in memory, in the order of the chunk ids, so that a filter is one pass of numpy.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOREVER = np.iinfo(np.int64).max
"""`retired_at` of a chunk that is current."""


@dataclass(frozen=True, slots=True)
class Row:
    """One chunk: times in microseconds since 1970, `retired_at` FOREVER while it is current."""

    id: int
    scope: str
    valid_from: int
    retired_at: int


class Rows:
    """A growing table of `Row`s with ascending ids."""

    def __init__(self) -> None:
        self._scopes: dict[str, int] = {}
        self.ids: NDArray[np.int64] = np.empty(0, np.int64)
        self._scope: NDArray[np.int32] = np.empty(0, np.int32)
        self._valid_from: NDArray[np.int64] = np.empty(0, np.int64)
        self._retired_at: NDArray[np.int64] = np.empty(0, np.int64)

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows whose ids are above all that are here."""
        codes = [self._scopes.setdefault(row.scope, len(self._scopes)) for row in rows]
        self.ids = np.concatenate([self.ids, np.array([row.id for row in rows], np.int64)])
        self._scope = np.concatenate([self._scope, np.array(codes, np.int32)])
        self._valid_from = np.concatenate([self._valid_from, np.array([row.valid_from for row in rows], np.int64)])
        self._retired_at = np.concatenate([self._retired_at, np.array([row.retired_at for row in rows], np.int64)])

    def retire(self, retired: Sequence[tuple[int, int]]) -> None:
        """Take over (id, retired_at) of chunks that are here."""
        if retired:
            ids, times = (np.array(column, np.int64) for column in zip(*retired, strict=True))
            self._retired_at[np.searchsorted(self.ids, ids)] = times

    def erase(self, ids: Collection[int]) -> None:
        """Drop rows; ids that are not here are passed over."""
        keep = ~np.isin(self.ids, np.fromiter(ids, np.int64, len(ids)))
        self.ids, self._scope = self.ids[keep], self._scope[keep]
        self._valid_from, self._retired_at = self._valid_from[keep], self._retired_at[keep]

    def visible(self, scopes: Collection[str], as_of: int | None) -> NDArray[np.int64]:
        """Ids that a reader of `scopes` may see: the current ones, or those that held at `as_of`."""
        codes = [self._scopes[scope] for scope in scopes if scope in self._scopes]
        mask = np.isin(self._scope, np.array(codes, np.int32))
        if as_of is None:
            mask &= self._retired_at == FOREVER
        else:
            mask &= (self._valid_from <= as_of) & (as_of < self._retired_at)
        return self.ids[mask]
