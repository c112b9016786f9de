"""Scheduled work: its settings, its times, one run of it, and the scheduler. Real processes, a real database, real signals."""

import contextlib
import json
import os
import queue
import re
import runpy
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import types
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import apscheduler.schedulers.base
import jobs_program
import pytest
from typer.main import get_command
from typer.testing import CliRunner
from waiting import DEADLINE_S as WAIT_S
from waiting import until

from ingest.cli.main import cli
from ingest.jobs import child, definitions, running, scheduler, times
from ingest.jobs.child import STOP
from ingest.jobs.definitions import Job
from ragbot import Document, settings
from ragbot.errors import ConfigError, InputError
from ragbot.store import Run, Store, migrations
from ragbot.store import runs as log

PROGRAM = jobs_program.__file__
ROOT = Path(__file__).parent.parent
SETTINGS = """
passages = 3
[jobs.handbook]
do = "sync"
sources = ["../handbook", "~/x", "*.md", "/abs/b", "https://example.org/feed.xml"]
every = "15m"
jitter = "30s"
retries = 2
backoff = "1m"
scope = "ana"
password_env = "HANDBOOK_PASSWORD"
allow_empty = true
allow_private = true
[jobs.nightly]
do = "embed"
model = "some/model"
cron = "30 2 * * 1-5"
timezone = "Europe/Berlin"
timeout = "2d"
catch_up = false
[jobs.copy]
do = "backup"
folder = "../copies"
keep = 2
"""


@pytest.fixture
def home(tmp_path):
    (tmp_path / "indexes").mkdir()
    return tmp_path / "indexes"


@pytest.fixture
def stub(monkeypatch):
    """Commands are run by the stand-in, and whoever does not stop is killed soon."""
    monkeypatch.setattr(child, "PROGRAM", (sys.executable, PROGRAM))
    monkeypatch.setattr(child, "GRACE_S", 1.0)


def set_up(home, *jobs, script=None):
    (home / settings.FILE).write_text("\n".join(jobs))
    if script is not None:
        (home / "script.json").write_text(json.dumps(script))


def let_go(home):
    """Let the command end that holds on."""
    (home / "go").touch()


def run_once(home, job, inbox=None):
    said = []
    ended = running.once(home, job, inbox or queue.SimpleQueue(), said.append)
    return ended, said


def calls(home, what=None):
    file = home / "calls.log"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [line for line in lines if what in (None, line[0])]


def logged(home, job=None):
    """The runs in the log, oldest first."""
    store = Store.open(home)
    with store.runs() as runs:
        found = runs.recent(job, 1000)
    store.close()
    return found[::-1]


def add_run(home, job, **values):
    store = Store.open(home)
    with store.runs(write=True) as runs:
        runs.replace(Run(**{"id": 0, "job": job, "attempt": 1, "status": "done", "finished_at": datetime.now(UTC)} | values))
    store.close()


class Program:
    """The stand-in, started with `jobs …`; what it prints is collected. Ended with all that it started, come what may."""

    def __init__(self, home, *words, deaf=False):
        self.home, self.lines, self.verb = home, [], words[0]
        command = [sys.executable, PROGRAM, "jobs", *words, f"--home={home}", "--json"]
        if deaf:  # as a shell starts what it runs in the background
            command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes)
        self.pid = self.process.pid
        self.snapshot = threading.Thread(target=self._read)
        self.snapshot.start()

    def _read(self):
        self.lines += self.process.stdout

    def events(self, event=None):
        found = [json.loads(line) for line in list(self.lines)]
        return [one for one in found if event in (None, one["event"])]

    def wait(self, code=None):
        got = self.process.wait(WAIT_S)
        self.snapshot.join(WAIT_S)
        errors = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        assert code is None or got == code, errors
        return errors

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait(WAIT_S)


