"""Reads passages and says whether they answer a question, and with which words.

The cross-encoder reads all passages at once, in English and Chinese. One logistic curve over what it makes of a passage, and over
how near that is in meaning and words, says how likely it answers. Where the package of its body has no wheels, the bundled
generator reads, English only, with weights beside it that `training.answerability` trained (LoRA): it writes "yes" and the words,
or "no". How surely is what it thinks of the one against the other.
docs/models/reader.md has their figures.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from ragbot.errors import ModelError
from ragbot.models import bundled, hub
from ragbot.models.bundled import gguf_weights
from ragbot.models.cross_encoder import CrossEncoder

FOLDER = Path(__file__).parent / "bundled" / "answerability"
YES, NO = " yes:", " no"
LONGEST = 1500
"""How much of a passage is read, in characters."""
MAX_TOKENS = 16
"""The most tokens of an answer's words."""
DOUBTED = -1.0
"""Below this logit no words are written."""
UNLIKELY = -12.0
"""The logit where "yes" is not even among the two likeliest words."""
MEND = 'delete its folder in RAGBOT_CACHE, so that it is converted again, or set reader = "none"'


class Passage(NamedTuple):
    """What is read, and how near its best sentence is to the question."""

    title: str
    sentences: Sequence[str]
    cosine: float
    """On the reference scale (`ragbot.search.calibration`)."""
    coverage: float
    """The part of the question's words that it holds."""
    told: bool = False
    """Whether it is something that a person told, under what that is about."""

    @property
    def text(self) -> str:
        """Its sentences, one after the other."""
        return " ".join(self.sentences)


class AnswerSpan(NamedTuple):
    """What is made of one passage."""

    chance: float
    """How likely it answers the question, 0 to 1."""
    words: str = ""
    """The words that are taken for the answer; "" where none are seen."""
    said: Sequence[float] = ()
    """Of each sentence, how likely a complete answer says it; nothing where that was not judged."""


class AnswerabilityModel(Protocol):
    """A model that finds answers in passages."""

    def read(self, question: str, passages: Sequence[Passage]) -> list[AnswerSpan | None]:
        """What it finds in each; None where it does not read its language."""
        ...

    def completed(self, question: str, turns: Sequence[str]) -> str:
        """A question with the words of the turns before, oldest first, that it leans on; as it is, where none are seen."""
        ...


def open_answerability_model() -> AnswerabilityModel:
    """The bundled models; without the package of multilingual-e5-small, the one that reads English. Raises ModelError."""
    return BundledAnswerabilityModel(CrossEncoder()) if bundled.has_e5() else EnglishAnswerabilityModel(GenerativeReader())


@lru_cache(maxsize=1)
def _curves() -> dict[str, list[float]]:
    """Bias, and weights of cosine, coverage and logits, by who has read what (`benchmarks/reading.py` fits them)."""
    numbers: dict[str, list[float]] = json.loads((FOLDER / "calibration.json").read_text(encoding="utf-8"))
    return numbers


class BundledAnswerabilityModel:
    """The cross-encoder with its curves."""

    def __init__(self, reader: CrossEncoder) -> None:
        self.reader = reader

    def read(self, question: str, passages: Sequence[Passage]) -> list[AnswerSpan | None]:
        """What it finds in each. Raises ModelError if the runtime fails."""
        read = self.reader.read(question, [(one.title, one.sentences) for one in passages])
        return [
            AnswerSpan(
                _chance(TOLD if one.told else languages(question, one.text), one, said.answers),
                said.words,
                [1 / (1 + math.exp(-max(logit, UNLIKELY))) for logit in said.said],
            )
            for one, said in zip(passages, read, strict=True)
        ]

    def completed(self, question: str, turns: Sequence[str]) -> str:
        """The question with the words of the turns that it leans on. Raises ModelError if the runtime fails."""
        return " ".join((question, *self.reader.needed(turns, question))) if turns else question


