"""How well passages answer a question, read together with it (cross-encoder, Nogueira and Cho 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ragbot.errors import ModelError
from ragbot.models import hub


class Reranker(Protocol):
    """What reads a question and a passage together."""

    model: str

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """(n,): from 0, does not answer it, to 1."""
        ...


def open_reranker(name: str) -> Reranker:
    """The cross-encoder of a folder or a Hugging Face id. Raises ModelError if it is not there, or is none."""
    return CrossEncoderReranker(name)


class CrossEncoderReranker:
    """Any sentence-transformers CrossEncoder with one output, on whatever torch finds."""

    def __init__(self, name: str) -> None:
        self.model = name
        with hub.loading(name), hub.quiet_transformers():
            import torch
            from sentence_transformers import CrossEncoder

            # Models differ in whether they end in a sigmoid of their own; here all of them do.
            self._model = CrossEncoder(name, local_files_only=Path(name).is_dir(), activation_fn=torch.nn.Sigmoid())
        labels = self._model.config.num_labels
        if labels != 1:
            raise ModelError(f"{name}: gives {labels} numbers for a passage; a reranker gives one")

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        found = self._model.predict([(query, passage) for passage in passages], show_progress_bar=False)
        return [float(score) for score in found]
