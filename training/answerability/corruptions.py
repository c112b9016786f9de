"""Questions and statements that a text does not answer or make: one name, number or direction in them is changed.

They are made without a model, and teach what a text does not say (as Kryscinski and others 2020 do for summaries).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ragbot.text.sentences import sentences
from ragbot.text.tokens import STOP_WORDS
from training.answerability.examples import ReaderQuestion

MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_NAME = re.compile(r"\b[A-Z][\w’'.-]*(?:\s+(?:of|the|and|de|van|von|&)?\s*[A-Z][\w’'-]+){0,4}")
_NUMBER = re.compile(
    rf"\b(?:\d{{1,2}}\s+)?(?:{MONTHS})\s+\d{{1,2}}?,?\s*(?:1\d{{3}}|20\d\d)\b|\b(?:1[0-9]{{3}}|20\d\d)\b"
    r"|[$£€]?\d[\d,.]*(?:\s?%|\s(?:million|billion|percent|years|days|months|people))?"
)
_YEAR = re.compile(r"1\d{3}|20\d\d")
_VERB = re.compile(r"\b(is|was|were|are|can|did|has|had)\b", re.IGNORECASE)
OPPOSITES = """first last|before after|increase decrease|increased decreased|more less|most least|largest smallest|highest lowest
|oldest newest|north south|northern southern|east west|eastern western|won lost|born died|joined left|began ended|started stopped
|allowed forbidden|high low|large small|old new|early late|earlier later|public private|above below|over under|with without
|accepted rejected|father son|mother daughter|brother sister|husband wife|male female|strong weak|open closed|opened closed
|approved denied|include exclude|major minor|buy sell|bought sold|rich poor|never always|internal external|upper lower
|victory defeat|support oppose|supported opposed|success failure|long short|same different|positive negative|common rare
|winter summer|king queen|founded abolished|created destroyed|married divorced|elected defeated|appointed dismissed"""
_OPPOSITE: dict[str, str] = {}
for _pair in OPPOSITES.replace("\n", "").split("|"):
    _one, _other = _pair.split()
    _OPPOSITE.setdefault(_one, _other)
    _OPPOSITE.setdefault(_other, _one)
_KEPT = STOP_WORDS | frozenset(
    """never without unless until except cannot neither nor none nothing nobody few fewer less least most always every each
    during between against since almost nearly half twice""".split()
)
"""Words that a statement cannot lose and still be the same."""
QUESTION_WORDS = frozenset("who what which when where how in which for name".split())


class Part(NamedTuple):
    """A piece of a text that can be asked for, or changed."""

    start: int
    end: int
    text: str
    kind: str
    """"name", "year" or "number"."""


def parts(text: str) -> list[Part]:
    """The names and numbers of a text."""
    numbers = [
        Part(m.start(), m.end(), m.group(), "year" if _YEAR.search(m.group()) else "number") for m in _NUMBER.finditer(text)
    ]
    names = list[Part]()
    for match in _NAME.finditer(text):
        words, start = match.group(), match.start()
        first, _, rest = words.partition(" ")
        if first.lower() in STOP_WORDS and rest:
            start, words = start + len(first) + 1, rest
        words = words.rstrip(" .,'-")
        if len(words) > 1 and words.lower() not in STOP_WORDS:
            names.append(Part(start, start + len(words), words, "name"))
    return [name for name in names if not any(n.start < name.end and name.start < n.end for n in numbers)] + numbers


class Maker:
    """Makes them, always the same ones from the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def claims(self, title: str, passage: str, known: Sequence[Part], most: int) -> Iterator[ReaderQuestion]:
        """Up to `most` statements that a sentence of the passage makes, in fewer words, or that it does not make."""
        found = [span for span in sentences(passage) if span.end - span.start > 40]
        for sentence in self._random.sample(found, min(most, len(found))):
            claim = self._thinned(passage[sentence.start : sentence.end])
            if self._random.random() < 0.5:
                yield ReaderQuestion(claim, passage, title, sentence, claim=True, worded=False)
            elif (other := self.changed(claim, passage, known, "")) and other != claim:
                yield ReaderQuestion(other, passage, title, None, claim=True)

    def changed(self, question: str, passage: str, known: Sequence[Part], answer: str) -> str | None:
        """The question with one thing in it changed, so that the passage answers it no more; None if nothing can be."""
        low = question.lower()
        named = [part for part in parts(question) if part.text.lower().split()[0] not in QUESTION_WORDS]
        words = [word for word in re.findall("[a-z]+", low) if word in _OPPOSITE]
        ways = ["other"] * (5 * bool(named)) + ["opposite"] * (2 * bool(words)) + ["not"] * bool(_VERB.search(low))
        if not ways:
            return None
        way = self._random.choice(ways)
        if way == "opposite":
            word = self._random.choice(words)
            return re.sub(rf"\b{word}\b", _OPPOSITE[word], question, count=1, flags=re.IGNORECASE)
        if way == "not":
            return _VERB.sub(lambda verb: f"{verb.group()} {self._random.choice(('not', 'not', 'never'))}", question, count=1)
        part = self._random.choice(named)
        other = self._other(part, low, passage, known, answer)
        return other and question[: part.start] + other + question[part.end :]

    def _other(self, part: Part, low: str, passage: str, known: Sequence[Part], answer: str) -> str | None:
        pool = parts(passage) if self._random.random() < 0.65 else known
        own = part.text.lower()
        texts = [p.text for p in pool if p.kind == part.kind and p.text != answer and p.text.lower() not in low]
        texts = [text for text in texts if text.lower() not in own and own not in text.lower()]
        number = re.search(r"\d+", part.text)
        if part.kind != "name" and number and (not texts or self._random.random() < 0.3):
            moved = int(number.group()) + self._random.choice((-30, -10, -5, -2, -1, 1, 2, 5, 10, 30))
            texts = [part.text.replace(number.group(), str(max(1, moved)), 1)]
        return self._random.choice(texts) if texts else None

    def _thinned(self, text: str) -> str:
        """Without some of its words: a repeated fact takes fewer words."""
        return " ".join(
            word
            for word in text.split()
            if not word[:1].islower() or word.strip(".,;:") in _KEPT or self._random.random() >= 0.12
        )
