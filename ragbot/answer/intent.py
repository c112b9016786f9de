"""What a message is, understood once: the value that is carried down from the chat to the search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ragbot.answer.intent_model import QUESTIONS, TELLS, Intent
from ragbot.text import messages
from ragbot.text.messages import Parsed
from ragbot.text.sentences import sentences
from ragbot.text.tokens import has_cjk, tokens

Kind = Literal[
    "greeting",
    "parting",
    "question",
    "statement",
    "chatter",
    "aside",
    "takes back",
    "about",
    "holdings",
    "news",
    "revise",
    "forget",
    "person",
    "recall",
]
ReadIntents = Callable[[Sequence[str]], Sequence[Intent]]
"""What each text is; nothing where no model reads them."""
KINDS: dict[str, Kind] = {
    "greeting": "greeting",
    "thanks": "parting",
    "chatter": "chatter",
    "aside": "aside",
    "takes_back": "takes back",
    "about_bot": "about",
    "holdings": "holdings",
    "news": "news",
    "revise": "revise",
    "forget": "forget",
    "person": "person",
}
"""What a whole message may be that is neither asked of the documents nor to be remembered."""
KEPT = 0.6
"""How likely the model must find that a sentence and its message tell something. Set on the open part of
`benchmarks/conversations`, where .92 of the messages are kept as they should be."""
FRAMES = ("aside", "forget", "takes_back")
"""Kinds of messages in which a sentence is not what it looks like by itself."""
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
    told: tuple[str, ...]
    """The sentences that tell something."""
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
    corrects: bool = False
    """Whether it says that something said before is not so."""

    @property
    def statements(self) -> str:
        """What it tells, in one; "" for nothing."""
        return " ".join(self.told)


def understand(message: str, history: History, read: ReadIntents | None = None) -> Ask:
    """Read a message in its conversation: by rules over words, and, with `read`, by the model of intents where it is sure."""
    understood = _Understood(messages.parse(message))
    if messages.orders_to_forget(message):
        understood = _Understood(Parsed((), "", False, False), "forget")
    elif read and not understood.parsed.is_greeting and (understood.parsed.question or understood.parsed.told):
        understood = _read(message, understood.parsed, read, bool(history))
    parsed, whole = understood.parsed, understood.kind
    if parsed.is_greeting or not (whole or parsed.question or parsed.told):
        kind: Kind = "parting" if parsed.is_parting else "greeting"
    else:
        kind = whole or ("question" if parsed.question else "statement")
    dependent = bool(parsed.question) and messages.is_context_dependent(parsed.question)
    return Ask(
        text=message,
        language="zh" if has_cjk(message) else "en",
        kind=kind,
        told=parsed.told,
        question=parsed.question,
        parts=tuple(messages.questions(parsed.question)),
        form=understood.form,
        standalone=messages.contextualize(parsed.question, history) if dependent else parsed.question,
        context_dependent=dependent,
        wants_person=messages.wants_person(message) or whole == "person",
        may_reply=messages.may_reply(message),
        history=tuple(history),
        corrects=understood.corrects or messages.corrects(message),
    )


class _Understood(NamedTuple):
    """What the model makes of a message: what it tells and asks, what it is, if that is more than a question or a statement,
    which form of answer it asks for, and whether it corrects what was said.
    """

    parsed: Parsed
    kind: Kind | None = None
    form: str = ""
    corrects: bool = False


def _is_told(whole: Intent, one: Intent) -> bool:
    """Whether a sentence of a message is to be remembered; what frames it ("off the record") often stands in another one."""
    return ((whole.told + one.told) / 2 if whole.kind in FRAMES else one.told) >= KEPT


def _read(message: str, parsed: Parsed, read: ReadIntents, answered: bool) -> _Understood:
    """The message by the model, where it is sure."""
    parts = [message[span.start : span.end] for span in sentences(message)]
    found = read([message, *parts])
    if not found:
        return _Understood(parsed)
    whole, *each = found
    # A greeting before a fact is no reason to lose the fact.
    says = any(_is_told(whole, one) or (one.kind in QUESTIONS[:2] and one.chance >= SURE) for one in each)
    least = SUREST if whole.kind in SMALL_TALK and messages.asks(message) else SURER
    nothing_to_revise = whole.kind == "revise" and not answered
    if whole.kind in KINDS and whole.chance >= least and not says and not nothing_to_revise:
        return _Understood(Parsed((), "", parsed.is_greeting, parsed.is_parting), KINDS[whole.kind])
    told, asked, dropped = list[str](), list[str](), False
    for part, one in zip(parts, each, strict=True):
        if not tokens(part):
            continue
        if messages.ends_asking(part):
            (told if messages.parse(part).statements else asked).append(part)
        elif _is_told(whole, one):
            told.append(part)
        elif one.kind in KINDS or (one.kind in TELLS and not messages.asks(part)):
            dropped = True
        else:
            asked.append(part)
    if not told and not asked:
        plain = parsed.question and whole.other not in FRAMES
        kind = KINDS.get(whole.other) if dropped and not nothing_to_revise and not plain else None
        return _Understood(Parsed((), "", False, False) if kind else parsed, kind, whole.form)
    read_as = Parsed(tuple(told), " ".join(asked), parsed.is_greeting, parsed.is_parting)
    recalls = bool(asked) and whole.kind == "recall" and whole.chance >= SURER
    corrects = any(one.kind == "correction" and one.chance >= SURE for one in each)
    return _Understood(read_as, "recall" if recalls else None, whole.form, corrects)
