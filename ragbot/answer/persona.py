"""How the bot speaks, when it refuses, and what it remembers: a TOML file, one of the bundled ones or your own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from ragbot.errors import ConfigError

BUNDLED = Path(__file__).parent / "personas"
REMEMBER = ("told", "nothing")
MAY_BE_EMPTY = ("nearby", "missing")
PLACES = {"nearby": "places", "checking": "gap", "right": "sentence", "wrong": "sentence"}
"""What is filled in, and in which sentences."""


@dataclass(frozen=True, slots=True)
class Words:
    """What it says in one language, beside its answers."""

    greeting: str
    noted: str
    """To something that was told."""
    unknown: str
    """That it does not know. What follows are sentences of their own, each left out where it is empty."""
    nearby: str
    """What it has instead; `{places}` stands for where."""
    missing: str
    """How it could come to know."""
    unclear: str
    """To a question that says not what it is about."""
    tone: str = ""
    """For the generator, before its instructions."""
    parting: str = ""
    """To thanks and goodbyes; the greeting where it is empty."""
    handover: str = ""
    """Said where it does not know, or is not sure, and to who asks for a person."""
    checking: str = ""
    """Asked after an answer; `{gap}` stands for a sentence with a gap."""
    right: str = ""
    """To a reply that fills the gap; `{sentence}` stands for the whole sentence. Without both, replies are not judged."""
    wrong: str = ""
    """To one that does not."""
    again: str = ""
    """Asked of the last thing that was told, when greeted."""


@dataclass(frozen=True, slots=True)
class Persona:
    """One way to be."""

    name: str
    en: Words
    zh: Words
    remember: str = "told"
    """"told": what a person tells is evidence from then on. "nothing": it is history only."""
    refuse_below: float = 0.55
    """How sure it has to be to give an answer, from 0 to 1."""
    check: bool = False
    """Whether an answer is followed by a question about what stands beside it."""
    recalls: bool = False
    """Whether a greeting brings up the last thing that was told."""


def names() -> list[str]:
    """The bundled personas."""
    return sorted(file.stem for file in BUNDLED.glob("*.toml"))


def load(name: str, home: Path) -> Persona:
    """A bundled persona, or the one of a TOML file, which is looked for from `home`. Raises ConfigError."""
    own = name.endswith(".toml")
    file = home / name if own else BUNDLED / f"{name}.toml"
    if not file.is_file():
        raise ConfigError(
            f"persona {name}: there is no such {'file' if own else 'one'}; there are {', '.join(names())}, or your own FILE.toml"
        )
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as cause:
        raise ConfigError(f"{file}: cannot be read as TOML ({cause}); mend it") from cause
    en, zh = (_words(file, language, table.pop(language, None)) for language in ("en", "zh"))
    settings = _checked(file, table)
    if settings.get("check") and not (en.checking and zh.checking):
        raise ConfigError(f"{file}: check is true, but [en] or [zh] has no checking that could be asked; add it")
    return Persona(file.stem, en, zh, **settings)


def _checked(file: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    known = {field.name for field in fields(Persona)} - {"name", "en", "zh"}
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"{file}: unknown setting {key!r}; known are {', '.join(sorted(known))}")
        if key == "remember" and value not in REMEMBER:
            raise ConfigError(f"{file}: remember takes {' or '.join(REMEMBER)}, not {value!r}")
        if key == "refuse_below" and not (type(value) in (int, float) and 0 <= value <= 1):
            raise ConfigError(f"{file}: refuse_below takes a number from 0 to 1, not {value!r}")
        if key in ("check", "recalls") and not isinstance(value, bool):
            raise ConfigError(f"{file}: {key} takes true or false, not {value!r}")
    return dict(table)


def _words(file: Path, language: str, table: object) -> Words:
    if not isinstance(table, dict):
        raise ConfigError(f"{file}: has no table [{language}]; add it")
    known = {field.name: field.default is MISSING for field in fields(Words)}
    for key, value in table.items():
        if key not in known or not isinstance(value, str):
            raise ConfigError(f"{file}: [{language}] {key} is none of {', '.join(known)}, or no text")
    if lacking := [key for key, needed in known.items() if needed and key not in table]:
        raise ConfigError(f"{file}: [{language}] lacks {', '.join(lacking)}; add it")
    if empty := [key for key, needed in known.items() if needed and key not in MAY_BE_EMPTY and not table[key].strip()]:
        raise ConfigError(f"{file}: [{language}] {', '.join(empty)} is empty: nothing would be said; write something")
    words = Words(**table)
    for key, place in PLACES.items():
        if re.search(r"[{}]", getattr(words, key).replace(f"{{{place}}}", "")):
            raise ConfigError(f"{file}: [{language}] {key} has braces that cannot be filled; only {{{place}}} can")
    if words.checking and words.checking.count("{gap}") != 1:
        raise ConfigError(f"{file}: [{language}] checking has to hold {{gap}} once, for the sentence with a gap")
    return words
