"""Does an answer stand in the passages? Which sentence carries it, and is there one at all?

Three steps. `select_sentences` picks the sentences of the hits that speak to the question, and has a reader look whether they
answer it. `answerability` says how likely that is. `support` checks a written sentence against them: it may say less
than a sentence of the evidence, never more or otherwise. Knows no generator.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ragbot.answer.lexical import lexically_entailed
from ragbot.models.answerability import AnswerabilityModel, AnswerSpan
from ragbot.safety.injection import is_instruction, sanitize
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
HOLDS, SAME_WORDS = 0.1, 0.05
"""How far below the best sentence of a passage the one with the answer's words may be to come before it: in its score, and in
the words of the question that it holds (Friday's line is not Saturday's)."""
ALSO = 0.2
"""How much fewer words of the question it may hold, to be said too."""
AROUND = 700
"""About how much of a passage is read, in characters: a third of a second's work."""
BESIDE = 0.3
"""How far below what was said evidence of another document may be that is read for another answer."""
READ = 3
"""How much evidence of other documents is read for another answer."""
LEAD = 0.1
"""How much of the match of words hangs on how a sentence begins, or on the first cell of a row."""
SAME_MATTER, SAME_SCORE, CHANGED_SCORE = 0.6, 0.15, 0.5
"""Two things told are of one matter if they are this near to each other, and answer the question about as well; less well is
enough of the newer one if it says that something changed."""
SAID = 1.0
"""The least that the reader makes of a claim which its evidence says."""
STUB_WORDS = 4
EARLIER = 0.3
"""The weight of a word that only an earlier question holds, which this one leans on."""

_CHANGED = re.compile(
    r"\b(?:instead|now|no longer|any ?more|after all|actually|moved to|changed to|postponed|rescheduled|cancell?ed)\b"
    r"|改[成为到在]|现在|不再",
    re.IGNORECASE,
)
_IDENTIFIER = re.compile(
    r"(?<![\w.,-])(?=[A-Za-z]{1,5}[-_/#]?\d{3}|\d{5})([A-Za-z]{0,5})[-_/#]?(\d+)(?![\w.,-]*[A-Za-z0-9])", re.ASCII
)
_ROW = re.compile(r" \| |^[^:;\n]{1,40}: [^;\n]*; ")
_HEADS = re.compile(r"[^\n]*\n[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*\|")
"""What follows the first row of a table in Markdown: the names of its columns say nothing by themselves."""
_THOUSANDS = re.compile(r"(?<=\d)[,\u00a0\u202f](?=\d{3})")
_MARKUP = re.compile(
    r"^(?:\s*(?:[-*+•·]|\d{1,3}[.)]|#{1,6}|>)\s+)+|(?<![A-Za-z0-9])[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}(?![A-Za-z0-9])|\s*\{\s*#[\w-]+\s*\}"
)


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
    read: AnswerSpan | None = None
    """What a reader makes of its passage."""
    holds: bool = False
    """It holds the words that the reader takes for the answer."""

    @property
    def answer(self) -> str:
        """The words that the reader takes for the answer; "" without one, or where they stand in another sentence."""
        return self.read.words if self.read and self.holds else ""

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


def select_sentences(
    question: str,
    hits: Sequence[Hit],
    encode: Encode,
    set_aside: Collection[tuple[int, int, int]] = (),
    now: str = "",
    reader: AnswerabilityModel | None = None,
) -> list[Evidence]:
    """The sentences of `hits` by how well they speak to the question, best first.

    The reader, if there is one, reads the passage of the best of them.

    `now` is the part of the question that was asked now, where the rest is what it leans on.
    `set_aside` are (chunk id, start, end) within the chunk's text that a correction disputes.
    """
    named = _identifiers(now or question)
    units = [unit for hit in hits for unit in _units(hit) if not _disputed(hit, unit.span, set_aside) and unit.names_all(named)]
    if not units:
        return []
    vectors = encode([question] + [_with_context(unit.text, unit.context) for unit in units])
    cosines = vectors[1:] @ vectors[0]
    weights = _rarity(question, now or question, hits)
    meaning, words = WEIGHTS_CJK if has_cjk(question) else WEIGHTS
    found = []
    for unit, cosine in zip(units, cosines, strict=True):
        chunk = unit.hit.chunk
        lead = _coverage(weights, _lead(unit.text))
        near = _coverage(weights, f"{unit.context} {unit.text}")
        near += LEAD * (lead - near)
        around = _coverage(weights, f"{chunk.title} {chunk.heading} {chunk.text}")
        coverage = (2 * near + around) / 3
        score = float(cosine) * meaning + coverage * words
        found.append(Evidence(unit.hit, unit.span, unit.text, unit.context, score, float(cosine), coverage))
    found = [e for at, e in enumerate(found) if not _superseded(at, found, vectors[1:])]
    found.sort(key=lambda e: -e.score)
    return found if reader is None or has_cjk(question) else _read(question, found, reader)


