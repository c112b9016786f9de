"""The jobs of a home, from the tables `[jobs.NAME]` of its `ragbot.toml`. A key that no job takes is an error."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, ConfigDict, ValidationInfo

from ingest.jobs import times
from ragbot import settings
from ragbot.errors import ConfigError, InputError
from ragbot.types import EVERYONE
from ragbot.validation import Takes, need_known, validated

COMMON = ("do", "every", "cron", "timezone", "jitter", "retries", "backoff", "timeout", "catch_up")
"""Keys of every job."""
KEYS = {
    "sync": ("sources", "scope", "password_env", "allow_empty", "allow_private", "follow_links"),
    "refresh": (),
    "merge": (),
    "check": ("deep", "repair"),
    "embed": ("model",),
    "backup": ("folder", "keep"),
}
"""What a job may do, and its further keys."""
NEEDED = {"sync": "sources", "embed": "model", "backup": "folder"}


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("no text")
    return value.strip()


def _duration(value: object) -> int:
    return times.seconds(_text(value))


def _zone(value: object) -> str:
    try:
        return ZoneInfo(_text(value)).key
    except (KeyError, OSError) as cause:  # KeyError: nobody knows it
        raise ValueError("no time zone") from cause


def _path(value: object, info: ValidationInfo) -> Path:
    """Make a path absolute. It is relative to the home (the context), which holds the file that it is written in."""
    home: Any = info.context
    try:
        return Path(os.path.abspath(home / Path(_text(value)).expanduser()))
    except RuntimeError as cause:  # ~name, and nobody has this name
        raise ValueError("no such user") from cause


def _sources(value: object, info: ValidationInfo) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("no list")
    return tuple(text if "://" in text else str(_path(text, info)) for text in map(_text, value))


def _model(value: object, info: ValidationInfo) -> str:
    """Take a model's name as it is, and a folder by its whole path."""
    try:
        folder = _path(value, info)
        return str(folder.resolve()) if folder.is_dir() else _text(value)
    except OSError as cause:
        raise ValueError("no folder that can be read") from cause


_LENGTH = "a duration such as '30s', '15m', '6h' or '1d'"
Text = Annotated[str, BeforeValidator(_text), Takes("a text")]
Switch = Annotated[bool, Takes("true or false")]
Wait = Annotated[int, BeforeValidator(_duration), Takes(_LENGTH)]
Length = Annotated[int, BeforeValidator(_duration), Takes(_LENGTH, ge=1)]
Zone = Annotated[str, BeforeValidator(_zone), Takes("the name of a time zone such as 'Europe/Berlin'")]
Variable = Annotated[str, BeforeValidator(_text), Takes("the name of an environment variable", pattern="^[^=]*$")]
Sources = Annotated[
    tuple[str, ...],
    BeforeValidator(_sources),
    Takes("a list of folders, files, patterns or addresses, with at least one", min_length=1),
]


@dataclass(frozen=True, slots=True)
class Job:
    """One job as it is set. With neither `every_s` nor `cron` it runs by `ingest jobs once` only."""

    __pydantic_config__: ClassVar = ConfigDict(alias_generator=lambda name: name.removesuffix("_s"))
    """In a table the keys are without the unit."""

    name: str
    do: Text
    every_s: Length | None = None
    cron: Text | None = None
    timezone: Zone | None = None
    jitter_s: Wait = 0
    """It begins up to so much later, by chance."""
    retries: Annotated[int, Takes("a whole number from 0 to 10000", ge=0, le=10_000)] = 3
    backoff_s: Length = 30
    """The wait before the first retry; it doubles for each further one."""
    timeout_s: Length = 6 * 3600
    """What takes longer is stopped, and has failed."""
    catch_up: Switch = True
    """Whether a time that was missed is made up for, once."""
    sources: Sources = ()
    """Absolute paths, patterns and addresses."""
    scope: Text = EVERYONE
    password_env: Variable | None = None
    """The environment variable that holds the password of encrypted files."""
    allow_empty: Switch = False
    allow_private: Switch = False
    follow_links: Switch = False
    deep: Switch = False
    repair: Switch = False
    model: Annotated[str, BeforeValidator(_model), Takes("the name or the folder of a model")] | None = None
    folder: Annotated[Path, BeforeValidator(_path), Takes("the name of a folder")] | None = None
    """Where the backups go, each into a folder of its own."""
    keep: Annotated[int, Takes("a whole number from 1 to 10000", ge=1, le=10_000)] = 7
    """So many backups stay; older ones go."""

    @property
    def schedule(self) -> str:
        """When it runs, in words."""
        if self.every_s is not None:
            return f"every {times.in_words(self.every_s)}"
        return f"cron {self.cron}{f' ({self.timezone})' if self.timezone else ''}" if self.cron else "by hand"


def load(home: Path) -> dict[str, Job]:
    """The jobs of a home by name, as they are set now. Raises ConfigError for an unknown key or an unusable value."""
    return {name: _job(home, name, table) for name, table in settings.load(home).jobs.items()}


def named(home: Path, name: str) -> Job:
    """One job of a home. Raises InputError if no job has this name."""
    found = load(home)
    if name not in found:
        known = f"; known are {', '.join(sorted(found))}" if found else f"; add [jobs.{name}]"
        raise InputError(f"{home / settings.FILE}: there is no job {name!r}{known}")
    return found[name]


def _job(home: Path, name: str, table: Mapping[str, object]) -> Job:
    where = f"{home / settings.FILE}: [jobs.{name}]"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):  # it names a file and folders
        raise ConfigError(f"{where}: a job's name takes letters, digits, - and _")
    do = table.get("do")
    if not isinstance(do, str) or do not in KEYS:
        given = "missing" if do is None else repr(do)
        raise ConfigError(f"{where}: do is {given}; it takes one of {', '.join(KEYS)}")
    need_known(table, where, (*COMMON, *KEYS[do]), knows=f"a job that does {do} knows")
    if (needed := NEEDED.get(do)) and needed not in table:
        raise ConfigError(f"{where}: {needed} is missing; a job that does {do} needs it")
    job = validated(Job, {"name": name, **table}, where, context=home)
    _need_times(where, job)
    return job


def _need_times(where: str, job: Job) -> None:
    if job.every_s is not None and job.cron is not None:
        raise ConfigError(f"{where}: every and cron exclude each other; leave one out")
    if job.every_s is not None and job.jitter_s >= job.every_s:
        raise ConfigError(f"{where}: jitter is as long as every; shorten it")
    if job.timezone is not None and job.cron is None:
        raise ConfigError(f"{where}: timezone is for cron; leave it out")
    if job.cron is not None:
        try:
            times.cron(job.cron, job.timezone)
        except ValueError as cause:
            raise ConfigError(f"{where}: cron cannot be {job.cron!r} ({cause}); mend it, as in '30 2 * * 1-5'") from cause
