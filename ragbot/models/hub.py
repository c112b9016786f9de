"""Models by name: a folder or a Hugging Face id, where its files are, and what went wrong with it."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ragbot.errors import ModelError

ANSWER_S = 5
"""Seconds that the hub has to answer at all. HF_HUB_ETAG_TIMEOUT, where it is set, counts instead."""
MEND = "give a folder, or a Hugging Face id with the network up"
_IDENTITY = ("*.safetensors", "*.bin", "tokenizer.json", "modules.json", "config.json", "*/config.json", "vocab.txt")
_FIRST_FILES = ("config.json", "modules.json")
"""A model has one of them, and loading begins with it."""
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def loading(name: str, mend: str = MEND) -> Iterator[None]:
    """Turns what fails while the model `name` loads into a ModelError of one line that says how to mend it."""
    if name.startswith(("/", "./", "../", "~")) and not Path(name).is_dir():
        raise ModelError(f"{name}: cannot be loaded (no such folder); check the path")
    try:
        yield
    except ModuleNotFoundError as cause:
        raise ModelError(f"{name}: cannot be loaded ({cause.name} is not installed); run: pip install {cause.name}") from cause
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as cause:
        reason = " ".join(str(cause).split())[:300]
        helped = Path(name).is_dir() or "pip install" in reason
        raise ModelError(f"{name}: cannot be loaded ({reason}){'' if helped else f'; {mend}'}") from cause


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Loads with transformers one at a time, without its bars and remarks: they are no news to a person who asked a question.

    One at a time, since transformers changes the whole process while it loads (torch's default precision, its initialisers).
    Nothing else of the process changes: remarks are stopped at the libraries' own handlers, not by levels or warning filters.
    """
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars
    from transformers.utils import logging as untyped

    transformers_logging: Any = untyped
    with _ONE_AT_A_TIME:
        handlers = [handler for library in ("transformers", "huggingface_hub") for handler in logging.getLogger(library).handlers]
        bars, hub_bars = transformers_logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
        for handler in handlers:
            handler.addFilter(_is_error)
        transformers_logging.disable_progress_bar()
        try:
            yield
        finally:
            for handler in handlers:
                handler.removeFilter(_is_error)
            if bars:
                transformers_logging.enable_progress_bar()  # and those of the hub
            if bars and not hub_bars:
                disable_progress_bars()


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def source(name: str) -> str:
    """Where a model is loaded from: its folder, its id, or its folder in the cache where the hub is out of reach.

    Asks the hub once and briefly, because the libraries ask again and again for a minute before they give up.
    Raises ModelError where the model is neither here nor to be had.
    """
    if Path(name).is_dir():
        return name
    from huggingface_hub import hf_hub_url, is_offline_mode

    url = hf_hub_url(name, _FIRST_FILES[0])
    if is_offline_mode():
        unreachable, mend = "HF_HUB_OFFLINE is set", "give a folder, or unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE"
    else:
        unreachable, mend = _unreachable(url), MEND
    if not unreachable:
        return name
    # By its id, transformers would ask the hub nevertheless, for adapters.
    cached = _cached_folder(name)
    if cached is None:
        raise ModelError(f"{name}: cannot be loaded (it is not on this machine, and {unreachable}); {mend}")
    return str(cached)


def _unreachable(url: str) -> str:
    """Why nothing answers at `url`; "" if something does, with whatever status."""
    from huggingface_hub import get_session

    patience = float(os.environ.get("HF_HUB_ETAG_TIMEOUT") or ANSWER_S)
    failed: list[Exception] = []

    def ask() -> None:
        try:
            get_session().head(url, timeout=patience)
        except Exception as cause:  # the client's, and those of another client that was set
            failed.append(cause)

    # In a thread, because the look-up of a name takes as long as it likes.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(patience)
    host = "/".join(url.split("/")[:3])
    if asking.is_alive():
        return f"{host} did not answer within {patience:g} s; HF_HUB_ETAG_TIMEOUT allows more"
    return f"{host} cannot be reached: {failed[0]}" if failed else ""


def _cached_folder(name: str) -> Path | None:
    """The folder of a model in the cache of the hub or of sentence-transformers, which gives its own models short names."""
    from huggingface_hub import try_to_load_from_cache

    for repository in (name, f"sentence-transformers/{name}")[: 1 if "/" in name else 2]:
        for cache in (None, os.environ.get("SENTENCE_TRANSFORMERS_HOME")):
            for file in _FIRST_FILES:
                found = try_to_load_from_cache(repository, file, cache_dir=cache)
                if isinstance(found, str):
                    return Path(found).parent
    return None


def revision(name: str, source: str, commit: str | None) -> str:
    """What tells one state of a model from another: the hub's commit, or a digest of the folder's files.

    `source` is where it was loaded from: a folder of the cache is named after its commit.
    """
    if not Path(name).is_dir():
        return Path(source).name if Path(source).is_dir() else commit or "unknown"
    digest = hashlib.sha256()
    for file in sorted({file for pattern in _IDENTITY for file in Path(name).glob(pattern)}):
        digest.update(file.name.encode())
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]
