"""The world's time apart from the record's: `valid_to` says until when a passage held, `retired_at` when that was written."""

from alembic import op

revision = "0009"
down_revision = "0008"

STATEMENTS = """
UPDATE chunks SET valid_to = retired_at,
    retired_at = coalesce((SELECT at FROM transactions WHERE txn = retired_txn), retired_at) WHERE retired_at IS NOT NULL;
DROP INDEX chunks_superseded_by;
ALTER TABLE chunks DROP COLUMN superseded_by;
ALTER TABLE documents ADD COLUMN valid_to BIGINT;
ALTER TABLE citations ADD COLUMN valid_from BIGINT
"""


def upgrade() -> None:
    """Keep what was the end of a passage as its end in the world. What supersedes it stands in `disputes`."""
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
