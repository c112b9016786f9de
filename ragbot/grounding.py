"""Does an answer stand in the passages? Which sentence carries it, and is there one at all?

Three steps. `evidence` picks the sentences of the hits that speak to the question. `enough` says
whether they can answer it. `support` checks a written sentence against them: it may say less than
a sentence of the evidence, never more or otherwise. Knows no generator.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragbot.text.claims import says_no_more
from ragbot.text.sentences import Span, sentences
from ragbot.text.tokens import content, has_cjk
from ragbot.types import Citation, Hit

Vectors = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Vectors]

WEIGHTS, WEIGHTS_CJK = (1.0, 0.3), (0.3, 1.0)
"""What the cosine and the match of words count in the order of the evidence; the bundled embedder is English."""
SIMILARITY = 0.55
"""The least cosine between a written sentence and its evidence."""
NEAR_BEST = 0.08
"""Evidence this much below the best does not answer the question."""
LEAD = 0.1
"""How much of the match of words hangs on how a sentence begins, or on the first cell of a row."""
SAME_MATTER, SAME_SCORE = 0.6, 0.15
"""Two things told are of one matter if they are this near to each other, and answer the question about as well."""
STUB_WORDS = 4
EARLIER = 0.3
"""The weight of a word that only an earlier question holds, which this one leans on."""

_MARKUP = re.compile(r"^(?:\s*(?:[-*+•·]|\d{1,3}[.)]|#{1,6}|>)\s+)+|[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}|\s*\{\s*#[\w-]+\s*\}")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence of a hit, and how well it speaks to the question (higher is better)."""

    hit: Hit
    span: Span
    """Within the chunk's text."""
    text: str
    context: str
    """Headings and title above it, which count as said."""
    score: float
    cosine: float
    coverage: float
    """The part of the question's content words that the sentence and its passage hold, weighed by rarity."""

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
        )


def evidence(
    question: str,
    hits: Sequence[Hit],
    encode: Encode,
    set_aside: Collection[tuple[int, int, int]] = (),
    now: str = "",
) -> list[Evidence]:
    """The sentences of `hits` by how well they speak to the question, best first.

    `now` is the part of the question that was asked now, where the rest is what it leans on.
    `set_aside` are (chunk id, start, end) within the chunk's text that a correction disputes.
    """
    units = [(hit, span, context) for hit in hits for span, context in _units(hit) if not _disputed(hit, span, set_aside)]
    if not units:
        return []
    vectors = encode([question] + [_with_context(hit.chunk.text[span.start : span.end], context) for hit, span, context in units])
    cosines = vectors[1:] @ vectors[0]
    weights = _rarity(question, now or question, hits)
    meaning, words = WEIGHTS_CJK if has_cjk(question) else WEIGHTS
    found = []
    for (hit, span, context), cosine in zip(units, cosines, strict=True):
        text = hit.chunk.text[span.start : span.end]
        lead = _coverage(weights, _lead(text))
        near = _coverage(weights, f"{context} {text}")
        near += LEAD * (lead - near)
        around = _coverage(weights, f"{hit.chunk.title} {hit.chunk.heading} {hit.chunk.text}")
        coverage = (2 * near + around) / 3
        score = float(cosine) * meaning + coverage * words
        found.append(Evidence(hit, span, text, context, score, float(cosine), coverage))
    found = [e for at, e in enumerate(found) if not _superseded(at, found, vectors[1:])]
    return sorted(found, key=lambda e: -e.score)


def touches(question: str, best: Evidence) -> bool:
    """Whether the evidence holds a content word of what was asked now, and not only of what that leans on."""
    words = set(content(question))
    return not words or bool(words & set(content(f"{best.context} {best.text}")))


def confidence(question: str, found: Sequence[Evidence]) -> float:
    """How likely it is that the best evidence answers the question, 0 to 1.

    A logistic curve over cosine and coverage, fitted by `benchmarks/refusal.py`.
    """
    if not found:
        return 0.0
    best = found[0]
    bias, cosine, coverage = _CURVE_CJK if has_cjk(question) else _CURVE
    return 1 / (1 + math.exp(-(bias + cosine * best.cosine + coverage * best.coverage)))


