"""Puts hits in order by a model that reads each together with the question, as far as time allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from ragbot.models.reranker import Reranker
from ragbot.text import chunks as chunking
from ragbot.types import Hit

MAX_RERANKED = 50
"""How many hits are reranked at most."""
BATCH = 4
"""How many are read at a time; at least one such batch, however little time there is."""


def reranked(
    query: str,
    hits: Sequence[Hit],
    reranker: Reranker | None,
    budget_s: float | None,
    weight: float = 1.0,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Hit]:
    """The hits, best first, read from the best down; no batch begins that would end after `budget_s` seconds.

    Without a budget (None) all of the first MAX_RERANKED are read, and the order does not depend on the machine.
    A hit that is not read keeps its score, to which nothing is added: it lies behind those that were read and found good.
    Without a reranker they stay as they are.
    """
    if reranker is None:
        return list(hits)
    began, took, done = clock(), 0.0, list[Hit]()
    while len(done) < min(len(hits), MAX_RERANKED) and (not done or budget_s is None or clock() - began + took <= budget_s):
        start = clock()
        batch = hits[len(done) : len(done) + BATCH]
        texts = [chunking.embedded(hit.chunk.title, hit.chunk.heading, hit.chunk.text) for hit in batch]
        for hit, good in zip(batch, reranker.scores(query, texts), strict=True):
            features = replace(hit.features, rerank=good, rerank_from=len(done) + 1)
            done.append(replace(hit, score=round(hit.score + weight * good, 5), features=features))
        took = clock() - start
    return sorted([*done, *hits[len(done) :]], key=lambda hit: -hit.score)
