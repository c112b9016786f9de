"""What a search must know of each passage before it may show it: whose it is, what, and when it held.

Columns of numbers in the order of a segment's rows, which is that of scope and id: what a reader may see are a few slices.
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

    Times are microseconds since 1970; `since` and `until` bound `valid_from`, `until` not included. With `last_id` it is not
    looked at when a passage ended, which was not known then: what it gives has to be sifted.
    """

    scopes: frozenset[str]
    as_of: int | None = None
    kinds: frozenset[str] = frozenset()
    documents: frozenset[int] | None = None
    since: int | None = None
    until: int | None = None
    last_id: int | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """One array a column, of n rows each; `scope` and `kind` count into the lists of names.

    `retired_at` is when a passage ended to hold in the world, as far as that is known.
    """

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

    def scope_starts(self) -> Ints:
        """(scopes + 1,): where the rows of each scope begin, and where the last of them end.

        A blank row counts to the scope of the row before it. Raises ValueError if the rows are not in the order of scope.
        """
        filled = np.maximum.accumulate(self.scope)
        if np.any(self.scope[self.scope != filled] != BLANK):
            raise ValueError("rows are not in the order of their scopes")
        return np.searchsorted(filled, np.arange(len(self.scopes) + 1)).astype(np.int64)

    def fits(self, rows: slice, wanted: Filter) -> NDArray[np.bool_] | None:
        """(rows,): which of the rows fit all that `wanted` asks besides scope and being current; None: all of them do."""
        masks: list[NDArray[np.bool_]] = []
        if wanted.as_of is not None:
            masks.append(self.valid_from[rows] <= wanted.as_of)
            masks.append(wanted.as_of < self.retired_at[rows] if wanted.last_id is None else self.ids[rows] <= wanted.last_id)
        if wanted.kinds and not wanted.kinds.issuperset(self.kinds):
            masks.append(np.isin(self.kind[rows], _codes(self.kinds, wanted.kinds)))
        if wanted.documents is not None:
            masks.append(np.isin(self.documents[rows], np.fromiter(wanted.documents, np.int64, len(wanted.documents))))
        if wanted.since is not None:
            masks.append(self.valid_from[rows] >= wanted.since)
        if wanted.until is not None:
            masks.append(self.valid_from[rows] < wanted.until)
        return np.logical_and.reduce(masks) if masks else None

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
