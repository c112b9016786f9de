"""Known passages are looked for in one scope alone; turns of before stand in the order in which they were added."""

from alembic import op

revision = "0007"
down_revision = "0006"

STATEMENTS = """
DROP INDEX chunks_hook;
CREATE INDEX chunks_hook ON chunks (scope, sha256) WHERE ord = 0 OR sha256 < '1';
DROP INDEX turns_seq;
UPDATE turns SET seq = ordered.place
    FROM (SELECT id, row_number() OVER (ORDER BY rowid) AS place FROM turns) AS ordered WHERE ordered.id = turns.id;
CREATE UNIQUE INDEX turns_seq ON turns (seq)
"""


def upgrade() -> None:
    """Put the scope in front of the digests, and renumber the turns: 0006 went by their times, and clocks are set back.

    With the passages of other scopes in between, the time it takes to look for one would tell of them.
    """
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
