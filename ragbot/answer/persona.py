"""How the bot speaks, when it refuses, and what it remembers: a TOML file, one of the bundled ones or your own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from ragbot.errors import ConfigError
from ragbot.validation import Takes, keys_of, need_known, read_table, validated

BUNDLED = Path(__file__).parent / "personas"
LANGUAGES = ("en", "zh")

Line = Annotated[str, Takes("a text")]
Spoken = Annotated[str, Takes("a text that is not empty, since nothing would be said", pattern=r"\S")]
Nearby = Annotated[str, Takes("a text with no braces but {places}", pattern=r"^([^{}]|\{places\})*$")]
Titles = Annotated[str, Takes("a text with no braces but {titles}", pattern=r"^([^{}]|\{titles\})*$")]
Facts = Annotated[str, Takes("a text with no braces but {facts}", pattern=r"^([^{}]|\{facts\})*$")]
Check = Annotated[str, Takes("a text that holds {gap} once, and no other braces", pattern=r"^([^{}]*\{gap\}[^{}]*)?$")]
Verdict = Annotated[str, Takes("a text with no braces but {sentence}", pattern=r"^([^{}]|\{sentence\})*$")]
Switch = Annotated[bool, Takes("true or false")]


@dataclass(frozen=True, slots=True)
class Words:
    """What it says in one language, beside its answers."""

    greeting: Spoken
    noted: Spoken
    """To something that was told."""
    unknown: Spoken
    """That it does not know. What follows are sentences of their own, each left out where it is empty."""
    nearby: Nearby
    """What it has instead; `{places}` stands for where."""
    missing: Line
    """How it could come to know."""
    unclear: Spoken
    """To a question that says not what it is about."""
    tone: Line = ""
    """For the generator, before its instructions."""
    parting: Line = ""
    """To thanks and goodbyes; the greeting where it is empty."""
    about: Line = ""
    """To who asks what it is or what it can do; the greeting where it is empty."""
    chatter: Line = ""
    """To what neither tells nor asks anything; the greeting where it is empty."""
    holdings: Titles = "{titles}"
    """To who asks which documents it has; `{titles}` stands for them."""
    news: Titles = "{titles}"
    """To who asks what is new; `{titles}` stands for the newest documents with their days."""
    no_more: Line = ""
    """To who wants more, where the sources have none; the greeting where it is empty."""
    verbatim: Line = ""
    """To who wants an answer in another language or form than its sources have; the greeting where it is empty."""
    aside: Line = ""
    """To what is not remembered: a thought, a quotation, an order, what is off the record; the greeting where it is empty."""
    replaced: Facts = ""
    """Said behind `noted`; `{facts}` stands for what the new fact sets aside."""
    withdrawn: Facts = "{facts}"
    """To who takes something back; `{facts}` stands for it."""
    forgotten: Facts = "{facts}"
    """To who wants something forgotten; `{facts}` stands for what was erased."""
    more: Annotated[str, Takes("a text with no braces but {count}", pattern=r"^([^{}]|\{count\})*$")] = "… {count}"
    """Behind a part of what was told; `{count}` stands for how many things more there are."""
    forget: Line = ""
    """The same, where nothing was told that is meant; the greeting where it is empty."""
    as_of: Annotated[str, Takes("a text with no braces but {day}", pattern=r"^([^{}]|\{day\})*$")] = "{day}:"
    """Before an answer of what was so at another time; `{day}` stands for it."""
    handover: Line = ""
    """Said where it does not know, or is not sure, and to who asks for a person."""
    checking: Check = ""
    """Asked after an answer; `{gap}` stands for a sentence with a gap."""
    right: Verdict = ""
    """To a reply that fills the gap; `{sentence}` stands for the whole sentence. Without both, replies are not judged."""
    wrong: Verdict = ""
    """To one that does not."""
    again: Line = ""
    """Asked of the last thing that was told, when greeted."""


@dataclass(frozen=True, slots=True)
class Persona:
    """One way to be."""

    name: str
    en: Words
    zh: Words
    remember: Literal["told", "nothing"] = "told"
    """"told": what a person tells is evidence from then on. "nothing": it is history only."""
    refuse_below: Annotated[float, Takes("a number from 0 to 1", ge=0, le=1)] = 0.55
    """How sure it has to be to give an answer, from 0 to 1."""
    check: Switch = False
    """Whether an answer is followed by a question about what stands beside it."""
    recalls: Switch = False
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
    table = read_table(file)
    words = {language: _words(file, language, table.pop(language, None)) for language in LANGUAGES}
    need_known(table, str(file), keys_of(Persona, "name", *LANGUAGES))
    persona = validated(Persona, {"name": file.stem, **words, **table}, str(file))
    if persona.check and not (persona.en.checking and persona.zh.checking):
        raise ConfigError(f"{file}: check is true, but [en] or [zh] has no checking that could be asked; add it")
    return persona


def _words(file: Path, language: str, table: object) -> Words:
    if not isinstance(table, dict):
        raise ConfigError(f"{file}: has no table [{language}]; add it")
    where = f"{file}: [{language}]"
    need_known(table, where, keys_of(Words))
    return validated(Words, table, where)