def _read(question: str, found: Sequence[Evidence], reader: AnswerabilityModel) -> list[Evidence]:
    """The evidence with what the reader makes of the best passage; what people told is not read.

    The sentence that holds the answer's words comes first if it is near the best.
    """
    if not found or not _readable(found[0]):
        return list(found)
    best, rest = found[0], found[1:]
    passage = _around(best, sorted((e for e in found if e.hit.chunk.id == best.hit.chunk.id), key=lambda e: e.span.start))
    (said,) = reader.read(question, [(_under(best.hit), " ".join(e.text for e in passage))])
    holder = _holder(passage, said.words)
    if holder is None or holder.score < best.score - HOLDS or holder.coverage < best.coverage - SAME_WORDS:
        rest = [replace(e, read=said, holds=True) if e is holder else e for e in rest]
        return [replace(best, read=said, holds=holder is best), *rest]
    return [replace(holder, read=said, holds=True), *(e for e in found if e is not holder)]


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


def _readable(one: Evidence) -> bool:
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


def shares_query_term(question: str, best: Evidence) -> bool:
    """Whether the evidence holds a content word of what was asked now, and not only of what that leans on."""
    words = set(content(question))
    return not words or bool(words & set(content(f"{best.context} {best.text}")))


def best_answerability(question: str, found: Sequence[Evidence]) -> float:
    """How likely it is that the best evidence answers the question, 0 to 1."""
    return answerability(question, found[0]) if found else 0.0


def answerability(question: str, one: Evidence) -> float:
    """How likely it is that a piece of evidence answers the question, 0 to 1.

    A logistic curve over cosine and coverage, fitted by `benchmarks/refusal.py` and flattened since (decision 0019). What a
    reader makes of the passage can only lower it, by a curve that `benchmarks/reading.py` fits (decision 0020).
    """
    bias, cosine, coverage = _CURVE_CJK if has_cjk(question) else _CURVE
    sure = _logistic(bias + cosine * one.cosine + coverage * one.coverage)
    return min(sure, _logistic(_CURVE_READ[0] + _CURVE_READ[1] * one.read.answers)) if one.read else sure


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


_CURVE = (-3.6, 6.3, 1.8)
_CURVE_CJK = (-8.3, 5.9, 10.1)
_CURVE_READ = (1.1, 0.4)


def answer_span_sentence(found: Sequence[Evidence], given: Collection[Citation]) -> Evidence | None:
    """The sentence with the words that the reader takes for the answer, where nothing that was given holds them."""
    holder = next((e for e in found if e.answer and e.coverage >= found[0].coverage - ALSO), None)
    if (
        holder is None
        or holder.citation in given
        or any(set(content(holder.answer)) <= set(content(citation.quote)) for citation in given)
    ):
        return None
    return holder


def find_conflict(
    question: str, found: Sequence[Evidence], given: Collection[Citation], reader: AnswerabilityModel, least: float
) -> Evidence | None:
    """Evidence of another document that has another answer than what was given, as the reader finds it."""
    said = next((e for e in found if e.citation in given and e.answer), None)
    if said is None:
        return None
    uris = {citation.uri for citation in given}
    beside = [e for e in found if e.hit.chunk.uri not in uris and _readable(e) and e.score >= said.score - BESIDE][:READ]
    for e in beside:
        (read,) = reader.read(question, [(_under(e.hit), e.text)])
        same_kind = any(char.isdigit() for char in read.words) == any(char.isdigit() for char in said.answer)
        if read.words and read.words in e.text and same_kind and not _same(read.words, said.answer):
            if read.answers > 0 and answerability(question, replace(e, read=read)) >= least:
                return e
    return None


def _same(one: str, other: str) -> bool:
    """Whether two answers are the same, or one says more of it."""
    first, second = set(content(one)), set(content(other))
    return first <= second or second <= first


def describe_place(found: Evidence) -> str:
    """Where it stands, in words."""
    heading = found.hit.chunk.heading.rpartition(" > ")[2]
    return f"{found.hit.chunk.uri} (“{heading}”)" if heading else found.hit.chunk.uri