@pytest.fixture
def start(home):
    """Starts `ingest jobs …` in a process of its own."""
    started = []

    def start_(*words, **how):
        started.append(Program(home, *words, **how))
        return started[-1]

    yield start_
    for line in calls(home, "begin"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(line[1], signal.SIGKILL)
    for program in started:
        for event in program.events("begun") if program.verb == "run" else ():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(event["detail"]["pid"], signal.SIGKILL)
        if program.process.poll() is None:
            program.kill()
        if not program.process.stderr.closed:
            program.wait()


# Settings


def test_jobs_are_read_from_the_settings_of_the_home(home):
    set_up(home, SETTINGS)
    jobs = definitions.load(home)
    parent = home.parent
    assert jobs["handbook"] == Job(
        name="handbook",
        do="sync",
        # As in any file of settings: relative to the folder that the file is in.
        sources=(
            str(parent / "handbook"),
            str(Path.home() / "x"),
            str(home / "*.md"),
            "/abs/b",
            "https://example.org/feed.xml",
        ),
        every_s=900,
        jitter_s=30,
        retries=2,
        backoff_s=60,
        scope="ana",
        password_env="HANDBOOK_PASSWORD",
        allow_empty=True,
        allow_private=True,
    )
    assert (jobs["nightly"].schedule, jobs["nightly"].timeout_s) == ("cron 30 2 * * 1-5 (Europe/Berlin)", 172800)
    assert (jobs["copy"].schedule, jobs["copy"].folder) == ("by hand", parent / "copies")
    assert settings.load(home).passages == 3


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("every = '5m'", r"ragbot\.toml: \[jobs\.a\]: do is missing; it takes one of sync, refresh"),
        ("do = 'dance'", "do is 'dance'"),
        (
            "do = 'check'\nevry = '5m'",
            r"ragbot\.toml: \[jobs\.a\]: unknown setting 'evry'; a job that does check knows do, every",
        ),
        ("do = 'check'\nsources = ['x']", "unknown setting 'sources'"),
        ("do = 'check'\nevery = 5", "every takes a duration such as '30s', '15m', '6h' or '1d', not 5"),
        ("do = 'check'\nevery = '5 minutes'", "every takes a duration"),
        ("do = 'check'\nevery = '0s'", "every takes a duration"),
        ("do = 'check'\nevery = '9999d'", "every takes a duration"),
        ("do = 'check'\nevery = '5m'\ncron = '* * * * *'", "exclude each other"),
        ("do = 'check'\nevery = '5m'\njitter = '5m'", "jitter is as long as every"),
        ("do = 'check'\nevery = '5m'\ntimezone = 'Europe/Berlin'", "timezone is for cron"),
        ("do = 'check'\ncron = '* * * *'", "it takes five fields"),
        ("do = 'check'\ncron = '61 * * * *'", "cron cannot be '61"),
        ("do = 'check'\ncron = '* * * * 8'", "'8' is no day of the week"),
        ("do = 'check'\ncron = '* * * * mon-'", "no day of the week"),
        ("do = 'check'\ncron = '0 0 30 2 *'", "its time never comes"),
        ("do = 'check'\ncron = '* * * * *'\ntimezone = 'Mars/Olympus'", "timezone takes the name of a time zone"),
        ("do = 'check'\ncron = '* * * * *'\ntimezone = '../x'", "timezone takes the name of a time zone"),
        ("do = 'check'\nretries = -1", "retries takes a whole number from 0 to 10000, not -1"),
        ("do = 'check'\nretries = true", "retries takes a whole number"),
        ("do = 'check'\ndeep = 1", "deep takes true or false, not 1"),
        ("do = 'sync'\nevery = '5m'", "sources is missing; a job that does sync needs it"),
        ("do = 'sync'\nsources = 'x'", "sources takes a list"),
        ("do = 'sync'\nsources = []", "sources takes a list"),
        ("do = 'sync'\nsources = ['', 'x']", "sources takes a list"),
        ("do = 'sync'\nsources = ['~nobody-of-this-name/x']", "sources takes a list"),
        ("do = 'backup'\nfolder = '~nobody-of-this-name/x'", "folder takes the name of a folder, not '~nobody"),
        ("do = 'check'\nevery = 5\nretries = 'x'", "every takes a duration .* not 5; retries takes a whole number .* not 'x'"),
        ("do = 'check'\nname = 'b'", "unknown setting 'name'"),
        ("do = 'check'\nevery_s = 5", "unknown setting 'every_s'"),
        ("do = 'sync'\nsources = ['x']\npassword_env = 'a=b'", "password_env takes the name"),
        ("do = 'embed'", "model is missing"),
        ("do = 'backup'\nkeep = 3", "folder is missing"),
        ("do = 'backup'\nfolder = 'x'\nkeep = 0", "keep takes a whole number from 1 to 10000, not 0"),
    ],
)
def test_wrong_settings_name_file_job_key_and_what_is_right(home, table, message):
    set_up(home, f"[jobs.a]\n{table}")
    with pytest.raises(ConfigError, match=message):
        definitions.load(home)


def test_a_name_is_a_plain_one(home):
    for name in ("a/b", "", "..", "ä", "x" * 65):
        set_up(home, f'[jobs."{name}"]\ndo = "check"')
        with pytest.raises(ConfigError, match="a job's name takes letters"):
            definitions.load(home)


def test_wrong_jobs_harm_no_other_command_and_the_environment_sets_none(home):
    set_up(home, '[jobs.a]\ndo = "dance"')
    assert settings.load(home, {}).jobs == {"a": {"do": "dance"}}
    assert hash(settings.load(home, {})) == hash(settings.load(home, {"RAGBOT_PASSWORD": "x"}))
    with pytest.raises(ConfigError, match=r"RAGBOT_JOBS.*ragbot\.toml only"):
        settings.load(home, {"RAGBOT_JOBS": "x"})
    for wrong in ("jobs = 3", "[jobs]\na = 1"):
        set_up(home, wrong)
        with pytest.raises(ConfigError, match=r"a table for each job, headed \[jobs.NAME\]"):
            settings.load(home, {})


# Times


def fire_times(line, start, count, zone="UTC"):
    trigger = times.cron(line, zone)
    moment, found = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)), []
    for _ in range(count):
        moment = times.next_after(trigger, moment)
        found.append(moment)
    return found


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("0", "Sun"),
        ("7", "Sun"),
        ("1", "Mon"),
        ("6", "Sat"),
        ("1-5", "Mon Tue Wed Thu Fri"),
        ("5-7", "Fri Sat Sun"),
        ("0,3", "Wed Sun"),
        ("sun", "Sun"),
        ("MON-wed", "Mon Tue Wed"),
        ("fri-mon", "Mon Fri Sat Sun"),
        ("*/2", "Tue Thu Sat Sun"),
        ("1-5/2", "Mon Wed Fri"),
        ("4/2", "Thu Sat"),
        ("*", "Mon Tue Wed Thu Fri Sat Sun"),
        ("0-6", "Mon Tue Wed Thu Fri Sat Sun"),
        ("0-7", "Mon Tue Wed Thu Fri Sat Sun"),
    ],
)
def test_days_of_the_week_are_those_of_cron(field, days):
    found = fire_times(f"0 9 * * {field}", "2026-06-01T00:00", len(days.split()))  # a Monday
    assert [f"{moment:%a}" for moment in found] == days.split()
    assert found[-1] < datetime(2026, 6, 8, tzinfo=UTC)


