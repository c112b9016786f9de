"""The cross-encoder: what it is trained on, that training goes on where it was cut off, and what the bundled one reads."""

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ragbot.errors import InputError
from ragbot.models import bundled
from ragbot.models.bundled.e5 import E5
from training.cross_encoder import corruptions, packed, rows
from training.cross_encoder.rows import Row

ROOT = Path(__file__).parent.parent
HARBOUR = (
    "The harbour of Larkfield was opened by Queen Matilda in 1872 after nine years of work. "
    "Its lighthouse stands 41 metres above the sea and was designed by Edwin Marsh from Norport."
)
KITE = "风筝节每年四月第二个星期六在东岸草地举行。报名费是二十元，学生半价。雨天改到下个星期六。"


@pytest.fixture(scope="module")
def body():
    return E5()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("number", "Its lighthouse stands 41 metres above the sea."),
        ("unit", "The ferry takes 20 minutes to the island."),
        ("negation", "Dogs are allowed on the pier."),
        ("direction", "The ticket office is closed before the first ferry."),
        ("quantifier", "All visitors need a permit."),
        ("name", "The lighthouse was built by Edwin Marsh for Queen Matilda."),
        ("number", "灯塔高 41 米。"),
        ("unit", "轮渡需要20分钟。"),
        ("negation", "码头上可以遛狗。"),
        ("direction", "请在开船之前买票。"),
        ("quantifier", "所有游客都需要许可证。"),
    ],
)
def test_a_changed_claim_differs_in_one_place(kind, said):
    for seed in range(20):
        other = corruptions.altered(said, kind, random.Random(seed))
        assert other and other != said
        if kind != "name":
            start = next(i for i, (a, b) in enumerate(zip(said, other, strict=False)) if a != b)
            end = next(i for i, (a, b) in enumerate(zip(said[::-1], other[::-1], strict=False)) if a != b)
            assert max(len(said), len(other)) - start - end <= 14


def test_a_sentence_without_such_a_part_is_not_changed():
    assert corruptions.altered("The sea is calm.", "number", random.Random(1)) is None
    assert corruptions.altered("The sea is calm.", "name", random.Random(1)) is None


def test_what_a_question_carries_over_is_marked_in_the_turns():
    one = rows.turn(
        ["Who designed the lighthouse of Larkfield?", "Edwin Marsh."],
        "How tall is it?",
        "How tall is the lighthouse of Larkfield?",
    )
    assert [one.first[a:b] for a, b in one.marked] == ["lighthouse", "Larkfield"]


def test_each_token_knows_its_characters(body):
    text = "Ｃafé  “Nordlicht”:\n 二十元 ﬁne"
    ids, places = body.located(text)
    assert ids == body.tokens([text])[0][1:-1]
    joined = "".join(text[start:end] for start, end in places)
    assert "".join(joined.split()) == "".join(text.split())
    assert all(a[0] <= b[0] for a, b in zip(places, places[1:], strict=False))


SOME = [
    Row("question", "Who designed the lighthouse?", HARBOUR, 1, ((HARBOUR.index("Edwin"), HARBOUR.index("Edwin") + 11),)),
    Row("question", "What does a ferry ticket cost?", HARBOUR, 0),
    Row("claim", "The lighthouse is 41 metres high.", HARBOUR, 0),
    Row("claim", "The lighthouse is 14 metres high.", HARBOUR, 1),
    Row("claim", "The lighthouse is white.", HARBOUR, 3),
    Row("turn", "Who designed the lighthouse?\nEdwin Marsh.", "Where was he from?", 0, ((29, 40),)),
]


def test_rows_keep_their_marks_and_their_body_when_they_are_packed(tmp_path, body):
    assert packed.pack(SOME, tmp_path, 1) == len(packed.load(tmp_path).ids)
    found = packed.load(tmp_path)
    assert found.task.tolist() == [0, 0, 1, 1, 1, 2]
    assert found.label.tolist() == [1, 0, 0, 1, 3, 0]
    name = body.located("Edwin Marsh")[0]
    for at in (0, 5):
        part = slice(found.start[at], found.start[at + 1])
        vectors = found.vocabulary[found.ids[part][found.marked[part] > 0]]
        assert np.allclose(vectors, body.words(np.array([name]))[0], atol=1e-3)
    assert found.marked[found.start[1] : found.start[2]].sum() == 0
    weights = body.weights()
    assert np.allclose(found.body["embeddings.LayerNorm.weight"], weights.norm[0], atol=1e-3)
    assert np.allclose(found.body["encoder.layer.3.output.dense.weight"], weights.linear[3, "down"][0], atol=1e-4)


def test_a_long_passage_is_cut_about_its_answer(tmp_path):
    filler = "Nothing of note happened in that year, and nobody wrote anything down. " * 60
    text = filler + "The prize went to Ada Ferris. " + filler
    at = text.index("Ada Ferris")
    packed.pack([Row("question", "Who won?", text, 1, ((at, at + 10),))], tmp_path, 3)
    found = packed.load(tmp_path)
    assert found.marked.sum() >= 2
    assert len(found.ids) - found.second[0] <= packed.MAX_SECOND + 1


