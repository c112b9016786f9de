"""A citation keeps the name of its source as it may be said."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add it; "" where it is the uri, as it was for all before."""
    op.execute("ALTER TABLE citations ADD COLUMN shown TEXT NOT NULL DEFAULT ''")