def test_of_two_restricted_days_one_is_enough_as_in_cron():
    assert [f"{m:%a %d}" for m in fire_times("0 0 13 * 5", "2026-06-01", 5)] == ["Fri 05", "Fri 12", "Sat 13", "Fri 19", "Fri 26"]
    assert [f"{m:%a %d}" for m in fire_times("0 0 */2 * 5", "2026-06-01", 2)] == ["Fri 05", "Fri 19"]


def test_short_names_are_those_of_cron():
    assert [f"{m:%a %d %H:%M}" for m in fire_times("@weekly", "2026-06-01", 2)] == ["Sun 07 00:00", "Sun 14 00:00"]
    assert [f"{m:%d %b}" for m in fire_times("@Yearly", "2026-06-01", 1)] == ["01 Jan"]


def test_a_night_with_an_hour_less_has_its_job_and_one_with_an_hour_more_too():
    spring = fire_times("30 2 * * *", "2026-03-28T12:00", 2, "Europe/Berlin")
    assert [f"{m.astimezone(UTC):%d %H:%M}" for m in spring] == ["29 01:30", "30 00:30"]
    autumn = fire_times("30 3 * * *", "2026-10-24T12:00", 2, "Europe/Berlin")
    assert [f"{m.astimezone(UTC):%d %H:%M}" for m in autumn] == ["25 02:30", "26 02:30"]
    twice = fire_times("30 2 * * *", "2026-10-24T12:00", 3, "Europe/Berlin")
    assert [f"{m.astimezone(UTC):%d %H:%M}" for m in twice] == ["25 00:30", "25 01:30", "26 01:30"]


def test_durations():
    assert [times.seconds(text) for text in ("90s", "15m", " 6h", "1d")] == [90, 900, 21600, 86400]
    assert [times.in_words(s) for s in (90, 900, 21600, 86400, 5400, 1)] == ["90s", "15m", "6h", "1d", "90m", "1s"]
    for wrong in ("", "5", "m", "-5m", "1.5h", "5 m", "٣m", "1w"):
        with pytest.raises(ValueError, match="it takes"):
            times.seconds(wrong)


def test_what_chance_adds_to_a_time_does_not_add_up():
    start, length, jitter = datetime(2026, 6, 1, tzinfo=UTC), timedelta(minutes=15), timedelta(minutes=14)
    for job in (Job("a", "check", every_s=900), Job("a", "check", cron="*/15 * * * *", timezone="UTC")):
        trigger, moment, found = times.Jittered(scheduler.trigger_of(job, start), 840), start, []
        for _ in range(96):
            moment = trigger.get_next_fire_time(moment, moment)
            found.append(moment - start)
        assert all((n + 1) * length <= one <= (n + 1) * length + jitter for n, one in enumerate(found))
        assert len({one % length for one in found}) > 90


NOW = datetime(2026, 6, 3, 12, 0, tzinfo=UTC)
EVERY = Job("a", "check", every_s=3600)
NIGHTLY = Job("a", "check", cron="0 3 * * *", timezone="UTC")


def ran(hours_ago, status="done", **detail):
    return Run(1, "a", 1, NOW - timedelta(hours=hours_ago), NOW, status, "", detail)


@pytest.mark.parametrize(
    ("job", "last", "in_hours", "missed"),
    [
        (EVERY, None, 0, ""),
        (NIGHTLY, None, 15, ""),
        (EVERY, ran(0.25), 0.75, ""),
        (EVERY, ran(1.5), 0, "its time of .* has passed"),
        (EVERY, ran(1000), 0, "has passed"),  # once, however many were missed
        (EVERY, ran(-500), 1, ""),  # the clock was set back
        (NIGHTLY, ran(-30000), 15, ""),
        (NIGHTLY, ran(9), 15, ""),
        (NIGHTLY, ran(9, "failed"), 15, ""),  # its retries are over
        (NIGHTLY, ran(10), 0, "has passed"),
        (NIGHTLY, ran(1000), 0, "has passed"),
        (NIGHTLY, ran(9, "killed"), 0, r"was cut off \(killed\)"),
        (NIGHTLY, ran(9, "stopped"), 0, r"was cut off \(stopped\)"),
        (NIGHTLY, ran(9, "failed", **{running.AGAIN: 30}), 0, "was cut off"),
        (NIGHTLY, ran(8, "running"), 15, ""),  # its process still holds the lock
    ],
)
def test_what_was_missed_is_made_up_for_once(job, last, in_hours, missed):
    due, said = scheduler.first_time(job, last, NOW)
    assert due == NOW + timedelta(hours=in_hours)
    assert bool(missed) == bool(said)
    assert re.search(missed, said)


def test_catching_up_can_be_turned_off():
    due = [
        scheduler.first_time(replace(job, catch_up=False), last, NOW)[0]
        for job, last in ((EVERY, ran(1.5)), (NIGHTLY, ran(10)), (NIGHTLY, ran(9, "killed")))
    ]
    assert due == [NOW + timedelta(hours=hours) for hours in (0.5, 15, 15)]


# The log


def test_the_log_keeps_the_newest_runs_of_each_job_and_is_no_knowledge(home, monkeypatch):
    monkeypatch.setattr(log, "KEPT", 3)
    store = Store.open(home)
    with store.reading() as snapshot:
        before = snapshot.last_transaction()
    with store.runs(write=True) as runs:
        runs.add("b", 1)
        added = [runs.add("a", n) for n in range(1, 6)]
        runs.replace(log.replace(added[-1], status="done", finished_at=NOW, detail={"counts": {"added": 1}}))
        assert [run.attempt for run in runs.recent("a")] == [5, 4, 3]
        assert runs.last().keys() == {"a", "b"}
        assert runs.recent(limit=1)[0].detail == {"counts": {"added": 1}}
        assert (runs.recent()[0].pid, runs.recent()[0].finished_at) == (os.getpid(), NOW)
        assert runs.replace_lost("a") == 2
        assert [run.status for run in runs.recent()] == ["done", "killed", "killed", "running"]
    with store.reading() as snapshot:
        assert snapshot.last_transaction() == before
    store.close()


