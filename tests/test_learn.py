"""Training a reader: the questions that are made, what is learnt of a passage, going on where it was cut off."""

import json
import random

import numpy as np
import pytest

from ragbot.errors import InputError
from ragbot.learn import data
from ragbot.learn.examples import Asked, Example, examples, windows
from ragbot.learn.making import Maker, parts
from ragbot.text.sentences import Span

TEXT = (
    "The harbour of Larkfield was opened by Queen Matilda in 1872 after nine years of work. "
    "Its lighthouse stands 41 metres above the sea and was designed by Edwin Marsh from Norport. "
    "Before the railway came to Larkfield in 1890, most goods were carried by barges to Norport and Eastvale. "
    "In the winter of 1911 the harbour froze for 23 days, and the fishermen of Eastvale walked across the ice."
)


def test_the_same_seed_makes_the_same_questions():
    made = [list(Maker(seed).questions("Larkfield", TEXT * 5, 9)) for seed in (7, 7, 8)]
    assert len(made[0]) > 5
    assert made[0] == made[1]
    assert made[0] != made[2]


def test_made_questions_are_answered_where_they_say_and_changed_ones_are_not():
    made = [asked for seed in range(30) for asked in Maker(seed).questions("Larkfield", TEXT, 9)]
    cloze = [asked for asked in made if asked.span and not asked.claim]
    changed = [asked for asked in made if not asked.span]
    assert len(cloze) > 50 and len(changed) > 30
    for asked in cloze:
        answer = asked.passage[asked.span.start : asked.span.end]
        assert answer.lower() not in asked.question.lower()
    assert {asked.stated for asked in made if asked.claim} == {True, False}


@pytest.mark.parametrize("seed", range(20))
def test_a_changed_question_names_something_else(seed):
    question = "Who opened the harbour of Larkfield in 1872?"
    changed = Maker(seed).changed(question, TEXT, parts(TEXT), "Queen Matilda")
    assert changed is not None
    assert changed != question
    assert "Matilda" not in changed


def test_names_and_numbers_of_a_text():
    found = {(part.text, part.kind) for part in parts(TEXT)}
    assert {("Queen Matilda", "name"), ("1872", "year"), ("41", "number"), ("Edwin Marsh", "name")} <= found
    assert all(TEXT[part.start : part.end] == part.text for part in parts(TEXT))


def test_a_sentence_is_learnt_under_its_title_with_the_one_before():
    at = TEXT.index("Edwin Marsh")
    right, *others = examples(Asked("Who designed the lighthouse?", TEXT, "Larkfield", Span(at, at + 11)), beside=2)
    assert right.answers and right.text.startswith("Larkfield. The harbour")
    assert right.text[right.span.start : right.span.end] == "Edwin Marsh"
    assert others and not any(one.answers or one.span for one in others)
    # The sentence behind the answer is read with it: it is no example of one that does not answer.
    assert not any("Edwin Marsh" in one.text for one in others)
    assert len(windows(TEXT)) == 4


def test_the_folder_of_the_data_is_named_where_a_part_is_missing(tmp_path):
    with pytest.raises(InputError, match="squad2_cs224n_dev_corpus.jsonl: is missing; name the folder that holds squad_style"):
        data.read(tmp_path, 1, 10)


