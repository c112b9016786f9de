"""The question as it is best understood, the evidence for it, and how likely that answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ragbot.answer.answer_span import with_answer_span
from ragbot.answer.calibration import best_answerability
from ragbot.answer.context import Context
from ragbot.answer.intent import Ask, History
from ragbot.answer.quote import Evidence, select_sentences, shares_query_term
from ragbot.models.answerability import AnswerabilityModel
from ragbot.text.messages import is_context_dependent
from ragbot.text.tokens import content
from ragbot.types import Hit

WHOLE = ("steps", "summary")
"""Forms of answers to one question, however many clauses it has."""
NOT_ASKED = 10
"""So many times less than is asked for is the chance of what holds no word of what was asked now."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a message."""

    ask: Ask
    wanted: str
    """The question with what it leans on."""
    evidence: Sequence[Evidence]
    """Best first."""
    sure: float
    """How likely the best of it answers, 0 to 1."""
    own: str = ""
    """The uri of what the message itself told."""


def find(ask: Ask, own: str, context: Context, model: AnswerabilityModel | None, least: float) -> Found:
    """The evidence of the first way to understand a question that answers with a chance of `least`; else of the best one.

    It is tried with what it leans on, as the model sees it and as rules do, then with all that the message says, then by itself;
    slips in spelling are mended. `own` is the uri of what the message itself told.
    """
    said_so = (ask.question, ask.standalone, ask.text)
    meant = {text: context.as_meant(text) for text in dict.fromkeys(said_so)}
    numbers = context.vectors.calibration
    asking, standalone, whole = (meant[text] for text in said_so)
    completed = model.completed(asking, [said for _, said in ask.history]) if model else asking
    tries: list[tuple[str, str, History]] = [
        (standalone, asking, ask.history),
        (completed, completed, ()),
        (whole, whole, ()),
        (asking, asking, ()),
    ]
    if ask.context_dependent and completed != asking:
        tries[:2] = tries[1::-1]
    best = Found(ask, asking, (), 0.0, own)
    for wanted, query, said in dict.fromkeys(tries):
        hits = [hit for hit in context.retrieve(query, said) if hit.chunk.uri != own or _answers_itself(asking, hit)]
        found = with_answer_span(wanted, select_sentences(wanted, hits, context.vectors, asking), model, numbers)
        sure = best_answerability(wanted, found, numbers)
        if not (wanted == asking or (found and shares_query_term(asking, found[0]))):
            sure = min(sure, least / NOT_ASKED)  # it answers what was asked before
        if sure >= least:
            return Found(ask, wanted, found, sure, own)
        best = max(best, Found(ask, wanted, found, sure, own), key=lambda one: (one.sure, bool(one.evidence)))
    return best


def find_each(found: Found, context: Context, model: AnswerabilityModel | None, least: float) -> list[Found]:
    """What answers with a chance of `least`: where a message asks several questions, for each by itself.

    If not each is answered so, what was found for all of them together comes first. Nothing: there is no answer.
    """
    together = [found] if found.evidence and found.sure >= least else []
    if len(found.ask.parts) < 2 or found.ask.form in WHOLE:
        return together
    each, hits = list[Found](), [*context.hits]
    for at in range(len(found.ask.parts)):
        each.append(find(_alone(found.ask, at), found.own, context, model, least))
        hits += context.hits
    context.hits = list({hit.chunk.id: hit for hit in hits}.values())
    answered = [one for one in each if one.evidence and one.sure >= least]
    return answered if len(answered) == len(each) else [*together, *answered]


def _alone(ask: Ask, at: int) -> Ask:
    """One of several questions, with the others as what was said before."""
    part, before = ask.parts[at], " ".join(part for part in ask.parts if part != ask.parts[at])
    leans = is_context_dependent(part)
    return replace(
        ask,
        text=part,
        question=part,
        parts=(part,),
        standalone=f"{before} {part}" if leans else part,
        context_dependent=leans,
        history=(*ask.history, ("user", before)),
    )


def _answers_itself(asking: str, own: Hit) -> bool:
    """Whether what a message tells holds every word that it asks about; mostly it is only the occasion."""
    asked = set(content(asking))
    return bool(asked) and asked <= set(content(own.chunk.text))
