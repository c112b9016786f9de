"""Messages to text, piece by piece. One class a runtime, one function to choose.

All of them decode greedily: the same messages give the same text. A generator knows nothing of
passages; what it writes is believed by nobody until `grounding` has checked it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from ragbot.errors import ModelError
from ragbot.models import bundled, hub
from ragbot.models.bundled import gguf_weights
from ragbot.types import Message

TRIES, PAUSE = 3, 0.5
"""How often a server is asked that fails before its first word, and the seconds before the second time; then twice as many."""


class Generator(Protocol):
    """What writes text."""

    model: str

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        """The reply to `messages`, in pieces as they are written; closing the iterator stops it."""
        ...

    def count(self, text: str) -> int:
        """How many tokens a text has, or about so many."""
        ...


def open_generator(name: str, timeout: float = 60) -> Generator:
    """The generator that `name` means: the bundled one, a folder, "provider:model", or a Hugging Face id.

    A provider's server may be silent for `timeout` seconds before it is given up.
    Raises ModelError if it is not there or does not load.
    """
    if name == bundled.GENERATOR:
        return BundledGenerator()
    if ":" in name and not Path(name).is_dir():
        return LangChainGenerator(name, timeout)
    return TransformersGenerator(name)


class BundledGenerator:
    """SmolLM2-135M-Instruct (Ben Allal and others 2025), in 8 bits, on OpenVINO GenAI."""

    model = bundled.GENERATOR

    def __init__(self) -> None:
        import openvino_genai as genai

        self._genai = genai
        file = bundled.generator_file()
        with hub.loading(self.model):
            self._pipeline = genai.LLMPipeline(
                bundled.converted(f"{bundled.GENERATOR}-8bit-{file.stat().st_size}", lambda aside: _convert(file, aside)), "CPU"
            )
        self._lock = threading.Lock()
        # The first word of a fresh pipeline takes a second more than the next ones: better now than in an answer.
        "".join(self.stream([Message("user", "Hi")], 1))

    def count(self, text: str) -> int:
        return int(self._pipeline.get_tokenizer().encode(text).input_ids.shape[1])

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        history = self._genai.ChatHistory([{"role": m.role, "content": m.content} for m in messages])
        config = self._genai.GenerationConfig()
        config.max_new_tokens = max_tokens
        config.do_sample = False
        config.apply_chat_template = True

        def write(take: Callable[[str], bool]) -> None:
            with self._lock:  # one at a time; held by the writing, never by a reader that pauses
                self._pipeline.generate(history, config, take)

        try:
            yield from _pieces(write)
        except Exception as cause:  # OpenVINO's own
            raise ModelError(f"{self.model}: failed while writing ({cause})") from cause


class TransformersGenerator:
    """Any causal language model of transformers, with a chat template or without."""

    def __init__(self, name: str) -> None:
        self.model = name
        with hub.loading(name), hub.quiet_transformers():
            from transformers import AutoModelForCausalLM, AutoTokenizer

            local = Path(name).is_dir()
            self._tokenizer: Any = AutoTokenizer.from_pretrained(name, local_files_only=local)
            self._model: Any = AutoModelForCausalLM.from_pretrained(name, local_files_only=local)

    def count(self, text: str) -> int:
        return len(self._tokenizer(text, add_special_tokens=False).input_ids)

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        from transformers import TextIteratorStreamer

        inputs = self._inputs(messages, max_tokens)
        streamer = TextIteratorStreamer(self._tokenizer, skip_prompt=True, skip_special_tokens=True)
        stopped = threading.Event()
        failed: list[BaseException] = []

        def work() -> None:
            try:
                self._generate(inputs, max_tokens, streamer, stopped)
            except BaseException as cause:
                failed.append(cause)
                streamer.end()  # type: ignore[no-untyped-call]

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        try:
            yield from (piece for piece in streamer if piece)
        finally:
            stopped.set()
            worker.join()
        if failed:
            raise ModelError(f"{self.model}: failed while writing ({failed[0]})") from failed[0]

    def _generate(self, inputs: Any, max_tokens: int, streamer: Any, stopped: threading.Event) -> None:  # noqa: ANN401 (untyped)
        from transformers import StoppingCriteriaList

        self._model.generate(
            **inputs,
            max_new_tokens=max_tokens,
            do_sample=False,
            streamer=streamer,
            stopping_criteria=StoppingCriteriaList([lambda ids, _scores, **_: _all(ids, stopped.is_set())]),
            pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
        )

    def _inputs(self, messages: Sequence[Message], max_tokens: int) -> Any:  # noqa: ANN401 (a batch of transformers)
        """The prompt in tokens, its beginning cut off where the model cannot read so much."""
        if self._tokenizer.chat_template:
            chat = [{"role": m.role, "content": m.content} for m in messages]
            text = self._tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
            inputs = self._tokenizer(text, return_tensors="pt", add_special_tokens=False)
        else:
            inputs = self._tokenizer(plain(messages), return_tensors="pt")
        room = getattr(self._model.config, "max_position_embeddings", None)
        keep = max(room - max_tokens, 1) if room else None
        return {key: value[:, -keep:] if keep else value for key, value in inputs.items() if key != "token_type_ids"}


class LangChainGenerator:
    """Any chat model that LangChain's `init_chat_model` opens: "ollama:llama3.2", "openai:gpt-5", …"""

    def __init__(self, name: str, timeout: float) -> None:
        self.model, self._timeout = name, timeout
        with hub.loading(name):
            from langchain.chat_models import init_chat_model

            self._chat: Any = init_chat_model(name, temperature=0)

    def count(self, text: str) -> int:
        """About so many: each provider counts in its own way, mostly behind its network."""
        return len(text.encode()) // 3

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        chat = [(m.role, m.content) for m in messages]

        def write(take: Callable[[str], bool]) -> None:
            for piece in self._chat.stream(chat, max_tokens=max_tokens):
                if take(str(piece.text)):
                    return

        for left in reversed(range(TRIES)):
            begun = False
            try:
                for piece in _pieces(write, self._timeout):
                    begun = True
                    yield piece
                return
            except Silence as cause:
                raise ModelError(
                    f"{self.model}: nothing came for {self._timeout:g} s; is its server up? generator_timeout allows more"
                ) from cause
            except Exception as cause:  # each provider's package raises errors of its own
                if begun or not left or not _passing(cause):
                    reason = f"{type(cause).__name__}: {' '.join(str(cause).split())[:200]}"
                    said = f"did not answer ({reason}); is its server up?" if _passing(cause) else f"refused ({reason})"
                    raise ModelError(f"{self.model}: {said}") from cause
            time.sleep(PAUSE * 2 ** (TRIES - 1 - left))