def test_a_run_whose_beginning_a_restored_backup_took_away_is_noted_all_the_same(home):
    store = Store.open(home)
    with store.runs(write=True) as runs:
        run = runs.add("a", 1)
    with contextlib.closing(sqlite3.connect(home / "ragbot.db")) as other, other:
        other.execute("UPDATE job_runs SET job = 'b'")  # another run under the same id
    with store.runs(write=True) as runs:
        runs.replace(log.replace(run, status="done", finished_at=NOW))
        assert [(one.job, one.status) for one in runs.recent()] == [("a", "done"), ("b", "running")]
    store.close()


def test_a_home_of_before_gets_its_log(home):
    """The home is made by the first three migrations alone, as a program did that knew no more."""
    steps = Path(migrations.__file__).parent / "versions"
    with contextlib.closing(sqlite3.connect(home / "ragbot.db")) as old, old:
        for step in sorted(steps.glob("000[123]_*.py")):
            upgrade = runpy.run_path(str(step), {"__name__": step.stem})["upgrade"]
            upgrade.__globals__["op"] = types.SimpleNamespace(execute=old.execute)
            upgrade()
        old.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        old.execute("INSERT INTO alembic_version VALUES ('0003')")
    assert logged(home) == []


# One run


@pytest.mark.usefixtures("stub")
def test_each_job_is_a_command_and_a_password_stands_in_none(home, monkeypatch):
    set_up(home, SETTINGS, '[jobs.m]\ndo = "merge"\n[jobs.r]\ndo = "refresh"\n[jobs.c]\ndo = "check"\ndeep = true\nrepair = true')
    monkeypatch.setenv("HANDBOOK_PASSWORD", "s3cret")
    jobs = definitions.load(home)
    for job in jobs.values():
        if job.folder:
            job.folder.mkdir()
        assert run_once(home, job)[0].status == "done"
    words = {name: line[2] for name, line in zip(jobs, calls(home, "begin"), strict=True)}
    at = ["--json", f"--home={home}"]
    handbook = ["sync", "--scope=ana", "--allow-empty", "--allow-private", *at, "--", *jobs["handbook"].sources]
    assert words["handbook"] == handbook
    assert words["nightly"] == ["refresh", "--model=some/model", *at]
    assert words["copy"][:-1] == ["backup", *at, "--"]
    assert words["m"] == ["refresh", "--merge", *at]
    assert words["r"] == ["refresh", *at]
    assert words["c"] == ["check", "--deep", "--repair", *at]
    assert [line[3] for line in calls(home, "begin")] == ["s3cret", "", "", "", "", ""]
    monkeypatch.delenv("HANDBOOK_PASSWORD")
    ended, _ = run_once(home, jobs["handbook"])
    assert (ended.status, ended.wrong_use, ended.attempts) == ("failed", True, 1)
    assert "HANDBOOK_PASSWORD" in ended.reason


@pytest.mark.usefixtures("stub")
@pytest.mark.parametrize(
    ("steps", "statuses", "reason"),
    [
        ([{"code": 1, "out": '{"error": "busy"}'}, {"signal": 9}, {}], ["failed", "failed", "done"], ""),
        ([{"code": 1, "out": "", "err": "Traceback\n  x\nValueError: no\n"}], ["failed"] * 3, "ValueError: no"),
        ([{"signal": 9}], ["failed"] * 3, "was killed by SIGKILL (perhaps for lack of memory)"),
        # All failed, as with a network that is away; and one among good ones, which fails the next minute too.
        ([{"code": 1, "out": '{"counts": {"added": 0, "failed": 2}}'}], ["failed"] * 3, "2 documents failed"),
        ([{"code": 1, "out": '{"counts": {"unchanged": 1, "failed": 1}}'}], ["failed"], "1 documents failed"),
        ([{"code": 1, "out": '{"documents": 1, "problems": ["chunk 1", "x"]}'}], ["failed"], "chunk 1 (and 1 more)"),
        ([{"code": 2, "out": '{"error": "no such model"}'}], ["failed"], "no such model"),
        ([{"code": 2, "out": "", "err": "╭─ Error ─╮\n│ No such option: --x │\n╰───╯\n"}], ["failed"], "No such option: --x"),
        ([{"code": 130, "out": ""}], ["stopped"], "was stopped by somebody else"),
    ],
)
def test_what_fails_as_a_whole_is_tried_again(home, steps, statuses, reason):
    set_up(home, script=steps)
    ended, said = run_once(home, Job("a", "check", retries=2, backoff_s=0))
    runs = logged(home)
    assert [run.status for run in runs] == statuses
    assert [run.attempt for run in runs] == [n + 1 for n in range(len(statuses))]
    assert (ended.status, ended.attempts, ended.reason, runs[-1].reason) == (statuses[-1], len(statuses), reason, reason)
    assert [running.AGAIN in run.detail for run in runs] == [True] * (len(statuses) - 1) + [False]
    assert len(said) == len(statuses) - 1
    assert ended.wrong_use == (steps[0].get("code") == 2)


@pytest.mark.usefixtures("stub")
def test_waits_double_and_are_not_all_the_same(home, monkeypatch):
    waits = []
    monkeypatch.setattr(running, "_stopped", lambda _inbox, wait_s: waits.append(wait_s))
    set_up(home, script=[{"code": 1, "out": '{"error": "x"}'}])
    run_once(home, Job("a", "check", retries=9, backoff_s=30))
    assert all(0.8 <= wait / min(3600, 30 * 2**n) <= 1.2 for n, wait in enumerate(waits))
    assert (len(waits), len({wait / 2**n for n, wait in enumerate(waits)})) == (9, 9)


