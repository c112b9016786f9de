"""Keys to the server. They are no knowledge: no index follows them, and no transaction of the truth is spent on them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from ragbot.access import Key
from ragbot.store import rows
from ragbot.store import schema as s

_k = s.api_keys.c


class Keys:
    """The keys of a home, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[Key]:
        """Every key, also those that no longer open anything; the oldest first."""
        return [_key(row) for row in self._connection.execute(select(s.api_keys).order_by(_k.created_at, _k.id))]

    def of(self, key_id: str) -> tuple[Key, str] | None:
        """A key and the hash of its secret; None if there is none of this id."""
        row = self._connection.execute(select(s.api_keys).where(_k.id == key_id)).first()
        return (_key(row), row.hash) if row else None

    def add(self, key: Key, secret_hash: str) -> None:
        """Keep a key that is new."""
        self._connection.execute(insert(s.api_keys).values({**_values(key), "hash": secret_hash}))

    def replace(self, key: Key, secret_hash: str | None = None) -> None:
        """Keep a key in place of the one of its id; with `secret_hash`, only another secret opens it from now on."""
        hashed = {} if secret_hash is None else {"hash": secret_hash}
        self._connection.execute(update(s.api_keys).where(_k.id == key.id).values({**_values(key), **hashed}))

    def rows(self) -> list[dict[str, Any]]:
        """Every key with its hash, as `keep` takes them."""
        return [dict(row._mapping) for row in self._connection.execute(select(s.api_keys))]

    def keep(self, kept: Iterable[dict[str, Any]]) -> None:
        """Let these keys be as they are given, whatever another database says of them."""
        for values in kept:
            if not self._connection.execute(update(s.api_keys).where(_k.id == values["id"]).values(values)).rowcount:
                self._connection.execute(insert(s.api_keys).values(values))


def _values(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": json.dumps(key.scopes, ensure_ascii=False),
        "groups": json.dumps(key.groups, ensure_ascii=False),
        "roles": json.dumps(key.roles),
        "created_at": rows.micros(key.created_at),
        "expires_at": _micros(key.expires_at),
        "revoked_at": _micros(key.revoked_at),
        "last_used_at": _micros(key.last_used_at),
    }


def _key(row: Row[Any]) -> Key:
    return Key(
        row.id,
        row.name,
        tuple(json.loads(row.scopes)),
        tuple(json.loads(row.groups)),
        tuple(json.loads(row.roles)),
        rows.moment(row.created_at),
        _moment(row.expires_at),
        _moment(row.revoked_at),
        _moment(row.last_used_at),
    )


def _micros(at: datetime | None) -> int | None:
    return None if at is None else rows.micros(at)


def _moment(at: int | None) -> datetime | None:
    return None if at is None else rows.moment(at)
