"""Runs the jobs of a home when they are due, each by `ingest jobs once` in a process of its own.

What it knows lies in the settings and in the log of runs: it may be killed at any moment, and the next one goes on. A run that
it has begun goes on without it, holds the job's lock until it ends, and writes down how.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apscheduler import events  # type: ignore[import-untyped]
from apscheduler.executors.pool import ThreadPoolExecutor  # type: ignore[import-untyped]
from apscheduler.schedulers.background import BackgroundScheduler  # type: ignore[import-untyped]
from apscheduler.triggers.base import BaseTrigger  # type: ignore[import-untyped]

from ingest.jobs import child, definitions, local, times
from ingest.jobs.child import INTERRUPT, RELOAD, STOP, UNHEARD, Inbox
from ingest.jobs.definitions import Job
from ingest.jobs.running import AGAIN
from ragbot import settings
from ragbot.errors import ConfigError, RagbotError
from ragbot.store import Run, Store
from ragbot.store.dialects.sqlite import FILE

LOOK_S = 30.0
"""So often it is looked whether the settings have changed, and what is due."""
THREADS = 1000
"""Each run has one, made when it is needed, which waits for its end. How many are at work, `running` sees to."""
LATE_S = 60
"""A job that does not catch up is not begun later than that."""
GRACE_S = child.GRACE_S + 10

logging.getLogger("apscheduler").addHandler(logging.NullHandler())  # what it says, the events say


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: started, stopped, settings, missed, begun, skipped, and done, failed or stopped of a run."""

    event: str
    job: str = ""
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


Told = Callable[[Event], None]


class Scheduler:
    """The scheduler of one home. `tell` is called with what happens, always in the thread that runs it."""

    def __init__(self, home: Path, inbox: Inbox, tell: Told) -> None:
        self._home, self._inbox, self._tell = home, inbox, tell
        self._jobs: dict[str, Job] = {}
        self._seen: tuple[int, int] | None = None
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = False
        self._lock = threading.Lock()
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(THREADS)}, job_defaults={"coalesce": True, "max_instances": 1}
        )
        self._scheduler.add_listener(
            self._hear, events.EVENT_JOB_MAX_INSTANCES | events.EVENT_JOB_MISSED | events.EVENT_JOB_ERROR
        )

    def run(self) -> str:
        """Run jobs until STOP, INTERRUPT or UNHEARD is in the inbox; which of them. Raises ConfigError if no job has a time."""
        self._seen = self._looked()
        jobs = definitions.load(self._home)
        if not any(timed(job) for job in jobs.values()):
            raise ConfigError(f"{self._home / settings.FILE}: no job has a time; add [jobs.NAME] with every or cron")
        last = last_runs(self._home, settle=True)
        self._tell(Event("started", detail={"pid": os.getpid(), "home": str(self._home), "jobs": sorted(jobs)}))
        self._plan(jobs, last)
        self._jobs = jobs
        self._scheduler.start()
        try:
            return self._followed()
        finally:
            self._stop()

    def _followed(self) -> str:
        look_at = time.monotonic() + LOOK_S
        while True:
            said: object = None
            with contextlib.suppress(queue.Empty):
                said = self._inbox.get(timeout=max(0.0, look_at - time.monotonic()))
            if isinstance(said, Event):
                self._tell(said)
            elif said in (STOP, INTERRUPT, UNHEARD):
                return str(said)
            if said == RELOAD or time.monotonic() >= look_at:
                self._look(again=said == RELOAD)
                self._scheduler.wakeup()  # the clock by which it waits stands still while the machine sleeps
                look_at = time.monotonic() + LOOK_S

    def _looked(self) -> tuple[int, int] | None:
        try:
            found = (self._home / settings.FILE).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    def _look(self, *, again: bool) -> None:
        """Take the settings over if they have changed. Broken ones change nothing."""
        seen = self._looked()
        if seen == self._seen and not again:
            return
        try:
            jobs, last = definitions.load(self._home), last_runs(self._home, settle=True)
        except RagbotError as cause:
            self._seen = seen if isinstance(cause, ConfigError) else None  # what is only busy is looked at again
            self._tell(Event("settings", reason=f"the old times stay in force: {cause}"))
            return
        self._seen = seen
        changed = {name: job for name, job in jobs.items() if self._jobs.get(name) != job}
        gone = {name for name in self._jobs if name not in jobs or name in changed}
        for name in gone:
            if self._scheduler.get_job(name):
                self._scheduler.remove_job(name)
        self._tell(Event("settings", detail={"jobs": sorted(jobs), "changed": sorted({*changed, *gone})}))
        self._plan(changed, last)
        self._jobs = jobs

    def _plan(self, jobs: Mapping[str, Job], last: Mapping[str, Run]) -> None:
        """Let jobs run from now on at their times, and now where a time was missed."""
        now = datetime.now().astimezone()
        for name, job in jobs.items():
            if not timed(job):
                continue
            due, missed = first_time(job, last.get(name), now)
            if missed:
                self._tell(Event("missed", name, missed))
            self._scheduler.add_job(
                self._fire,
                times.Jittered(trigger_of(job, due or now), job.jitter_s),
                args=[name],
                id=name,
                next_run_time=due and times.later(due, job.jitter_s),
                misfire_grace_time=None if job.catch_up else LATE_S,
            )

    def _fire(self, name: str) -> None:
        command = [*child.PROGRAM, "jobs", "once", name, f"--home={self._home}", "--json"]
        with self._lock:
            if self._stopping:
                return
            # A session of its own: the run outlives this process, and can be stopped with all that it started.
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
            self._running[name] = process
        self._inbox.put(Event("begun", name, detail={"pid": process.pid}))
        output, _ = process.communicate()
        with self._lock:
            del self._running[name]
        self._inbox.put(_ended(name, process.returncode, output))

    def _hear(self, heard: Any) -> None:  # noqa: ANN401 (one of the library's events, which has no types)
        if heard.code == events.EVENT_JOB_MAX_INSTANCES:
            self._inbox.put(Event("skipped", heard.job_id, "its run before has not ended"))
        elif heard.code == events.EVENT_JOB_MISSED:
            late = f"its time of {local(heard.scheduled_run_time)} has passed, and it does not catch up"
            self._inbox.put(Event("missed", heard.job_id, late))
        else:
            self._inbox.put(Event("failed", heard.job_id, f"could not be begun ({heard.exception})"))

    def _stop(self) -> None:
        """Ask what runs to stop, and wait for it."""
        with self._lock:
            self._stopping = True
            running = dict(self._running)
            for process in running.values():
                process.terminate()
        self._scheduler.shutdown(wait=False)
        until = time.monotonic() + GRACE_S
        while self._running:
            said: object = None
            with contextlib.suppress(queue.Empty):
                said = self._inbox.get(timeout=0.2)
            if isinstance(said, Event):
                self._tell(said)
            elif said in (STOP, INTERRUPT) or time.monotonic() >= until:  # asked twice, or too slow
                for process in running.values():
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
        while not self._inbox.empty():
            if isinstance(said := self._inbox.get(), Event):
                self._tell(said)
        self._tell(Event("stopped"))


