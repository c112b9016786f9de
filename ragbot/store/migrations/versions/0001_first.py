"""The first tables.

Spelled out and not taken from `schema.py`, which will move on while this step must not.
"""

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE transactions (txn INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL, at BIGINT NOT NULL);
CREATE TABLE settings (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL);
CREATE TABLE spaces (
    id INTEGER PRIMARY KEY AUTOINCREMENT, model TEXT NOT NULL, revision TEXT NOT NULL, dim INTEGER NOT NULL,
    query_prefix TEXT NOT NULL, passage_prefix TEXT NOT NULL, UNIQUE (model, revision));
CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, uri TEXT NOT NULL, kind TEXT NOT NULL,
    title TEXT NOT NULL, sha256 TEXT NOT NULL, metadata TEXT NOT NULL, valid_from BIGINT NOT NULL,
    ingested_at BIGINT NOT NULL, retired_at BIGINT, UNIQUE (scope, uri));
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, document_id INTEGER NOT NULL REFERENCES documents (id),
    scope TEXT NOT NULL, uri TEXT NOT NULL, kind TEXT NOT NULL, title TEXT NOT NULL, heading TEXT NOT NULL,
    ord INTEGER NOT NULL, text TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, page INTEGER,
    line INTEGER NOT NULL, sha256 TEXT NOT NULL, valid_from BIGINT NOT NULL, ingested_at BIGINT NOT NULL,
    retired_at BIGINT, retired_by TEXT, retired_txn INTEGER);
CREATE INDEX chunks_document ON chunks (document_id, retired_at);
CREATE INDEX chunks_sha256 ON chunks (sha256);
CREATE INDEX chunks_retired_txn ON chunks (retired_txn);
CREATE TABLE vectors (
    chunk_id INTEGER NOT NULL REFERENCES chunks (id), space_id INTEGER NOT NULL REFERENCES spaces (id),
    vector BLOB NOT NULL, PRIMARY KEY (chunk_id, space_id));
CREATE TABLE erasures (chunk_id INTEGER PRIMARY KEY NOT NULL, txn INTEGER NOT NULL);
CREATE INDEX erasures_txn ON erasures (txn);
CREATE TABLE disputes (
    document_id INTEGER NOT NULL REFERENCES documents (id), chunk_id INTEGER NOT NULL,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, PRIMARY KEY (document_id, chunk_id, start));
CREATE INDEX disputes_chunk ON disputes (chunk_id);
CREATE TABLE turns (
    id TEXT PRIMARY KEY NOT NULL, session TEXT NOT NULL, scope TEXT NOT NULL, question TEXT NOT NULL,
    answer TEXT NOT NULL, grounded BOOLEAN NOT NULL, at BIGINT NOT NULL);
CREATE INDEX turns_session ON turns (scope, session, at);
CREATE TABLE citations (
    turn_id TEXT NOT NULL REFERENCES turns (id), ord INTEGER NOT NULL, chunk_id INTEGER NOT NULL,
    uri TEXT NOT NULL, kind TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, quote TEXT NOT NULL,
    page INTEGER, line INTEGER NOT NULL, heading TEXT NOT NULL, said_at BIGINT, PRIMARY KEY (turn_id, ord));
CREATE INDEX citations_chunk ON citations (chunk_id);
CREATE TABLE feedback (
    id INTEGER PRIMARY KEY AUTOINCREMENT, turn_id TEXT NOT NULL REFERENCES turns (id), kind TEXT NOT NULL,
    text TEXT NOT NULL, chunk_ids TEXT NOT NULL, author TEXT NOT NULL, at BIGINT NOT NULL);
CREATE INDEX feedback_turn ON feedback (turn_id);
CREATE VIRTUAL TABLE words USING fts5(tokens, tokenize="unicode61 remove_diacritics 2");
"""


def upgrade() -> None:
    """Make the tables."""
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