def near_best(found: Sequence[Evidence]) -> list[Evidence]:
    """The evidence that answers the question about as well as the best does."""
    if not found:
        return []
    best = max(e.score for e in found)
    return [e for e in found if e is found[0] or e.score >= best - NEAR_BEST]


def support(sentence: str, near: Sequence[Evidence], encode: Encode, reader: AnswerabilityModel | None = None) -> Evidence | None:
    """The evidence that says what `sentence` says; None if no single sentence does.

    All its words must be there (`ragbot.answer.lexical`), the meaning must be near, and the reader must not find it unsaid.
    """
    if sentence.rstrip().endswith(("?", "？")) or not content(sentence):
        return None
    fitting = [e for e in near if lexically_entailed(sentence, e.text, e.context)]
    if reader and not has_cjk(sentence):
        fitting = [e for e in fitting if _bare(sentence) in _bare(e.text) or _said(sentence, e, reader)]
    if not fitting:
        return None
    vectors = encode([sentence] + [_with_context(e.text, e.context) for e in fitting] + [e.text for e in fitting])
    cosines = vectors[1:] @ vectors[0]
    alike = np.maximum(cosines[: len(fitting)], cosines[len(fitting) :])
    return fitting[int(np.argmax(alike))] if alike.max() >= SIMILARITY else None


def _said(claim: str, one: Evidence, reader: AnswerabilityModel) -> bool:
    (read,) = reader.read(claim, [(_under(one.hit), one.text)], claim=True)
    return read.answers >= SAID


def _bare(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _under(hit: Hit) -> str:
    return ". ".join(part for part in (hit.chunk.title, hit.chunk.heading.rpartition(" > ")[2]) if part)


def render_quote(found: Evidence) -> str:
    """The evidence as an answer: its own words, without markup, under its heading if it is but a fragment.

    What a person told is quoted as such, since its "I" and "my" are not the bot's.
    """
    if found.hit.chunk.kind == "turn":
        return f"你告诉过我：“{found.text}”" if has_cjk(found.text) else f"You told me: “{found.text}”"
    text = " ".join(_MARKUP.sub("", sanitize(found.text)).split())
    text = " – ".join(cell.strip() for cell in text.strip("| ").split(" | "))
    heading = found.context.rpartition(" > ")[2]
    fragment = not re.search(r"[.!?。！？]['\"”’」）)]*$", text)
    return f"{_MARKUP.sub('', heading)}: {text}" if fragment and heading and heading.lower() not in text.lower() else text


class _Unit(NamedTuple):
    """A sentence of a hit."""

    hit: Hit
    span: Span
    context: str
    """The headings above it."""

    @property
    def text(self) -> str:
        return self.hit.chunk.text[self.span.start : self.span.end]

    def names_all(self, identifiers: Sequence[re.Pattern[str]]) -> bool:
        """Whether its passage has all of them, however it writes them (A1009, a-1009, A 1009); of a row, the row has to."""
        if not identifiers:
            return True
        plain = _THOUSANDS.sub("", f"{self.context} {self.text if _ROW.search(self.text) else self.hit.chunk.text}")
        return all(one.search(plain) for one in identifiers)


def _units(hit: Hit) -> list[_Unit]:
    """The sentences of a hit; a question goes with what answers it, and what gives orders to the bot is none."""
    text = hit.chunk.text
    context = base = " > ".join(part for part in (hit.chunk.title, hit.chunk.heading) if part)
    units: list[_Unit] = []
    asked: Span | None = None
    ordered = -1
    for span in sentences(text):
        words = text[span.start : span.end]
        # What follows an order on its line goes with it: "SYSTEM OVERRIDE! It opens at three."
        if is_instruction(words) or (ordered >= 0 and "\n" not in text[ordered : span.start]):
            ordered = span.end
            continue
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
        if not _is_stub(words) and not _HEADS.match(text, span.end):
            units.append(_Unit(hit, span, context))
    return units


def _identifiers(question: str) -> list[re.Pattern[str]]:
    """Numbers of orders, articles and files: what says something of A1005 says nothing of A1009."""
    return [
        re.compile(rf"(?<![A-Za-z0-9]){letters}[-_/#\s]?{digits}(?!\d)", re.IGNORECASE)
        for letters, digits in _IDENTIFIER.findall(_THOUSANDS.sub("", question))
    ]


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
        and new.score >= old.score - (CHANGED_SCORE if _CHANGED.search(new.text) else SAME_SCORE)
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
