"""Between database rows and the nouns: times, metadata, lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from ragbot.errors import InputError
from ragbot.types import Chunk, Citation, Claim, Policy, SourceState, Space, Turn

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


_FIRST, _LAST = ((end.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND for end in (datetime.min, datetime.max))


def micros(at: datetime, name: str = "the time") -> int:
    """Microseconds since 1970. A time without a zone is taken as UTC.

    Raises InputError, which calls it by its `name`, if it is no datetime, or in UTC not in the years 1 to 9999.
    """
    if not isinstance(at, datetime):
        raise InputError(f"{name} is {at!r:.60}; it takes a datetime")
    since = at.replace(tzinfo=UTC) if at.utcoffset() is None else at
    value = (since - _EPOCH) // _MICROSECOND
    if not _FIRST <= value <= _LAST:
        raise InputError(f"{name} is {at.isoformat()}, which in UTC is not in the years 1 to 9999; give another")
    return value


def moment(value: int) -> datetime:
    """The UTC time of so many microseconds since 1970; the first or last that there is where it would be beyond."""
    return _EPOCH + min(max(value, _FIRST), _LAST) * _MICROSECOND


def _moment_of(value: int | None) -> datetime | None:
    return None if value is None else moment(value)


def now() -> int:
    """This moment, in microseconds since 1970."""
    return micros(datetime.now(UTC))


def chunk(row: Row[Any]) -> Chunk:
    """A row of `chunks` as a Chunk."""
    return Chunk(
        id=row.id,
        uri=row.uri,
        ord=row.ord,
        text=row.text,
        start=row.start,
        end=row.end,
        page=row.page,
        sha256=row.sha256,
        scope=row.scope,
        valid_from=moment(row.valid_from),
        recorded_at=moment(row.recorded_at),
        kind=row.kind,
        title=row.title,
        heading=row.heading,
        line=row.line,
        valid_to=_moment_of(row.valid_to),
        retired_at=_moment_of(row.retired_at),
        retired_by=row.retired_by,
    )


def citation(row: Row[Any]) -> Citation:
    """A row of `citations` as a Citation."""
    return Citation(
        chunk_id=row.chunk_id,
        uri=row.uri,
        start=row.start,
        end=row.end,
        quote=row.quote,
        kind=row.kind,
        page=row.page,
        line=row.line,
        heading=row.heading,
        said_at=_moment_of(row.said_at),
        shown=row.shown,
        valid_from=_moment_of(row.valid_from),
    )


def space(row: Row[Any]) -> Space:
    """A row of `spaces` as a Space."""
    prefixes = (row.query_prefix, row.passage_prefix)
    return Space(row.id, row.model, row.revision, row.dim, prefixes, json.loads(row.calibration))


def turn(row: Row[Any], claims: Sequence[Claim], nearby: Sequence[Citation] = ()) -> Turn:
    """A row of `turns` as a Turn."""
    return Turn(
        id=row.id,
        session=row.session,
        scope=row.scope,
        question=row.question,
        answer=row.answer,
        claims=tuple(claims),
        nearby=tuple(nearby),
        grounded=row.grounded,
        at=moment(row.at),
        confidence=row.confidence,
        policy=row.policy,
        strategy=row.strategy,
        propensity=row.propensity,
        versions=json.loads(row.versions),
    )


def policy(row: Row[Any]) -> Policy:
    """A row of `policies` as a Policy."""
    return Policy(row.version, json.loads(row.weights), tuple(json.loads(row.parents)), json.loads(row.report), moment(row.at))


def source_state(row: Row[Any]) -> SourceState:
    """A row of `sources` as a SourceState."""
    return SourceState(row.scope, row.uri, row.kind, json.loads(row.state), moment(row.at))
