"""The state of sources: what is known of the places that documents came from. What it holds is its writer's business."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from ragbot.store import rows
from ragbot.store import schema as s
from ragbot.store import statements as q
from ragbot.types import SourceNote, SourceState

MANY = 500
_c = s.sources.c


class SourceReads:
    """Reads of the state of sources, in one snapshot."""

    _connection: Connection

    def source_states(self, kind: str, scope: str, uris: Collection[str] | None = None) -> dict[str, SourceState]:
        """The states of one kind in a scope, by uri: all of them, or of some uris. Also those of retired documents."""
        which = select(s.sources).where(_c.scope == scope, _c.kind == kind)
        if uris is None:
            return {row.uri: rows.source_state(row) for row in self._connection.execute(which)}
        wanted, found = list(uris), dict[str, SourceState]()
        for at in range(0, len(wanted), MANY):
            some = self._connection.execute(which.where(_c.uri.in_(wanted[at : at + MANY])))
            found.update((row.uri, rows.source_state(row)) for row in some)
        return found


class SourceWrites(SourceReads):
    """Writes of the state of sources, in one transaction."""

    at: int

    def set_source_states(self, states: Iterable[SourceState]) -> None:
        """Keep states, each in place of the one of its scope, uri and kind. A state without a time gets the transaction's."""
        for state in states:
            self._drop_source(state)
            at = self.at if state.at is None else rows.micros(state.at)
            values = {"scope": state.scope, "uri": state.uri, "kind": state.kind, "state": _json(state.values), "at": at}
            self._connection.execute(insert(s.sources).values(values))

    def erase_source_states(self, states: Iterable[SourceState]) -> None:
        """Erase the states of these scopes, uris and kinds."""
        for state in states:
            self._drop_source(state)

    def replace_source_state(self, note: SourceNote) -> bool:
        """Change the state of a source, and the metadata of its document, if the state still is what it was. Whether it was."""
        before = note.before
        found = self.source_states(before.kind, before.scope, [before.uri]).get(before.uri)
        if found is None or _json(found.values) != _json(before.values):
            return False
        self.set_source_states([note.after])
        if note.metadata:
            self._update_metadata(before.scope, before.uri, note.metadata)
        return True

    def _update_metadata(self, scope: str, uri: str, new: Mapping[str, str]) -> None:
        same = (s.documents.c.scope == scope) & (s.documents.c.uri == uri)
        known = self._connection.execute(select(s.documents.c.metadata).where(same)).scalar()
        if known is not None:
            merged = json.loads(known) | dict(new)
            self._connection.execute(update(s.documents).where(same).values(metadata=json.dumps(merged, ensure_ascii=False)))

    def _replace_sources_of(self, scope: str, uri: str, states: Iterable[SourceState]) -> None:
        """A new version of a document: what was known of the source of the one before holds no longer."""
        self._connection.execute(q.DROP_SOURCES, {"of_scope": scope, "of_uri": uri})
        self.set_source_states(states)

    def _drop_source(self, state: SourceState) -> None:
        same = (_c.scope == state.scope) & (_c.uri == state.uri) & (_c.kind == state.kind)
        self._connection.execute(delete(s.sources).where(same))


def _json(values: Mapping[str, Any]) -> str:
    """Equal for equal values. In ASCII: a message may name a file whose name is no Unicode."""
    return json.dumps(values, sort_keys=True)