@pytest.mark.nightly
def test_training_goes_on_where_it_was_cut_off(tmp_path, monkeypatch):
    import torch

    from training.cross_encoder import network, trainer

    packed.pack(SOME * 4, tmp_path / "packed", 1)
    monkeypatch.setattr(trainer, "CHECKPOINT", 2)
    monkeypatch.setattr(trainer, "SAID", 1)
    data = packed.load(tmp_path / "packed")

    def trained(folder, seed=5, cut=0):
        def say(text):
            if cut and text.startswith(f"{cut}/"):
                raise KeyboardInterrupt

        torch.manual_seed(5)
        made = trainer.Trainer(data, network.CrossEncoder(data.body, 1), tmp_path / folder, seed, say)
        made.train(2, 1e-3, step=400)
        return made.network.trained()

    whole = trained("whole")
    with pytest.raises(KeyboardInterrupt):
        trained("cut", cut=3)
    again = trained("cut")
    assert all(torch.allclose(again[name], value, atol=1e-4) for name, value in whole.items())
    with pytest.raises(InputError, match="is of a training with other settings or data"):
        trained("cut", seed=6)


@pytest.mark.nightly
def test_the_commands_go_from_sets_to_the_file_of_the_package(tmp_path, monkeypatch, capsys):
    from ragbot.models import cross_encoder
    from training.cross_encoder import __main__ as program

    monkeypatch.setattr(rows, "read", lambda *_: SOME * 4)
    folders = ["--packed", str(tmp_path / "packed")]
    weights = ["--weights", str(tmp_path / "weights")]

    def run(*words):
        monkeypatch.setattr("sys.argv", ["learn", *words])
        return program.main()

    assert run("prepare", str(tmp_path), str(tmp_path), *folders) == 0
    assert run("train", *folders, *weights, "--work", str(tmp_path / "work"), "--layers", "1", "--tokens", "1000") == 0
    assert all(file.stat().st_size < 16e6 for file in (tmp_path / "weights").iterdir())
    out = tmp_path / "model" / "weights.npz"
    assert run("export", *folders, *weights, "--out", str(out)) == 0
    assert json.loads((out.parent / "training.json").read_text())["layers"] == 1
    assert run("train", "--packed", str(tmp_path / "nowhere")) == 1
    assert "nowhere" in capsys.readouterr().err

    monkeypatch.setattr(cross_encoder, "WEIGHTS", out)
    exact, quick = (cross_encoder.CrossEncoder(in_8_bits=way) for way in (False, True))
    asked = "Who designed the lighthouse?", [("Larkfield", HARBOUR), ("", KITE)]
    pairs = zip(exact.read(*asked), quick.read(*asked), strict=True)
    assert all(abs(one.answers - other.answers) < 0.5 for one, other in pairs)


def test_training_needs_none_of_the_packages_that_a_bare_machine_lacks():
    lacking = {"alembic", "faiss", "langchain", "openvino", "openvino_genai", "platformdirs", "sentencepiece", "sqlalchemy"}
    code = "import sys, training.cross_encoder.__main__; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert "torch" in loaded and not lacking & set(loaded)


def test_the_set_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"unansq_dev.jsonl.gz: is missing; name the folder that holds the sets"):
        list(rows.records(tmp_path, "unansq_dev"))


def test_titles_that_are_held_out_train_nothing(tmp_path):
    titles = [f"Title {n}" for n in range(60)]
    some = [{"title": title, "question": "q?", "passage": "p", "answers": [], "answerable": False} for title in titles]
    with gzip.open(tmp_path / "drcd.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(one) + "\n" for one in some)
    found = {row.second.partition("\n")[0] for row in rows._questions(tmp_path, "drcd")}
    held = {title for title in titles if rows.kept_apart(title)}
    assert held and found == set(titles) - held


@pytest.fixture
def reader(bundled_models):
    return bundled_models.answerability.reader


@pytest.mark.model
@pytest.mark.parametrize(
    ("question", "title", "text", "answer"),
    [
        ("Who designed the lighthouse?", "Larkfield", HARBOUR, "Edwin Marsh"),
        ("When was the harbour opened?", "Larkfield", HARBOUR, "1872"),
        ("报名费多少钱？", "风筝节", KITE, "二十元"),
        ("风筝节在哪里举行？", "风筝节", KITE, "东岸草地"),
    ],
)
def test_it_finds_the_words_of_the_answer(reader, question, title, text, answer):
    (found,) = reader.read(question, [(title, [text])])
    assert answer in found.words
    assert found.answers > reader.read("What does the museum café sell?", [(title, [text])])[0].answers


@pytest.mark.model
def test_passages_are_read_together_as_they_are_one_by_one(reader):
    passages = [("Larkfield", [HARBOUR]), ("", [KITE]), ("Larkfield", [HARBOUR[:90]]), ("", [])]
    together = reader.read("Who designed the lighthouse?", passages)
    for passage, read in zip(passages, together, strict=True):
        (alone,) = reader.read("Who designed the lighthouse?", [passage])
        assert alone.words == read.words
        assert alone.answers == pytest.approx(read.answers, abs=0.3)


@pytest.mark.model
def test_without_the_package_of_the_body_only_english_is_read(monkeypatch, bundled_models):
    from ragbot.models import answerability
    from ragbot.models.answerability import Passage, open_answerability_model

    monkeypatch.setattr(bundled, "has_e5", lambda: False)
    reader = bundled_models.english_reader
    monkeypatch.setattr(answerability, "GenerativeReader", lambda: reader)
    alone = open_answerability_model()
    passages = [Passage("Larkfield", [HARBOUR], 0.5, 0.6), Passage("风筝节", [KITE], 0.5, 0.0)]
    asked, chinese = alone.read("Who designed the lighthouse?", passages)
    assert asked.words == "Edwin Marsh" and asked.chance > 0.5
    assert chinese is None