_CURVE = (-8.7, 15.4, 4.4)
_CURVE_CJK = (-8.1, 5.9, 10.1)
ENOUGH = 0.6
"""The confidence from which an answer is given."""


def enough(question: str, found: Sequence[Evidence]) -> bool:
    """Whether the evidence can carry an answer; if not, the only honest one is "I don't know"."""
    return confidence(question, found) >= ENOUGH


def support(sentence: str, found: Sequence[Evidence], encode: Encode) -> Evidence | None:
    """The evidence that says what `sentence` says; None if no single sentence does.

    All its words must be there (`ragbot.text.claims`), and the meaning must be near.
    """
    if sentence.rstrip().endswith(("?", "？")) or not content(sentence):
        return None
    best = max((e.score for e in found), default=0.0)
    fitting = [e for e in found if e.score >= best - NEAR_BEST and says_no_more(sentence, e.text, e.context)]
    if not fitting:
        return None
    vectors = encode([sentence] + [_with_context(e.text, e.context) for e in fitting] + [e.text for e in fitting])
    cosines = vectors[1:] @ vectors[0]
    near = np.maximum(cosines[: len(fitting)], cosines[len(fitting) :])
    return fitting[int(np.argmax(near))] if near.max() >= SIMILARITY else None


def spoken(found: Evidence) -> str:
    """The evidence as an answer: its own words, without markup, under its heading if it is but a fragment.

    What a person told is quoted as such, since its "I" and "my" are not the bot's.
    """
    if found.hit.chunk.kind == "turn":
        return f"你告诉过我：“{found.text}”" if has_cjk(found.text) else f"You told me: “{found.text}”"
    text = " ".join(_MARKUP.sub("", found.text).split())
    text = " – ".join(cell.strip() for cell in text.strip("| ").split(" | "))
    heading = found.context.rpartition(" > ")[2]
    fragment = not re.search(r"[.!?。！？]['\"”’」）)]*$", text)
    return f"{_MARKUP.sub('', heading)}: {text}" if fragment and heading and heading.lower() not in text.lower() else text


def _units(hit: Hit) -> list[tuple[Span, str]]:
    """The sentences of a hit with the headings above each; a question goes with what answers it."""
    text = hit.chunk.text
    context = base = " > ".join(part for part in (hit.chunk.title, hit.chunk.heading) if part)
    units: list[tuple[Span, str]] = []
    asked: Span | None = None
    for span in sentences(text):
        words = text[span.start : span.end]
        if words.startswith("#") and " |" not in words and "\n" not in words:
            context = f"{base} > {words.lstrip('# ')}" if base else words.lstrip("# ")
            asked = None
            continue
        if asked is not None:
            span = Span(asked.start, span.end)
            asked = None
        elif words.endswith(("?", "？")):
            asked = span
            continue
        if not _is_stub(words):
            units.append((span, context))
    return units


def _is_stub(words: str) -> bool:
    """Whether a line is a heading or a label that says nothing by itself."""
    bare = _MARKUP.sub("", words)
    says = re.search(r"[.!?。！？:：|\d]", bare) or has_cjk(bare)
    return not says and (bare.isupper() or len(bare.split()) < STUB_WORDS)


def _disputed(hit: Hit, span: Span, set_aside: Collection[tuple[int, int, int]]) -> bool:
    return any(id == hit.chunk.id and span.start < to and since < span.end for id, since, to in set_aside)


def _with_context(text: str, context: str) -> str:
    heading = context.rpartition(" > ")[2]
    return f"{heading}: {text}" if heading else text


def _superseded(at: int, found: Sequence[Evidence], vectors: Vectors) -> bool:
    """Whether the same person said something newer on the same matter: of what is told, the newest counts."""
    old = found[at]
    if old.hit.chunk.kind != "turn":
        return False
    return any(
        new.hit.chunk.kind == "turn"
        and new.hit.chunk.scope == old.hit.chunk.scope
        and new.hit.chunk.id > old.hit.chunk.id
        and new.score >= old.score - SAME_SCORE
        and float(vectors[at] @ vectors[place]) >= SAME_MATTER
        for place, new in enumerate(found)
    )


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
