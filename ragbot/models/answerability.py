"""Reads passages and says whether they answer a question, and with which words.

Two models read. The cross-encoder reads all passages at once, in English and Chinese. Of the first passage, where it is English,
the bundled generator is asked too, with weights beside it that `training.answerability` trained (LoRA): it writes "yes" and the
words, or "no". How surely is what it thinks of the one against the other; the logits of both give one.
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


class AnswerSpan(NamedTuple):
    """What the reader makes of one passage."""

    answers: float
    """The logit of how likely the passage answers the question; infinite where no model reads its language."""
    words: str = ""
    """The words that it takes for the answer; "" where it sees none."""


class AnswerabilityModel(Protocol):
    """A model that finds answers in passages."""

    def read(self, question: str, passages: Sequence[tuple[str, str]]) -> list[AnswerSpan]:
        """What it finds in each (title, text); the first is the one that most likely answers."""
        ...


def open_answerability_model() -> AnswerabilityModel:
    """The bundled models; without the package of multilingual-e5-small, the one that reads English. Raises ModelError."""
    return BundledAnswerabilityModel(GenerativeReader(), CrossEncoder() if bundled.has_e5() else None)


@lru_cache(maxsize=1)
def _numbers() -> dict[str, list[float]]:
    """Bias and weights by who has read (`benchmarks/reading.py` fits them)."""
    numbers: dict[str, list[float]] = json.loads((FOLDER / "calibration.json").read_text(encoding="utf-8"))
    return numbers


def chance(logit: float) -> float:
    """How likely a passage answers, 0 to 1."""
    return 1 / (1 + math.exp(-min(logit, 500.0)))


def _logit(readers: str, *signs: float) -> float:
    bias, *weights = _numbers()[readers]
    return bias + sum(weight * sign for weight, sign in zip(weights, signs, strict=True))


class BundledAnswerabilityModel:
    """The cross-encoder reads every passage, the generator the first one, if it is English."""

    def __init__(self, english: GenerativeReader, bilingual: CrossEncoder | None) -> None:
        self.english, self.bilingual = english, bilingual

    def read(self, question: str, passages: Sequence[tuple[str, str]]) -> list[AnswerSpan]:
        """What they find in each (title, text). Raises ModelError if a runtime fails."""
        if self.bilingual is None:
            return [self._in_english(question, passage) for passage in passages]
        found = []
        for at, (passage, said) in enumerate(zip(passages, self.bilingual.read(question, passages), strict=True)):
            if _is_cjk(question) or _is_cjk(passage[1]):
                found.append(AnswerSpan(_logit("bilingual_cjk", said.answers), said.words))
            elif at:
                found.append(AnswerSpan(_logit("bilingual", said.answers), said.words))
            else:
                answers, words = self.english.read(question, passage)
                found.append(AnswerSpan(_logit("both", answers, said.answers), words or said.words))
        return found

    def _in_english(self, question: str, passage: tuple[str, str]) -> AnswerSpan:
        if _is_cjk(question) or _is_cjk(passage[1]):
            return AnswerSpan(math.inf)
        answers, words = self.english.read(question, passage)
        return AnswerSpan(_logit("english", answers), words)


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
