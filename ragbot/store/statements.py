"""The statements of every remember and every recall, built once: building one costs more than SQLite's work on it."""

from __future__ import annotations

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update

from ragbot.store import schema as s

_c, _d, _v, _e = s.chunks.c, s.documents.c, s.vectors.c, s.erasures.c

ACTIVE_SPACE = select(s.spaces).where(
    s.spaces.c.id == select(s.settings.c.value).where(s.settings.c.key == "space").scalar_subquery()
)
LATEST_TIME_KEY = "latest_time"
LATEST_TIME = select(s.settings.c.value).where(s.settings.c.key == LATEST_TIME_KEY)
LAST_TRANSACTION = select(s.transactions.c.txn, s.transactions.c.token).order_by(s.transactions.c.txn.desc()).limit(1)
TOKEN = select(s.transactions.c.token).where(s.transactions.c.txn == bindparam("of"))

DOCUMENT_ID = select(_d.id).where(_d.scope == bindparam("of_scope"), _d.uri == bindparam("of_uri"))
CURRENT_VERSION = select(_d.sha256, _d.valid_to).where(
    _d.scope == bindparam("of_scope"), _d.uri == bindparam("of_uri"), _d.retired_at.is_(None)
)
INSERT_DOCUMENT = insert(s.documents)
UPDATE_DOCUMENT = update(s.documents).where(_d.id == bindparam("of"))
DROP_DISPUTES = delete(s.disputes).where(s.disputes.c.document_id == bindparam("of"))

DROP_SOURCES = delete(s.sources).where(s.sources.c.scope == bindparam("of_scope"), s.sources.c.uri == bindparam("of_uri"))

INSERT_CHUNK = insert(s.chunks)
UPDATE_CHUNK = update(s.chunks).where(_c.id == bindparam("chunk"))
INSERT_VECTOR = insert(s.vectors)
INSERT_DISPUTE = insert(s.disputes)
CURRENT_CHUNKS = (
    select(_c.id, _c.sha256, _c.valid_from, _c.valid_to)
    .where(_c.document_id == bindparam("of"), _c.retired_at.is_(None))
    .order_by(_c.ord)
)
CHUNKS_OF = select(s.chunks).where(_c.document_id == DOCUMENT_ID.scalar_subquery(), _c.retired_at.is_(None)).order_by(_c.ord)
"""By way of the document, whose scope and uri are in an index: one of those of passages would cost every update."""
ENDS_AT = func.coalesce(_c.valid_to, _c.retired_at)
"""Until when a passage holds, in the world; NULL: no end is known. An index takes it for the time at which it is retired."""
RETIRED_AFTER = select(_c.id, ENDS_AT).where(_c.retired_txn > bindparam("of"))
ERASED_AFTER = select(_e.chunk_id).where(_e.txn > bindparam("of"))
HOOKED = (
    select(_c.document_id, _c.retired_at)
    .where(
        _c.id.in_(
            select(func.max(_c.id))
            .where(_c.scope == bindparam("of_scope"), _c.sha256.in_(bindparam("digests", expanding=True)), s.hooks)
            .group_by(_c.sha256)
            .scalar_subquery()
        )
    )
    .distinct()
)
OF_VERSION = (
    select(_c.sha256, _c.id)
    .join(s.vectors, and_(_v.chunk_id == _c.id, _v.space_id == bindparam("space")))
    .where(_c.document_id == bindparam("of"), _c.retired_at.is_not_distinct_from(bindparam("retired_at")))
)
VECTORS = select(_v.chunk_id, _v.vector).where(_v.space_id == bindparam("of"), _v.chunk_id.in_(bindparam("ids", expanding=True)))
VECTOR_IDS = select(_v.chunk_id).where(_v.space_id == bindparam("of"), _v.chunk_id > bindparam("above")).order_by(_v.chunk_id)
PASSAGES = (
    select(
        _c.id,
        _c.document_id,
        _c.scope,
        _c.kind,
        _c.valid_from,
        ENDS_AT.label("retired_at"),
        _c.title,
        _c.heading,
        _c.text,
        _v.vector,
    )
    .join(s.vectors, and_(_v.chunk_id == _c.id, _v.space_id == bindparam("of")))
    .where(_c.id.in_(bindparam("ids", expanding=True)))
)

_SEEN = and_(_c.id.in_(bindparam("ids", expanding=True)), _c.scope.in_(bindparam("scopes", expanding=True)))
HELD = and_(_c.valid_from <= bindparam("at"), or_(ENDS_AT.is_(None), ENDS_AT > bindparam("at")))
"""Held at a moment, by all that is known by now."""
_KNOWN = and_(
    _c.recorded_at <= bindparam("known"),
    _c.valid_from <= bindparam("at"),
    or_(
        _c.retired_at > bindparam("known"),  # that it ends was not known yet
        and_(_c.retired_at.is_(None), or_(_c.valid_to.is_(None), _c.valid_to > bindparam("at"))),
        and_(_c.retired_at.is_not(None), _c.valid_to > bindparam("at")),
    ),
)
CHUNKS_NOW = select(s.chunks).where(_SEEN, _c.retired_at.is_(None))
CHUNKS_AS_OF = select(s.chunks).where(_SEEN, HELD)
CHUNKS_KNOWN = select(s.chunks).where(_SEEN, _KNOWN)
