"""all-MiniLM-L6-v2 (Reimers and Gurevych 2019; Wang et al. 2020) from its sentence-transformers folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ragbot.models import bundled
from ragbot.models.bundled.encoder import Pair, Shape, Weights, scaled

MAX_TOKENS = 256
"""What it was trained to read; longer texts are cut (its model card)."""
SHAPE = Shape(layers=6, heads=12, dim=384)
LINEAR = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "o": "attention.output.dense",
    "up": "intermediate.dense",
    "down": "output.dense",
}


class MiniLM:
    """The model as its package holds it."""

    prefixes = ("", "")

    def __init__(self) -> None:
        from tokenizers import Tokenizer

        self._folder = bundled.minilm_folder()
        with (self._folder / "model.safetensors").open("rb") as weights:
            self.revision = hashlib.file_digest(weights, "sha256").hexdigest()[:16]
        self._tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, cut to what the model reads."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

    def words(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The network looks the tokens up itself."""
        return ids

    def weights(self) -> Weights:
        """What the network is made of."""
        return weights(self._folder)

    def knows_word(self, word: str) -> bool:
        """Whether a word in small letters is one piece of its vocabulary."""
        return self._tokenizer.token_to_id(word) is not None


def weights(folder: Path) -> Weights:
    """The weights of a sentence-transformers folder of this model."""
    from safetensors.numpy import load_file

    found = {name.removeprefix("bert."): value for name, value in load_file(str(folder / "model.safetensors")).items()}

    def pair(name: str) -> Pair:
        return found[f"{name}.weight"], found[f"{name}.bias"]

    linear = {(i, short): pair(f"encoder.layer.{i}.{name}") for i in range(SHAPE.layers) for short, name in LINEAR.items()}
    layers = [f"encoder.layer.{i}" for i in range(SHAPE.layers)]
    return Weights(
        shape=SHAPE,
        words=found["embeddings.word_embeddings.weight"],
        places=found["embeddings.position_embeddings.weight"] + found["embeddings.token_type_embeddings.weight"][0],
        norm=pair("embeddings.LayerNorm"),
        linear={key: scaled(both, SHAPE) if key[1] == "q" else both for key, both in linear.items()},
        norms=[(pair(f"{layer}.attention.output.LayerNorm"), pair(f"{layer}.output.LayerNorm")) for layer in layers],
    )
