"""Generators of providers: the real classes of LangChain's packages against a server that speaks their protocols."""

import threading
import time
from dataclasses import dataclass

import pytest
from chat_server import ChatServer, Fails, Thought

from ragbot.errors import ModelError
from ragbot.models.generator import langchain, open_generator
from ragbot.models.generator.langchain import LangChainGenerator, is_transient
from ragbot.models.generator.streaming import iterate, without_reasoning
from ragbot.types import Message

# What the providers' packages warn of in their own code is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

QUESTION = [Message("system", "Answer briefly. 简短"), Message("user", "When does the lab open?")]


@dataclass(frozen=True)
class Provider:
    """How a provider is set up, and what its requests look like."""

    name: str
    settings: tuple[tuple[str, str], ...]
    limit: tuple[str, ...]
    key: str = ""


PROVIDERS = [
    Provider("ollama:llama3.2", (("OLLAMA_HOST", "{url}"),), ("options", "num_predict")),
    Provider("openai:gpt-4o-mini", (("OPENAI_BASE_URL", "{url}/v1"), ("OPENAI_API_KEY", "k")), ("max_completion_tokens",), "k"),
    Provider("anthropic:claude-sonnet-4-5", (("ANTHROPIC_BASE_URL", "{url}"), ("ANTHROPIC_API_KEY", "k")), ("max_tokens",), "k"),
]


@pytest.fixture
def server(monkeypatch):
    made = ChatServer()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(langchain, "PAUSE_S", 0.01)
    yield made
    made.close()


@pytest.fixture(params=PROVIDERS, ids=lambda one: one.name.partition(":")[0])
def provider(request, server, monkeypatch):
    for name, value in request.param.settings:
        monkeypatch.setenv(name, value.format(url=server.url))
    return request.param


def written(provider, max_tokens=9, timeout=60):
    return "".join(open_generator(provider.name, timeout).stream(QUESTION, max_tokens))


# Requests and pieces


def test_a_request_holds_the_limit_under_the_providers_own_name(provider, server):
    server.replies = [["The lab ", "opens ", "at nine."]]
    generator = open_generator(provider.name)
    assert [*generator.stream(QUESTION, 33)] == ["The lab ", "opens ", "at nine."]
    assert "".join(generator.stream(QUESTION, 7)) == "The lab opens at nine."
    for (_, headers, body), limit in zip(server.asked, (33, 7), strict=True):
        assert body["model"] == provider.name.partition(":")[2]
        assert body["stream"] is True
        assert "When does the lab open?" in str(body["messages"])
        assert "简短" in str(body)
        assert body.get("temperature", body.get("options", {}).get("temperature")) == 0
        assert provider.key in (headers.get("x-api-key"), headers.get("authorization", "").removeprefix("Bearer "))
        for name in provider.limit:
            body = body[name]
        assert body == limit


def test_pieces_are_handed_on_as_they_come(provider, server):
    more = threading.Event()
    server.replies = [["The lab ", more, "opens."]]
    pieces = open_generator(provider.name).stream(QUESTION, 9)
    assert next(pieces) == "The lab "
    more.set()
    assert [*pieces] == ["opens."]


def test_threads_share_a_generator(provider, server):
    server.replies = [["The lab ", "opens."]]
    generator, replies = open_generator(provider.name), []
    threads = [
        threading.Thread(target=lambda limit=limit: replies.append("".join(generator.stream(QUESTION, limit))))
        for limit in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == ["The lab opens."] * 8
    limits = [body for _, _, body in server.asked]
    for name in provider.limit:
        limits = [body[name] for body in limits]
    assert sorted(limits) == list(range(1, 9))


# Failures


def test_a_busy_server_is_asked_again(provider, server):
    server.replies = [503, 429, ["The lab opens."]]
    assert written(provider) == "The lab opens."
    assert len(server.asked) == 3


def test_a_server_that_stays_busy_is_asked_three_times(provider, server):
    server.replies = [503]
    with pytest.raises(ModelError, match=f"{provider.name}: did not answer .*503.*; try again later"):
        written(provider)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "mend"), [(400, ""), (401, "; check its key"), (404, "; check the model's name and the server's address")]
)
def test_a_server_that_refuses_is_asked_once(provider, server, status, mend):
    server.replies = [status]
    with pytest.raises(ModelError, match=rf"{provider.name}: refused \((?=.*not today).*{status}.*\){mend}$"):
        written(provider)
    assert len(server.asked) == 1