@pytest.mark.usefixtures("stub")
def test_of_a_long_answer_the_counts_and_the_first_failures_are_kept(home, monkeypatch):
    documents = [{"uri": f"{n}.md", "status": "failed", "reason": f"{n}.md: {'bad ' * 200}"} for n in range(50)]
    out = json.dumps({"counts": {"added": 7, "failed": 50}, "documents": documents}, indent=2)
    set_up(home, script=[{"code": 1, "out": out}])
    ended, _ = run_once(home, Job("a", "check"))
    assert (ended.detail["counts"], len(ended.detail["failures"])) == ({"added": 7, "failed": 50}, 5)
    assert len(json.dumps(logged(home)[0].detail)) < 2000
    assert ended.reason.startswith("0.md: bad")
    assert ended.reason.endswith("(and 49 more)")
    monkeypatch.setattr(child, "READ_BYTES", 1000)
    ended, _ = run_once(home, Job("a", "check"))
    assert (ended.detail, ended.reason) == ({"counts": {"added": 7, "failed": 50}}, "50 documents failed")
    wide = {"counts": {"added": 7, "failed": 1}, "documents": [{"uri": "文" * 500, "status": "added"}]}
    set_up(home, script=[{"code": 1, "out": json.dumps(wide, ensure_ascii=False)}])  # more bytes than characters
    ended, _ = run_once(home, Job("a", "check"))
    assert (ended.attempts, ended.detail["counts"]) == (1, wide["counts"])


@pytest.mark.usefixtures("stub")
def test_what_takes_too_long_is_stopped_with_all_that_it_started(home):
    set_up(home, script=[{"sleep": 60}, {"sleep": 60, "deaf": True, "spawn": True}, {}])
    ended, said = run_once(home, Job("a", "check", timeout_s=2, backoff_s=0))
    assert ended.status == "done"
    assert ["took longer than 2s" in one for one in said] == [True, True]
    assert [line[0] for line in calls(home)] == ["begin", "interrupted", "begin", "spawned", "begin", "end"]
    ((_, spawned),) = calls(home, "spawned")
    try:
        until(lambda: gone(spawned), "the child of a child has ended")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(spawned, signal.SIGKILL)


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.usefixtures("stub")
def test_it_stops_when_asked_at_work_and_between_two_attempts(home):
    set_up(home, script=[{"sleep": 60}, {"code": 1, "out": '{"error": "x"}'}])
    inbox = queue.SimpleQueue()
    stopper = threading.Thread(target=lambda: (until(lambda: calls(home, "begin"), "it has begun"), inbox.put(STOP)))
    stopper.start()
    ended, _ = run_once(home, Job("a", "check"), inbox)
    stopper.join()
    assert (ended.status, [run.status for run in logged(home)]) == ("stopped", ["stopped"])
    stopper = threading.Thread(target=lambda: (until(lambda: calls(home, "end"), "it has failed"), inbox.put(STOP)))
    stopper.start()
    # It may be heard while the attempt still ends, or in the wait after it.
    ended, _ = run_once(home, Job("a", "check", backoff_s=600), inbox)
    stopper.join()
    assert ended.status == "stopped"
    last = logged(home)[-1]
    assert last.status == "stopped" or running.AGAIN in last.detail
    assert "it runs now" in scheduler.first_time(Job("a", "check", cron="0 0 1 1 *"), last, datetime.now(UTC))[1]


@pytest.mark.usefixtures("stub")
def test_it_stops_when_asked_after_it_took_too_long(home, monkeypatch):
    monkeypatch.setattr(child, "GRACE_S", float(WAIT_S))
    set_up(home, script=[{"sleep": 60, "deaf": True}, {}])
    inbox = queue.SimpleQueue()
    stopper = threading.Timer(6, inbox.put, [STOP])
    stopper.start()
    ended, said = run_once(home, Job("a", "check", timeout_s=4, backoff_s=0), inbox)
    stopper.join()
    assert (ended.status, ended.attempts, said) == ("stopped", 1, [])
    assert [run.status for run in logged(home)] == ["stopped"]


@pytest.mark.usefixtures("stub")
def test_who_waits_for_another_attempt_leaves_its_place_to_others(home, monkeypatch):
    monkeypatch.setattr(running, "AT_ONCE", 1)
    set_up(home, script=[{"code": 1, "out": '{"error": "x"}'}, {}, {"hold": True}, {}])
    inbox = queue.SimpleQueue()
    first = threading.Thread(target=run_once, args=(home, Job("a", "check", backoff_s=600), inbox), daemon=True)
    first.start()
    until(lambda: any(running.AGAIN in run.detail for run in logged(home)), "the first waits")
    assert run_once(home, Job("b", "check"))[0].status == "done"
    inbox.put(STOP)
    first.join()
    first = threading.Thread(target=run_once, args=(home, Job("a", "check")), daemon=True)
    first.start()
    until(lambda: len(calls(home, "begin")) == 3, "the first is at work")
    inbox, said = queue.SimpleQueue(), []
    threading.Timer(1, inbox.put, [STOP]).start()
    ended = running.once(home, Job("b", "check"), inbox, said.append)
    assert (ended.status, ended.attempts, said) == ("stopped", 0, ["b: waits for its turn; 1 jobs are at work"])
    let_go(home)
    assert run_once(home, Job("b", "check"))[0].status == "done"
    first.join()
    assert calls(home, "OVERLAP") == []


