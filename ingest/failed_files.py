"""Files that could not be read, remembered, so that no run reads them again for nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ingest import parsers
from ingest.parsers.worker import ERRORS
from ingest.sources import Item
from ingest.state import DocumentState, FailedState, FileState, Known, failed_state, stored
from ragbot.errors import LockedError, ReadError
from ragbot.memory import Memory

KEPT = timedelta(days=1)
"""How long a failure is believed: it may have been the machine's fault, and trying costs little once a day."""
BATCH = 32
"""How many failures are written in one transaction."""


class FailedFiles:
    """Why files of one scope could not be read, until they or their parsers change, or for a day."""

    def __init__(self, memory: Memory, scope: str) -> None:
        self._memory, self._scope = memory, scope
        found = memory.source_states(FailedState.kind, scope=scope)
        self._known = {uri: failed_state(source) for uri, source in found.items()}
        self._new: dict[str, FailedState | None] = {uri: None for uri, state in self._known.items() if not _holds(uri, state)}

    def of(self, item: Item, stopped: Callable[[], bool]) -> ReadError | None:
        """Why an item that nobody named cannot be read, if that is known and its file is the same. See `Item.look`."""
        state = self._known.get(item.uri)
        if state is None or not _holds(item.uri, state) or item.named or item.look(Known(file=state.file), stopped).path:
            return None
        return ERRORS[state.error](state.message)

    def give(self, uri: str, cause: ReadError | None, state: DocumentState | None) -> None:
        """Take what came of a file that was to be read: it was, or was not because of `cause`."""
        # A password may come for a locked one, and it costs little to try.
        if cause and isinstance(state, FileState) and not isinstance(cause, LockedError):
            seen = FileState(state.sha256, state.stamp, state.device, parsers.version(uri))
            self._new[uri] = FailedState(type(cause).__name__, str(cause), seen, datetime.now(UTC))
        elif uri in self._known:
            self._new[uri] = None
        if len(self._new) >= BATCH:
            self.keep()

    def keep(self) -> None:
        """Write what was not yet written."""
        if self._new:
            good = [stored(self._scope, uri, self._known[uri]) for uri, state in self._new.items() if state is None]
            failed = [stored(self._scope, uri, state) for uri, state in self._new.items() if state is not None]
            self._memory.set_source_states(failed, erase=good)
            self._new = {}


def _holds(uri: str, state: FailedState) -> bool:
    return state.file.parser == parsers.version(uri) and abs(datetime.now(UTC) - state.at) < KEPT and state.error in ERRORS
