"""Reads of what changed, in one snapshot: versions of documents, and answers that stand on what is no longer so."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from ragbot.store import rows
from ragbot.store import schema as s
from ragbot.types import EVERYONE, TOLD, Chunk, Kind


@dataclass(frozen=True, slots=True)
class Touched:
    """A document of which something was recorded, or retired, in some time."""

    id: int
    uri: str
    scope: str
    kind: Kind
    title: str
    metadata: str
    first_at: int
    retired_at: int | None


@dataclass(frozen=True, slots=True)
class StaleCitation:
    """A citation of an answer whose words are no longer so."""

    turn_id: str
    session: str
    scope: str
    question: str
    answer: str
    at: datetime
    uri: str
    shown: str
    quote: str
    changed_at: datetime
    set_aside: bool
    """By a correction or later words, and not since its passage was replaced."""

    @property
    def name(self) -> str:
        """The name of the source as it may be said."""
        return self.shown or self.uri


class HistoryReads:
    """What changed."""

    _connection: Connection

    def touched_since(self, since: int, until: int, scopes: Collection[str]) -> list[Touched]:
        """Documents of which a passage was recorded or retired from `since` to before `until`, by scope and uri."""
        c, d = s.chunks.c, s.documents.c
        within = or_(and_(c.recorded_at >= since, c.recorded_at < until), and_(c.retired_at >= since, c.retired_at < until))
        touched = select(c.document_id).where(within, c.scope.in_(list(scopes))).distinct()
        first = select(func.min(c.recorded_at)).where(c.document_id == d.id).scalar_subquery()
        query = select(d.id, d.uri, d.scope, d.kind, d.title, d.metadata, first, d.retired_at).where(d.id.in_(touched))
        return [Touched(*row) for row in self._connection.execute(query.order_by(d.scope, d.uri))]

    def recorded_until(self, document_id: int, at: int) -> list[Chunk]:
        """The passages of a document as it stood in the record at a time, in order."""
        c = s.chunks.c
        there = and_(c.recorded_at <= at, or_(c.retired_at.is_(None), c.retired_at > at))
        query = select(s.chunks).where(c.document_id == document_id, there).order_by(c.ord, c.id)
        return [rows.chunk(row) for row in self._connection.execute(query)]

    def changes_of(self, document_id: int) -> list[datetime]:
        """When something of a document was recorded or retired, oldest first."""
        c = s.chunks.c
        own = c.document_id == document_id
        times = select(c.recorded_at).where(own).union(select(c.retired_at).where(own, c.retired_at.is_not(None)))
        return [rows.moment(at) for at in sorted(self._connection.execute(times).scalars())]

    def stale_citations(self, scopes: Collection[str] | None, uris: Sequence[str] = ()) -> list[StaleCitation]:
        """Citations, of answers in some scopes or in all, whose passage was retired or set aside since; newest answers first."""
        t, q, c, d = s.turns.c, s.citations.c, s.chunks.c, s.disputes.c
        by = s.documents.alias()
        columns = (t.id, t.session, t.scope, t.question, t.answer, t.at, q.uri, q.shown, q.quote)
        where = [q.claim != s.NO_CLAIM, *([t.scope.in_(list(scopes))] if scopes is not None else [])]
        where += [q.uri.in_(list(uris))] if uris else []
        cited = select(*columns, c.retired_at).join(s.citations, q.turn_id == t.id).join(s.chunks, c.id == q.chunk_id)
        retired = cited.where(c.retired_at > t.at, *where)
        disputed = (
            select(*columns, by.c.recorded_at)
            .join(s.citations, q.turn_id == t.id)
            .join(s.chunks, c.id == q.chunk_id)
            .join(s.disputes, d.chunk_id == q.chunk_id)
            .join(by, by.c.id == d.document_id)
            .where(by.c.retired_at.is_(None), or_(by.c.scope == t.scope, by.c.scope == EVERYONE), by.c.recorded_at > t.at, *where)
            .where(d.start < q.end - c.start, q.start - c.start < d.end)
        )
        found: list[Any] = [(*row, False) for row in self._connection.execute(retired)]
        found += [(*row, True) for row in self._connection.execute(disputed)]
        found = [row for row in found if not row[6].startswith(f"{TOLD}{row[0]}")]  # that something was noted
        found.sort(key=lambda row: -row[5])
        return [_stale(row) for row in found]

    def holds_words(self, document_uri: str, scope: str, quote: str) -> bool:
        """Whether a current passage of a document still holds these words."""
        c = s.chunks.c
        document = (
            select(s.documents.c.id).where(s.documents.c.scope == scope, s.documents.c.uri == document_uri).scalar_subquery()
        )
        texts = self._connection.execute(select(c.text).where(c.document_id == document, c.retired_at.is_(None))).scalars()
        return any(quote in text for text in texts)


def _stale(row: Sequence[Any]) -> StaleCitation:
    at, changed_at = rows.moment(row[5]), rows.moment(row[9])
    return StaleCitation(row[0], row[1], row[2], row[3], row[4], at, row[6], row[7], row[8], changed_at, row[10])
