"""Reads two texts together, in English or Chinese: a question and a passage, a claim and its evidence, or turns and a follow-up.

The body of multilingual-e5-small with its upper layers retrained and linear heads (`training/cross_encoder`).
docs/models/reader.md has its figures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ragbot.models import bundled
from ragbot.models.pair_encoder import Floats, PairEncoder

_WORD = re.compile(r"[\u2e80-\ud7ff]|[^\W_\u2e80-\ud7ff]+(?:[-'’.][^\W_\u2e80-\ud7ff]+)*")
"""A word of an alphabet, or a character of what is written without spaces."""

WEIGHTS = bundled.FOLDER / "cross_encoder" / "weights.npz"
PREFIXES = {"question": ("query: ", "passage: "), "claim": ("claim: ", "passage: "), "turn": ("turns: ", "query: ")}
"""What is written before the first and the second text."""
MAX_FIRST, MAX_SECOND = 192, 300
"""Tokens that are read of each."""
MAX_TURNS = 1200
"""Characters of the turns that are read, the last ones."""
MAX_WORDS = 48
"""The most tokens of an answer's words."""
SPAN = 0.3
"""What the logit of the likeliest answer against none counts beside that of the whole passage: with it the AUC on titles that
trained nothing is .787 (English, 800 questions) and .896 (Chinese, 800) instead of .785 and .894."""
ANSWERS, START_AT, END_AT, SUPPORTED, CONTRADICTED, NEITHER, NEEDED, COMPLETE = range(8)
"""What the heads say of each token; those of whole texts say it of the first."""
NEEDED_FROM = 0.0
"""The logit from which a word of the turns is taken over into a question."""


class Found(NamedTuple):
    """What is found in one passage."""

    answers: float
    """Logit that the passage answers the question."""
    words: str
    """The likeliest answer."""
    said: list[float]
    """Of each sentence, the logit that a complete answer says it; -inf where it was not read."""


class CrossEncoder(PairEncoder):
    """The bundled model on OpenVINO. Safe to use from several threads. Raises ModelError if a part of it is missing."""

    def __init__(self, *, in_8_bits: bool | None = None) -> None:
        super().__init__("cross-encoder", [WEIGHTS], in_8_bits=in_8_bits)

    def read(self, question: str, passages: Sequence[tuple[str, Sequence[str]]]) -> list[Found]:
        """What it finds in each (title, sentences)."""
        before, behind = PREFIXES["question"]
        first = self._body.located(before + question)[0][:MAX_FIRST]
        heads = [f"{title}\n" if title else "" for title, _ in passages]
        texts = [head + " ".join(sentences) for head, (_, sentences) in zip(heads, passages, strict=True)]
        located = [self._body.located(behind + text) for text in texts]
        made = self.states([(first, ids[:MAX_SECOND]) for ids, _ in located])
        begin = len(first) + 3
        found = []
        for said, text, head, (_, sentences), (ids, places) in zip(made, texts, heads, passages, located, strict=True):
            inside = said[begin : begin + min(len(ids), MAX_SECOND)]
            (a, b), best = _span(inside[:, START_AT], inside[:, END_AT])
            null = float(said[0, START_AT] + said[0, END_AT])
            start, end = (max(0, place - len(behind)) for place in (places[a][0], places[b][1]))
            each = _by_sentence(inside[:, COMPLETE], places, len(behind) + len(head), sentences)
            found.append(Found(float(said[0, ANSWERS]) + SPAN * (best - null), text[start:end].strip(), each))
        return found

    def check(self, claim: str, passages: Sequence[tuple[str, str]]) -> list[float]:
        """The logit that each (title, text) supports the claim, against that it contradicts it or leaves it open.

        Measured by `benchmarks/claims.py` and used by no answer: it tells true claims from false ones little better than a coin.
        """
        before, behind = PREFIXES["claim"]
        first = self._body.located(before + claim)[0][:MAX_FIRST]
        texts = [f"{title}\n{text}" if title else text for title, text in passages]
        made = self.states([(first, self._body.located(behind + text)[0][:MAX_SECOND]) for text in texts])
        return [float(one[0, SUPPORTED] - np.logaddexp(one[0, CONTRADICTED], one[0, NEITHER])) for one in made]

    def needed(self, turns: Sequence[str], question: str) -> list[str]:
        """The words of the turns, oldest first, that a question leans on; neighbouring ones in one string."""
        before, behind = PREFIXES["turn"]
        text = "\n".join(turns)[-MAX_TURNS:]
        ids, places = self._body.located(before + text)
        ids, places = ids[-MAX_FIRST:], places[-MAX_FIRST:]
        (said,) = self.states([(ids, self._body.located(behind + question)[0][:MAX_SECOND])])
        marked = np.zeros(len(text), np.bool_)
        for (start, end), logit in zip(places, said[1:, NEEDED], strict=False):
            marked[max(0, start - len(before)) : max(0, end - len(before))] |= logit >= NEEDED_FROM
        found = list[tuple[int, int]]()
        for word in _WORD.finditer(text):
            if marked[word.start() : word.end()].any():
                follows = found and not text[found[-1][1] : word.start()].strip(" ")
                found[-1:] = [(found[-1][0], word.end())] if follows else [*found[-1:], word.span()]
        return list(dict.fromkeys(text[start:end] for start, end in found))


def _by_sentence(said: Floats, places: Sequence[tuple[int, int]], start: int, sentences: Sequence[str]) -> list[float]:
    """The mean of what is said of the tokens of each sentence; they stand one after the other from `start`."""
    middle = [(a + b) / 2 for a, b in places[: len(said)]]
    found = []
    for sentence in sentences:
        here = [logit for logit, at in zip(said, middle, strict=True) if start <= at < start + len(sentence)]
        found.append(float(np.mean(here)) if here else -np.inf)
        start += len(sentence) + 1
    return found


def _span(starts: Floats, ends: Floats) -> tuple[tuple[int, int], float]:
    """The likeliest first and last token of an answer, and their logit."""
    n = len(starts)
    both = starts[:, None] + ends[None, :]
    far = np.arange(n)[None, :] - np.arange(n)[:, None]
    both = np.where((far >= 0) & (far < MAX_WORDS), both, -np.inf)
    at = int(both.argmax())
    return (at // n, at % n), float(both.max())
