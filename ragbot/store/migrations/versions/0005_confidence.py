"""How sure each answer is."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add it to turns; those before it were of no confidence that was kept."""
    op.execute("ALTER TABLE turns ADD COLUMN confidence FLOAT NOT NULL DEFAULT 0")