def _passing(cause: Exception) -> bool:
    """Whether it may go better a moment later: not what a server refused for good (no key, no such model)."""
    status = getattr(cause, "status_code", None)
    return not isinstance(status, int) or status in (408, 409, 429) or status >= 500


def plain(messages: Sequence[Message]) -> str:
    """Messages as one text, for a model that has no chat template."""
    names = {"system": "", "user": "Question: ", "assistant": "Answer: "}
    return "\n\n".join(names[m.role] + m.content for m in messages) + "\n\nAnswer:"


class Silence(Exception):
    """Nothing was written for too long."""


def _pieces(generate: Callable[[Callable[[str], bool]], None], timeout: float | None = None) -> Iterator[str]:
    """Turn a callback into an iterator: the writing goes on in a thread while the pieces are read.

    Raises what the writing raises, and Silence where it says nothing for `timeout` seconds: it is then left to itself.
    """
    queue: SimpleQueue[str | BaseException | None] = SimpleQueue()
    stopped = threading.Event()

    def take(piece: str) -> bool:
        queue.put(piece)
        return stopped.is_set()

    def work() -> None:
        try:
            generate(take)
            queue.put(None)
        except BaseException as cause:
            queue.put(cause)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        while (piece := queue.get(timeout=timeout)) is not None:
            if isinstance(piece, BaseException):
                raise piece
            if piece:
                yield piece
    except Empty as cause:
        raise Silence from cause
    finally:
        stopped.set()
        if timeout is None:  # what runs here is done in a moment; a server may never be
            worker.join()


def _all(ids: Any, stop: bool) -> Any:  # noqa: ANN401 (tensors)
    import torch

    return torch.full((ids.shape[0],), stop, dtype=torch.bool, device=ids.device)


def _convert(file: Path, aside: Path) -> None:
    """The GGUF file as OpenVINO files, which load twice as fast; GenAI writes them beside its input."""
    import openvino_genai as genai

    copy = aside / "generator.gguf"
    gguf_weights.write(file, copy)
    genai.LLMPipeline(copy, "CPU", enable_save_ov_model=True)
    copy.unlink()
