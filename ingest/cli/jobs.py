"""The `ingest jobs` commands: run, once, list, history."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingest.jobs import local
from ragbot.cli.terminal import Home, Json, app, note, reporting, say, say_error, say_json

if TYPE_CHECKING:
    from ingest.jobs.running import Ended
    from ingest.jobs.scheduler import Event
    from ragbot.store import Run

cli = app("Run the jobs that the home's ragbot.toml sets, when they are due.")

Lines = Annotated[bool, typer.Option("--json", help="Print a JSON document for each event, one a line, on stdout.")]
MOST = 1_000_000
"""So many runs may be asked for; a number of any length is none to SQLite."""
CODES = {"done": 0, "skipped": 0, "failed": 1, "stopped": 130}


@cli.command("run")
def run_(home: Home = None, as_json: Lines = False) -> None:
    """Run the jobs at their times, until it is stopped. May be killed at any moment; the next one goes on."""
    with reporting(False):  # on stdout there are events only, a line each
        from ingest.jobs.child import INTERRUPT, RELOAD, STOP, UNHEARD, listening
        from ingest.jobs.scheduler import Scheduler

        with listening({signal.SIGTERM: STOP, signal.SIGINT: INTERRUPT, signal.SIGHUP: RELOAD}) as inbox:

            def tell(event: Event) -> None:
                try:
                    _tell_json(event) if as_json else _tell(event)
                except BrokenPipeError:
                    if as_json:  # what follows goes nowhere
                        sys.stdout = None
                    else:
                        sys.stderr = None
                    inbox.put(UNHEARD)

            said = Scheduler(_folder(home), inbox, tell).run()
        if said == UNHEARD:
            say_error("nobody reads its events any more; it has stopped")
            raise typer.Exit(1)
        if said == INTERRUPT:
            raise typer.Exit(130)


@cli.command()
def once(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The job, as `ingest jobs list` shows it.")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Run one job now, unless it runs already: for cron, systemd, Kubernetes, or by hand."""
    with reporting(as_json):
        from ingest.jobs import definitions, running
        from ingest.jobs.child import STOP, listening

        folder = _folder(home)
        job = definitions.named(folder, name)
        with listening({signal.SIGTERM: STOP, signal.SIGINT: STOP}) as inbox:
            ended = running.once(folder, job, inbox, note)
        if as_json:
            say_json(asdict(ended))
        else:
            _say_ended(ended)
        raise typer.Exit(2 if ended.wrong_use else CODES[ended.status])


@cli.command("list")
def list_(home: Home = None, as_json: Json = False) -> None:
    """Show the jobs: what each does and when, how it last went, and when it is due."""
    with reporting(as_json):
        from ingest.jobs import definitions, scheduler
        from ragbot import settings

        folder = _folder(home)
        jobs, last, now = definitions.load(folder), scheduler.last_runs(folder), datetime.now().astimezone()
        due = {name: scheduler.first_time(job, last.get(name), now)[0] for name, job in jobs.items() if scheduler.timed(job)}
        if as_json:
            listed = [
                {"job": name, "do": job.do, "schedule": job.schedule, "last": _document(last.get(name)), "next_at": due.get(name)}
                for name, job in jobs.items()
            ]
            say_json({"jobs": listed})
            return
        for name, job in jobs.items():
            say(f"{name:<16} {job.do:<8} {job.schedule:<24} {_due(due.get(name), now):<26} {_went(last.get(name))}")
        if not jobs:
            note(f"{folder / settings.FILE}: there are no jobs; add [jobs.NAME]")


@cli.command()
def history(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One job; else all.", show_default=False)] = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=MOST, help="How many runs.")] = 20,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show what ran, newest first."""
    with reporting(as_json):
        from ingest.jobs import definitions, scheduler

        folder = _folder(home)
        found = scheduler.recent_runs(folder, name, limit)
        if name is not None and not found:
            definitions.named(folder, name)
        if as_json:
            say_json({"runs": [_document(run) for run in found]})
            return
        for run in found:
            say(f"{local(run.started_at)}  {run.job:<16} {_took(run):>8}  {_state(run)}{_more(run.reason, run.detail)}")
        if not found:
            note("nothing has run yet")


def _folder(home: str | None) -> Path:
    from ragbot import settings

    return Path(os.path.abspath(settings.home_folder(home)))


def _due(due: datetime | None, now: datetime) -> str:
    if due is None:
        return "no time"
    return "due now" if due <= now else f"next {local(due)}"


def _went(last: Run | None) -> str:
    return f"{_state(last)} {local(last.started_at)}{_more(last.reason, {})}" if last else "never ran"


def _state(run: Run) -> str:
    return run.status if run.attempt == 1 else f"{run.status} (attempt {run.attempt})"


def _took(run: Run) -> str:
    return f"{(run.finished_at - run.started_at).total_seconds():.1f} s" if run.finished_at else "…"


def _more(reason: str, detail: Any) -> str:  # noqa: ANN401 (what JSON holds)
    counts = ", ".join(f"{number} {name}" for name, number in detail.get("counts", {}).items() if number)
    return "".join(f"; {text}" for text in (counts, reason) if text)


def _document(run: Run | None) -> dict[str, Any] | None:
    return asdict(run) if run else None


def _say_ended(ended: Ended) -> None:
    line = f"{ended.job}: {ended.status}{_more(ended.reason, ended.detail)}"
    if ended.status in ("done", "skipped"):
        say(line)
    else:
        say_error(line)


def _tell(event: Event) -> None:
    facts = {key: value for key, value in event.detail.items() if key not in ("counts", "failures")}
    rest = ", ".join(f"{key} {', '.join(value) if isinstance(value, list) else value}" for key, value in facts.items())
    note(
        " ".join(filter(None, (local(event.at), event.job, event.event, rest and f"({rest})")))
        + _more(event.reason, event.detail)
    )


def _tell_json(event: Event) -> None:
    say(json.dumps(asdict(event), ensure_ascii=False, default=str))
