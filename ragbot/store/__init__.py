"""The truth: documents, chunks, vectors, turns and feedback, in one database; and the log of what ran by itself."""

from ragbot.store.runs import Run, Runs
from ragbot.store.snapshot import Snapshot, Stored
from ragbot.store.store import Store
from ragbot.store.transaction import Transaction
from ragbot.store.turns import Raced

__all__ = ["Raced", "Snapshot", "Run", "Runs", "Store", "Stored", "Transaction"]
