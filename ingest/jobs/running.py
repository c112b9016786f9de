"""One run of one job: alone, tried again where that has sense, and written down."""

from __future__ import annotations

import hashlib
import os
import queue
import random
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ingest.jobs import child, local
from ingest.jobs.child import Answer, Inbox
from ingest.jobs.definitions import Job
from ragbot.store import Run, Store
from ragbot.store.dialects.sqlite import FILE

LONGEST_WAIT_S = 3600.0
SPREAD = 0.2
"""A wait is longer or shorter by up to so much of it, so that not all who failed together come back together."""
AGAIN = "again_in_s"
"""In the detail of an attempt that failed: when it is tried again."""
AT_ONCE = 4
"""So many commands of a home are at work at once, whichever process started them; further ones wait for their turn."""
TURN_S = 0.5
"""So often it is looked whether the turn has come."""

Said = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended. "skipped": the run before it goes on."""

    job: str
    status: Literal["done", "failed", "stopped", "skipped"]
    reason: str = ""
    attempts: int = 0
    seconds: float = 0.0
    detail: Mapping[str, Any] = field(default_factory=dict)
    wrong_use: bool = False


def once(home: Path, job: Job, inbox: Inbox, say: Said) -> Ended:
    """Run a job now, unless it runs. `say` is told what it waits for: its turn, or another attempt; STOP in `inbox` ends it.

    Raises BusyError if the run cannot be written down.
    """
    began = time.monotonic()
    with child.lock(home, job.name) as held:
        if held is None:
            return Ended(job.name, "skipped", _still(home, job.name))
        store = Store.open(home)
        try:
            with store.runs(write=True) as runs:
                runs.replace_lost(job.name)
            ended = _attempts(home, store, job, held, inbox, say)
        finally:
            store.close()
    return replace(ended, seconds=round(time.monotonic() - began, 1))


def _still(home: Path, name: str) -> str:
    store = Store.open(home)
    try:
        with store.runs() as runs:
            last = runs.last().get(name)
    finally:
        store.close()
    if last is None or last.status != "running":
        return "a run of it has not ended"
    return f"its run of {local(last.started_at)} has not ended (process {last.pid} on {last.host})"


def _attempts(home: Path, store: Store, job: Job, held: int, inbox: Inbox, say: Said) -> Ended:
    attempt = 0
    while True:
        attempt += 1
        with _turn(home, job, inbox, say) as turn:
            if turn is None:
                return Ended(job.name, "stopped", "was asked to stop before its turn came", attempt - 1)
            with store.runs(write=True) as runs:
                run = runs.add(job.name, attempt)
            answer = _answer(home, store, job, run, (held, turn), inbox)
        again = answer.again and attempt <= job.retries
        wait_s = min(LONGEST_WAIT_S, job.backoff_s * 2.0 ** (attempt - 1)) * random.uniform(1 - SPREAD, 1 + SPREAD)
        detail = {**answer.detail, **({AGAIN: round(wait_s)} if again else {})}
        with store.runs(write=True) as runs:
            ended = replace(run, finished_at=datetime.now(UTC), status=answer.status, reason=answer.reason, detail=detail)
            runs.replace(ended)
        if not again:
            break
        say(f"{job.name}: {answer.reason}; tried again in {wait_s:.0f} s")
        if _stopped(inbox, wait_s):
            return Ended(job.name, "stopped", f"was asked to stop before it was tried again; {answer.reason}", attempt)
    return Ended(job.name, answer.status, answer.reason, attempt, detail=answer.detail, wrong_use=answer.wrong_use)


@contextmanager
def _turn(home: Path, job: Job, inbox: Inbox, say: Said) -> Iterator[int | None]:
    """Hold one of the places at work as soon as one is free. Gives the descriptor of its lock; None if STOP comes before.

    The command inherits it, as it does that of the job: the place is taken for as long as it works.
    """
    told = False
    while True:
        for place in range(AT_ONCE):
            with child.lock(home, f"turn.{place}", wait_s=0) as held:  # a job's name has no dot
                if held is not None:
                    yield held
                    return
        if not told:
            say(f"{job.name}: waits for its turn; {AT_ONCE} jobs are at work")
            told = True
        if _stopped(inbox, TURN_S):
            yield None
            return


def _stopped(inbox: Inbox, wait_s: float) -> bool:
    try:
        inbox.get(timeout=wait_s)
    except queue.Empty:
        return False
    return True


def _answer(home: Path, store: Store, job: Job, run: Run, held: tuple[int, int], inbox: Inbox) -> Answer:
    if job.do == "embed" and _answers(store, job):
        return Answer("done", f"nothing to do: {job.model} answers already")
    environment = {}
    if job.password_env:
        if job.password_env not in os.environ:
            return Answer(
                "failed", f"the environment has no {job.password_env}, which password_env names; set it", wrong_use=True
            )
        environment["RAGBOT_PASSWORD"] = os.environ[job.password_env]
    made = None
    if job.do == "backup":
        assert job.folder is not None
        made = job.folder / f"{job.name}-{_mark(home, held[0])}-{run.started_at:%Y%m%dT%H%M%SZ}"
    answer = child.run(
        [*_command(job, made), "--json", f"--home={home}", *_operands(job, made)], environment, held, job.timeout_s, inbox
    )
    if made is not None and answer.status == "done":
        try:
            return replace(answer, detail={**answer.detail, "removed": _removed_backups(job, made)})
        except OSError as cause:
            reason = f"{cause.filename}: is an older backup that cannot be removed ({cause.strerror}); the new one is made"
            return Answer("failed", reason, answer.detail)
    return answer


def _answers(store: Store, job: Job) -> bool:
    with store.reading() as reader:
        space = reader.active_space()
    return space is not None and space.model == job.model


def _command(job: Job, made: Path | None) -> list[str]:
    match job.do:
        case "sync":
            switches = {
                "--allow-empty": job.allow_empty,
                "--allow-private": job.allow_private,
                "--follow-links": job.follow_links,
            }
            return ["sync", f"--scope={job.scope}", *(name for name, on in switches.items() if on)]
        case "merge":
            return ["refresh", "--merge"]
        case "embed":
            return ["refresh", f"--model={job.model}"]
        case "check":
            return ["check", *(["--deep"] if job.deep else []), *(["--repair"] if job.repair else [])]
        case _:  # refresh, backup
            return [job.do]


def _operands(job: Job, made: Path | None) -> list[str]:
    operands = list(job.sources) if job.do == "sync" else [str(made)] if made else []
    return ["--", *operands] if operands else []


def _mark(home: Path, held: int) -> str:
    """What tells the backups of this job of this home from those of others in the same folder.

    A number by chance, which stays in the file of the job's lock; and the path, since a home may be copied with that file.
    """
    if not (number := os.pread(held, 32, 0)):
        number = secrets.token_hex(16).encode()
        os.pwrite(held, number, 0)
    return hashlib.sha256(number + os.fsencode(home.resolve())).hexdigest()[:8]


def _removed_backups(job: Job, made: Path) -> int:
    """Remove the oldest backups that this job made beyond those it keeps, and any that was cut off. How many.

    None is being made meanwhile: who makes one holds the job's lock, as we do.
    """
    assert job.folder is not None
    own = re.compile(re.escape(made.name.rpartition("-")[0]) + r"-[0-9]{8}T[0-9]{6}Z")
    mine = [path for path in sorted(job.folder.iterdir()) if own.fullmatch(path.name) and path.is_dir() and not path.is_symlink()]
    whole = [path for path in mine if (path / FILE).exists()]
    gone = [path for path in mine if path not in whole[-job.keep :] and path != made]
    for path in gone:
        shutil.rmtree(path)
    return len(gone)
