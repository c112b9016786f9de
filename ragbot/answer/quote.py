"""Which sentences of the passages speak to a question, best first, and how they are quoted.

Knows no generator. `ragbot.answer.calibration` says how likely the best of them answers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ragbot.answer.context import TurnVectors
from ragbot.answer.units import MARKUP, Unit, is_disputed, rows_of_another, units_of
from ragbot.models.answerability import AnswerSpan
from ragbot.safety.gate import harmless_name
from ragbot.text.codes import asked_codes
from ragbot.text.sentences import Span
from ragbot.text.tokens import content, has_cjk, in_other_language
from ragbot.types import Chunk, Citation, Hit

NEAR_BEST = 0.08
"""Evidence this much below the best does not answer the question."""
ALSO = 0.2
"""How much fewer words of the question the sentence with the answer's words may hold, to be said too."""
NAMED_CELL = 0.1
"""What a cell of a row that the question names as it is adds to the row's score."""
OPPOSED = 0.1
"""How far below a sentence that says the opposite the best other one may be, and still answer."""
CELLS_OF_A_PLACE = 2
"""A row is the one that is asked for if the question names so many of its cells."""
LEAD = 0.1
"""How much of the match of words hangs on how a sentence begins, or on the first cell of a row."""
WORDS_ACROSS = 0.3
"""How much of its cosine stands in for the words that a sentence in another language cannot share."""
EARLIER = 0.3
"""The weight of a word that only an earlier question holds, which this one leans on."""

_LABEL = re.compile(r"(?!.*(?:https?:|www\.|@|[:：]|\w\.[a-z]{2,})).{1,80}")
"""A heading that is said before a fragment: short, and without an address or a colon."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence of a hit, and how well it speaks to the question (higher is better)."""

    hit: Hit
    span: Span
    """Within the chunk's text."""
    text: str
    """Its words as they may be said."""
    context: str
    """Headings and title above it, which count as said."""
    score: float
    cosine: float
    """On the reference scale (`ragbot.search.calibration`)."""
    coverage: float
    """The part of the question's content words that the sentence and its passage hold, weighed by rarity."""
    names_code: bool = False
    """The question names a code, or cells of a row, and this is about the very one."""
    is_row: bool = False
    named_row: str = ""
    """A row with the names of its columns, where it does not name them itself."""
    across: bool = False
    """Its passage is in another language than the question."""
    opposes: bool = False
    """It says what is not so where the question asks what is, or the other way round: it answers nothing."""
    span_found: AnswerSpan | None = None
    """What the answerability model finds in its passage."""
    holds: bool = False
    """It holds the words that the model takes for the answer."""
    said: float = 0.0
    """How likely a complete answer says it, by the model; 0 where it was not read."""

    @property
    def answer(self) -> str:
        """The words that the model takes for the answer; "" without a model, or where they stand in another sentence."""
        return self.span_found.words if self.span_found and self.holds else ""

    @property
    def citation(self) -> Citation:
        """The very words, with their place in the document."""
        chunk = self.hit.chunk
        return Citation(
            chunk_id=chunk.id,
            uri=chunk.uri,
            start=chunk.start + self.span.start,
            end=chunk.start + self.span.end,
            quote=self.text,
            kind=chunk.kind,
            page=chunk.page,
            line=chunk.line and chunk.line + chunk.text.count("\n", 0, self.span.start),
            heading=self.context.rpartition(" > ")[2],
            said_at=None if chunk.kind == "file" else chunk.valid_from,
            shown=name if (name := harmless_name(self.hit.name or chunk.uri)) != chunk.uri else "",
            valid_from=chunk.valid_from,
        )


