"""Models by name: whether it is a folder or a Hugging Face id, and what went wrong with it."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ragbot.errors import ModelError

_IDENTITY = ("*.safetensors", "*.bin", "tokenizer.json", "modules.json", "config.json", "*/config.json", "vocab.txt")


@contextmanager
def loading(name: str) -> Iterator[None]:
    """Quiet loading of the model `name`; what fails in it becomes one line."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "0")
    for noisy in ("transformers", "sentence_transformers", "huggingface_hub"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as cause:
        reason = " ".join(str(cause).split())[:200]
        mend = "" if Path(name).is_dir() else "; give a folder, or a Hugging Face id with the network up"
        raise ModelError(f"{name}: cannot be loaded ({reason}){mend}") from cause


def revision(name: str, commit: str | None) -> str:
    """What tells one state of a model from another: the hub's commit, or a digest of the folder's files."""
    if not Path(name).is_dir():
        return commit or "unknown"
    digest = hashlib.sha256()
    for file in sorted({file for pattern in _IDENTITY for file in Path(name).glob(pattern)}):
        digest.update(file.name.encode())
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]
