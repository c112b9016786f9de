"""Keys to the server: a hash of each, and what it allows."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the keys."""
    op.execute(
        """
        CREATE TABLE api_keys (
            id TEXT PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL, scopes TEXT NOT NULL, groups TEXT NOT NULL,
            roles TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT, revoked_at BIGINT, last_used_at BIGINT)
        """
    )
