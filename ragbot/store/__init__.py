"""The truth: documents, chunks, vectors, turns and feedback, in one database; and the log of what ran by itself."""

from ragbot.store.reader import Reader, Stored
from ragbot.store.runs import Run, Runs
from ragbot.store.store import Store
from ragbot.store.writer import Draft, Raced, Writer

__all__ = ["Draft", "Raced", "Reader", "Run", "Runs", "Store", "Stored", "Writer"]
