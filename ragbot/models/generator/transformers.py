"""Causal language models of Hugging Face, on a GPU where there is one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragbot.errors import ModelError
from ragbot.models import hub
from ragbot.models.generator.streaming import OPENING, iterate, without_reasoning
from ragbot.types import Message

if TYPE_CHECKING:
    import torch


class TransformersGenerator:
    """Any causal language model of transformers, with a chat template or without. Replies are written one at a time."""

    def __init__(self, name: str, gguf_file: str | None = None) -> None:
        """`gguf_file`: the file of a folder that holds the tokenizer and the weights."""
        self.model = name
        # A fast tokenizer refuses to be set up by one thread while another one uses it.
        self._reading, self._writing = threading.Lock(), threading.Lock()
        with hub.loading(name):
            source = hub.source(name)
            with hub.quiet_transformers():
                from transformers import AutoModelForCausalLM, AutoTokenizer

                device, dtype = best_device()
                files: dict[str, Any] = {"local_files_only": Path(source).is_dir(), "gguf_file": gguf_file}
                self._tokenizer: Any = AutoTokenizer.from_pretrained(source, **files)
                model = AutoModelForCausalLM.from_pretrained(source, **files, dtype=dtype)
                self._model: Any = _placed(model, device)
                self.window = int(getattr(model.config, "max_position_embeddings", 0) or 0)

    def count(self, text: str) -> int:
        self._opened()
        with self._reading:
            return len(self._tokenizer(text, add_special_tokens=False).input_ids)

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        model = self._opened()
        prompt = self._prompt(messages)
        inputs = self._inputs(prompt, max_tokens, model)

        def write(take: Callable[[str], bool]) -> None:
            with self._writing:  # held by the writing, never by a reader that pauses
                if not take(""):
                    self._generate(model, inputs, max_tokens, take)

        try:
            yield from without_reasoning(iterate(write), inside=prompt.rstrip().endswith(OPENING))
        except Exception as cause:  # torch's and the model's own
            raise ModelError(f"{self.model}: failed while writing ({cause})") from cause

    def close(self) -> None:
        self._model = None

    def _opened(self) -> Any:  # noqa: ANN401 (a model of transformers)
        model = self._model
        if model is None:
            raise ModelError(f"{self.model}: was closed; open it again")
        return model

    def _generate(self, model: Any, inputs: Any, max_tokens: int, take: Callable[[str], bool]) -> None:  # noqa: ANN401 (untyped)
        from transformers import StoppingCriteriaList, TextStreamer

        class Streamer(TextStreamer):
            def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
                take(text)

        model.generate(
            **inputs,
            max_new_tokens=max_tokens,
            do_sample=False,
            streamer=Streamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True),
            stopping_criteria=StoppingCriteriaList([lambda ids, _scores, **_: _all(ids, take(""))]),
            pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
        )

    def _prompt(self, messages: Sequence[Message]) -> str:
        if not self._tokenizer.chat_template:
            return plain(messages)
        chat = [{"role": m.role, "content": m.content} for m in messages]
        # Thoughts would use up the tokens of the answer. Templates that know no thoughts do not look at the switch.
        text: str = self._tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False, enable_thinking=False)
        return text

    def _inputs(self, prompt: str, max_tokens: int, model: Any) -> dict[str, torch.Tensor]:  # noqa: ANN401 (untyped)
        """The prompt in tokens on the model's device, its beginning cut off where the model cannot read so much."""
        with self._reading:
            inputs = self._tokenizer(prompt, return_tensors="pt", add_special_tokens=not self._tokenizer.chat_template)
        room = getattr(model.config, "max_position_embeddings", None)
        keep = max(room - max_tokens, 1) if room else 0
        return {key: value[:, -keep:].to(model.device) for key, value in inputs.items() if key != "token_type_ids"}


def best_device() -> tuple[str, torch.dtype]:
    """The device that torch finds, the quickest kind first, and a precision that it computes natively."""
    import torch

    if torch.cuda.is_available():
        # Before the generation of 2020 bfloat16 is emulated.
        return "cuda", torch.bfloat16 if torch.cuda.get_device_capability() >= (8, 0) else torch.float16
    if torch.backends.mps.is_available():
        return "mps", torch.float16
    return "cpu", torch.float32


def plain(messages: Sequence[Message]) -> str:
    """Messages as one text, for a model that has no chat template."""
    names = {"system": "", "user": "Question: ", "assistant": "Answer: "}
    return "\n\n".join(names[m.role] + m.content for m in messages) + "\n\nAnswer:"


def _placed(model: Any, device: str) -> Any:  # noqa: ANN401 (untyped)
    """The model on a device; on the processor where the device's memory is too small for it."""
    import torch

    try:
        return model.to(device)
    except torch.OutOfMemoryError:
        return model.to("cpu", torch.float32)


def _all(ids: torch.Tensor, stop: bool) -> torch.Tensor:
    import torch

    return torch.full((ids.shape[0],), stop, dtype=torch.bool, device=ids.device)
