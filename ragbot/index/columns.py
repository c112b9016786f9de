"""What a search must know of each passage before it may show it: whose it is, what, and when it held.

Columns of numbers in the order of a segment's rows, so that a filter is one pass of numpy.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

FOREVER = np.iinfo(np.int64).max
"""`retired_at` of a passage that is current."""
BLANK = -1
"""`scope` of a row whose passage was erased from a file."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which passages a search may show: those of `scopes`, current or held at `as_of`, and of all that else is named.

    Times are microseconds since 1970; `since` and `until` bound `valid_from`, `until` not included.
    """

    scopes: frozenset[str]
    as_of: int | None = None
    kinds: frozenset[str] = frozenset()
    documents: frozenset[int] | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """One array a column, of n rows each; `scope` and `kind` count into the lists of names."""

    ids: Ints
    documents: Ints
    scope: NDArray[np.int32]
    kind: NDArray[np.int32]
    valid_from: Ints
    retired_at: Ints
    scopes: tuple[str, ...]
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def shown(self, wanted: Filter) -> NDArray[np.bool_]:
        """(n,): which rows a search may show."""
        mask = np.isin(self.scope, _codes(self.scopes, wanted.scopes))
        if wanted.as_of is None:
            mask &= self.retired_at == FOREVER
        else:
            mask &= (self.valid_from <= wanted.as_of) & (wanted.as_of < self.retired_at)
        if wanted.kinds:
            mask &= np.isin(self.kind, _codes(self.kinds, wanted.kinds))
        if wanted.documents is not None:
            mask &= np.isin(self.documents, np.fromiter(wanted.documents, np.int64, len(wanted.documents)))
        if wanted.since is not None:
            mask &= self.valid_from >= wanted.since
        if wanted.until is not None:
            mask &= self.valid_from < wanted.until
        return mask

    def take(self, rows: Ints) -> Columns:
        """Some of the rows, in the order given."""
        return replace(self, **{name: getattr(self, name)[rows] for name in ARRAYS})

    def named(self) -> Columns:
        """The same, without names that no row has any more: a scope may be called like a person."""
        scopes, scope = _used(self.scope, self.scopes)
        kinds, kind = _used(self.kind, self.kinds)
        return replace(self, scope=scope, kind=kind, scopes=scopes, kinds=kinds)


ARRAYS = tuple(field.name for field in fields(Columns) if field.name not in ("scopes", "kinds"))
"""The columns, without the lists of names."""


def _codes(names: Sequence[str], wanted: Collection[str]) -> NDArray[np.int32]:
    return np.array([code for code, name in enumerate(names) if name in wanted], np.int32)


def _used(codes: NDArray[np.int32], names: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """The names that stand behind a code, and the codes that count into these; BLANK stays."""
    used = np.unique(codes[codes != BLANK])
    new = np.searchsorted(used, codes).astype(np.int32)
    return tuple(names[code] for code in used.tolist()), np.where(codes == BLANK, np.int32(BLANK), new)


def joined(parts: Sequence[Columns]) -> Columns:
    """The rows of several, one after the other, under common names."""
    scopes = tuple(sorted({name for part in parts for name in part.scopes}))
    kinds = tuple(sorted({name for part in parts for name in part.kinds}))
    recoded = [
        replace(part, scope=_recode(part.scope, part.scopes, scopes), kind=_recode(part.kind, part.kinds, kinds))
        for part in parts
    ]
    return Columns(
        **{name: np.concatenate([getattr(part, name) for part in recoded]) for name in ARRAYS}, scopes=scopes, kinds=kinds
    )


def _recode(codes: NDArray[np.int32], old: Sequence[str], new: Sequence[str]) -> NDArray[np.int32]:
    places = {name: code for code, name in enumerate(new)}
    return np.array([places[name] for name in old], np.int32)[codes]
