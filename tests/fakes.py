"""Small, deterministic stand-ins for the models, for tests that are not about models."""

import hashlib
import json

import numpy as np

from ragbot.answer.context import TurnVectors
from ragbot.models import bundled
from ragbot.search.calibration import Calibration
from ragbot.text.tokens import content, tokens
from ragbot.types import Document


class FakeEmbedder:
    """A bag of hashed stems: texts that share words are near. Counts what it embeds."""

    prefixes = ("", "")
    calibration = json.loads(bundled.calibration_file(bundled.MINILM).read_text(encoding="utf-8"))

    def __init__(self, model="fake", dim=256):
        self.model, self.revision, self.dim = model, f"{model}-1", dim
        self.embedded = []
        self.known = None
        """The words that it knows; None: whatever anybody types."""

    def encode(self, texts, progress=None):
        self.embedded += texts
        if progress:
            progress(len(texts))
        return np.array([self._vector(text) for text in texts], np.float32).reshape(len(texts), self.dim)

    def encode_query(self, text):
        return self._vector(text)

    def knows_word(self, word):
        return self.known is None or word in self.known

    def _vector(self, text):
        vector = np.full(self.dim, 1e-3, np.float32)
        for word in content(text) or tokens(text):
            at = int.from_bytes(hashlib.sha256(f"{self.model}{word}".encode()).digest()[:4], "big") % self.dim
            vector[at] += 1
        return vector / np.linalg.norm(vector)


class FakeGenerator:
    """Writes what it is told to, in pieces of three letters, and keeps what it was shown."""

    model = "fake"
    window = 2048

    def __init__(self, *replies):
        self.replies = list(replies)
        self.shown = []
        self.closed = False

    def count(self, text):
        return len(text.split())

    def close(self):
        self.closed = True

    def stream(self, messages, max_tokens):
        self.shown.append(list(messages))
        reply = self.replies.pop(0) if self.replies else ""
        try:
            for at in range(0, len(reply), 3):
                yield reply[at : at + 3]
        finally:
            self.closed = True


def vectors_of(embedder):
    """The vectors of a turn, made by an embedder."""
    return TurnVectors(embedder.encode_query, embedder.encode, Calibration.of(embedder.calibration))


SYLLABLES = ("bar", "kel", "mon", "tis", "vor", "an", "el", "ing", "ud", "ra", "lo", "mi")


def letter(chance, number, least=8, most=(20, 60, 100, 200)):
    """A document of up to ten kilobytes, or as many sentences as asked for, which occur nowhere else."""
    lines = []
    for at in range(chance.randrange(least, chance.choice(most))):
        words = ["".join(chance.choices(SYLLABLES, k=3)) for _ in range(chance.randrange(6, 14))]
        lines.append(f"{number}-{at} {' '.join(words)}.")
    paragraphs = []
    while lines:
        many = chance.randrange(1, 5)
        paragraphs.append(" ".join(lines[:many]))
        del lines[:many]
    return Document(f"letters/{number}.md", "\n\n".join(paragraphs))