def lines(file, records):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    """The least that can be trained on, in the layout of the real sets."""
    squad, dial, time = (tmp_path / "data" / name for name in ("squad_style", "doc2dial_val", "timeqa_human"))
    lines(
        squad / "squad2_cs224n_dev_corpus.jsonl",
        [{"id": "p1", "title": "Larkfield", "text": TEXT}, {"id": "p2", "title": "Force", "text": "Held back."}],
    )
    lines(
        squad / "squad2_cs224n_dev_qa.jsonl",
        [
            {"question": "Who designed the lighthouse?", "passage": "p1", "answers": ["Edwin Marsh"], "answerable": True},
            {"question": "Who designed the railway?", "passage": "p1", "answers": [], "answerable": False},
            {"question": "What is held?", "passage": "p2", "answers": ["back"], "answerable": True},
        ],
    )
    lines(dial / "corpus.jsonl", [{"id": "d1", "title": "Permits", "text": TEXT}])
    lines(dial / "queries.jsonl", [{"id": "q1", "text": "When did it freeze?", "history": [], "answers": ["winter of 1911"]}])
    (dial / "qrels.tsv").write_text("q1\td1\t1\n", encoding="utf-8")
    lines(time / "corpus_train.jsonl", [{"id": "t1#0", "title": "Harbour", "text": TEXT}])
    lines(time / "qa_train.jsonl", [{"question": "Which queen opened it?", "answers": ["Queen Matilda"], "evidence": ["t1#0"]}])
    return tmp_path / "data"


def test_titles_that_are_held_back_train_nothing(folder):
    found = data.read(folder, 1, 10)
    assert 0 < len(found.made)
    assert any(one.question == "Who designed the lighthouse?" and one.answers for one in found.real)
    assert any(one.question == "Who designed the railway?" and not one.answers for one in found.real)
    assert not any("Held back" in one.text for one in found.real + found.made)


@pytest.mark.model
def test_training_goes_on_where_it_was_cut_off_and_its_reader_reads(folder, tmp_path, monkeypatch):
    from ragbot.learn import reader as learning
    from ragbot.models import reader

    monkeypatch.setattr(learning, "CHECKPOINT", 1)
    monkeypatch.setattr(learning, "BATCH_TOKENS", 400)
    real = data.read(folder, 1, 10).real

    def trained(name, *, cut):
        said = []

        def say(text):
            said.append(text)
            if cut and text.startswith(f"  {cut}/"):
                raise KeyboardInterrupt

        trainer = learning.Trainer(tmp_path / name, 5, say)
        phases = [learning.Phase("some questions", real, 2, 1e-4)]
        if cut:
            with pytest.raises(KeyboardInterrupt):
                trainer.train(phases)
            return trained(name, cut=0)
        trainer.train(phases)
        return trainer.network, said

    whole, _ = trained("whole", cut=0)
    resumed, said = trained("cut", cut=2)
    assert said[0] == "going on at step 1 of some questions"  # the second was not kept yet
    for name, value in whole.state_dict().items():
        assert np.allclose(value.cpu().numpy(), resumed.state_dict()[name].cpu().numpy(), atol=5e-3), name

    np.savez_compressed(tmp_path / "reader.npz", allow_pickle=False, **learning.exported(whole))
    monkeypatch.setattr(reader, "FILE", tmp_path / "reader.npz")
    (read,) = reader.BundledReader().read("Who designed the lighthouse?", [TEXT])
    with_torch = whole.eval()
    other = learning.Trainer(tmp_path / "other", 5, print)
    row = other.row(Example("Who designed the lighthouse?", TEXT, False))
    import torch

    given = [torch.tensor([part]) for part in (row.ids, row.types, [1] * len(row.ids))]
    with torch.no_grad():
        answers = float(with_torch(*given)[2])
    assert read.answers == pytest.approx(answers, abs=0.15)  # 8 bits
    assert TEXT[read.start : read.end]

    onwards = learning.Trainer(tmp_path / "onwards", 5, print, tmp_path / "reader.npz")
    before, after = (network.state_dict()["answers.weight"].cpu().numpy() for network in (whole, onwards.network))
    assert np.allclose(before, after, atol=1e-3)


def test_a_file_that_is_no_reader_is_named(tmp_path):
    from ragbot.learn.reader import imported

    (tmp_path / "reader.npz").write_bytes(random.Random(1).randbytes(99))
    with pytest.raises(InputError, match="reader.npz: is no reader that was trained before"):
        imported(tmp_path / "reader.npz")
    np.savez(tmp_path / "other.npz", vectors=np.zeros(3))
    with pytest.raises(InputError, match="other.npz: is no reader that was trained before .it has no answers.weight"):
        imported(tmp_path / "other.npz")
