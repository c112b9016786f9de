"""Settings of one home, from `ragbot.toml` in it and from the environment (which wins).

Few keys on purpose. An unknown key is an error, in the file as in the environment: a typing
mistake must never be a setting that silently does nothing.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ragbot.errors import ConfigError

FILE = "ragbot.toml"
DEFAULT_HOME = "indexes"
NONE = "none"
CHOICES = {"recall": ("full", "fast"), "reader": ("bundled", NONE)}
"""Settings that take one of a few words."""
ELSEWHERE = frozenset({"RAGBOT_HOME", "RAGBOT_CACHE", "RAGBOT_PASSWORD"})
"""Variables that are read in other places: the home itself, where converted models lie, what opens encrypted files."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person may set. Every field has a working default that needs no network."""

    embedder: str = "all-MiniLM-L6-v2"
    """The bundled model's name, a Hugging Face id, or a folder; for a new home only."""
    generator: str = "SmolLM2-135M-Instruct"
    """The bundled model's name, a Hugging Face id, a folder, or "provider:model" for LangChain."""
    generator_timeout: int = 60
    """How long the server of a provider may be silent, in seconds."""
    reranker: str = NONE
    """A cross-encoder that puts what was found in order anew: a Hugging Face id or a folder. None is bundled."""
    rerank_ms: int = 100
    """How long it may read, in milliseconds, of each question."""
    recall: str = "full"
    """"full", or "fast": what a question leans on is then looked for by its words alone, and nothing is reranked."""
    reader: str = "bundled"
    """Reads question and evidence together, in English (docs/models/reader.md); or "none"."""
    persona: str = "plain"
    """How it speaks and when it refuses: plain, service, tutor, companion, or a TOML file."""
    passages: int = 5
    """How many passages an answer may stand on."""
    max_tokens: int = 120
    """The longest answer that the generator may write, in tokens."""
    jobs: Mapping[str, Mapping[str, object]] = field(default_factory=dict, hash=False)
    """The tables `[jobs.NAME]` as they stand in the file; `ingest.jobs` says what they may hold."""


def home_folder(home: str | Path | None = None) -> Path:
    """The home to use: what is given, else RAGBOT_HOME, else `indexes`."""
    return Path(home or os.environ.get("RAGBOT_HOME") or DEFAULT_HOME).expanduser()


def load(home: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of `home`. Raises ConfigError for an unknown key or an unusable value."""
    settings = Settings()
    file = home / FILE
    if file.is_file():
        settings = _from_file(settings, file)
    return _from_environment(settings, os.environ if environ is None else environ)


def _from_file(settings: Settings, file: Path) -> Settings:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as cause:
        raise ConfigError(f"{file}: cannot be read as TOML ({cause}); mend or remove it") from cause
    for key, value in table.items():
        settings = _set(settings, key, value, where=str(file))
    return settings


def _from_environment(settings: Settings, environ: Mapping[str, str]) -> Settings:
    for name, text in environ.items():
        if not name.startswith("RAGBOT_") or name in ELSEWHERE:
            continue
        if name == "RAGBOT_JOBS":
            raise ConfigError(f"environment ({name}): jobs are set in {FILE} only; unset it")
        settings = _set(settings, name.removeprefix("RAGBOT_").lower(), text, where=f"environment ({name})")
    return settings


def _set(settings: Settings, key: str, value: object, where: str) -> Settings:
    known = {f.name: type(f.default) for f in fields(Settings)}
    changed: dict[str, Any]
    if key not in known:
        raise ConfigError(f"{where}: unknown setting {key!r}; known are {', '.join(sorted(known))}")
    if key == "jobs":
        return replace(settings, jobs=_tables(value, where))
    if known[key] is int:
        changed = {key: _positive(key, value, where)}
        return replace(settings, **changed)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{where}: {key} takes a text, not {value!r}")
    if value.strip() not in CHOICES.get(key, (value.strip(),)):
        raise ConfigError(f"{where}: {key} takes {' or '.join(CHOICES[key])}, not {value!r}")
    changed = {key: value.strip()}
    return replace(settings, **changed)


def _tables(value: object, where: str) -> dict[str, Mapping[str, object]]:
    if not isinstance(value, dict) or not all(isinstance(table, dict) for table in value.values()):
        raise ConfigError(f"{where}: jobs takes a table for each job, headed [jobs.NAME]")
    return value


def _positive(key: str, value: object, where: str) -> int:
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ConfigError(f"{where}: {key} takes a whole number from 1 up, not {value!r}")
    return number
