"""Where in a passage the answer stands, as the answerability model finds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ragbot.answer.quote import Evidence
from ragbot.models.answerability import AnswerabilityModel, AnswerSpan
from ragbot.text.tokens import content, has_cjk

HOLDS, SAME_WORDS = 0.1, 0.05
"""How far below the best sentence of a passage the one with the answer's words may be to come before it: in its score, and in
the words of the question that it holds (Friday's line is not Saturday's)."""
AROUND = 700
"""About how much of a passage is read, in characters: a third of a second's work."""


def with_answer_span(question: str, found: Sequence[Evidence], model: AnswerabilityModel | None) -> list[Evidence]:
    """The evidence with what the model finds in the best passage; what people told is not read, nor is Chinese.

    The sentence that holds the answer's words comes first if it is near the best.
    """
    if model is None or not found or has_cjk(question) or not is_readable(found[0]):
        return list(found)
    best, rest = found[0], found[1:]
    passage = _around(best, sorted((e for e in found if e.hit.chunk.id == best.hit.chunk.id), key=lambda e: e.span.start))
    (said,) = model.read(question, [(_under(best), " ".join(e.text for e in passage))])
    holder = _holder(passage, said.words)
    far = holder is not None and holder.score < best.score - (0.0 if best.is_row and holder.is_row else HOLDS)
    if holder is None or far or holder.coverage < best.coverage - SAME_WORDS:
        rest = [replace(e, span_found=said, holds=True) if e is holder else e for e in rest]
        return [replace(best, span_found=said, holds=holder is best), *rest]
    return [replace(holder, span_found=said, holds=True), *(e for e in found if e is not holder)]


def read_sentence(question: str, one: Evidence, model: AnswerabilityModel) -> AnswerSpan:
    """What the model finds in a sentence by itself, under its title and heading."""
    (said,) = model.read(question, [(_under(one), one.text)])
    return said


def _around(best: Evidence, passage: Sequence[Evidence]) -> Sequence[Evidence]:
    """The sentences of a passage about the best one, as many as are read in a moment."""
    first = last = next(at for at, e in enumerate(passage) if e is best)
    room = AROUND - len(best.text)
    while room > 0 and (first > 0 or last + 1 < len(passage)):
        for at in (first - 1, last + 1):
            if 0 <= at < len(passage) and room > 0:
                room -= len(passage[at].text)
                first, last = min(first, at), max(last, at)
    return passage[first : last + 1]


def is_readable(one: Evidence) -> bool:
    """Whether the model may be asked of it."""
    return one.hit.chunk.kind == "file" and not has_cjk(one.text)


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
