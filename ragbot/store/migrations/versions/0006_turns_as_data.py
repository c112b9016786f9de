"""Claims, what was retrieved for each turn, policies, the state of sources; turns in an order that no clock can change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from alembic import op
from sqlalchemy import Connection, text

revision = "0006"
down_revision = "0005"

STATEMENTS = """
ALTER TABLE chunks RENAME COLUMN ingested_at TO recorded_at;
ALTER TABLE documents RENAME COLUMN ingested_at TO recorded_at;
ALTER TABLE chunks ADD COLUMN valid_to BIGINT;
ALTER TABLE chunks ADD COLUMN superseded_by INTEGER;
CREATE INDEX chunks_superseded_by ON chunks (superseded_by) WHERE superseded_by IS NOT NULL;
ALTER TABLE spaces ADD COLUMN calibration TEXT NOT NULL DEFAULT '{}';

ALTER TABLE turns ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN policy INTEGER NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN strategy TEXT NOT NULL DEFAULT '';
ALTER TABLE turns ADD COLUMN propensity FLOAT NOT NULL DEFAULT 1;
ALTER TABLE turns ADD COLUMN versions TEXT NOT NULL DEFAULT '{}';
UPDATE turns SET seq = ordered.place
    FROM (SELECT id, row_number() OVER (ORDER BY at, id) AS place FROM turns) AS ordered WHERE ordered.id = turns.id;
CREATE UNIQUE INDEX turns_seq ON turns (seq);
DROP INDEX turns_session;
CREATE INDEX turns_session ON turns (scope, session, seq);

CREATE TABLE claims (
    turn_id TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE, ord INTEGER NOT NULL, text TEXT NOT NULL,
    verdict TEXT NOT NULL, score FLOAT NOT NULL, PRIMARY KEY (turn_id, ord));
ALTER TABLE citations ADD COLUMN claim INTEGER NOT NULL DEFAULT 0;
DELETE FROM citations WHERE turn_id IN (SELECT id FROM turns WHERE answer = '[forgotten]');
INSERT INTO claims (turn_id, ord, text, verdict, score)
    SELECT id, 0, answer, CASE WHEN grounded THEN 'supported' ELSE 'unsupported' END, confidence
    FROM turns WHERE answer NOT IN ('', '[forgotten]');

CREATE TABLE turn_hits (
    turn_id TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE, ord INTEGER NOT NULL,
    chunk_id INTEGER NOT NULL REFERENCES chunks (id) ON DELETE CASCADE, score FLOAT NOT NULL, features TEXT NOT NULL,
    PRIMARY KEY (turn_id, ord));
CREATE INDEX turn_hits_chunk ON turn_hits (chunk_id);
CREATE TABLE policies (
    version INTEGER PRIMARY KEY NOT NULL, weights TEXT NOT NULL, parents TEXT NOT NULL, report TEXT NOT NULL, at BIGINT NOT NULL);
CREATE TABLE sources (
    scope TEXT NOT NULL, uri TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, at BIGINT NOT NULL,
    PRIMARY KEY (scope, uri, kind))
"""


FILE = {"file_sha256": "sha256", "file_state": "stamp", "file_device": "device"}
WEB = {"web_sha256": "sha256", "etag": "etag", "last_modified": "last_modified", "web_url": "url"}
FEED = {"etag": "etag", "last_modified": "last_modified", "web_url": "url"}
READER = "reader"
"""What ingesting had put among the metadata of documents and the values under `mark:` keys, and what it is called now."""
BATCH = 1000
INSERT = text("INSERT INTO sources (scope, uri, kind, state, at) VALUES (:scope, :uri, :kind, :state, :at)")


def upgrade() -> None:
    """Add the tables and columns, and move what is known of sources into its table.

    An answer of before is one claim: what each of its sentences stood on was not kept.
    """
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
    connection = op.get_bind()
    _move_metadata(connection)
    _move_marks(connection)


def _move_metadata(connection: Connection) -> None:
    page = text("SELECT id, scope, uri, metadata, recorded_at FROM documents WHERE id > :last ORDER BY id LIMIT :limit")
    last = 0
    while found := connection.execute(page, {"last": last, "limit": BATCH}).all():
        last = found[-1].id
        for row in found:
            metadata = json.loads(row.metadata)
            known = [(kind, names) for kind, names in (("file", FILE), ("web", WEB)) if names.keys() & metadata.keys()]
            states = {kind: _moved(names, metadata) for kind, names in known}
            for kind, state in states.items():
                _add(connection, row.scope, row.uri, kind, state, row.recorded_at)
            if states:
                kept = {key: value for key, value in metadata.items() if key not in {*FILE, *WEB, READER}}
                values = {"id": row.id, "metadata": json.dumps(kept, ensure_ascii=False)}
                connection.execute(text("UPDATE documents SET metadata = :metadata WHERE id = :id"), values)


def _move_marks(connection: Connection) -> None:
    scopes = list(connection.execute(text("SELECT DISTINCT scope FROM documents")).scalars())
    for key, value in connection.execute(text("SELECT key, value FROM settings WHERE key LIKE 'mark:%'")).all():
        kind, _, place = key.removeprefix("mark:").partition(":")
        if kind not in ("feed", "unread"):
            values = {"key": key, "new": f"kv:{key.removeprefix('mark:')}"}
            connection.execute(text("UPDATE settings SET key = :new WHERE key = :key"), values)
            continue
        scope, uri = _parted(place, scopes)
        said = json.loads(value)
        if kind == "feed":
            state = {**_moved(FEED, said), "pages": said.get("pages", [])}
            _add(connection, scope, uri, "feed", state, _micros(said))
        else:
            file = {**_moved(FILE, said.get("noted", {})), "parser": said.get(READER, "")}
            state = {"error": said.get("error", ""), "message": said.get("message", ""), "file": file}
            _add(connection, scope, uri, "failed", state, _micros(said))
        connection.execute(text("DELETE FROM settings WHERE key = :key"), {"key": key})


def _moved(names: Mapping[str, str], values: Mapping[str, str]) -> dict[str, Any]:
    return {new: values.get(old, "") for old, new in names.items()} | {"parser": values.get(READER, "")}


def _parted(place: str, scopes: list[str]) -> tuple[str, str]:
    """Scope and uri of SCOPE:URI, where either may hold a colon."""
    known = [scope for scope in scopes if place.startswith(f"{scope}:")]
    scope = max(known, key=len) if known else place.partition(":")[0]
    return scope, place[len(scope) + 1 :]


def _micros(said: Mapping[str, str]) -> int:
    return int(datetime.fromisoformat(said["at"]).timestamp() * 1_000_000) if "at" in said else 0


def _add(connection: Connection, scope: str, uri: str, kind: str, state: Mapping[str, Any], at: int) -> None:
    values = {"scope": scope, "uri": uri, "kind": kind, "state": json.dumps(state, sort_keys=True), "at": at}
    connection.execute(INSERT, values)
