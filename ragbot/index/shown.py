"""The rows of a segment that one filter shows: a few slices, as rows lie in the order of scope, masked where some are hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Span:
    """The rows from `start` to before `stop`, as far as `mask`, (stop - start,), shows them; None: all of them."""

    start: int
    stop: int
    mask: Mask | None

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def count(self) -> int:
        """How many of the rows are shown."""
        return len(self) if self.mask is None else int(np.count_nonzero(self.mask))

    def rows(self) -> Ints:
        """The rows that are shown."""
        return np.arange(self.start, self.stop) if self.mask is None else np.flatnonzero(self.mask) + self.start

    def within(self, rows: NDArray[np.uint32]) -> slice:
        """Which of some ascending rows lie between `start` and `stop`, shown or not."""
        # As wide as the rows are, or all of them would be widened.
        low, high = rows.searchsorted(np.array([self.start, self.stop], np.uint32)).tolist()
        return slice(low, high)


class Shown:
    """What one filter shows of a segment, in ascending spans, none of them empty; `tokens` is what the passages have together."""

    def __init__(self, spans: Sequence[Span], tokens: int) -> None:
        self.spans = spans
        self.tokens = tokens
        self.count = sum(span.count for span in spans)

    def contains(self, rows: NDArray[np.integer]) -> Mask:
        """Which of these rows are shown."""
        found = np.zeros(len(rows), np.bool_)
        for span in self.spans:
            inside = (rows >= span.start) & (rows < span.stop)
            if span.mask is not None:
                inside[inside] = span.mask[rows[inside] - span.start]
            found |= inside
        return found
