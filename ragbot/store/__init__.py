"""The truth: documents, chunks, vectors, turns and feedback, in one database."""

from ragbot.store.reader import Reader, Stored
from ragbot.store.store import Store
from ragbot.store.writer import Draft, Raced, Writer

__all__ = ["Draft", "Raced", "Reader", "Store", "Stored", "Writer"]
