"""Conversations of people who tell a bot things, each with what the memory should hold after every message.

`*.jsonl`: one conversation a line, written for this, in English or Chinese. A message has the sentences that become memory
(`keeps`), which earlier ones hold no longer since it was said (`ends`: replaced, negated, taken back or forgotten on order), whom
or what a sentence is about that does not say so itself (`about`), and days that it names in other words (`days`). `asks` are
questions after the last message. Files `fitted-*` fit thresholds, others train; `benchmarks/conversations` reports.

    python -m training.conversations FILE…        # names what is not sound
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ragbot.text import leaning

HERE = Path(__file__).parent
LANGUAGES = ("en", "zh")
KINDS = (
    "fact", "several", "update", "correction", "negation", "addition", "neighbour", "third person", "pronoun", "past", "future",
    "hypothesis", "work", "order", "question", "quotation", "off the record", "thanks", "complaint", "chatter", "forget",
    "forget that", "forget all", "takes back",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """One message, and what it does to the memory."""

    text: str
    kind: str
    keeps: tuple[str, ...] = ()
    """Its sentences that become memory, word for word."""
    ends: tuple[str, ...] = ()
    """Sentences kept from earlier messages, word for word, that hold no longer."""
    about: Mapping[str, str] | None = None
    """By kept sentence: whom or what it is about, where its own words do not say so."""
    days: Mapping[str, date] | None = None
    """By kept sentence: the day that it names ("tomorrow")."""
    on: date | None = None
    """The day on which it is said."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A question after the last message: its answer holds one text of each group of `says`, and none of `never`."""

    question: str
    says: tuple[tuple[str, ...], ...]
    """Empty: nothing that was told answers it."""
    never: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What one person says, in order."""

    id: str
    language: str
    messages: tuple[Said, ...]
    probes: tuple[Probe, ...]

    def about(self) -> dict[str, str]:
        """By kept sentence: what it is about by the rule of the chat, "" where it says so itself."""
        found, before = dict[str, str](), ""
        for text in (text for said in self.messages for text in said.keeps):
            found[text] = leaning.about(text, before, found.get(before, ""))
            before = text
        return found

    def states(self) -> list[tuple[str, ...]]:
        """The sentences that the memory should hold after each message."""
        held, found = list[str](), list[tuple[str, ...]]()
        for one in self.messages:
            held = [sentence for sentence in held if sentence not in one.ends] + list(one.keeps)
            found.append(tuple(held))
        return found


def load(files: Iterable[Path]) -> list[Conversation]:
    """The conversations of files, in order. Raises ValueError, which names file, line and cause, for what is not sound."""
    found = list[Conversation]()
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                found.append(_conversation(json.loads(line), f"{file.stem}-{number}"))
            except (ValueError, KeyError, TypeError, AttributeError) as cause:
                raise ValueError(f"{file.name}, line {number}: {cause!r}") from cause
    return found


def _conversation(row: Any, name: str) -> Conversation:  # noqa: ANN401
    if row["language"] not in LANGUAGES:
        raise ValueError(f"language {row['language']!r}")
    messages = tuple(_said(one) for one in row["turns"])
    held = set[str]()
    for at, one in enumerate(messages, 1):
        if missing := [sentence for sentence in one.ends if sentence not in held]:
            raise ValueError(f"turn {at} ends what is not held there: {missing[0]!r}")
        held -= set(one.ends)
        if twice := held & set(one.keeps):
            raise ValueError(f"turn {at} keeps what is held already: {twice}")
        held |= set(one.keeps)
    return Conversation(name, row["language"], messages, tuple(_probe(one) for one in row["asks"]))


def _said(row: Any) -> Said:  # noqa: ANN401
    keeps, about, days = row.get("keeps", []), row.get("about", {}), row.get("days", {})
    if row["kind"] not in KINDS:
        raise ValueError(f"there is no kind {row['kind']!r}")
    if loose := [sentence for sentence in keeps if not sentence.strip() or sentence not in row["said"]]:
        raise ValueError(f"keeps what is not in the message word for word: {loose[0]!r}")
    if loose := [sentence for sentence in (*about, *days) if sentence not in keeps]:
        raise ValueError(f"is about what it does not keep: {loose[0]!r}")
    if unknown := row.keys() - {"said", "kind", "keeps", "ends", "about", "days", "on"}:
        raise ValueError(f"there is no field {sorted(unknown)[0]!r}")
    named = {sentence: date.fromisoformat(day) for sentence, day in days.items()}
    on = date.fromisoformat(row["on"]) if "on" in row else None
    if named and on is None:
        raise ValueError("names days, but not on which it is said")
    return Said(row["said"], row["kind"], tuple(keeps), tuple(row.get("ends", [])), about, named, on)


def _probe(row: Any) -> Probe:  # noqa: ANN401
    groups = tuple(tuple(one) if isinstance(one, list) else (one,) for one in row["says"])
    return Probe(row["question"], groups, tuple(row.get("never", [])))


def main() -> int:
    """Check files, and count what is in them."""
    found = load(Path(name) for name in sys.argv[1:])
    messages = [one for conversation in found for one in conversation.messages]
    counts = {kind: sum(one.kind == kind for one in messages) for kind in KINDS}
    print(f"{len(found)} conversations, {len(messages)} messages, {sum(len(one.probes) for one in found)} questions: {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
