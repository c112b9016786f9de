"""The generator that comes with ragbot, on OpenVINO GenAI."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ragbot.errors import ModelError
from ragbot.models import bundled, hub
from ragbot.models.bundled import gguf_weights
from ragbot.models.generator.streaming import iterate
from ragbot.types import Message


class BundledGenerator:
    """SmolLM2-135M-Instruct (Ben Allal and others 2025), in 8 bits. Replies are written one at a time."""

    model = bundled.GENERATOR
    window = 2048

    def __init__(self) -> None:
        import openvino_genai as genai

        self._genai = genai
        self._lock = threading.Lock()
        file = bundled.generator_file()
        with hub.loading(self.model):
            folder = bundled.converted(f"{bundled.GENERATOR}-8bit-{file.stat().st_size}", lambda aside: _convert(file, aside))
            self._pipeline: Any = genai.LLMPipeline(folder, "CPU")
        # The first word of a fresh pipeline takes a second more than the next ones: better now than in an answer.
        "".join(self.stream([Message("user", "Hi")], 1))

    def count(self, text: str) -> int:
        return int(self._opened().get_tokenizer().encode(text).input_ids.shape[1])

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        pipeline = self._opened()
        history = self._genai.ChatHistory([{"role": m.role, "content": m.content} for m in messages])
        config = self._genai.GenerationConfig()
        config.max_new_tokens = max_tokens
        config.do_sample = False
        config.apply_chat_template = True

        def write(take: Callable[[str], bool]) -> None:
            with self._lock:  # held by the writing, never by a reader that pauses
                if not take(""):
                    pipeline.generate(history, config, take)

        try:
            yield from iterate(write)
        except Exception as cause:  # OpenVINO's own
            raise ModelError(f"{self.model}: failed while writing ({cause})") from cause

    def close(self) -> None:
        self._pipeline = None

    def _opened(self) -> Any:  # noqa: ANN401 (GenAI's pipeline)
        pipeline = self._pipeline
        if pipeline is None:
            raise ModelError(f"{self.model}: was closed; open it again")
        return pipeline


def _convert(file: Path, aside: Path) -> None:
    """The GGUF file as OpenVINO files, which load twice as fast; GenAI writes them beside its input."""
    import openvino_genai as genai

    copy = aside / "generator.gguf"
    gguf_weights.write(file, copy)
    genai.LLMPipeline(copy, "CPU", enable_save_ov_model=True)
    copy.unlink()