@pytest.mark.usefixtures("stub")
def test_a_job_never_runs_beside_itself_but_beside_others(home):
    set_up(home, script=[{"sleep": 60}, {}])
    inbox, first = queue.SimpleQueue(), []
    thread = threading.Thread(target=lambda: first.append(run_once(home, Job("a", "check"), inbox)[0]))
    thread.start()
    until(lambda: calls(home, "begin"), "it has begun")
    ended, _ = run_once(home, Job("a", "check"))
    assert (ended.status, ended.attempts) == ("skipped", 0)
    assert f"has not ended (process {os.getpid()} on" in ended.reason
    assert [run.status for run in logged(home)] == ["running"]  # nothing ran: nothing is logged
    (home / "one-at-a-time").unlink()
    assert run_once(home, Job("b", "check"))[0].status == "done"
    inbox.put(STOP)
    thread.join()
    assert first[0].status == "stopped"


def test_a_missing_job_and_a_home_without_any_are_named(home):
    with pytest.raises(InputError, match=r"ragbot\.toml: there is no job 'a'; add \[jobs\.a\]"):
        definitions.named(home, "a")
    set_up(home, SETTINGS)
    with pytest.raises(InputError, match="known are copy, handbook, nightly"):
        definitions.named(home, "a")
    assert [path.name for path in home.iterdir()] == [settings.FILE]


@pytest.mark.usefixtures("stub")
def test_a_model_that_answers_already_is_not_moved_to(memory, home):
    memory.remember(Document("a.md", "The lab opens at 9:00."))
    set_up(home, f'[jobs.a]\ndo = "embed"\nmodel = "{memory.embedder().model}"\n[jobs.b]\ndo = "embed"\nmodel = "other"')
    jobs = definitions.load(home)
    ended, _ = run_once(home, jobs["a"])
    assert (ended.status, ended.reason, calls(home)) == ("done", "nothing to do: multilingual-e5-small answers already", [])
    assert run_once(home, jobs["b"])[0].status == "done"
    assert calls(home, "begin")[0][2][:2] == ["refresh", "--model=other"]


