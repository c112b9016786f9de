"""Files that could not be read, remembered, so that no run reads them again for nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ingest.parsers import PARSER_VERSION
from ingest.parsers.worker import ERRORS
from ingest.sources import FILE_DIGEST, Item
from ragbot.errors import LockedError, ReadError
from ragbot.memory import Memory

HELD = timedelta(days=1)
"""How long a verdict stands: what failed may have been the machine's fault, and reading a film costs little once a day."""
TOGETHER = 32
"""How many are written down in one transaction."""


class FailedFiles:
    """Why files of one scope could not be read, until they or their readers change, or for a day."""

    def __init__(self, memory: Memory, scope: str) -> None:
        self._memory, self._kind = memory, f"unread:{scope}:"
        kept = {key: json.loads(said) for key, said in memory.marks(self._kind).items()}
        self._new = {key: "" for key, said in kept.items() if not _stands(said)}
        self._kept = {key: said for key, said in kept.items() if key not in self._new}

    def of(self, item: Item) -> ReadError | None:
        """Why an item that nobody named cannot be read, if that is known and it still is what it was."""
        said = self._kept.get(self._kind + item.uri)
        if said is None or item.named or item.look(said["noted"]).path:
            return None
        return ERRORS[said["error"]](said["message"])

    def give(self, uri: str, cause: ReadError | None, noted: Mapping[str, str]) -> None:
        """What came of a file that was to be read: it was, or was not because of `cause`."""
        key = self._kind + uri
        if cause and FILE_DIGEST in noted and not isinstance(cause, LockedError):  # a password may come, and costs little to try
            said = {"error": type(cause).__name__, "message": str(cause), "reader": PARSER_VERSION, "noted": dict(noted)}
            self._new[key] = json.dumps({**said, "at": datetime.now(UTC).isoformat()}, ensure_ascii=False)
        elif key in self._kept:
            self._new[key] = ""
        if len(self._new) >= TOGETHER:
            self.keep()

    def keep(self) -> None:
        """Write down what was not yet."""
        if self._new:
            self._memory.set_marks(self._new)
            self._new = {}


def _stands(said: Mapping[str, str]) -> bool:
    age = datetime.now(UTC) - datetime.fromisoformat(said["at"])
    return said["reader"] == PARSER_VERSION and abs(age) < HELD
