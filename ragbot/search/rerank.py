"""Putting hits in order anew by a model that reads each together with the question, as far as time allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from ragbot.models.reranker import Reranker
from ragbot.text import chunks as chunking
from ragbot.types import Hit

WEIGHT = 1.0
"""What the best that the reranker can say adds to the score of a hit."""
CANDIDATES = 50
"""How many hits are put in order anew at most."""
BATCH = 4
"""How many it reads at a time; at least one such batch, however little time there is."""


def reranked(
    query: str, hits: Sequence[Hit], reranker: Reranker | None, budget_s: float, clock: Callable[[], float] = time.perf_counter
) -> list[Hit]:
    """The hits, best first. It reads from the best down, and stops before a batch that would end after `budget_s` seconds.

    What is not read keeps its score, to which nothing is added: it lies behind what was read and found good.
    Without a reranker they stay as they are.
    """
    if reranker is None:
        return list(hits)
    began, took, done = clock(), 0.0, list[Hit]()
    while len(done) < min(len(hits), CANDIDATES) and (not done or clock() - began + took <= budget_s):
        start = clock()
        batch = hits[len(done) : len(done) + BATCH]
        texts = [chunking.embedded(hit.chunk.title, hit.chunk.heading, hit.chunk.text) for hit in batch]
        for hit, good in zip(batch, reranker.scores(query, texts), strict=True):
            why = f"{hit.why}\nread with the question {good:.2f} (place {len(done) + 1} before)"
            done.append(replace(hit, score=round(hit.score + WEIGHT * good, 5), why=why))
        took = clock() - start
    return sorted([*done, *hits[len(done) :]], key=lambda hit: -hit.score)