def test_real_commands_as_one_shots(home, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.bin").write_bytes(bytes(range(256)))
    set_up(
        home,
        '[jobs.docs]\ndo = "sync"\nsources = ["../docs"]\n[jobs.check]\ndo = "check"',
        '[jobs.gone]\ndo = "sync"\nsources = ["../gone"]\nretries = 0',
        '[jobs.copy]\ndo = "backup"\nfolder = "../copies"\nkeep = 2',
    )
    copies = tmp_path / "copies"

    def jobs(*words):
        done = CliRunner().invoke(cli, ["jobs", *words, f"--home={home}", "--json"])
        return done.exit_code, json.loads(done.stdout)

    for name, code, status in (("docs", 0, "done"), ("check", 0, "done"), ("copy", 0, "done"), ("gone", 1, "failed")):
        got, said = jobs("once", name)
        assert (got, said["status"], said["attempts"]) == (code, status, 1), said
    assert "gone" in said["reason"]
    (made,) = copies.iterdir()
    assert re.fullmatch(r"copy-[0-9a-f]{8}-[0-9]{8}T[0-9]{6}Z", made.name)
    assert jobs("once", "x") == (2, {"error": f"{home / settings.FILE}: there is no job 'x'; known are check, copy, docs, gone"})
    runs = jobs("history")[1]["runs"]
    assert [run["job"] for run in runs] == ["gone", "copy", "check", "docs"]
    assert runs[1]["detail"]["removed"] == 0
    assert jobs("history", "docs", "-n1")[1]["runs"] == runs[-1:]
    assert jobs("history", "x")[0] == 2
    listed = jobs("list")[1]["jobs"]
    assert [(one["job"], one["last"]["status"], one["next_at"]) for one in listed[:2]] == [
        ("docs", "done", None),
        ("check", "done", None),
    ]
    for words in ("list", "history"):
        said = CliRunner().invoke(cli, ["jobs", words, f"--home={home}"])
        assert (said.exit_code, len(said.stdout.splitlines())) == (0, 4)
        assert re.search("copy .*done", said.stdout)


def backups(folder, name, *days):
    """Make backups, as a job does, of days in 2020; a negative day is of one that was cut off."""
    for day in days:
        made = folder / f"{name}-202001{abs(day):02}T000000Z"
        made.mkdir(parents=True)
        if day > 0:
            (made / "ragbot.db").touch()


def test_of_backups_the_oldest_go_and_none_of_another_job_or_home(home, tmp_path):
    job, copies = Job("copy", "backup", folder=tmp_path / "copies", keep=2), tmp_path / "copies"
    second = tmp_path / "second"
    for one in (home, second):
        Store.open(one).close()
    run_once(home, job)
    (made,) = copies.iterdir()
    mine = made.name.rpartition("-")[0]
    for name in (mine, "copy", "other", f"{mine}-x", f"other-{mine}"):
        backups(copies, name, 1, 2, -3)
    (copies / f"{mine}-20200104T000000Z").write_text("no folder")
    before = set(copies.iterdir())
    copied = shutil.copytree(home, tmp_path / "copied")  # with the files of its locks
    for one in (second, copied):
        assert run_once(one, replace(job, keep=1))[0].detail["removed"] == 0
    assert before < set(copies.iterdir())
    assert run_once(home, job)[0].detail["removed"] == 3
    assert before - set(copies.iterdir()) == {copies / f"{mine}-2020010{day}T000000Z" for day in (1, 2, 3)}


def test_a_backup_that_cannot_be_removed_is_named(home, tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(running.shutil, "rmtree", refuse)
    Store.open(home).close()
    job, copies = Job("copy", "backup", folder=tmp_path / "copies", keep=1), tmp_path / "copies"
    assert run_once(home, job)[0].status == "done"
    (made,) = copies.iterdir()
    until(lambda: f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}" not in made.name, "the next second, whose name it may bear")
    ended, _ = run_once(home, job)
    assert ended.status == "failed"
    assert f"{made}: is an older backup that cannot be removed (Permission denied)" in ended.reason
    assert [run.status for run in logged(home)] == ["done", "failed"]


# Processes that are killed


def test_a_command_whose_watcher_was_killed_is_not_run_beside(home, start):
    set_up(home, '[jobs.a]\ndo = "check"', script=[{"hold": True}, {}])
    first = start("once", "a")
    until(lambda: calls(home, "begin"), "it has begun")
    first.kill()
    second = start("once", "a")
    second.wait(0)
    assert json.loads("".join(second.lines))["status"] == "skipped"
    assert [run.status for run in logged(home)] == ["running"]
    let_go(home)
    until(lambda: calls(home, "end"), "the command has ended")
    until(lambda: gone(calls(home, "begin")[0][1]), "and its process")
    third = start("once", "a")
    third.wait(0)
    assert json.loads("".join(third.lines))["status"] == "done"
    assert [(run.status, run.reason) for run in logged(home)] == [("killed", log.LOST), ("done", "")]
    assert calls(home, "OVERLAP") == []


def test_a_scheduler_that_was_killed_loses_no_run_and_the_next_goes_on(home, start):
    set_up(home, '[jobs.a]\ndo = "check"\nevery = "1s"', script=[{"hold": True}, {}])
    first = start("run")
    until(lambda: calls(home, "begin"), "the job has begun")
    first.kill()
    second = start("run")
    until(lambda: second.events("skipped"), "the second has met the run of the first")
    assert [run.status for run in logged(home)] == ["running"]
    let_go(home)
    until(lambda: len(second.events("done")) > 1, "the second goes on")
    os.kill(second.pid, signal.SIGTERM)
    second.wait(0)
    runs = logged(home)
    assert runs[0].status == "done"  # nobody was there to hear it, and it is written down
    assert {run.status for run in runs} <= {"done", "stopped"}
    assert calls(home, "OVERLAP") == []


def test_where_all_was_killed_the_next_start_runs_what_was_cut_off(home, start):
    set_up(home, '[jobs.a]\ndo = "check"\ncron = "0 0 1 1 *"', script=[{"sleep": 60}, {}])
    add_run(home, "a", started_at=datetime(2020, 1, 1, tzinfo=UTC))
    first = start("run")
    (begun,) = until(lambda: calls(home, "begin"), "what was missed has begun")
    assert "has passed; it runs now" in first.events("missed")[0]["reason"]
    for pid in (first.pid, first.events("begun")[0]["detail"]["pid"], begun[1]):
        os.kill(pid, signal.SIGKILL)
    until(lambda: gone(begun[1]), "the command is gone")
    second = start("run")
    until(lambda: second.events("done"), "it runs again")
    assert "was cut off (killed)" in second.events("missed")[0]["reason"]
    set_up(home, '[jobs.a]\ndo = "check"\ncron = "0 0 1 1 *"\n[jobs.b]\ndo = "check"\nevery = "1h"')
    os.kill(second.pid, signal.SIGHUP)
    until(lambda: len(second.events("done")) == 2, "another job has run after it")
    os.kill(second.pid, signal.SIGTERM)
    second.wait(0)
    assert [run.status for run in logged(home, "a")] == ["done", "killed", "done"]  # once, and not for each year


# The scheduler


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_stops_in_good_order(home, start, number, code):
    set_up(home, '[jobs.a]\ndo = "check"\nevery = "1h"', script=[{"sleep": 60}])
    program = start("run", deaf=number == signal.SIGTERM)
    (begun,) = until(lambda: calls(home, "begin"), "the job has begun")
    # A terminal sends Ctrl-C to all of a session.
    (os.killpg if number == signal.SIGINT else os.kill)(program.pid, number)
    assert program.wait(code) == ""
    assert [one["event"] for one in program.events()] == ["started", "begun", "stopped", "stopped"]
    assert [one["job"] for one in program.events("stopped")] == ["a", ""]
    assert [run.status for run in logged(home)] == ["stopped"]
    assert gone(begun[1])
    assert calls(home, "interrupted")


def test_jobs_that_wait_for_another_attempt_hold_up_no_other(home, start):
    jobs = [f'[jobs.a{n}]\ndo = "check"\nevery = "1h"\nbackoff = "10m"' for n in range(running.AT_ONCE + 1)]
    set_up(home, *jobs, script=[{"code": 1, "out": '{"error": "x"}'}])
    program = start("run")
    until(lambda: len(calls(home, "end")) == len(jobs), "all have run, and none again")
    os.kill(program.pid, signal.SIGTERM)
    program.wait(0)
    assert len(program.events("stopped")) == len(jobs) + 1


@pytest.mark.usefixtures("stub")
def test_what_comes_due_while_the_machine_sleeps_runs_soon_after_it_woke(home, monkeypatch):
    asleep, looks = timedelta(), []

    class Clock(datetime):
        """Goes on while the machine sleeps, unlike the one that waits are measured by."""

        @classmethod
        def now(cls, tz=None):
            looks.append(datetime.now(tz))
            return looks[-1] + asleep

    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Clock)
    monkeypatch.setattr(scheduler, "LOOK_S", 0.2)
    set_up(home, '[jobs.a]\ndo = "check"\nevery = "1h"')
    add_run(home, "a", started_at=datetime.now(UTC))
    inbox, told = queue.SimpleQueue(), []
    runner = threading.Thread(target=scheduler.Scheduler(home, inbox, told.append).run)
    runner.start()
    try:
        until(lambda: told, "it has started")
        before = len(looks)
        until(lambda: len(looks) > before + 3, "it has looked at the clock a few times")
        assert calls(home) == []
        asleep = timedelta(hours=2)
        until(lambda: calls(home, "end"), "it has run")
    finally:
        inbox.put(STOP)
        runner.join(WAIT_S)


def test_two_schedulers_do_not_run_a_job_twice_at_once(home, start):
    set_up(home, '[jobs.a]\ndo = "check"\nevery = "1s"', script=[{"hold": True}])
    both = [start("run"), start("run")]
    until(lambda: all(one.events("skipped") for one in both), "both have found that it runs")
    let_go(home)
    until(lambda: len(calls(home, "end")) > 2, "they go on")
    for one in both:
        os.kill(one.pid, signal.SIGTERM)
        one.wait(0)
    assert calls(home, "OVERLAP") == []
    assert {run.status for run in logged(home)} <= {"done", "stopped"}


def test_new_settings_are_taken_over_and_broken_ones_are_not(home, start):
    set_up(home, '[jobs.a]\ndo = "check"\nevery = "1h"\n[jobs.b]\ndo = "check"\nevery = "2h"')
    program = start("run")
    until(lambda: len(program.events("done")) == 2, "both have run")
    set_up(home, '[jobs.a]\ndo = "check"\nevery = "1w"')
    os.kill(program.pid, signal.SIGHUP)
    (refused,) = until(lambda: program.events("settings"), "it has looked")
    assert "the old times stay in force" in refused["reason"]
    assert "every takes a duration" in refused["reason"]
    set_up(home, '[jobs.a]\ndo = "check"\nevery = "1h"\n[jobs.c]\ndo = "refresh"\nevery = "1h"')
    os.kill(program.pid, signal.SIGHUP)
    until(lambda: len(program.events("done")) == 3, "the new one has run")
    assert program.events("settings")[1]["detail"] == {"jobs": ["a", "c"], "changed": ["b", "c"]}
    os.kill(program.pid, signal.SIGTERM)
    program.wait(0)
    assert [line[2][0] for line in calls(home, "begin")] == ["check", "check", "refresh"]


def test_settings_that_changed_are_noticed(home, monkeypatch):
    monkeypatch.setattr(scheduler, "LOOK_S", 0.2)
    set_up(home, '[jobs.a]\ndo = "check"\ncron = "0 0 1 1 *"')
    inbox, told = queue.SimpleQueue(), []
    runner = threading.Thread(target=scheduler.Scheduler(home, inbox, told.append).run)
    runner.start()
    until(lambda: told, "it has started")
    set_up(home, '[jobs.b]\ndo = "check"\ncron = "0 0 1 1 *"')
    until(lambda: any(one.event == "settings" for one in told), "it has looked")
    inbox.put(STOP)
    runner.join(WAIT_S)
    assert [(one.event, one.detail.get("changed")) for one in told[1:]] == [("settings", ["a", "b"]), ("stopped", None)]


def test_it_ends_as_failed_where_nobody_reads_its_events_any_more(home, start):
    set_up(home, '[jobs.a]\ndo = "check"\nevery = "1s"')
    command = [sys.executable, PROGRAM, "jobs", "run", f"--home={home}"]
    for words, unread in ((["--json"], "stdout"), ([], "stderr")):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen([*command, *words], cwd=ROOT, **pipes) as process:
            stream = getattr(process, unread)
            assert stream.readline()
            stream.close()
            assert process.wait(WAIT_S) == 1
            rest = (process.stderr if unread == "stdout" else process.stdout).read().decode()
        assert rest == ("error: nobody reads its events any more; it has stopped\n" if unread == "stdout" else "")


def test_without_a_time_there_is_nothing_to_schedule(home, start):
    set_up(home, '[jobs.a]\ndo = "check"')
    program = start("run")
    assert "no job has a time" in program.wait(2)


# The door


def test_where_nothing_has_run_that_is_said(home):
    def jobs(*words):
        done = CliRunner().invoke(cli, ["jobs", *words, f"--home={home / 'none'}", "--json"])
        return done.exit_code, json.loads(done.stdout or "{}")

    assert jobs("list") == (0, {"jobs": []})
    assert jobs("history") == (0, {"runs": []})
    assert jobs("history", "a")[0] == 2
    assert jobs("history", "-n", "9" * 20)[0] == 2
    assert not (home / "none").exists()


def test_help_loads_neither_scheduler_nor_database():
    code = "import sys, ingest.cli; print([name for name in ('apscheduler', 'sqlalchemy', 'filelock') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout.strip() == "[]"


def test_the_units_call_what_is_there():
    commands = get_command(cli).commands["jobs"].commands
    units = [file for file in (ROOT / "docs" / "units").iterdir() if file.is_file()]
    assert {file.name for file in units} >= {"crontab", "cronjob.yaml", "deployment.yaml", "ragbot-jobs.service"}
    units = [file for file in units if file.name != "ragbot.service"]  # the server's own
    for file in units:
        words = file.read_text().replace('"', " ").replace(",", " ").replace("[", " ").replace("]", " ").split()
        called = [words[n + 1] for n, word in enumerate(words[:-1]) if word == "jobs" and words[n - 1].endswith("ingest")]
        assert set(called) <= commands.keys(), file
        assert called or file.suffix == ".timer", file


def test_the_page_on_jobs_has_a_working_example_and_names_every_key(home):
    page = (ROOT / "docs" / "jobs.md").read_text()
    set_up(home, page.partition("```toml\n")[2].partition("```")[0])
    assert [job.do for job in definitions.load(home).values()] == ["sync", "embed", "backup"]
    for key in {*definitions.COMMON, *definitions.KEYS, *(key for keys in definitions.KEYS.values() for key in keys)}:
        assert f"`{key}`" in page, key
