"""Models by name: whether it is a folder or a Hugging Face id, and what went wrong with it."""

from __future__ import annotations

import hashlib
import logging as std_logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ragbot.errors import ModelError

_IDENTITY = ("*.safetensors", "*.bin", "tokenizer.json", "modules.json", "config.json", "*/config.json", "vocab.txt")


@contextmanager
def loading(name: str, mend: str = "give a folder, or a Hugging Face id with the network up") -> Iterator[None]:
    """Quiet loading of the model `name`; what fails in it becomes one line that says how to mend it."""
    if name.startswith(("/", "./", "../", "~")) and not Path(name).is_dir():
        raise ModelError(f"{name}: cannot be loaded (no such folder); check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as cause:
        reason = " ".join(str(cause).split())[:300]
        helped = Path(name).is_dir() or "pip install" in reason
        raise ModelError(f"{name}: cannot be loaded ({reason}){'' if helped else f'; {mend}'}") from cause


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without the bars and remarks of transformers: they are no news to a person who asked a question."""
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    hub = std_logging.getLogger("huggingface_hub")
    level = hub.level
    hub.setLevel(std_logging.ERROR)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        hub.setLevel(level)
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


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
