"""Messages to text, piece by piece. One class a runtime, one function to choose.

All of them decode greedily where the model allows it: the same messages give the same text. A generator knows nothing of
passages; its sentences are checked against the evidence before anyone sees them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ragbot import plugins
from ragbot.errors import ModelError
from ragbot.models.bundled import GENERATOR
from ragbot.models.generator.bundled import BundledGenerator
from ragbot.models.generator.langchain import LangChainGenerator
from ragbot.models.generator.transformers import TransformersGenerator
from ragbot.models.plugged import PluginGenerator
from ragbot.types import Message

__all__ = ["BundledGenerator", "Generator", "LangChainGenerator", "TransformersGenerator", "open_generator"]


class Generator(Protocol):
    """Writes text. Several threads may use one at once."""

    model: str
    window: int
    """How many tokens it reads and writes at most, or about so many."""

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        """The reply to `messages`, in pieces as they are written; closing the iterator stops it.

        Raises ModelError if the model fails, or was closed.
        """
        ...

    def count(self, text: str) -> int:
        """How many tokens a text has, or about so many."""
        ...

    def close(self) -> None:
        """Let go of the model. Replies that have begun are still finished; new ones raise ModelError."""
        ...


def open_generator(name: str, timeout: float = 60) -> Generator:
    """The generator that `name` means: the bundled one, a plugin, a folder, "provider:model", or a Hugging Face id.

    The server of a provider, or of a plugin, may be silent for `timeout` seconds before it is given up.
    Raises ModelError if it is not there or does not load.
    """
    if name == GENERATOR:
        return BundledGenerator()
    if plugin := plugins.named(plugins.GENERATORS, name, ModelError):
        return PluginGenerator(plugin, timeout)
    if ":" in name and not Path(name).is_dir():
        return LangChainGenerator(name, timeout)
    with plugins.missing(plugins.GENERATORS, name, ModelError):
        return TransformersGenerator(name)