def test_a_server_that_is_not_there_is_asked_again_and_named(provider, server, monkeypatch):
    pauses = []
    monkeypatch.setattr(langchain.time, "sleep", pauses.append)
    server.close()
    with pytest.raises(ModelError, match=rf"{provider.name}: did not answer \(.*\); is its server up\?"):
        written(provider)
    assert pauses == [0.01, 0.02]


def test_a_silent_server_is_named_after_the_timeout(provider, server):
    server.replies = [["The lab opens."], ["The lab ", threading.Event(), "opens."], [threading.Event()]]
    generator = open_generator(provider.name, timeout=60)
    assert [*generator.stream(QUESTION, 9)] == ["The lab opens."]  # by now the provider's package is loaded
    generator = open_generator(provider.name, timeout=1)
    for begun in (["The lab "], []):
        pieces, start = generator.stream(QUESTION, 9), time.monotonic()
        assert [next(pieces) for _ in begun] == begun
        with pytest.raises(ModelError, match=rf"{provider.name}: nothing came for 1 s; is its server up\?"):
            next(pieces)
        assert time.monotonic() - start < 10
    assert len(server.asked) == 3


def test_a_failure_inside_the_stream_is_not_asked_again_once_a_word_was_given(provider, server):
    server.replies = [["The lab ", Fails()]]
    pieces = open_generator(provider.name).stream(QUESTION, 9)
    assert next(pieces) == "The lab "
    with pytest.raises(ModelError, match="overloaded"):
        list(pieces)
    assert len(server.asked) == 1


def test_a_model_that_takes_no_temperature_is_asked_without(provider, server):
    server.replies = [(400, "'temperature' is not supported with this model"), ["The lab opens."]]
    generator = open_generator(provider.name)
    assert "".join(generator.stream(QUESTION, 9)) == "The lab opens."
    assert "".join(generator.stream(QUESTION, 9)) == "The lab opens."
    assert ["temperature" in str(body) for _, _, body in server.asked] == [True, False, False]


def test_a_wrong_argument_is_neither_asked_again_nor_blamed_on_the_server(server, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    generator = open_generator("ollama:llama3.2")
    generator._chat = generator._chat.bind(no_such_option=1)
    generator._chat.__dict__["model_copy"] = lambda update: generator._chat
    with pytest.raises(ModelError, match=r"failed \(TypeError: .*no_such_option") as caught:
        list(generator.stream(QUESTION, 9))
    assert "server" not in str(caught.value)
    assert server.asked == []


class Refused(Exception):
    def __init__(self, status):
        self.status_code = status


class Wrapped(Exception):
    pass


def wrapped(cause):
    try:
        raise Wrapped("of the provider's package") from cause
    except Wrapped as made:
        return made


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503, 529])
def test_a_busy_status_is_transient(status):
    assert is_transient(Refused(status)) and is_transient(wrapped(Refused(status)))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusing_status_lasts(status):
    assert not is_transient(Refused(status)) and not is_transient(wrapped(Refused(status)))


def test_what_may_pass_and_what_will_not():
    import ssl

    assert is_transient(ConnectionResetError()) and is_transient(TimeoutError()) and is_transient(wrapped(ConnectionError()))
    for lasting in (TypeError(), ValueError(), KeyError(), wrapped(TypeError())):
        assert not is_transient(lasting)
    untrusted = ConnectionError()
    untrusted.__cause__ = ssl.SSLCertVerificationError()
    assert not is_transient(untrusted)


# Opening


def test_a_provider_without_its_key_says_so(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelError, match="openai:gpt-5: cannot be loaded .*OPENAI_API_KEY.*check .*the provider's key"):
        open_generator("openai:gpt-5")


def test_a_provider_that_is_not_installed():
    with pytest.raises(ModelError, match="mistralai:small: cannot be loaded .*pip install langchain-mistralai"):
        open_generator("mistralai:small")


def test_a_provider_that_nobody_knows():
    with pytest.raises(ModelError, match="nobody:small: cannot be loaded .*Supported providers: .*; check the name"):
        open_generator("nobody:small")