def select_sentences(
    question: str, hits: Sequence[Hit], vectors: TurnVectors, now: str = "", *, beside: bool = False
) -> list[Evidence]:
    """The sentences of `hits` by how well they speak to the question, best first.

    `now` is the part of the question that was asked now, where the rest is what it leans on. A sentence that a correction
    sets aside is left out where that correction is among the hits, or where these are looked at beside others.
    """
    named = asked_codes(now or question, [f"{hit.chunk.title}\n{hit.chunk.heading}\n{hit.chunk.text}" for hit in hits])
    corrections = {hit.chunk.uri for hit in hits if hit.chunk.kind == "correction"}
    if beside:
        corrections |= {dispute.uri for hit in hits for dispute in hit.disputes}
    units = [unit for hit in hits for unit in units_of(hit) if not is_disputed(unit, corrections) and unit.is_about(named)]
    wrong = rows_of_another(question, units)
    units = [unit for place, unit in enumerate(units) if place not in wrong]
    if not units:
        return []
    cjk, numbers = has_cjk(question), vectors.calibration
    sentence_vectors = vectors.passages([with_context(unit.meaning, unit.context) for unit in units])
    across = np.array([numbers.reads_across and in_other_language(unit.hit.chunk.text, cjk) for unit in units], np.bool_)
    cosines = numbers.aligned(sentence_vectors @ vectors.query(question), cjk, across)
    weights = _rarity(question, now or question, hits)
    meaning = numbers.sentence_meaning_cjk if cjk else numbers.sentence_meaning
    words = numbers.sentence_words_cjk if cjk else numbers.sentence_words
    found = []
    for unit, cosine, foreign in zip(units, cosines.tolist(), across.tolist(), strict=True):
        coverage, cells = _unit_coverage(weights, unit), unit.named_cells(question)
        coverage = max(coverage, WORDS_ACROSS * min(cosine, 1.0)) if foreign else coverage
        one = _evidence(unit, cosine * meaning + coverage * words + NAMED_CELL * cells, cosine, coverage, question)
        names_it = bool(named) or cells >= CELLS_OF_A_PLACE
        found.append(replace(one, names_code=names_it, across=foreign, opposes=not unit.affirms(now or question)))
    return _of_one_sign(sorted(found, key=lambda one: -one.score))


def _of_one_sign(found: list[Evidence]) -> list[Evidence]:
    """What does not contradict the question first, if it scores nearly as high; else nothing answers, and all stays as it is."""
    fitting = [one for one in found if not one.opposes]
    near = fitting and fitting[0].score >= found[0].score - OPPOSED
    return [*fitting, *(one for one in found if one.opposes)] if near else found


def _unit_coverage(weights: dict[str, float], unit: Unit) -> float:
    """How much of the question's words a sentence and its passage hold; the sentence counts twice."""
    chunk = unit.hit.chunk
    lead = _coverage(weights, _lead(unit.text))
    near = _coverage(weights, f"{unit.context} {unit.meaning}")
    near += LEAD * (lead - near)
    around = _coverage(weights, f"{chunk.title} {chunk.heading} {chunk.text}")
    return (2 * near + around) / 3


def every_sentence(hits: Sequence[Hit]) -> list[list[Evidence]]:
    """The sentences of each hit in order, without those that a correction sets aside."""
    corrections = {dispute.uri for hit in hits for dispute in hit.disputes}
    return [[_evidence(unit, 0.0, 0.0, 0.0) for unit in units_of(hit) if not is_disputed(unit, corrections)] for hit in hits]


def cite_own(chunks: Sequence[Chunk]) -> Citation | None:
    """The first sentence of what a message told, as it was stored; None if nothing of it may be evidence."""
    units = [unit for chunk in chunks for unit in units_of(Hit(chunk, 0.0))]
    return _evidence(units[0], 0.0, 0.0, 0.0).citation if units else None


def _evidence(unit: Unit, score: float, cosine: float, coverage: float, question: str = "") -> Evidence:
    named_row = row if unit.columns and (row := unit.row_for(question)) != unit.text else ""
    return Evidence(
        unit.hit, unit.span, unit.text, unit.context, score, cosine, coverage, is_row=unit.is_row, named_row=named_row
    )


