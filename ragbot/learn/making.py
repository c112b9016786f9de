"""Questions made from text without a model: a sentence with an answer cut out of it, and the same with something changed.

Cloze questions teach where an answer stands (Lewis, Denoyer and Riedel 2019); changed ones, which name another person, number or
direction than the text does, teach what it does not say (as Kryscinski and others 2020 do for summaries).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ragbot.learn.examples import Asked
from ragbot.text.sentences import Span, sentences
from ragbot.text.tokens import STOP_WORDS

MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_NAME = re.compile(r"\b[A-Z][\w’'.-]*(?:\s+(?:of|the|and|de|van|von|&)?\s*[A-Z][\w’'-]+){0,4}")
_NUMBER = re.compile(
    rf"\b(?:\d{{1,2}}\s+)?(?:{MONTHS})\s+\d{{1,2}}?,?\s*(?:1\d{{3}}|20\d\d)\b|\b(?:1[0-9]{{3}}|20\d\d)\b"
    r"|[$£€]?\d[\d,.]*(?:\s?%|\s(?:million|billion|percent|years|days|months|people))?"
)
_YEAR = re.compile(r"1\d{3}|20\d\d")
_AFTER = re.compile(r"\b(?:to|for|by|with|because|as|of) ((?:[a-z-]+ ){1,4}[a-z-]+)")
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
SIZES = (50, 90, 130)
"""How many words the passages have."""
QUESTION_WORDS = frozenset("who what which when where how in which for name".split())


class Part(NamedTuple):
    """A piece of a text that can be asked for, or changed."""

    start: int
    end: int
    text: str
    kind: str
    """"name", "year", "number" or "phrase"."""


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
    """Makes questions, always the same ones from the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def questions(self, title: str, text: str, each: int) -> Iterator[Asked]:
        """Up to `each` questions and claims for every passage of a document."""
        known = parts(text)
        for passage in self._passages(text):
            candidates = [
                (sentence, part)
                for sentence in sentences(passage)
                if sentence.end - sentence.start > 40
                for part in parts(passage[sentence.start : sentence.end])
            ]
            self._random.shuffle(candidates)
            for sentence, part in candidates[:each]:
                asked = self._about(title, passage, sentence, part, known)
                if asked:
                    yield asked

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

    def _passages(self, text: str) -> Iterator[str]:
        size, run = self._random.choice(SIZES), list[Span]()
        for span in sentences(text):
            run.append(span)
            if len(text[run[0].start : span.end].split()) >= size:
                yield text[run[0].start : span.end]
                run = run[-1:] if self._random.random() < 0.3 else []
        if run and len(text[run[0].start : run[-1].end].split()) >= 25:
            yield text[run[0].start : run[-1].end]

    def _about(self, title: str, passage: str, sentence: Span, part: Part, known: Sequence[Part]) -> Asked | None:
        words = passage[sentence.start : sentence.end]
        if self._random.random() < 0.15:
            return self._claim(title, passage, sentence, known)
        phrases = list(_AFTER.finditer(words)) if self._random.random() < 0.15 else []
        if phrases:
            phrase = self._random.choice(phrases)
            part = Part(phrase.start(1), phrase.end(1), phrase.group(1), "phrase")
        question = self._question(words, part)
        if len(question.split()) < 5:
            return None
        drawn = self._random.random()
        if drawn < 0.5:
            span = Span(sentence.start + part.start, sentence.start + part.end)
            return Asked(self._shortened(question), passage, title, span)
        if drawn < 0.88:
            other = self.changed(question, passage, known, part.text)
            return Asked(other, passage, title, None) if other and other != question else None
        rest = (passage[: sentence.start] + passage[sentence.end :]).strip()
        return Asked(question, rest, title, None) if len(rest.split()) > 20 and part.text not in rest else None

    def _claim(self, title: str, passage: str, sentence: Span, known: Sequence[Part]) -> Asked | None:
        """A statement that the sentence makes, in fewer words, or one that it does not make."""
        claim = self._thinned(passage[sentence.start : sentence.end])
        if self._random.random() < 0.5:
            return Asked(claim, passage, title, sentence, claim=True, stated=True)
        other = self.changed(claim, passage, known, "")
        return Asked(other, passage, title, sentence, claim=True) if other and other != claim else None

    def _question(self, sentence: str, part: Part) -> str:
        left, right = self._around(sentence, part)
        word, leave_out = self._asking(part, left)
        if leave_out and self._random.random() < 0.7:
            left = " ".join(left.split()[:-1])
        left, right = self._thinned(left), self._thinned(right)
        style = self._random.random()
        if len(left.split()) < 2:
            made = f"{word} {right}"
        elif style < 0.55:
            made = f"{word} {left} {right}"
        elif style < 0.8:
            made = f"{left} {word} {right}"
        else:
            made = f"{self._random.choice(('in which', 'for which', 'what', 'name the', 'which'))} {left} {right}"
        made = " ".join(re.sub(r'[()\[\]"]', "", made).split()).strip(" ,.;")
        if self._random.random() < 0.5:
            made = made[:1].upper() + made[1:]
        return f"{made}?" if self._random.random() < 0.8 else made

    def _around(self, sentence: str, part: Part, most: int = 18) -> tuple[str, str]:
        """A few words to the left and to the right of what is asked for."""
        left = sentence[: part.start].split()[-self._random.randint(4, most) :]
        right, room = list[str](), self._random.randint(5, most)
        for word in sentence[part.end :].split()[:room]:
            right.append(word)
            if len(right) >= 4 and word[-1] in ",;:.":
                break
        return " ".join(left), " ".join(right).strip(" .,;:")

    def _asking(self, part: Part, left: str) -> tuple[str, bool]:
        """A question word for a part, and whether the word before it goes."""
        before = left.split()[-1].lower() if left.split() else ""
        if part.kind == "year":
            return self._random.choice(("when", "what year", "when", "which year")), before in ("in", "on", "since", "from")
        if part.kind == "number":
            return self._random.choice(("how many", "how much", "what", "how many")), False
        if part.kind == "name" and before in ("in", "at", "near", "from", "to"):
            return self._random.choice(("where", "where", "which place", "what")), before in ("in", "at", "near")
        if part.kind == "name":
            return self._random.choice(("who", "what", "which", "who", "what")), False
        return self._random.choice(("what", "what", "how", "which")), False

    def _thinned(self, text: str) -> str:
        """Without some of its words: people ask in fewer."""
        return " ".join(
            word
            for word in text.split()
            if word.lower().strip(".,") in STOP_WORDS or not word[:1].islower() or self._random.random() >= 0.12
        )

    def _shortened(self, question: str) -> str:
        """At times a name loses all but its first or last word."""
        long = [part for part in parts(question) if part.kind == "name" and " " in part.text]
        if not long or self._random.random() >= 0.35:
            return question
        part = self._random.choice(long)
        words = part.text.split()
        return question[: part.start] + self._random.choice((words[0], words[-1])) + question[part.end :]
