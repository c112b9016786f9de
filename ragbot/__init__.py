"""ragbot: a chatbot that answers from what it was told a second ago, with its sources.

from ragbot import Chat, Document, Memory
"""

import logging
from typing import TYPE_CHECKING, Any

from ragbot.errors import RagbotError
from ragbot.types import EVERYONE, Citation, Document, Hit, Turn

if TYPE_CHECKING:
    from ragbot.chat import Chat
    from ragbot.memory import Memory

# Silent unless the application sets up logging: a library's warnings do not belong on its stderr.
logging.getLogger(__name__).addHandler(logging.NullHandler())

__version__ = "0.1.0"
__all__ = ["EVERYONE", "Chat", "Citation", "Document", "Hit", "Memory", "RagbotError", "Turn"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (the signature of PEP 562)
    """Import `Chat` and `Memory` when they are first used: `--help` must not wait for a database."""
    if name == "Chat":
        from ragbot.chat import Chat

        return Chat
    if name == "Memory":
        from ragbot.memory import Memory

        return Memory
    raise AttributeError(f"module 'ragbot' has no attribute {name!r}")