class EnglishAnswerabilityModel:
    """The generator with its curve."""

    def __init__(self, reader: GenerativeReader) -> None:
        self.reader = reader

    def read(self, question: str, passages: Sequence[Passage]) -> list[AnswerSpan | None]:
        """What it finds in each; None where one of the two is not English. Raises ModelError if the runtime fails."""
        known = [not one.told and languages(question, one.text) == ENGLISH for one in passages]
        return [self._read(question, one) if reads else None for one, reads in zip(passages, known, strict=True)]

    def completed(self, question: str, turns: Sequence[str]) -> str:  # noqa: ARG002 (the generator marks no words)
        """The question as it is."""
        return question

    def _read(self, question: str, passage: Passage) -> AnswerSpan:
        answers, words = self.reader.read(question, (passage.title, passage.text))
        return AnswerSpan(_chance("generator", passage, answers), words)


ENGLISH, CHINESE, ACROSS, TOLD = "english", "chinese", "across", "told"
"""The curves, by the languages of question and passage, and that of what people told (`training/told.py`)."""


def languages(question: str, text: str) -> str:
    """Whether a question and a passage are both English, both Chinese, or one of each."""
    cjk = _is_cjk(question)
    return (CHINESE if cjk else ENGLISH) if cjk == _is_cjk(text) else ACROSS


def _chance(curve: str, passage: Passage, *logits: float) -> float:
    bias, *weights = _curves()[curve]
    signs = (passage.cosine, passage.coverage, *logits)
    return 1 / (1 + math.exp(-(bias + sum(weight * sign for weight, sign in zip(weights, signs, strict=True)))))


def _is_cjk(text: str) -> bool:
    """Whether there is a Chinese, Japanese or Korean character."""
    return any("\u2e80" <= character <= "\ud7ff" for character in text)


def passage(title: str, text: str) -> str:
    """How a passage stands in the prompt; nothing in it begins or ends a turn."""
    return "<|im_start|>user\n" + f"{title}\n{text}\n".replace("<|", "< |")


def asking(question: str, claim: bool) -> str:
    """How a question, or a statement, stands behind it."""
    asked = f"Statement: {question}\nIs it said there?" if claim else f"Question: {question}\nIs the answer there?"
    return "\n" + asked.replace("<|", "< |") + "<|im_end|>\n<|im_start|>assistant\n"


class GenerativeReader:
    """The bundled generator as a reader of English, on OpenVINO GenAI."""

    def __init__(self) -> None:
        import openvino_genai as genai

        self._genai = genai
        file, own = bundled.generator_file(), FOLDER / "adapter_model.safetensors"
        with hub.loading("reader", MEND):
            with own.open("rb") as weights:
                name = f"reader-{file.stat().st_size}-{hashlib.file_digest(weights, 'sha256').hexdigest()[:12]}"
            self._pipeline = genai.LLMPipeline(bundled.converted(name, lambda aside: _convert(file, aside)), "CPU")
        self._lock = threading.Lock()

    def read(self, question: str, passage_: tuple[str, str]) -> tuple[float, str]:
        """The logit of "yes" against "no" for a (title, text), and the words. Raises ModelError if the runtime fails."""
        title, text = passage_
        try:
            return self._read(passage(title, text[:LONGEST]) + asking(question, claim=False))
        except RuntimeError as cause:  # OpenVINO's own
            raise ModelError(f"reader: failed while reading ({cause}); {MEND}") from cause

    def _read(self, prompt: str) -> tuple[float, str]:
        with self._lock:
            first = self._pipeline.generate([prompt], self._config(1, num_beams=2, num_return_sequences=2))
            chances = dict(zip(first.texts, first.scores, strict=True))
            yes, no = chances.get(YES[:-1]), chances.get(NO, 2 * UNLIKELY)
            answers = UNLIKELY if yes is None else float(np.clip(yes - no, UNLIKELY, -UNLIKELY))
            if answers < DOUBTED:
                return answers, ""
            written = str(self._pipeline.generate([prompt + YES], self._config(MAX_TOKENS)).texts[0])
        return answers, written.strip()

    def _config(self, tokens: int, **others: int) -> Any:  # noqa: ANN401 (GenAI's)
        config = self._genai.GenerationConfig()
        config.max_new_tokens, config.apply_chat_template, config.do_sample = tokens, False, False
        for name, value in others.items():
            setattr(config, name, value)
        return config


def _convert(file: Path, aside: Path) -> None:
    """The generator with the reader's weights added to its own, in 8 bits, as OpenVINO files."""
    import openvino_genai as genai

    merged = aside / "reader.gguf"
    gguf_weights.write(file, merged, FOLDER)
    genai.LLMPipeline(merged, "CPU", enable_save_ov_model=True)
    merged.unlink()
