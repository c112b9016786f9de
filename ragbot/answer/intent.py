"""What a message is, understood once: the value that is carried down from the chat to the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ragbot.text import messages
from ragbot.text.tokens import has_cjk

Kind = Literal["greeting", "parting", "question", "statement"]
Language = Literal["en", "zh"]
History = Sequence[tuple[str, str]]
"""(role, text), oldest first."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A message and how it was understood."""

    text: str
    language: Language
    kind: Kind
    statements: str
    """The sentences that tell something; "" for none."""
    question: str
    """The sentences that ask something; "" for none."""
    standalone: str
    """The question with what it leans on."""
    context_dependent: bool
    """Whether the question does not say what it is about."""
    wants_person: bool
    """Whether it asks to speak to a person."""
    may_reply: bool
    """Whether it may be a reply to what the bot asked."""
    history: tuple[tuple[str, str], ...] = ()


def understand(message: str, history: History) -> Ask:
    """Read a message in its conversation. Rules, no model."""
    parsed = messages.parse(message)
    if parsed.is_greeting or not (parsed.question or parsed.statements):
        kind: Kind = "parting" if parsed.is_parting else "greeting"
    else:
        kind = "question" if parsed.question else "statement"
    dependent = bool(parsed.question) and messages.is_context_dependent(parsed.question)
    return Ask(
        text=message,
        language="zh" if has_cjk(message) else "en",
        kind=kind,
        statements=parsed.statements,
        question=parsed.question,
        standalone=messages.contextualize(parsed.question, history) if dependent else parsed.question,
        context_dependent=dependent,
        wants_person=messages.wants_person(message),
        may_reply=messages.may_reply(message),
        history=tuple(history),
    )
