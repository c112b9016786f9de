"""What a document was read from, what people call their conversations, and which claim of an answer an opinion is about."""

from alembic import op

revision = "0011"
down_revision = "0010"

STATEMENTS = """
CREATE TABLE originals (
    document_id INTEGER PRIMARY KEY NOT NULL REFERENCES documents (id), content_type TEXT NOT NULL, data BLOB NOT NULL);
CREATE TABLE session_names (scope TEXT NOT NULL, session TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (scope, session));
ALTER TABLE feedback ADD COLUMN claim INTEGER NOT NULL DEFAULT -1
"""


def upgrade() -> None:
    """Add them."""
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
