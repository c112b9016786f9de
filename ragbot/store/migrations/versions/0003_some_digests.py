"""Only some digests are in an index: one of all of them was half of what an update of a large home wrote."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Put smaller indexes in the place of two."""
    op.execute("DROP INDEX IF EXISTS chunks_sha256")
    op.execute("CREATE INDEX chunks_hook ON chunks (sha256) WHERE ord = 0 OR sha256 < '1'")
    op.execute("DROP INDEX IF EXISTS chunks_retired_txn")
    op.execute("CREATE INDEX chunks_retired_txn ON chunks (retired_txn) WHERE retired_txn IS NOT NULL")
