"""The jobs of a home, from the tables `[jobs.NAME]` of its `ragbot.toml`. A key that no job takes is an error."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ingest.jobs import times
from ragbot import settings
from ragbot.errors import ConfigError, InputError
from ragbot.types import EVERYONE

COMMON = ("do", "every", "cron", "timezone", "jitter", "retries", "backoff", "timeout", "catch_up")
"""Keys of every job."""
KEYS = {
    "sync": ("sources", "scope", "password_env", "allow_empty", "allow_private"),
    "refresh": (),
    "merge": (),
    "check": ("deep", "repair"),
    "embed": ("model",),
    "backup": ("folder", "keep"),
}
"""What a job may do, and the further keys that it takes then."""
NEEDED = {"sync": "sources", "embed": "model", "backup": "folder"}


@dataclass(frozen=True, slots=True)
class Job:
    """One job as it is set. With neither `every_s` nor `cron` it runs by `ingest jobs once` only."""

    name: str
    do: str
    every_s: int | None = None
    cron: str | None = None
    timezone: str | None = None
    jitter_s: int = 0
    """It begins up to so much later, by chance."""
    retries: int = 3
    backoff_s: int = 30
    """The wait before the first retry; it doubles for each further one."""
    timeout_s: int = 6 * 3600
    """What takes longer is stopped, and has failed."""
    catch_up: bool = True
    """Whether a time that was missed is made up for, once."""
    sources: tuple[str, ...] = ()
    """Absolute paths, patterns and addresses."""
    scope: str = EVERYONE
    password_env: str | None = None
    """The environment variable that holds the password of encrypted files."""
    allow_empty: bool = False
    allow_private: bool = False
    deep: bool = False
    repair: bool = False
    model: str | None = None
    folder: Path | None = None
    """Where the backups go, each into a folder of its own."""
    keep: int = 7
    """So many backups stay; older ones go."""

    @property
    def schedule(self) -> str:
        """When it runs, in words."""
        if self.every_s is not None:
            return f"every {times.in_words(self.every_s)}"
        return f"cron {self.cron}{f' ({self.timezone})' if self.timezone else ''}" if self.cron else "by hand"


def load(home: Path) -> dict[str, Job]:
    """The jobs of a home by name, as they are set now. Raises ConfigError for what is unknown or has no sense."""
    return {name: _job(home, name, table) for name, table in settings.load(home).jobs.items()}


def named(home: Path, name: str) -> Job:
    """One job of a home. Raises InputError if there is none of this name."""
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
        raise ConfigError(f"{where}: do is {do!r}; it takes one of {', '.join(KEYS)}")
    known = (*COMMON, *KEYS[do])
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}; a job that does {do} knows {', '.join(known)}")
    values = {key: _value(where, key, value, home) for key, value in table.items()}
    needed = NEEDED.get(do)
    if needed and not values.get(needed):
        raise ConfigError(f"{where}: {needed} is missing; a job that does {do} needs it")
    job = Job(name=name, **{_FIELDS.get(key, key): value for key, value in values.items()})
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


def _value(where: str, key: str, value: object, home: Path) -> Any:  # noqa: ANN401 (what the field of this key takes)
    takes, words = _TAKES[key]
    try:
        return takes(value, home)
    except (ValueError, KeyError, OSError) as cause:  # KeyError: a time zone that nobody knows
        raise ConfigError(f"{where}: {key} takes {words}, not {value!r}") from cause


def _text(value: object, _home: Path) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def _duration(value: object, home: Path) -> int:
    return times.seconds(_text(value, home))


def _some_time(value: object, home: Path) -> int:
    length_s = _duration(value, home)
    if not length_s:
        raise ValueError
    return length_s


def _zone(value: object, home: Path) -> str:
    return ZoneInfo(_text(value, home)).key


def _switch(value: object, _home: Path) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _at_least(least: int) -> Callable[[object, Path], int]:
    def count(value: object, _home: Path) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 10_000:
            raise ValueError
        return value

    return count


def _variable(value: object, home: Path) -> str:
    name = _text(value, home)
    if "=" in name:
        raise ValueError
    return name


def _path(value: object, home: Path) -> Path:
    """Relative to the folder that the settings are in, as one expects of a file of settings."""
    return Path(os.path.abspath(home / Path(_text(value, home)).expanduser()))


def _sources(value: object, home: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError
    texts = [_text(one, home) for one in value]
    return tuple(text if "://" in text else str(_path(text, home)) for text in texts)


def _model(value: object, home: Path) -> str:
    """A name, or a folder, which is known by its whole path."""
    name = _text(value, home)
    folder = _path(name, home)
    return str(folder.resolve()) if folder.is_dir() else name


_FIELDS = {"every": "every_s", "jitter": "jitter_s", "backoff": "backoff_s", "timeout": "timeout_s"}
_LENGTH = "a duration such as '30s', '15m', '6h' or '1d'"
_TAKES: Mapping[str, tuple[Callable[[object, Path], Any], str]] = {
    "do": (_text, "a text"),
    "every": (_some_time, _LENGTH),
    "cron": (_text, "a line of five fields such as '30 2 * * 1-5'"),
    "timezone": (_zone, "the name of a time zone such as 'Europe/Berlin'"),
    "jitter": (_duration, _LENGTH),
    "retries": (_at_least(0), "a whole number from 0 up"),
    "backoff": (_some_time, _LENGTH),
    "timeout": (_some_time, _LENGTH),
    "catch_up": (_switch, "true or false"),
    "sources": (_sources, "a list of folders, files, patterns or addresses, with at least one"),
    "scope": (_text, "a text"),
    "password_env": (_variable, "the name of an environment variable"),
    "allow_empty": (_switch, "true or false"),
    "allow_private": (_switch, "true or false"),
    "deep": (_switch, "true or false"),
    "repair": (_switch, "true or false"),
    "model": (_model, "the name or the folder of a model"),
    "folder": (_path, "the name of a folder"),
    "keep": (_at_least(1), "a whole number from 1 up"),
}
