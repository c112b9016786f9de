"""Confidence intervals of means, and significance of differences. Works on arrays only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SEED = 20
RESAMPLES = 10_000
CONFIDENCE = 0.95
BLOCK = 100
"""Resamples per step, which bounds the memory."""

Floats = NDArray[np.float64]


def interval(values: Floats) -> Floats:
    """Bootstrap confidence interval of each row's mean: (rows, questions) → (2, rows), low and high.

    Percentiles of the means of resampled questions, the same resamples for all rows (Efron 1979).
    """
    rng, (_, n) = np.random.default_rng(SEED), values.shape
    rows = np.arange(BLOCK)[:, None] * n

    def means() -> Iterator[Floats]:
        for _ in range(RESAMPLES // BLOCK):
            drawn = rng.integers(n, size=(BLOCK, n)) + rows
            yield np.bincount(drawn.ravel(), minlength=BLOCK * n).reshape(BLOCK, n) @ values.T / n

    tail = 100 * (1 - CONFIDENCE) / 2
    bounds: Floats = np.percentile(np.concatenate(list(means())), [tail, 100 - tail], axis=0)
    return bounds


def p_value(differences: Floats) -> Floats:
    """Two-sided p-value of each row's mean difference: (rows, questions) → (rows,).

    Paired randomisation test: under the null hypothesis each difference has either sign with equal probability
    (Smucker, Allan and Carterette 2007).
    """
    rng, (_, n) = np.random.default_rng(SEED), differences.shape
    far = (
        np.abs(differences.mean(axis=1)) - 1e-12
    )  # sums in another order differ in the last bits, so equal means need a tolerance
    beyond = np.zeros(len(differences))
    for _ in range(RESAMPLES // BLOCK):
        signs = np.where(rng.random((BLOCK, n)) < 0.5, -1.0, 1.0)
        beyond += (np.abs(signs @ differences.T / n) >= far).sum(axis=0)
    return (beyond + 1) / (RESAMPLES + 1)
