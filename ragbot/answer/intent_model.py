"""What a message is, and which form of answer it asks for: a linear model over its vector, its characters and words, and rules.

`training/intent.py` makes the weights; they belong to one revision of one embedder. docs/models/intent.md has its figures.
"""

from __future__ import annotations

import functools
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ragbot.text import messages

Floats = NDArray[np.float32]

FILE = Path(__file__).parent / "intents.npz"
BUCKETS = 8192
"""Runs of characters and of words are counted in so many buckets, by a hash."""
CHARACTERS, WORDS = 4, 3
"""The longest runs."""
GRAMS, VECTOR = 3.0, 8.0
"""How the parts are scaled to each other; the rules stand at 1."""
_WORD = re.compile(r"[a-z'’]+|\d+|[^\sa-z\d]")
TELLS, QUESTIONS = ("statement", "correction"), ("question", "several", "recall")
"""Kinds that tell something, and that ask something of the documents or of what was told."""
LONG, SHORT = 60, 8
"""Characters of a long message, and of a short one."""


class Intent(NamedTuple):
    """What a message is taken for."""

    kind: str
    form: str
    """Of the answer, if it is a question."""
    chance: float
    """How likely it is of this kind, 0 to 1."""
    told: float = 0.0
    """How likely it is a statement, or a correction."""
    other: str = ""
    """The likeliest kind that is neither told nor asked of the documents."""


class IntentModel:
    """The shipped weights."""

    def __init__(self, file: Path = FILE) -> None:
        with np.load(file) as stored:
            self.embedder = str(stored["embedder"])
            """The embedder whose vectors it reads, "model@revision"."""
            self.kinds, self.forms = stored["kinds"].tolist(), stored["forms"].tolist()
            self._idf, self._mean = stored["idf"].astype(np.float32), stored["mean"].astype(np.float32)
            self._weights = stored["codes"].astype(np.float32)
            grams, others = stored["scale"]
            self._weights[:BUCKETS] *= grams
            self._weights[BUCKETS:] *= others
            self._bias = stored["bias"].astype(np.float32)

    def read(self, texts: Sequence[str], vectors: Floats) -> list[Intent]:
        """What each text is; `vectors` (n, dim) are theirs as questions."""
        said = features(texts, vectors, self._idf, self._mean) @ self._weights + self._bias
        found = []
        for row in said:
            kinds, forms = row[: len(self.kinds)], row[len(self.kinds) :]
            best = int(kinds.argmax())
            chances = np.exp(kinds - kinds[best])
            chances /= chances.sum()
            told = float(sum(chances[at] for at, kind in enumerate(self.kinds) if kind in TELLS))
            other = max((at for at, kind in enumerate(self.kinds) if kind not in (*TELLS, *QUESTIONS)), key=chances.__getitem__)
            form = self.forms[int(forms.argmax())]
            found.append(Intent(self.kinds[best], form, float(chances[best]), told, self.kinds[other]))
        return found


@functools.lru_cache(maxsize=1)
def shipped() -> IntentModel:
    """The model in the package."""
    return IntentModel()


def features(texts: Sequence[str], vectors: Floats, idf: Floats, mean: Floats) -> Floats:
    """(n, BUCKETS + dim + rules): counts of runs by rarity to unit length, vectors about their mean, and what rules see."""
    grams = np.array([counts(text) for text in texts], np.float32).reshape(len(texts), BUCKETS) * idf
    grams /= np.maximum(np.linalg.norm(grams, axis=1, keepdims=True), 1e-9)
    rules = np.array([_rules(text) for text in texts], np.float32)
    return np.concatenate([GRAMS * grams, VECTOR * (vectors - mean), rules], 1)


def counts(text: str) -> Floats:
    """(BUCKETS,): 1 + log of how often runs of characters, and of words, occur."""
    found = np.zeros(BUCKETS, np.float32)
    for bucket, often in Counter(zlib.crc32(run.encode()) % BUCKETS for run in _runs(text)).items():
        found[bucket] = 1 + math.log(often)
    return found


def _runs(text: str) -> Iterator[str]:
    text = text.strip().lower()
    framed = f"^{text}$"
    for n in range(1, CHARACTERS + 1):
        yield from (framed[at : at + n] for at in range(len(framed) - n + 1))
    words = ["<", *_WORD.findall(text), ">"]
    for n in range(1, WORDS + 1):
        yield from ("w:" + " ".join(words[at : at + n]) for at in range(len(words) - n + 1))


def _rules(text: str) -> list[float]:
    parsed, end = messages.parse(text), text.rstrip("\"'”’」)） \n").endswith(("?", "？"))
    marks = sum(map(text.count, "?？"))
    seen = (
        end,
        marks > end,
        marks > 1,
        bool(parsed.statements),
        bool(parsed.question),
        parsed.is_greeting,
        parsed.is_parting,
        messages.wants_person(text),
        messages.is_context_dependent(text),
        len(text) > LONG,
        len(text) < SHORT,
    )
    return [float(one) for one in seen]