def last_runs(home: Path, *, settle: bool = False) -> dict[str, Run]:
    """The newest run of each job. With `settle`, runs that nobody is left to end are noted as killed first."""
    if not settle and not (home / FILE).exists():  # nothing has run yet
        return {}
    store = Store.open(home, create=settle)
    try:
        with store.runs() as runs:
            last = runs.last()
        lost = [name for name, run in last.items() if settle and run.status == "running"]
        for name in lost:
            with child.lock(home, name, wait_s=0) as held:
                if held is not None:
                    with store.runs(write=True) as runs:
                        runs.replace_lost(name)
        if lost:
            with store.runs() as runs:
                last = runs.last()
        return last
    finally:
        store.close()


def recent_runs(home: Path, job: str | None, limit: int) -> list[Run]:
    """The last runs, of one job or of all, newest first."""
    if not (home / FILE).exists():  # nothing has run yet
        return []
    store = Store.open(home, create=False)
    try:
        with store.runs() as runs:
            return runs.recent(job, limit)
    finally:
        store.close()


def trigger_of(job: Job, start: datetime) -> BaseTrigger:
    """The times of a job that has some, without jitter; those of `every` count from `start`."""
    if job.every_s is not None:
        return times.every(job.every_s, start)
    assert job.cron is not None
    return times.cron(job.cron, job.timezone)


def first_time(job: Job, last: Run | None, now: datetime) -> tuple[datetime | None, str]:
    """When a job is due that nobody has looked after since its last run, and what it missed, in words."""
    if last is None:
        return now if job.every_s is not None else times.next_after(trigger_of(job, now), now), ""
    if job.catch_up and (last.status in ("killed", "stopped") or AGAIN in last.detail):
        return now, f"its run of {local(last.started_at)} was cut off ({last.status}); it runs now"
    length = timedelta(seconds=job.every_s or 0)
    trigger = trigger_of(job, last.started_at + length)
    # A clock that was set back must not keep it waiting.
    due = times.next_after(trigger, min(last.started_at, now))
    if due is None or due > now:
        return min(due, now + length) if due and length else due, ""
    if job.catch_up:
        return now, f"its time of {local(due)} has passed; it runs now"
    return times.next_after(trigger, now), ""


def timed(job: Job) -> bool:
    """Whether a job has times at which it runs."""
    return job.every_s is not None or job.cron is not None


def _ended(name: str, code: int, output: bytes) -> Event:
    try:
        said = json.loads(output)
    except ValueError:
        return Event("failed", name, f"its process ended with {code}, and did not say why")
    if "error" in said:
        return Event("failed", name, str(said["error"]))
    detail = {"attempts": said["attempts"], "seconds": said["seconds"], **said["detail"]}
    return Event(said["status"], name, said["reason"], detail if said["attempts"] else {})
