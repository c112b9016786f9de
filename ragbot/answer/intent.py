"""What a message is, understood once: the value that is carried down from the chat to the search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ragbot.answer.intent_model import Intent
from ragbot.text import messages
from ragbot.text.messages import Parsed
from ragbot.text.sentences import sentences
from ragbot.text.tokens import has_cjk, tokens

Kind = Literal[
    "greeting", "parting", "question", "statement", "chatter", "about", "holdings", "news", "revise", "forget", "person", "recall"
]
ReadIntents = Callable[[Sequence[str]], Sequence[Intent]]
"""What each text is; nothing where no model reads them."""
TELLS = ("statement", "correction")
ASKS = ("question", "several", "recall", "about_bot", "holdings", "news")
KINDS: dict[str, Kind] = {
    "greeting": "greeting",
    "thanks": "parting",
    "chatter": "chatter",
    "about_bot": "about",
    "holdings": "holdings",
    "news": "news",
    "revise": "revise",
    "forget": "forget",
    "person": "person",
}
"""What a whole message may be that is neither asked of the documents nor to be remembered."""
SMALL_TALK = ("greeting", "thanks", "chatter")
SURE, SURER, SUREST = 0.5, 0.7, 0.9
"""How likely the model must find what it takes a sentence for, a whole message, and one for small talk that has the form of a
question; else the rules over words decide."""
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
    parts: tuple[str, ...]
    """The questions that it asks; several, where it asks several."""
    form: str
    """The form of answer that it asks for, as the model of intents names them; "" where none reads it."""
    standalone: str
    """The question with what it leans on."""
    context_dependent: bool
    """Whether the question does not say what it is about."""
    wants_person: bool
    """Whether it asks to speak to a person."""
    may_reply: bool
    """Whether it may be a reply to what the bot asked."""
    history: tuple[tuple[str, str], ...] = ()


def understand(message: str, history: History, read: ReadIntents | None = None) -> Ask:
    """Read a message in its conversation: by rules over words, and, with `read`, by the model of intents where it is sure."""
    parsed, whole, form = messages.parse(message), None, ""
    if read and not parsed.is_greeting and (parsed.question or parsed.statements):
        parsed, whole, form = _read(message, parsed, read, bool(history))
    if parsed.is_greeting or not (whole or parsed.question or parsed.statements):
        kind: Kind = "parting" if parsed.is_parting else "greeting"
    else:
        kind = whole or ("question" if parsed.question else "statement")
    dependent = bool(parsed.question) and messages.is_context_dependent(parsed.question)
    return Ask(
        text=message,
        language="zh" if has_cjk(message) else "en",
        kind=kind,
        statements=parsed.statements,
        question=parsed.question,
        parts=tuple(messages.questions(parsed.question)),
        form=form,
        standalone=messages.contextualize(parsed.question, history) if dependent else parsed.question,
        context_dependent=dependent,
        wants_person=messages.wants_person(message) or whole == "person",
        may_reply=messages.may_reply(message),
        history=tuple(history),
    )


def _read(message: str, parsed: Parsed, read: ReadIntents, answered: bool) -> tuple[Parsed, Kind | None, str]:
    """What the message tells and asks by the model, what it is, if that is more than a question or a statement, and which form of
    answer it asks for.
    """
    parts = [message[span.start : span.end] for span in sentences(message)]
    found = read([message, *parts])
    if not found:
        return parsed, None, ""
    whole, *each = found
    # A greeting before a fact is no reason to lose the fact.
    says = any(one.kind in (*TELLS, *ASKS[:2]) and one.chance >= SURE for one in each)
    least = SUREST if whole.kind in SMALL_TALK and messages.asks(message) else SURER
    nothing_to_revise = whole.kind == "revise" and not answered
    if whole.kind in KINDS and whole.chance >= least and not says and not nothing_to_revise:
        return Parsed("", "", parsed.is_greeting, parsed.is_parting), KINDS[whole.kind], ""
    told, asked = list[str](), list[str]()
    for part, one in zip(parts, each, strict=True):
        if not tokens(part):
            continue
        if one.chance < SURE or messages.ends_asking(part):
            (told if messages.parse(part).statements else asked).append(part)
        elif one.kind in TELLS:
            told.append(part)
        elif one.kind in ASKS or one.kind not in KINDS:
            asked.append(part)
    if not told and not asked:
        return parsed, None, whole.form
    recalls = bool(asked) and whole.kind == "recall" and whole.chance >= SURER
    read_as = Parsed(" ".join(told), " ".join(asked), parsed.is_greeting, parsed.is_parting)
    return read_as, "recall" if recalls else None, whole.form
