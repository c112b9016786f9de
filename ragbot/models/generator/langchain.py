"""Chat models of providers, through LangChain."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ragbot.errors import ModelError
from ragbot.models import hub
from ragbot.models.generator.streaming import Silence, iterate, without_reasoning
from ragbot.types import Message

TRIES, PAUSE_S = 3, 0.5
"""How often a server is asked that fails for the moment, and the seconds before the second time; then twice as many."""
LIMITS = ("num_predict", "max_completion_tokens", "max_output_tokens", "max_new_tokens", "max_tokens")
"""What providers call the longest reply, in tokens. The first that a chat model's class declares is its own."""
TRANSIENT_STATUS = (408, 409, 425, 429)
TRANSIENT_TYPES = ("overloaded_error", "rate_limit_error", "timeout_error", "api_error")
"""Types of an error that comes inside a stream, after status 200 (Anthropic)."""
TRANSIENT_CLASSES = frozenset(("ConnectionError", "TimeoutError", "Timeout", "APIConnectionError", "TransportError"))
"""Classes of errors on the way to a server: Python's, and those of the clients (httpx, requests, the providers' own)."""
LASTING_CLASSES = frozenset(("SSLCertVerificationError", "UnsupportedProtocol", "LocalProtocolError", "InvalidURL"))
"""Those of them that come from a wrong setting."""
ADVICE = {401: "; check its key", 403: "; check its key", 404: "; check the model's name and the server's address"}


class LangChainGenerator:
    """Any chat model that LangChain's `init_chat_model` opens: "ollama:llama3.2", "openai:gpt-5", …"""

    window = 32_000
    """What chat models of today read at least; providers do not say it."""

    def __init__(self, name: str, timeout: float) -> None:
        self.model, self._timeout = name, timeout
        with hub.loading(name, "check the name, and the provider's key and settings"):
            self._chat: Any = _chat_model(name, timeout)
        fields = type(self._chat).model_fields
        limit = next((option for option in LIMITS if option in fields), None)
        if limit is None:
            kind = type(self._chat).__name__
            raise ModelError(f"{name}: {kind} has no option that limits a reply (such as max_tokens); take another provider")
        self._limit = limit

    def count(self, text: str) -> int:
        """About so many: each provider counts in its own way, mostly behind its network."""
        return len(text.encode()) // 3

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        asked: list[tuple[str, str]] = [(m.role, m.content) for m in messages]
        tried = 0
        while True:
            begun = False
            tried += 1
            try:
                for piece in without_reasoning(iterate(self._write(asked, max_tokens), self._timeout)):
                    begun = True
                    yield piece
                return
            except Silence as cause:
                raise ModelError(
                    f"{self.model}: nothing came for {self._timeout:g} s; is its server up? generator_timeout allows more"
                ) from cause
            except Exception as cause:  # each provider's package raises errors of its own
                if not begun and self._drop_temperature(cause):
                    continue
                if begun or tried == TRIES or not is_transient(cause):
                    raise ModelError(f"{self.model}: {_explained(cause)}") from cause
            time.sleep(PAUSE_S * 2 ** (tried - 1))

    def close(self) -> None:
        self._chat = None  # its connections may be shared with other chat models of the process, and end by themselves

    def _write(self, asked: list[tuple[str, str]], max_tokens: int) -> Callable[[Callable[[str], bool]], None]:
        if self._chat is None:
            raise ModelError(f"{self.model}: was closed; open it again")
        # Set as its own field, because not all chat models take the option with a call.
        chat = self._chat.model_copy(update={self._limit: max_tokens})

        def write(take: Callable[[str], bool]) -> None:
            for piece in chat.stream(asked):
                if take(str(piece.text)):  # without its blocks of reasoning
                    return

        return write

    def _drop_temperature(self, cause: Exception) -> bool:
        """Whether the model refused a temperature, and is now asked without: some reasoning models take none."""
        chat = self._chat
        if is_transient(cause) or "temperature" not in str(cause) or getattr(chat, "temperature", None) is None:
            return False
        self._chat = chat.model_copy(update={"temperature": None})
        return True


def _chat_model(name: str, timeout: float) -> Any:  # noqa: ANN401 (a chat model of LangChain)
    """The chat model, opened with the options that its class declares; a first one tells which those are."""
    from langchain.chat_models import init_chat_model

    try:
        fields = type(init_chat_model(name, temperature=0)).model_fields
        return init_chat_model(name, temperature=0, **_options(name, fields, timeout))
    except (ImportError, ValueError):
        raise
    except Exception as cause:  # a missing key, with an error of the provider's own
        raise ValueError(cause) from cause


def _options(name: str, fields: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if "max_retries" in fields:
        options["max_retries"] = 0  # it is asked again here, and not again within each time
    if name.startswith("ollama:"):
        options["reasoning"] = False  # thoughts would use up the tokens of the answer
    # The reader that waited for it has gone by then: this ends the thread that was left behind.
    if "client_kwargs" in fields:
        options["client_kwargs"] = {"timeout": 2 * timeout}
    for field in ("request_timeout", "default_request_timeout", "timeout"):
        if field in fields:
            options[getattr(fields[field], "alias", None) or field] = 2 * timeout
    return options


def is_transient(failure: BaseException) -> bool:
    """Whether it may go better a moment later: a server that is busy or cannot be reached, not one that refuses."""
    status = _status(failure)
    if status:
        return status in TRANSIENT_STATUS or status >= 500
    if _error_type(failure) in TRANSIENT_TYPES:
        return True
    names = {kind.__name__ for cause in _causes(failure) for kind in type(cause).__mro__}
    return bool(names & TRANSIENT_CLASSES) and not names & LASTING_CLASSES


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """A failure and the ones that it was raised from: packages wrap the errors of their clients."""
    cause: BaseException | None = failure
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _status(failure: BaseException) -> int:
    """The HTTP status with which a server refused, wherever the provider's package keeps it; 0 if there is none."""
    for cause in _causes(failure):
        for place in (cause, getattr(cause, "response", None)):
            for name in ("status_code", "code"):
                status = getattr(place, name, None)
                if isinstance(status, int) and 400 <= status < 600:
                    return int(status)
    return 0


def _error_type(failure: BaseException) -> str:
    body = getattr(failure, "body", None)
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("type")) if isinstance(error, dict) else ""


def _explained(failure: Exception) -> str:
    reason = f"{type(failure).__name__}: {' '.join(str(failure).split())[:200]}"
    status = _status(failure)
    if is_transient(failure):
        return f"did not answer ({reason}); {'try again later' if status else 'is its server up?'}"
    return f"refused ({reason}){ADVICE.get(status, '')}" if status else f"failed ({reason})"
