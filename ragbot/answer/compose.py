"""An answer as a strong generator words it from whole passages, as far as each of its claims stands in them.

What claims nothing by itself (a heading, a sentence that leads in, the head of a table) is said with the claim that follows it,
if no rule speaks against it. A claim that fails costs itself; if more than a third fail, the sources are quoted too
(`ragbot.answer.answerer`).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from ragbot.answer.context import TurnVectors
from ragbot.answer.quote import Evidence
from ragbot.answer.verify import carriers, stands_as_lead, without_verdict
from ragbot.safety.markup import strip_active
from ragbot.text.sentences import sentences
from ragbot.text.tokens import content
from ragbot.types import Claim

WINDOW = 8_000
"""A generator that reads and writes so many tokens composes its answers; a smaller one is shown single sentences."""
MAX_TOKENS = 800
"""The longest answer that is composed, in tokens."""
NO_ANSWER = "NO_ANSWER"
"""What a generator writes where the passages do not answer."""
MAX_DROPPED = 1 / 3
"""If more of the claims fail, the answer is not left at what stands."""
_NUMBERS = r"[\[【]\d{1,2}(?:\s?[,，–-]\s?\d{1,2})*[\]】]"
_CITED = re.compile(rf"\s?{_NUMBERS}")
_AFTER_STOP = re.compile(rf"(?<![.!?。！？])([.!?。！？]++)((?:\s?{_NUMBERS})+)")
_OPEN = re.compile(r"\s*[\[【][\d,，\s–-]*[\]】]?\s*$")
"""What may yet become a citation of the sentence before."""
_LEADS = re.compile(r"[:：]\s?[*_]*$|^\s*#{1,6}\s")
_ROW = re.compile(r"^\s*\|")


class Written(NamedTuple):
    """A sentence, an item or a row as it was written."""

    text: str
    """Without the numbers of passages."""
    cited: tuple[int, ...]
    """The numbers of the passages that it names, from 1."""

    @property
    def leads(self) -> bool:
        """Whether it claims nothing by itself."""
        return _LEADS.search(self.text) is not None


def written(pieces: Iterable[str]) -> Generator[Written]:
    """What is written, sentence by sentence, each as soon as it and its citations are complete."""
    text = ""
    for piece in pieces:
        text = _AFTER_STOP.sub(r"\2\1", text + piece)
        spans = sentences(text)
        complete = spans[: -2 if spans and _OPEN.match(text[spans[-1].start :]) else -1]
        yield from (_read(text[span.start : span.end]) for span in complete)
        text = text[complete[-1].end :] if complete else text
    yield from (_read(text[span.start : span.end]) for span in sentences(text))


def _read(text: str) -> Written:
    numbers = [int(number) for found in _CITED.findall(text) for number in re.findall(r"\d+", found)]
    return Written(strip_active(_CITED.sub("", text)).strip(), tuple(numbers))


class Composed:
    """The claims of an answer that stand; how many were dropped is known when all were read."""

    def __init__(self, pieces: Iterable[str], sources: Sequence[Sequence[Evidence]], vectors: TurnVectors, sure: float) -> None:
        """`pieces` of text as they are written; `sources`: the sentences of each passage, as they are numbered in the prompt."""
        self._said, self._sources, self._vectors, self._sure = written(pieces), sources, vectors, sure
        self._every = [e for sentences_of_one in sources for e in sentences_of_one]
        self.kept, self.dropped = 0, 0
        self.refused = False
        """Whether the generator found no answer in the passages."""

    @property
    def holds(self) -> bool:
        """Whether enough of it stands."""
        return self.kept > 0 and self.dropped <= MAX_DROPPED * (self.kept + self.dropped)

    def claims(self) -> Iterator[Claim]:
        """Each claim that stands, with what leads to it."""
        leads, in_table = list[str](), False
        with closing(self._said) as said:  # a generator that is not heard to the end stops writing
            for one in said:
                if one.text.startswith(NO_ANSWER):
                    self.refused = self.kept == 0
                    return
                is_row = _ROW.match(one.text) is not None
                is_head, in_table = is_row and not in_table, is_row
                if is_head or one.leads:
                    cells = [cell.strip() for cell in one.text.strip().strip("|").split("|")] if is_head else [one.text]
                    under = f"\n{'|---' * len(cells)}|" if is_head else ""
                    leads += [one.text + under] if all(stands_as_lead(cell, self._every) for cell in cells) else []
                elif content(one.text):
                    if claim := self._claim(one, leads):
                        yield claim
                    leads = []

    def _claim(self, one: Written, leads: Sequence[str]) -> Claim | None:
        """The claim with the sentences of the passages that it names, or else of any, that carry it; None if none do."""
        named = [e for number in one.cited if 0 < number <= len(self._sources) for e in self._sources[number - 1]]
        carried = (named and carriers(one.text, named, self._vectors)) or carriers(one.text, self._every, self._vectors)
        if not carried:
            self.dropped += 1
            return None
        self.kept += 1
        text = "\n".join((*leads, without_verdict(one.text)))
        return Claim(text, "supported", self._sure, tuple(e.citation for e in carried))
