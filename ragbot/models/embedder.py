"""Text to unit vectors. One class a runtime, one function to choose.

The bundled model runs through OpenVINO, converted once from its own weights: no torch at start-up.
Every other model runs through sentence-transformers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ragbot.models import bundled, hub

if TYPE_CHECKING:
    from torch import Tensor

Vectors = NDArray[np.float32]
Progress = Callable[[int], None]

BATCH = 16
MAX_TOKENS = 256
"""What the bundled model was trained to read; longer texts are cut (its model card)."""


class Embedder(Protocol):
    """What turns texts into vectors of one space."""

    model: str
    revision: str
    dim: int
    prefixes: tuple[str, str]

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Passages to unit vectors (n, dim). `progress` is called with how many more are done."""
        ...

    def encode_query(self, text: str) -> Vectors:
        """A question to a unit vector (dim,)."""
        ...


def open_embedder(name: str) -> Embedder:
    """The embedder that `name` means: the bundled one, a folder, or a Hugging Face id.

    Raises ModelError if it is not there or does not load.
    """
    if name == bundled.EMBEDDER:
        return BundledEmbedder()
    # A folder is known by its whole path: the memory is opened from other working folders too.
    return SentenceTransformersEmbedder(str(Path(name).resolve()) if Path(name).is_dir() else name)


class BundledEmbedder:
    """all-MiniLM-L6-v2 (Reimers and Gurevych 2019) in float32 on OpenVINO.

    bfloat16 is left to a later measurement: on a processor without it, it is 20 times slower.
    """

    model = bundled.EMBEDDER
    prefixes = ("", "")

    def __init__(self) -> None:
        import openvino as ov
        from tokenizers import Tokenizer

        folder = bundled.embedder_folder()
        with (folder / "model.safetensors").open("rb") as weights:
            self.revision = hashlib.file_digest(weights, "sha256").hexdigest()[:16]
        with hub.loading(self.model):
            converted = bundled.converted(f"{self.model}-{self.revision}", lambda aside: _convert(folder, aside))
            self._network = ov.Core().compile_model(
                converted / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
            )
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        self.dim = int(self._network.output(0).partial_shape[2].get_length())

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        # Texts of like length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            vectors[batch] = self._encode([texts[at] for at in batch])
            if progress:
                progress(len(batch))
        return vectors

    def encode_query(self, text: str) -> Vectors:
        vector: Vectors = self._encode([text])[0]
        return vector

    def _encode(self, texts: list[str]) -> Vectors:
        encodings = self._tokenizer.encode_batch([text for text in texts])
        mask = np.array([encoding.attention_mask for encoding in encodings], np.int64)
        # A request of its own each time: the shared one of the network serves one thread only.
        request = self._network.create_infer_request()
        words = request.infer([np.array([encoding.ids for encoding in encodings], np.int64), mask])[0]
        means = (words * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
        unit: Vectors = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
        return unit


class SentenceTransformersEmbedder:
    """Any sentence-transformers model, by folder or Hugging Face id, on whatever torch finds."""

    def __init__(self, name: str) -> None:
        self.model = name
        with hub.loading(name), hub.quiet_transformers():
            from sentence_transformers import SentenceTransformer

            local = Path(name).is_dir()
            self._model = SentenceTransformer(name, local_files_only=local)
            first: Any = self._model[0]
            config = getattr(first, "model", None) or getattr(first, "auto_model", None)
            commit = getattr(getattr(config, "config", None), "_commit_hash", None)
            self.revision = hub.revision(name, commit)
            self.dim = int(self._model.get_embedding_dimension() or self.encode(["dimension"]).shape[1])
        prompts = self._model.prompts or {}
        self.prefixes = (prompts.get("query") or "", prompts.get("document") or prompts.get("passage") or "")

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        done: list[Vectors] = [np.zeros((0, self.dim), np.float32)]
        size = 8 * BATCH
        for start in range(0, len(texts), size):
            batch = [self.prefixes[1] + text for text in texts[start : start + size]]
            done.append(self._encode(batch))
            if progress:
                progress(len(batch))
        return np.concatenate(done)

    def encode_query(self, text: str) -> Vectors:
        vector: Vectors = self._encode([self.prefixes[0] + text])[0]
        return vector

    def _encode(self, texts: list[str]) -> Vectors:
        vectors = self._model.encode(texts, batch_size=BATCH, normalize_embeddings=True, prompt="", show_progress_bar=False)
        return np.asarray(vectors, np.float32)


def _convert(folder: Path, aside: Path) -> None:
    """The transformer of a sentence-transformers folder as an OpenVINO network, float32."""
    import openvino as ov
    import torch
    from transformers import AutoModel

    class LastHiddenState(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = AutoModel.from_pretrained(folder, attn_implementation="eager", local_files_only=True)

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            state: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return state

    example = {name: torch.ones(2, 8, dtype=torch.int64) for name in ("input_ids", "attention_mask")}
    with hub.quiet_transformers():
        network = ov.convert_model(LastHiddenState().eval(), example_input=example)
    ov.save_model(network, aside / "model.xml", compress_to_fp16=False)