def test_a_chat_model_that_cannot_be_limited_is_refused(monkeypatch):
    import langchain.chat_models
    from langchain_core.language_models.fake_chat_models import FakeListChatModel

    monkeypatch.setattr(langchain.chat_models, "init_chat_model", lambda *_, **__: FakeListChatModel(responses=["Yes."]))
    with pytest.raises(ModelError, match="someone:model-1: FakeListChatModel has no option that limits a reply"):
        open_generator("someone:model-1")


def test_any_chat_model_that_declares_a_limit(monkeypatch):
    import langchain.chat_models
    from langchain_core.language_models.fake_chat_models import FakeListChatModel

    class Limited(FakeListChatModel):
        max_output_tokens: int = 5

        def _call(self, *args, **kwargs):
            return f"at most {self.max_output_tokens}"

        def _stream(self, *args, **kwargs):
            self.responses = [f"at most {self.max_output_tokens}"]
            yield from super()._stream(*args, **kwargs)

    monkeypatch.setattr(langchain.chat_models, "init_chat_model", lambda *_, **__: Limited(responses=[""]))
    model = open_generator("someone:model-1")
    assert isinstance(model, LangChainGenerator)
    assert "".join(model.stream(QUESTION, 9)) == "at most 9"


def test_a_closed_generator_finishes_what_it_began(provider, server):
    more = threading.Event()
    server.replies = [["The lab ", more, "opens."]]
    generator = open_generator(provider.name)
    pieces = generator.stream(QUESTION, 9)
    next(pieces)
    generator.close()
    generator.close()
    more.set()
    assert [*pieces] == ["opens."]
    with pytest.raises(ModelError, match=f"{provider.name}: was closed"):
        list(generator.stream(QUESTION, 9))


# Reasoning


def test_thoughts_are_no_answer(provider, server):
    server.replies = [["<thi", "nk>The user", " wants</th", "ink>\n", "\nThe lab ", "opens <", "b>."]]
    assert [*open_generator(provider.name).stream(QUESTION, 9)] == ["The lab ", "opens ", "<b>."]
    server.replies = [[Thought("The user wants"), Thought(" the hours."), "The lab ", "opens."]]
    assert [*open_generator(provider.name).stream(QUESTION, 9)] == ["The lab ", "opens."]


def test_ollama_is_asked_not_to_think(server, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", server.url)
    server.replies = [["Yes."]]
    list(open_generator("ollama:qwen3").stream(QUESTION, 9))
    assert server.asked[0][2]["think"] is False


def test_thoughts_are_signs_of_life(provider, server):
    steps = []
    for _ in range(6):
        steps += [Thought("Hm. "), Later(0.2)]
    server.replies = [[*steps, "The lab opens."]]
    assert written(provider, timeout=0.6) == "The lab opens."


class Later(threading.Event):
    """Is set some seconds after it is waited for."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds, self.until = seconds, None

    def wait(self, timeout=None):
        self.until = self.until or time.monotonic() + self.seconds
        super().wait(timeout)
        return time.monotonic() >= self.until


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>I see.</think>The lab opens.", "The lab opens."),
        ("\n<think>\n</think>\n\nThe lab opens.", "The lab opens."),
        ("The <think>a < b</think>lab <think></think>opens.", "The lab opens."),
        ("<think>Only thoughts, and no end </thin", ""),
        ("1 < 2 <thin", "1 < 2 <thin"),
        ("a <thinker> thinks", "a <thinker> thinks"),
        ("", ""),
    ],
)
def test_thoughts_are_left_out_wherever_the_text_is_cut(text, answer):
    for size in range(1, len(text) + 2):
        cut = [text[at : at + size] for at in range(0, len(text), size)]
        assert "".join(without_reasoning(piece for piece in cut)) == answer


def test_a_thought_that_the_prompt_began():
    assert "".join(without_reasoning((piece for piece in ("Hm.</th", "ink>\nYes", ".")), inside=True)) == "Yes."


def test_closing_an_answer_stops_the_writing():
    stopped = threading.Event()

    def write(take):
        while not take("word "):
            pass
        stopped.set()

    pieces = without_reasoning(iterate(write))
    assert next(pieces) == "word "
    pieces.close()
    assert stopped.is_set()
