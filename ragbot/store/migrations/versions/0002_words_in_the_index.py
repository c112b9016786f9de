"""Words are searched in the index, which follows the database, and no longer in a table of it."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Drop the full-text table. The index is made from the passages."""
    op.execute("DROP TABLE IF EXISTS words")
