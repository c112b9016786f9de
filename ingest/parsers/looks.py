"""How a run of text looks, as far as it matters for reading: struck out, raised, or seen by nobody. Knows no file format."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.parsers.colours import similar
from ingest.parsers.scripts import Script

MAX_UNREADABLE_POINTS = 1.5
"""Text of this size or a smaller one cannot be seen."""
_MAX_UNREADABLE_PERCENT = 5
"""Letters of this part of their width or a smaller one cannot be seen."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a run looks; None for what is not said."""

    vanished: bool | None = None
    struck: bool | None = None
    script: Script | None = None
    points: float | None = None
    """The size."""
    colour: str | None = None
    """Six hexadecimal digits, or any other text for a colour that is not known."""
    fill: str | None = None
    """The colour behind the run, as above."""
    width_percent: int | None = None
    """The width of the letters, of their usual one."""

    def over(self, below: Look) -> Look:
        """This look, with what it does not say from the one below."""
        if self is NO_LOOK or below is NO_LOOK:
            return below if self is NO_LOOK else self
        return Look(
            below.vanished if self.vanished is None else self.vanished,
            below.struck if self.struck is None else self.struck,
            below.script if self.script is None else self.script,
            below.points if self.points is None else self.points,
            below.colour if self.colour is None else self.colour,
            below.fill if self.fill is None else self.fill,
            below.width_percent if self.width_percent is None else self.width_percent,
        )

    def is_hidden(self, ground: str) -> bool:
        """Whether nobody sees the run on this ground: a colour of six digits, or any other text if it is not known."""
        if self.vanished or self.points is not None and self.points <= MAX_UNREADABLE_POINTS:
            return True
        if self.width_percent is not None and self.width_percent <= _MAX_UNREADABLE_PERCENT:
            return True
        return similar(self.colour or "", ground if self.fill is None else self.fill)


NO_LOOK = Look()
