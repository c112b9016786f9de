"""The tables, in portable SQL.

Times are microseconds since 1970 in UTC, so that they sort and compare as numbers everywhere. `valid_from` and `valid_to` are of
the world: from when until when something is so. `recorded_at` and `retired_at` are of the record: from when until when it stood
here. What a document says of its end is its `valid_to`; a version that is replaced ends when the next one begins.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

REVISION = "0011"
"""The newest migration that this program knows."""

metadata = MetaData()

transactions = Table(
    "transactions",
    metadata,
    Column("txn", Integer, primary_key=True),
    Column("token", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

settings = Table(
    "settings",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

spaces = Table(
    "spaces",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("dim", Integer, nullable=False),
    Column("query_prefix", Text, nullable=False),
    Column("passage_prefix", Text, nullable=False),
    Column("calibration", Text, nullable=False, server_default="{}"),
    UniqueConstraint("model", "revision"),
    sqlite_autoincrement=True,
)

documents = Table(
    "documents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("retired_at", BigInteger),
    Column("valid_to", BigInteger),
    UniqueConstraint("scope", "uri"),
    sqlite_autoincrement=True,
)

chunks = Table(
    "chunks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("document_id", ForeignKey("documents.id"), nullable=False),
    Column("scope", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("heading", Text, nullable=False),
    Column("ord", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("page", Integer),
    Column("line", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("retired_at", BigInteger),
    Column("retired_by", Text),
    Column("retired_txn", Integer),
    Column("valid_to", BigInteger),
    Index("chunks_document", "document_id", "retired_at"),
    sqlite_autoincrement=True,
)
hooks = text("(ord = 0 OR sha256 < '1')")
"""The chunks by which a version of a document is known again (sparse indexing, Lillibridge et al. 2009): its first, and one in
sixteen. Digests lie all over an index: with every chunk in it, it was half of what an update of a large home wrote."""
Index("chunks_hook", chunks.c.scope, chunks.c.sha256, sqlite_where=hooks)
Index("chunks_retired_txn", chunks.c.retired_txn, sqlite_where=chunks.c.retired_txn.is_not(None))

vectors = Table(
    "vectors",
    metadata,
    Column("chunk_id", ForeignKey("chunks.id"), primary_key=True),
    Column("space_id", ForeignKey("spaces.id"), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

erasures = Table(
    "erasures",
    metadata,
    Column("chunk_id", Integer, primary_key=True),
    Column("txn", Integer, nullable=False),
    Index("erasures_txn", "txn"),
)

disputes = Table(
    "disputes",
    metadata,
    Column("document_id", ForeignKey("documents.id"), primary_key=True),
    Column("chunk_id", Integer, primary_key=True),
    Column("start", Integer, primary_key=True),
    Column("end", Integer, nullable=False),
    Index("disputes_chunk", "chunk_id"),
)

turns = Table(
    "turns",
    metadata,
    Column("id", Text, primary_key=True),
    Column("session", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("grounded", Boolean, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("confidence", Float, nullable=False, server_default="0"),
    Column("seq", Integer, nullable=False, server_default="0"),
    Column("policy", Integer, nullable=False, server_default="0"),
    Column("strategy", Text, nullable=False, server_default=""),
    Column("propensity", Float, nullable=False, server_default="1"),
    Column("versions", Text, nullable=False, server_default="{}"),
    Index("turns_session", "scope", "session", "seq"),
    Index("turns_seq", "seq", unique=True),
)

claims = Table(
    "claims",
    metadata,
    Column("turn_id", ForeignKey("turns.id", ondelete="CASCADE"), primary_key=True),
    Column("ord", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("score", Float, nullable=False),
)

citations = Table(
    "citations",
    metadata,
    Column("turn_id", ForeignKey("turns.id"), primary_key=True),
    Column("ord", Integer, primary_key=True),
    Column("chunk_id", Integer, nullable=False),
    Column("uri", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("quote", Text, nullable=False),
    Column("page", Integer),
    Column("line", Integer, nullable=False),
    Column("heading", Text, nullable=False),
    Column("said_at", BigInteger),
    Column("claim", Integer, nullable=False, server_default="0"),
    Column("shown", Text, nullable=False, server_default=""),
    Column("valid_from", BigInteger),
    Index("citations_chunk", "chunk_id"),
)
"""`claim` is the place (`claims.ord`) of the claim that a citation belongs to; NO_CLAIM where it is only named."""
NO_CLAIM = -1

turn_hits = Table(
    "turn_hits",
    metadata,
    Column("turn_id", ForeignKey("turns.id", ondelete="CASCADE"), primary_key=True),
    Column("ord", Integer, primary_key=True),
    Column("chunk_id", ForeignKey("chunks.id", ondelete="CASCADE"), nullable=False),
    Column("score", Float, nullable=False),
    Column("features", Text, nullable=False),
    Index("turn_hits_chunk", "chunk_id"),
)

policies = Table(
    "policies",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("weights", Text, nullable=False),
    Column("parents", Text, nullable=False),
    Column("report", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

sources = Table(
    "sources",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("uri", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""What is known of the place that a document came from, so that it is fetched and parsed again only if it has changed."""

feedback = Table(
    "feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("turn_id", ForeignKey("turns.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("chunk_ids", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("claim", Integer, nullable=False, server_default="-1"),
    Index("feedback_turn", "turn_id"),
    sqlite_autoincrement=True,
)
"""`claim` is the place (`claims.ord`) of the claim that it is about; NO_CLAIM where it is about the whole answer."""

session_names = Table(
    "session_names",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("session", Text, primary_key=True),
    Column("name", Text, nullable=False),
)
"""What people call their conversations."""

originals = Table(
    "originals",
    metadata,
    Column("document_id", ForeignKey("documents.id"), primary_key=True),
    Column("content_type", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
"""The files that documents were read from, of the types that are shown as pictures."""

job_runs = Table(
    "job_runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("host", Text, nullable=False),
    Index("job_runs_job", "job", "id"),
    sqlite_autoincrement=True,
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("groups", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
)
