"""One order out of several: what meaning found and what words found. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WORDS_WEIGHT = 0.25
"""What the best match of words adds to a cosine, in an alphabet that the embedder knows."""
WORDS_WEIGHT_CJK = 1.0
"""The bundled embedder is English: for Chinese, Japanese and Korean the words decide."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A chunk id in its place, with what each part had to say (None: it did not find it)."""

    id: int
    score: float
    cosine: float | None
    dense_rank: int | None
    bm25: float | None
    lexical_rank: int | None

    @property
    def why(self) -> str:
        """The reasons in words and numbers."""
        parts = []
        if self.cosine is not None:
            parts.append(f"meaning {self.cosine:.2f} (place {self.dense_rank})")
        if self.bm25 is not None:
            parts.append(f"words {self.bm25:.1f} (place {self.lexical_rank})")
        return ", ".join(parts)


def fuse(
    dense: Sequence[tuple[int, float]], lexical: Sequence[tuple[int, float]], words_weight: float = WORDS_WEIGHT
) -> list[Ranked]:
    """Order chunks by cosine plus weighted BM25, best first; ties go to the newer chunk.

    BM25 counts relative to its best in this list. A chunk that only words found takes the lowest
    cosine of `dense`, the most that it can have. A convex sum keeps the distances that
    reciprocal ranks throw away (Bruch, Gai and Ingber 2023).
    """
    cosines = dict(dense)
    words = dict(lexical)
    dense_rank = {id: rank for rank, (id, _) in enumerate(dense, 1)}
    lexical_rank = {id: rank for rank, (id, _) in enumerate(lexical, 1)}
    floor = min(cosines.values(), default=0.0)
    # In a tiny memory BM25 is near nothing, and the best of nothing is no evidence.
    top = max(words.values(), default=0.0)
    top = max(top, 1.0)
    ranked = [
        Ranked(
            id,
            cosines.get(id, floor) + words_weight * words.get(id, 0.0) / top,
            cosines.get(id),
            dense_rank.get(id),
            words.get(id),
            lexical_rank.get(id),
        )
        for id in cosines.keys() | words.keys()
    ]
    return sorted(ranked, key=lambda r: (-r.score, -r.id))
