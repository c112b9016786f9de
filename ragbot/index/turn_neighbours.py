"""What was said just before and after a message: the turns beside it in its conversation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ragbot.index.columns import Filter, Ints
from ragbot.index.segment import Segment

REACH = 2
"""How many turns on either side count as beside."""
PAUSE = 3600 * 1_000_000
"""Microseconds of silence after which a new conversation begins."""
TURN = "turn"


class TurnNeighbours:
    """The turns that `wanted` shows. Those of one scope follow each other in the order of their ids."""

    def __init__(self, segments: Sequence[Segment], wanted: Filter) -> None:
        self._scopes = [self._turns(segments, scope, wanted) for scope in sorted(wanted.scopes)]

    def beside(self, ids: Ints) -> Ints:
        """(n, 2 · REACH): for each of n passages the turns beside it, from the earliest to the latest; -1 where there is none."""
        found = np.full((len(ids), 2 * REACH), -1, np.int64)
        for turns, times in self._scopes:
            if not len(turns):
                continue
            at = np.minimum(np.searchsorted(turns, ids), len(turns) - 1)
            here = turns[at] == ids
            breaks = np.append(0, np.cumsum(np.abs(np.diff(times)) > PAUSE))
            for column, step in enumerate(step for step in range(-REACH, REACH + 1) if step):
                other = at + step
                within = here & (other >= 0) & (other < len(turns))
                within[within] = breaks[at[within]] == breaks[other[within]]
                found[within, column] = turns[other[within]]
        return found

    @staticmethod
    def _turns(segments: Sequence[Segment], scope: str, wanted: Filter) -> tuple[Ints, Ints]:
        """Ids and times of the turns of a scope, in the order of their ids."""
        ids, times = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for segment in segments:
            rows = segment.shown_of(TURN, scope, wanted)
            ids.append(segment.ids[rows])
            times.append(segment.valid_from[rows])
        together = np.concatenate(ids)
        order = np.argsort(together, kind="stable")
        return together[order], np.concatenate(times)[order]
