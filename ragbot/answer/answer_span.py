"""Where in the passages the answer stands, as the answerability model finds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ragbot.answer.calibration import answerability
from ragbot.answer.quote import Evidence
from ragbot.models.answerability import AnswerabilityModel, AnswerSpan, Passage
from ragbot.search.calibration import Calibration
from ragbot.text.tokens import content, has_cjk

HOLDS, SAME_WORDS = 0.1, 0.05
"""How far below the best sentence of a passage the one with the answer's words may be to come before it: in its score, and in
the words of the question that it holds (Friday's line is not Saturday's)."""
PASSAGES = 5
"""How many of the best passages are read."""
CLEARLY = 0.05
"""How much likelier another passage must be to answer than the first, to come before it."""
AROUND, AROUND_CJK = 1000, 370
"""About how much of a passage is read, in characters."""


def with_answer_span(
    question: str, found: Sequence[Evidence], model: AnswerabilityModel | None, numbers: Calibration
) -> list[Evidence]:
    """The evidence with what the model finds in the best passages; what people told is read where it comes first.

    The sentence with the answer's words comes before the best one of its passage if it is near it, and the passage that clearly
    answers before one that does not.
    """
    if model is None or not found:
        return list(found)
    told = found[0].hit.chunk.kind == "turn"
    if not told and not is_readable(found[0]):
        return list(found)
    passages = readable_passages(found, told=told)
    read, leads = dict[int, Evidence](), list[Evidence]()
    for some, (sentences, one) in zip(passages, _read(question, passages, model), strict=True):
        read |= {id(e): replace(e, said=said if is_readable(e) else 0.0) for e, said in sentences}
        best, words = some[0], one.words if one else ""
        holder = _holder([e for e, _ in sentences], words)
        read[id(best)] = replace(read[id(best)], span_found=one, holds=holder is best)
        if holder is not None and holder is not best:
            read[id(holder)] = replace(read[id(holder)], span_found=one, holds=True)
        leads.append(holder if holder is not None and _near(holder, best) else best)
    sure = [answerability(question, read[id(e)], numbers) for e in leads]
    first = leads[int(np.argmax(sure))] if max(sure) >= sure[0] + (0.0 if told else CLEARLY) else leads[0]
    return [read.get(id(e), e) for e in (first, *(e for e in found if e is not first))]


def with_said(question: str, found: Sequence[Evidence], model: AnswerabilityModel) -> list[Evidence]:
    """The evidence of further passages with how likely a complete answer says each sentence."""
    passages = readable_passages(found, most=len(found))
    return [replace(e, said=said) for sentences, _ in _read(question, passages, model) for e, said in sentences]


def _read(
    question: str, passages: Sequence[Sequence[Evidence]], model: AnswerabilityModel
) -> list[tuple[list[tuple[Evidence, float]], AnswerSpan | None]]:
    """For each passage the sentences that were read, in order, how likely a complete answer says each, and what is found."""
    about = [about_best(some) for some in passages]
    found = model.read(question, [as_read(some) for some in about])
    return [
        ([*zip(some, (one.said if one else ()) or [0.0] * len(some), strict=True)], one)
        for some, one in zip(about, found, strict=True)
    ]


def readable_passages(found: Sequence[Evidence], most: int = PASSAGES, *, told: bool = False) -> list[list[Evidence]]:
    """The sentences of each of the best passages that may be read, best first; with `told`, what people told too."""
    passages: dict[int, list[Evidence]] = {}
    for e in found:
        if (is_readable(e) or (told and e.hit.chunk.kind == "turn")) and (e.hit.chunk.id in passages or len(passages) < most):
            passages.setdefault(e.hit.chunk.id, []).append(e)
    return list(passages.values())


def as_read(sentences_of_one: Sequence[Evidence]) -> Passage:
    """A passage as the model reads it, with how near the best of its sentences is."""
    best = max(sentences_of_one, key=lambda e: e.score)
    told, texts = best.hit.chunk.kind == "turn", [e.text for e in sentences_of_one]
    return Passage(_under(sentences_of_one[0]), texts, best.cosine, best.coverage, told)


def _near(holder: Evidence, best: Evidence) -> bool:
    """Whether the sentence with the answer's words speaks to the question about as well as the best one of its passage."""
    least = best.score - (0.0 if best.is_row and holder.is_row else HOLDS)
    return holder.score >= least and holder.coverage >= best.coverage - SAME_WORDS


def about_best(passage: Sequence[Evidence]) -> Sequence[Evidence]:
    """The sentences of a passage about the best one, which comes first, in order, as many as are read in a moment."""
    best, passage = passage[0], sorted(passage, key=lambda e: e.span.start)
    first = last = next(at for at, e in enumerate(passage) if e is best)
    room = (AROUND_CJK if has_cjk(best.text) else AROUND) - len(best.text)
    while room > 0 and (first > 0 or last + 1 < len(passage)):
        for at in (first - 1, last + 1):
            if 0 <= at < len(passage) and room > 0:
                room -= len(passage[at].text)
                first, last = min(first, at), max(last, at)
    return passage[first : last + 1]


def is_readable(one: Evidence) -> bool:
    """Whether the model may be asked of it."""
    return one.hit.chunk.kind == "file"


def _holder(sentences_of_one: Sequence[Evidence], words: str) -> Evidence | None:
    """The sentence of a passage that holds the words of an answer, or most of them; the best one, if several do."""
    wanted = set(content(words))
    if not words or not sentences_of_one:
        return None

    def held(e: Evidence) -> tuple[bool, float, float]:
        return words in e.text, len(wanted & set(content(e.text))) / max(1, len(wanted)), e.score

    best = max(sentences_of_one, key=held)
    return best if held(best) >= (False, 0.5, best.score) else None


def _under(one: Evidence) -> str:
    """Title and nearest heading above a sentence."""
    title, _, rest = one.context.partition(" > ")
    return ". ".join(part for part in (title, rest.rpartition(" > ")[2]) if part)