def shares_query_term(question: str, best: Evidence) -> bool:
    """Whether the evidence holds a content word of what was asked now, and not only of what that leans on.

    Evidence in another language counts as if it did.
    """
    words = set(content(question))
    return not words or best.across or bool(words & set(content(f"{best.context} {best.text}")))


def answer_span_sentence(found: Sequence[Evidence], given: Collection[Citation]) -> Evidence | None:
    """The sentence of the best passage with the words that the model takes for the answer, where nothing given holds them."""
    best = found[0]  # what is found in other passages answers another question, or this one again
    near = (e for e in found if e.hit.chunk.id == best.hit.chunk.id and e.coverage >= best.coverage - ALSO)
    holder = next((e for e in near if e.answer), None)
    if (
        holder is None
        or holder.is_row
        and best.is_row  # the rows beside the one that is asked for are about something else
        or holder.citation in given
        or any(set(content(holder.answer)) <= set(content(citation.quote)) for citation in given)
    ):
        return None
    return holder


def describe_place(found: Evidence) -> str:
    """Where it stands, in words: the title of its document, or else its name, and the heading."""
    title = found.context.partition(" > ")[0] if found.hit.chunk.title else ""
    heading, name = found.citation.heading, title or found.citation.shown or found.citation.uri
    return f"{name} (“{heading}”)" if heading and heading != title else name


def near_best(found: Sequence[Evidence]) -> list[Evidence]:
    """The evidence that answers the question about as well as the best does."""
    if not found:
        return []
    fitting = [e for e in found if e.opposes <= found[0].opposes]
    best = max(e.score for e in fitting)
    return [e for e in fitting if e is found[0] or e.score >= best - NEAR_BEST]


def render_quote(found: Evidence, *, alone: bool = True) -> str:
    """The evidence as an answer: its own words, without markup; alone, under its heading if it is but a fragment.

    What a person told is quoted as such, since its "I" and "my" are not the bot's.
    """
    if found.hit.chunk.kind == "turn":
        about = f" ({found.context})" if found.context else ""
        return f"你告诉过我{about}：“{found.text}”" if has_cjk(found.text) else f"You told me{about}: “{found.text}”"
    text = " ".join(MARKUP.sub("", found.named_row or found.text).split())
    text = " – ".join(cell.strip() for cell in text.strip("| ").split(" | "))
    heading = found.context.rpartition(" > ")[2]
    fragment = alone and not re.search(r"[.!?。！？]['\"”’」）)]*$", text) and _LABEL.fullmatch(heading)
    return f"{MARKUP.sub('', heading)}: {text}" if fragment and heading and heading.lower() not in text.lower() else text


def with_context(text: str, context: str) -> str:
    """A sentence under its nearest heading, as it is embedded."""
    heading = context.rpartition(" > ")[2]
    return f"{heading}: {text}" if heading else text


def _lead(text: str) -> str:
    """How a sentence begins, or the first cell of a row: what it is about, more than what else it mentions."""
    cell = text.strip("| \n").partition("|")[0]
    return cell if len(cell) < len(text) - 4 else text[: len(text) // 3]


def _rarity(question: str, now: str, hits: Sequence[Hit]) -> dict[str, float]:
    """The question's content words, each weighed by how few of the hits hold it, and by whether it was asked now."""
    words = dict.fromkeys(content(question))
    asked = set(content(now))
    held = [set(content(f"{hit.chunk.title} {hit.chunk.heading} {hit.chunk.text}")) for hit in hits]
    return {
        word: math.log(1 + (len(held) + 1) / (1 + sum(word in h for h in held))) * (1.0 if word in asked else EARLIER)
        for word in words
    }


def _coverage(weights: dict[str, float], text: str) -> float:
    there = set(content(text))
    total = sum(weights.values())
    return sum(weight for word, weight in weights.items() if word in there) / total if total else 0.0
