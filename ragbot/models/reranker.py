"""How well passages answer a question, read together with it (cross-encoder, Nogueira and Cho 2019)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from ragbot.errors import ModelError
from ragbot.models import hub


class Reranker(Protocol):
    """Reads a question and a passage together. Several threads may use one at once."""

    model: str

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """(n,): from 0, does not answer it, to 1. Raises ModelError if the reranker was closed."""
        ...

    def close(self) -> None:
        """Let go of the model. What is being read is still finished."""
        ...


def open_reranker(name: str) -> Reranker:
    """The cross-encoder of a folder or a Hugging Face id. Raises ModelError if it is not there, or is none."""
    return CrossEncoderReranker(name)


class CrossEncoderReranker:
    """Any sentence-transformers CrossEncoder with one output, on the device that torch finds. Batches are read one at a time."""

    def __init__(self, name: str) -> None:
        self.model = name
        self._lock = threading.Lock()
        with hub.loading(name):
            source = hub.source(name)
            with hub.quiet_transformers():
                import torch
                from sentence_transformers import CrossEncoder

                # Models differ in whether they end in a sigmoid of their own; here all of them do.
                self._model: Any = CrossEncoder(source, local_files_only=Path(source).is_dir(), activation_fn=torch.nn.Sigmoid())
        labels = self._model.config.num_labels
        if labels != 1:
            raise ModelError(f"{name}: gives {labels} numbers for a passage; a reranker gives one")

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        model = self._model
        if model is None:
            raise ModelError(f"{self.model}: was closed; open it again")
        # A fast tokenizer refuses to be set up by one thread while another one uses it.
        with self._lock:
            found = model.predict([(query, passage) for passage in passages], show_progress_bar=False)
        return [float(score) for score in found]

    def close(self) -> None:
        self._model = None
