"""Claims, what was retrieved for each turn, policies, the state of sources; turns in an order that no clock can change."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = """
ALTER TABLE chunks RENAME COLUMN ingested_at TO recorded_at;
ALTER TABLE documents RENAME COLUMN ingested_at TO recorded_at;
ALTER TABLE chunks ADD COLUMN valid_to BIGINT;
ALTER TABLE chunks ADD COLUMN superseded_by INTEGER;
CREATE INDEX chunks_superseded_by ON chunks (superseded_by) WHERE superseded_by IS NOT NULL;
ALTER TABLE spaces ADD COLUMN calibration TEXT NOT NULL DEFAULT '{}';

ALTER TABLE turns ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN policy INTEGER NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN strategy TEXT NOT NULL DEFAULT '';
ALTER TABLE turns ADD COLUMN propensity FLOAT NOT NULL DEFAULT 1;
ALTER TABLE turns ADD COLUMN versions TEXT NOT NULL DEFAULT '{}';
UPDATE turns SET seq = ordered.place
    FROM (SELECT id, row_number() OVER (ORDER BY at, id) AS place FROM turns) AS ordered WHERE ordered.id = turns.id;
CREATE UNIQUE INDEX turns_seq ON turns (seq);
DROP INDEX turns_session;
CREATE INDEX turns_session ON turns (scope, session, seq);

CREATE TABLE claims (
    turn_id TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE, ord INTEGER NOT NULL, text TEXT NOT NULL,
    verdict TEXT NOT NULL, score FLOAT NOT NULL, PRIMARY KEY (turn_id, ord));
ALTER TABLE citations ADD COLUMN claim INTEGER NOT NULL DEFAULT 0;
DELETE FROM citations WHERE turn_id IN (SELECT id FROM turns WHERE answer = '[forgotten]');
INSERT INTO claims (turn_id, ord, text, verdict, score)
    SELECT id, 0, answer, CASE WHEN grounded THEN 'supported' ELSE 'unsupported' END, confidence
    FROM turns WHERE answer NOT IN ('', '[forgotten]');

CREATE TABLE turn_hits (
    turn_id TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE, ord INTEGER NOT NULL,
    chunk_id INTEGER NOT NULL REFERENCES chunks (id) ON DELETE CASCADE, score FLOAT NOT NULL, features TEXT NOT NULL,
    PRIMARY KEY (turn_id, ord));
CREATE INDEX turn_hits_chunk ON turn_hits (chunk_id);
CREATE TABLE policies (
    version INTEGER PRIMARY KEY NOT NULL, weights TEXT NOT NULL, parents TEXT NOT NULL, report TEXT NOT NULL, at BIGINT NOT NULL);
CREATE TABLE sources (
    scope TEXT NOT NULL, uri TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, at BIGINT NOT NULL,
    PRIMARY KEY (scope, uri, kind))
"""


def upgrade() -> None:
    """Add the tables and columns. An answer of before is one claim: what each of its sentences stood on was not kept."""
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
