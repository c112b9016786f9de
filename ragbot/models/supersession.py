"""Does a later message of a person end an earlier one: is what was told then no longer so, or is it to be forgotten?

The cross-encoder with its last layers trained on this (`training/supersession.py`). docs/models/supersession.md has its figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ragbot.models import bundled
from ragbot.models.cross_encoder import WEIGHTS as BODY
from ragbot.models.pair_encoder import PairEncoder

WEIGHTS = bundled.FOLDER / "supersession.npz"
LATER, EARLIER, JUST_NOW = "later: ", "earlier: ", "just now: "
"""What is written before the later message, and before an earlier one: the latter, if that was the last matter."""
MAX_LATER, MAX_EARLIER = 160, 120
"""Tokens that are read of each."""


class SupersessionModel(PairEncoder):
    """The bundled model on OpenVINO. Safe to use from several threads. Raises ModelError if a part of it is missing."""

    def __init__(self, file: Path = WEIGHTS, *, in_8_bits: bool | None = None) -> None:
        super().__init__("supersession", [BODY, file], in_8_bits=in_8_bits)
        with np.load(file) as stored:
            first, more = stored["thresholds"].tolist()
        self.thresholds: tuple[float, float] = first, more
        """The logit from which the likeliest of several earlier messages counts as ended, and from which further ones do."""

    def ends(self, message: str, earlier: Sequence[tuple[str, bool]]) -> list[float]:
        """The logit that a message ends each earlier one; `earlier` holds (text, whether it was the last matter)."""
        later = self._body.located(LATER + message)[0][:MAX_LATER]
        texts = [(JUST_NOW if last else EARLIER) + text for text, last in earlier]
        pairs = [(later, self._body.located(text)[0][:MAX_EARLIER]) for text in texts]
        return [float(said[0, 0]) for said in self.states(pairs)] if pairs else []


def open_supersession_model() -> SupersessionModel | None:
    """The bundled model; None without the package of multilingual-e5-small. Raises ModelError."""
    return SupersessionModel() if bundled.has_e5() else None
