"""Reads two texts together with the body of multilingual-e5-small, some of its layers retrained, and linear heads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragbot.errors import ModelError
from ragbot.models import hub
from ragbot.models.bundled.e5 import E5, END, PAD, START
from ragbot.models.bundled.encoder import EncoderBuilder, retrained
from ragbot.models.embedder import compiled, quick_in_8_bits

Floats = NDArray[np.float32]
BATCH = 8
"""Pairs that are read at once."""


class PairEncoder:
    """A network on OpenVINO. Safe to use from several threads."""

    def __init__(self, name: str, files: Sequence[Path], *, in_8_bits: bool | None = None) -> None:
        """`files` hold retrained layers, each over what those before it make of the body; the heads are those of the last.

        Raises ModelError if a part of it is missing.
        """
        self._name = name
        quick = quick_in_8_bits() if in_8_bits is None else in_8_bits
        with hub.loading(name):
            self._body = E5()
            weights = self._body.weights()
            for file in files:
                with np.load(file) as stored:
                    weights, layers = retrained(stored, weights)
                    heads = stored["heads.weight"], stored["heads.bias"]
            network = EncoderBuilder(weights, layers if quick else None).heads(name, *heads)
            self._network = compiled(network)
        self._lock = threading.Lock()

    def states(self, pairs: Sequence[tuple[list[int], list[int]]]) -> list[Floats]:
        """What the heads say of each token of each pair, (tokens, heads)."""
        rows = [[START, *first, END, END, *second, END] for first, second in pairs]
        order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
        found: list[Any] = [None] * len(rows)
        for begin in range(0, len(order), BATCH):
            batch = order[begin : begin + BATCH]
            longest = max(len(rows[at]) for at in batch)
            ids, mask = np.full((len(batch), longest), PAD, np.int64), np.zeros((len(batch), longest), np.int64)
            for row, at in enumerate(batch):
                ids[row, : len(rows[at])], mask[row, : len(rows[at])] = rows[at], 1
            try:
                with self._lock:
                    said = np.array(self._network([self._body.words(ids), mask])[0])
            except RuntimeError as cause:  # OpenVINO's own
                raise ModelError(f"{self._name}: failed while reading ({cause})") from cause
            for row, at in enumerate(batch):
                found[at] = said[row]
        return found
