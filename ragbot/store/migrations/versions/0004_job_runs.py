"""A log of what ran by itself: each attempt of each job."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the log."""
    op.execute(
        """
        CREATE TABLE job_runs (
            id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, attempt INTEGER NOT NULL,
            started_at BIGINT NOT NULL, finished_at BIGINT, status TEXT NOT NULL, reason TEXT NOT NULL,
            detail TEXT NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL)
        """
    )
    op.execute("CREATE INDEX job_runs_job ON job_runs (job, id)")
