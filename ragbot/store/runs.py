"""The log of what ran by itself. It is no knowledge: no index follows it, and no transaction of the truth is spent on it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from ragbot.store import rows
from ragbot.store import schema as s

Status = Literal["running", "done", "failed", "stopped", "killed"]

KEPT = 1000
"""How many runs of a job stay in the log."""
LOST = "ended without a word: its process was killed, or the machine went down"

_r = s.job_runs.c


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt at a job. "stopped": by its user; "killed": nobody was left to say how it ended."""

    id: int
    job: str
    attempt: int
    started_at: datetime
    finished_at: datetime | None = None
    status: Status = "running"
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Counts, and the first few failures."""
    pid: int = 0
    host: str = ""


class Runs:
    """The log, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def last(self) -> dict[str, Run]:
        """The newest run of each job."""
        newest = select(func.max(_r.id)).group_by(_r.job).scalar_subquery()
        found = self._connection.execute(select(s.job_runs).where(_r.id.in_(newest)))
        return {row.job: _run(row) for row in found}

    def recent(self, job: str | None = None, limit: int = 20) -> list[Run]:
        """The last runs, of one job or of all, newest first."""
        query = select(s.job_runs).order_by(_r.id.desc()).limit(limit)
        return [_run(row) for row in self._connection.execute(query if job is None else query.where(_r.job == job))]

    def add(self, job: str, attempt: int) -> Run:
        """Note that this process begins a run. The oldest beyond KEPT go."""
        begun = Run(0, job, attempt, rows.moment(rows.now()), pid=os.getpid(), host=socket.gethostname())
        added = self._insert(begun)
        oldest = select(_r.id).where(_r.job == job).order_by(_r.id.desc()).offset(KEPT - 1).limit(1).scalar_subquery()
        self._connection.execute(delete(s.job_runs).where(_r.job == job, _r.id < oldest))
        return added

    def replace(self, run: Run) -> None:
        """Note how a run ended; also where its beginning is there no longer, since a backup was restored meanwhile."""
        same = (_r.id == run.id) & (_r.job == run.job) & (_r.started_at == rows.micros(run.started_at))
        if not self._connection.execute(update(s.job_runs).where(same).values(_values(run))).rowcount:
            self._insert(run)

    def replace_lost(self, job: str) -> int:
        """Note that runs which are said to run were killed. How many; for who holds the job's lock."""
        lost = update(s.job_runs).where(_r.job == job, _r.status == "running")
        values = {"status": "killed", "reason": LOST, "finished_at": rows.now()}
        return self._connection.execute(lost.values(values)).rowcount

    def _insert(self, run: Run) -> Run:
        inserted = self._connection.execute(insert(s.job_runs).values(_values(run)))
        return replace(run, id=int(inserted.inserted_primary_key[0]))  # type: ignore[index]


def _values(run: Run) -> dict[str, Any]:
    return {
        "job": run.job,
        "attempt": run.attempt,
        "started_at": rows.micros(run.started_at),
        "finished_at": None if run.finished_at is None else rows.micros(run.finished_at),
        "status": run.status,
        "reason": run.reason,
        "detail": json.dumps(dict(run.detail), ensure_ascii=False),
        "pid": run.pid,
        "host": run.host,
    }


def _run(row: Row[Any]) -> Run:
    return Run(
        id=row.id,
        job=row.job,
        attempt=row.attempt,
        started_at=rows.moment(row.started_at),
        finished_at=None if row.finished_at is None else rows.moment(row.finished_at),
        status=row.status,
        reason=row.reason,
        detail=json.loads(row.detail),
        pid=row.pid,
        host=row.host,
    )
