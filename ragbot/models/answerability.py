"""Reads a passage and says whether it answers a question, and with which words.

The bundled model is the bundled generator with weights beside it that `training.answerability` trained (LoRA): it writes
"yes" and the words, or "no". How surely is what it thinks of the one against the other. It knows English;
Chinese, Japanese and Korean are not asked of it.
docs/models/reader.md has its figures.
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
    """A logit: above 0 where the passage rather answers the question, or makes the statement."""
    words: str = ""
    """The words that it takes for the answer; "" where it sees none."""


class AnswerabilityModel(Protocol):
    """A model that finds answers in passages."""

    def read(self, question: str, passages: Sequence[tuple[str, str]]) -> list[AnswerSpan]:
        """What it finds in each (title, text)."""
        ...


def open_answerability_model() -> AnswerabilityModel:
    """The bundled model. Raises ModelError if a part of it is missing."""
    return BundledAnswerabilityModel()


@lru_cache(maxsize=1)
def _curve() -> tuple[float, float]:
    numbers = json.loads((FOLDER / "calibration.json").read_text(encoding="utf-8"))
    return numbers["bias"], numbers["logit"]


def chance(logit: float) -> float:
    """How likely a passage answers for which the bundled model gives this logit, 0 to 1 (`benchmarks/reading.py` fits it)."""
    bias, slope = _curve()
    return 1 / (1 + math.exp(-(bias + slope * logit)))


def passage(title: str, text: str) -> str:
    """How a passage stands in the prompt; nothing in it begins or ends a turn."""
    return "<|im_start|>user\n" + f"{title}\n{text}\n".replace("<|", "< |")


def asking(question: str, claim: bool) -> str:
    """How a question, or a statement, stands behind it."""
    asked = f"Statement: {question}\nIs it said there?" if claim else f"Question: {question}\nIs the answer there?"
    return "\n" + asked.replace("<|", "< |") + "<|im_end|>\n<|im_start|>assistant\n"


class BundledAnswerabilityModel:
    """The reader that comes with ragbot, on OpenVINO GenAI."""

    def __init__(self) -> None:
        import openvino_genai as genai

        self._genai = genai
        file, own = bundled.generator_file(), FOLDER / "adapter_model.safetensors"
        with hub.loading("reader", MEND):
            with own.open("rb") as weights:
                name = f"reader-{file.stat().st_size}-{hashlib.file_digest(weights, 'sha256').hexdigest()[:12]}"
            self._pipeline = genai.LLMPipeline(bundled.converted(name, lambda aside: _convert(file, aside)), "CPU")
        self._lock = threading.Lock()

    def read(self, question: str, passages: Sequence[tuple[str, str]]) -> list[AnswerSpan]:
        """What it makes of each (title, text), one after the other. Raises ModelError if the runtime fails."""
        asks = asking(question, claim=False)
        try:
            return [self._read(passage(title, text[:LONGEST]) + asks) for title, text in passages]
        except RuntimeError as cause:  # OpenVINO's own
            raise ModelError(f"reader: failed while reading ({cause}); {MEND}") from cause

    def _read(self, prompt: str) -> AnswerSpan:
        with self._lock:
            first = self._pipeline.generate([prompt], self._config(1, num_beams=2, num_return_sequences=2))
            chances = dict(zip(first.texts, first.scores, strict=True))
            yes, no = chances.get(YES[:-1]), chances.get(NO, 2 * UNLIKELY)
            answers = UNLIKELY if yes is None else float(np.clip(yes - no, UNLIKELY, -UNLIKELY))
            if answers < DOUBTED:
                return AnswerSpan(answers)
            written = str(self._pipeline.generate([prompt + YES], self._config(MAX_TOKENS)).texts[0])
        return AnswerSpan(answers, written.strip())

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
