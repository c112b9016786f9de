"""Retrieval evaluation: sets read, a memory filled and asked, measures, chance, runs compared and kept."""

import gzip
import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from ragbot import EVERYONE, Document, Memory
from ragbot.errors import InputError
from ragbot.evaluate import report, significance
from ragbot.evaluate.corpus import SEED, document, fill
from ragbot.evaluate.retrieval import measures, plot, runs
from ragbot.evaluate.retrieval.comparison import compare
from ragbot.evaluate.retrieval.runner import Plan, evaluate
from ragbot.evaluate.retrieval.runs import PartRun, Run
from ragbot.evaluate.retrieval.sets import Entry, EvaluationSet, Question, read_set

CORPUS = [
    {"_id": "d1", "title": "Hours", "text": "The lab opens at nine."},
    {"id": "d2", "title": "", "text": "Gift cards cannot be returned."},
    {"id": 3, "text": "The door is green."},
]
QUERIES = [
    {"_id": "q1", "text": "lab opens"},
    {"_id": "q2", "text": "returned?", "history": [{"role": "user", "text": "Gift cards?"}, {"role": "agent", "text": "Yes?"}]},
    {"_id": "q3", "text": "nobody judged this"},
]
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t0\nq2\td2\t2\nq2\t3\t1\n"
TURNS = [
    {"id": "a/1", "conv": "a", "session": 1, "date": "1:56 pm on 8 May, 2023", "speaker": "Ana", "text": "My badge is blue."},
    {"id": "b/1", "conv": "b", "session": 2, "date": "March-15-2024", "speaker": "Ben", "text": "My badge is red."},
]
ASKED = [
    {"id": "a/q", "conv": "a", "question": "What colour is the badge?", "evidence": ["a/1"], "category": "single"},
    {"id": "b/q", "conv": "b", "question": "What colour is the badge?", "evidence": ["b/1"], "category": "several"},
    {"id": "b/none", "conv": "b", "question": "Who is the mayor?", "evidence": [], "answerable": False},
]


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.fixture
def folder(tmp_path):
    """Writes files into a folder, by name; what ends in .gz is packed."""

    def write(files):
        for name, text in files.items():
            file = tmp_path / "set" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            data = text if isinstance(text, bytes) else text.encode()
            file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return tmp_path / "set"

    return write


@pytest.fixture
def beir(folder):
    return folder({"corpus.jsonl": lines(*CORPUS), "queries.jsonl": lines(*QUERIES), "qrels.tsv": QRELS})


@pytest.fixture
def talks(folder):
    return folder({"turns.jsonl": lines(*TURNS), "qa.jsonl": lines(*ASKED)})


def small(*entries, questions=(), name="small"):
    """A set; each question asks with its text for the entry named by it."""
    asked = tuple(Question(text, text, {id: 1}) for text, id in questions)
    return EvaluationSet(name, "digest", tuple(Entry(id, text) for id, text in entries), asked, 0)


# Sets


def test_a_set_in_the_layout_of_beir(beir):
    found = read_set(beir)
    assert found.name == "set"
    assert found.entries == (
        Entry("d1", "The lab opens at nine.", "Hours"),
        Entry("d2", "Gift cards cannot be returned."),
        Entry("3", "The door is green."),
    )
    assert [(one.id, dict(one.relevant)) for one in found.questions] == [("q1", {"d1": 1}), ("q2", {"d2": 2, "3": 1})]
    assert found.questions[1].history == (("user", "Gift cards?"), ("assistant", "Yes?"))
    assert found.left_out == 1


def test_packed_files_are_the_same_set(beir, folder, tmp_path):
    plain = read_set(beir)
    for file in beir.iterdir():
        file.unlink()
    packed = {"corpus.jsonl.gz": lines(*CORPUS), "queries.jsonl.gz": lines(*QUERIES), "qrels.tsv.gz": QRELS}
    assert read_set(folder(packed)) == plain


def test_the_digest_tells_sets_apart(beir):
    before = read_set(beir).digest
    (beir / "corpus.jsonl").write_text(lines(*CORPUS).replace("nine", "ten"))
    corpus = read_set(beir).digest
    (beir / "qrels.tsv").write_text(QRELS.replace("d2\t2", "d2\t1"))
    assert len({before, corpus, read_set(beir).digest}) == 3


def test_judgements_of_beir_and_of_trec(folder):
    found = read_set(
        folder(
            {
                "corpus.jsonl": lines({"id": "d 1", "text": "one"}, {"id": "d2", "text": "two"}),
                "queries.jsonl": lines({"id": "q", "text": "one"}, {"id": "r", "text": "two"}),
                "qrels/test.tsv": "q\td 1\t1\r\nr 0 d2 3\n\n",
            }
        )
    )
    assert [dict(one.relevant) for one in found.questions] == [{"d 1": 1}, {"d2": 3}]


def test_a_set_of_conversations(talks):
    found = read_set(talks)
    assert found.entries[0] == Entry("a/1", "My badge is blue.", "", "a", "1", "1:56 pm on 8 May, 2023", "Ana")
    assert found.questions[1] == Question("b/q", "What colour is the badge?", {"b/1": 1}, "b", "several")
    assert (len(found.questions), found.left_out) == (2, 1)


def test_one_of_several_sets(folder):
    several = folder(
        {
            "corpus_fiqa.jsonl": lines(*CORPUS),
            "queries_fiqa.jsonl": lines(*QUERIES),
            "qrels_fiqa.tsv": QRELS,
            "dev_corpus.jsonl.gz": lines(*TURNS),
            "dev_qa.jsonl": lines(*ASKED),
            "corpus_alone.jsonl": lines(*CORPUS),
        }
    )
    assert read_set(several, "fiqa").name == "set/fiqa"
    assert read_set(several, "dev").name == "set/dev"
    with pytest.raises(InputError, match="several sets; choose one with --set: fiqa, dev"):
        read_set(several)
    with pytest.raises(InputError, match="no set 'alone'; there is fiqa, dev"):
        read_set(several, "alone")
    (several / "dev_qa.jsonl").unlink()
    assert read_set(several).name == "set/fiqa"


def test_a_folder_without_a_set(tmp_path):
    with pytest.raises(InputError, match="holds no set; a set is corpus.jsonl with"):
        read_set(tmp_path)
    (tmp_path / "corpus.jsonl").write_text("{}")
    with pytest.raises(InputError, match="corpus.jsonl has no questions beside it; a set is"):
        read_set(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        read_set(tmp_path / "gone")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("corpus.jsonl", '{"id": "d1", "text": "a"}\n{"id": \n', r"corpus.jsonl, line 2: is not JSON \(.*\); correct it"),
        ("corpus.jsonl", "\n[1]\n", "corpus.jsonl, line 2: is not a JSON object"),
        ("corpus.jsonl", '{"text": "a"}\n', "corpus.jsonl, line 1: has no '_id' or 'id'; add it"),
        ("corpus.jsonl", '{"id": " ", "text": "a"}\n', "corpus.jsonl, line 1: '_id' or 'id' is empty"),
        ("corpus.jsonl", '{"id": "d1"}\n', "corpus.jsonl, line 1: has no 'text'"),
        ("corpus.jsonl", '{"id": "d1", "text": ["a"]}\n', r"corpus.jsonl, line 1: 'text' is \[\"a\"\]; it takes a text"),
        ("corpus.jsonl", lines(*CORPUS, {"id": "d1", "text": "again"}), "corpus.jsonl, line 4: id 'd1' is that of line 1 too"),
        ("corpus.jsonl", b"\xff\xfe\x00", "corpus.jsonl: is not in UTF-8 .*; save it as UTF-8"),
        ("queries.jsonl", lines({"id": "q1", "text": " "}), "queries.jsonl, line 1: 'text' or 'question' is empty"),
        ("queries.jsonl", lines({"id": "q1", "text": "a", "history": "x"}), "line 1: 'history' is \"x\"; it takes a list"),
        ("queries.jsonl", lines({"id": "q1", "text": "a", "history": ["x"]}), "line 1: 'history' holds \"x\""),
        ("queries.jsonl", lines({"id": "q1", "text": "a", "history": [{"text": "x"}]}), "line 1: has no 'role'"),
        ("queries.jsonl", lines({"id": "q1", "text": "a", "evidence": [1]}), "line 1: 'evidence' holds 1"),
        ("qrels.tsv", QRELS + "q1\td9\t1\n", "qrels.tsv, line 6: names 'd9', which is not in the corpus"),
        ("qrels.tsv", QRELS + "q9\td1\t1\n", "qrels.tsv, line 6: judges the query 'q9', which is not among"),
        ("qrels.tsv", QRELS + "q1\td1\tgood\n", "qrels.tsv, line 6: grade 'good' is not an integer"),
        ("qrels.tsv", "q1\td1\t1.0\n", "qrels.tsv, line 1: grade '1.0' is not an integer"),
        ("qrels.tsv", f"q1\td1\t{'9' * 5000}\n", "qrels.tsv, line 1: grade '99999999999999999999' is not an integer"),
        ("qrels.tsv", "q1\td1\t1\nq1\td1\t0\n", "qrels.tsv, line 2: judges 'd1' for 'q1' a second time"),
        ("qrels.tsv", QRELS + "q1\td1\n", "qrels.tsv, line 6: has 2 columns"),
        ("qrels.tsv", "q1\td1\t0\n", "qrels.tsv: names no relevant document for any of the 3 questions"),
    ],
)
def test_what_is_wrong_with_a_set_is_named(beir, file, text, message):
    (beir / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        read_set(beir)


def test_a_packed_file_that_is_cut_off_is_named(beir):
    whole = gzip.compress(lines(*CORPUS).encode())
    (beir / "corpus.jsonl").unlink()
    (beir / "corpus.jsonl.gz").write_bytes(whole[:-12])
    with pytest.raises(InputError, match="corpus.jsonl.gz: is damaged"):
        read_set(beir)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"conv": "c", "evidence": ["a/1"]}, "line 1: is about the conversation 'c', of which the corpus has no turn"),
        ({"conv": "a", "evidence": ["a/9"]}, "line 1: names 'a/9', which is not in the corpus"),
        ({"conv": "a", "evidence": ["b/1"]}, "line 1: names 'b/1', which is not in the conversation 'a'"),
    ],
)
def test_evidence_lies_in_the_conversation_that_is_asked_about(talks, question, message):
    (talks / "qa.jsonl").write_text(lines({"id": "q", "question": "?", **question}))
    with pytest.raises(InputError, match=message):
        read_set(talks)


# Into the memory, and out of it


def test_an_entry_is_a_document_for_everyone_and_a_turn_is_of_its_conversation():
    mark = {"evaluation": "tiny"}
    assert document(Entry("d1", "text", "Title", date="2024-01-01"), "tiny") == Document("d1", "text", "Title", metadata=mark)
    turn = document(Entry("a/1", "text", "", "a", "1", "2024-03-15T10:00:00+02:00", "Ana"), "tiny")
    assert (turn.uri, turn.scope, turn.kind, turn.title) == ("a/1", "a", "turn", "Ana")
    assert turn.metadata == mark | {"speaker": "Ana", "session": "1"}
    assert turn.valid_from == datetime(2024, 3, 15, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "at"),
    [
        ("1:56 pm on 8 May, 2023", datetime(2023, 5, 8, 13, 56, tzinfo=UTC)),
        ("March-15-2024", datetime(2024, 3, 15, tzinfo=UTC)),
        ("2021-12-30", datetime(2021, 12, 30, tzinfo=UTC)),
        ("some day", None),
        ("", None),
    ],
)
def test_dates_as_sets_write_them(date, at):
    assert document(Entry("a/1", "text", conv="a", date=date), "tiny").valid_from == at


def filled(memory, chosen, told):
    return fill(memory, chosen.name, chosen.entries, told)


def test_a_set_is_remembered_sealed_and_what_has_no_words_is_counted(memory, tiny):
    told = []
    given = small(*((f"d{n}", f"word{n} here") for n in range(10)), ("empty", " "))
    assert fill(memory, given.name, given.entries, lambda *what: told.append(what)) == 1
    assert {one.uri for one in memory.documents()} == {f"d{n}" for n in range(10)}
    assert told[-1] == ("Remembering", 11, 11)
    assert list((memory.home / "segments").iterdir())


def test_a_home_that_is_kept_is_brought_in_step_with_the_set(memory, embedders):
    def quiet(*_):
        return None

    filled(memory, small(("d1", "one"), ("d2", "two"), ("d3", "three")), quiet)
    embedded = len(embedders["multilingual-e5-small"].embedded)
    assert filled(memory, small(("d1", "one"), ("d2", "zwei"), ("d3", " ")), quiet) == 1
    assert embedders["multilingual-e5-small"].embedded[embedded:] == ["zwei"]
    assert [hit.chunk.text for hit in memory.recall("one", 10)] == ["one", "zwei"]


@pytest.mark.parametrize("scope", ["local", "evaluation of q1"])
def test_a_home_that_a_person_told_something_is_not_filled(memory, scope):
    memory.remember(Document("turn:1", "My cat is called Mimi.", kind="turn", scope=scope))
    with pytest.raises(InputError, match="holds turn:1, which no evaluation has added"):
        filled(memory, small(("d1", "one")), lambda *_: None)
    assert [one.uri for one in memory.documents()] == ["turn:1"]


def test_what_the_questions_told_goes_and_what_a_person_told_later_stays(memory):
    filled(memory, small(("d1", "one")), lambda *_: None)
    memory.remember(Document("turn:1", "My question tells something.", kind="turn", scope="evaluation of q1"))
    filled(memory, small(("d1", "one")), lambda *_: None)
    assert [one.uri for one in memory.documents()] == ["d1"]
    memory.remember(Document("turn:2", "My cat is called Mimi.", kind="turn", scope="local"))
    with pytest.raises(InputError, match="holds turn:2, which no evaluation has added"):
        filled(memory, small(("d1", "one")), lambda *_: None)


def test_only_a_home_of_this_evaluation_is_filled(memory, open_memory, tmp_path):
    memory.remember(Document("mine.md", "My own notes."))
    with pytest.raises(InputError, match="holds mine.md, which no evaluation has added"):
        evaluate(memory, small(("d1", "one"), questions=[("one", "d1")]), Plan())
    assert [one.uri for one in memory.documents()] == ["mine.md"]
    with Memory.open(tmp_path / "other") as other:
        filled(other, small(("d1", "one"), name="first"), lambda *_: None)
        with pytest.raises(InputError, match="holds the evaluation of first; name another folder for second"):
            filled(other, small(("d2", "two"), name="second"), lambda *_: None)
        assert [one.uri for one in other.documents()] == ["d1"]
        other.remember(Document("mine.md", "Added to it by hand."))
        with pytest.raises(InputError, match="holds mine.md, which no evaluation has added"):
            filled(other, small(("d1", "one"), name="first"), lambda *_: None)


def test_a_question_is_asked_only_of_its_conversation(memory, talks):
    run = evaluate(memory, read_set(talks), Plan(("dense", "lexical", "fused"), (1,)))
    assert run.questions == ("a/q", "b/q")
    assert run.categories == ("single", "several")
    assert [one.values["recall@1"] for one in run.parts] == [(1, 1)] * 3


def test_a_question_without_a_conversation_is_asked_of_all(memory, talks):
    (talks / "qa.jsonl").write_text(lines({"id": "q", "question": "Which badge is blue?", "evidence": ["a/1"]}))
    run = evaluate(memory, read_set(talks), Plan(("fused",), (1,)))
    assert run.parts[0].values["recall@1"] == (1,)


@pytest.fixture
def recalled(monkeypatch):
    """What `Memory.recall` was asked, beside what it answered."""
    calls, original = [], Memory.recall

    def recall(self, query, k=5, **more):
        calls.append({"query": query, "k": k, **more})
        return original(self, query, k, **more)

    monkeypatch.setattr(Memory, "recall", recall)
    return calls


def test_each_part_is_asked_each_question_with_its_history_after_a_warm_up(memory, beir, recalled):
    run = evaluate(memory, read_set(beir), Plan(("dense", "lexical"), (5,)))
    assert [one.part for one in run.parts] == ["dense", "lexical"]
    first = [(call["part"], call["query"]) for call in recalled if call["k"] >= 10]
    assert first == [("dense", "lab opens"), ("dense", "returned?"), ("lexical", "lab opens"), ("lexical", "returned?")]
    assert [call["part"] for call in recalled[:2]] == ["dense", "lexical"]  # the warm-up
    assert recalled[-1]["history"] == (("user", "Gift cards?"), ("assistant", "Yes?"))
    assert set(recalled[-1]["scopes"]) == {EVERYONE}
    assert all(len(one.took_ms) == 2 and min(one.took_ms) > 0 for one in run.parts)


def test_passages_of_one_document_count_once_and_more_are_looked_for(memory, recalled):
    long = "\n\n".join(f"# Lab {n}\n\nThe lab opens at {n}." for n in range(30))
    given = small(("long", long), ("other", "A lab of stone."), questions=[("the lab opens", "other")])
    run = evaluate(memory, given, Plan(("dense",), (1, 2)))
    (one,) = run.parts
    assert one.values["recall@1"] == (0,)
    assert one.values["recall@2"] == (1,)
    assert one.values["MRR@10"] == (0.5,)
    assert [call["k"] for call in recalled][1:] == [10, 40]


def test_copies_stand_behind_what_they_copy(memory):
    entries = [("first", "The lab opens at nine."), ("copy", "The lab opens at nine."), ("other", "The lab is closed.")]
    run = evaluate(memory, small(*entries, questions=[("lab opens nine", "first"), ("lab nine", "copy")]), Plan(("fused",), (2,)))
    assert run.parts[0].values["recall@2"] == (1, 1)
    assert sorted(run.parts[0].values["MRR@10"]) == [0.5, 1]


def test_fewer_questions_are_a_part_of_more(memory):
    words = [f"word{n}" for n in range(20)]
    given = small(*((word, word) for word in words), questions=[(word, word) for word in words])
    few, more, all_ = (evaluate(memory, given, Plan(("lexical",), (1,), limit)) for limit in (5, 12, None))
    assert few.questions == more.questions[:5] != all_.questions[:5]
    assert len(more.questions) == 12
    assert all_.questions == tuple(words)
    assert (few.limit, few.seed, all_.limit) == (5, SEED, None)


# Measures


def test_measures_are_those_of_a_calculation_by_hand():
    graded = Question("q1", "?", {"a": 1, "b": 2})
    far = Question("q2", "?", {"z": 1})
    none = Question("q3", "?", {"z": 1})
    answers = [("x", "b", "a"), tuple(f"x{n}" for n in range(10)) + ("z",), ()]
    found = measures.measured([graded, far, none], answers, (1, 2, 11))
    best, got = 2 + 1 / math.log2(3), 2 / math.log2(3) + 1 / math.log2(4)
    assert found["recall@1"] == (0, 0, 0)
    assert found["recall@2"] == (0.5, 0, 0)
    assert found["recall@11"] == (1, 1, 0)
    assert found["nDCG@2"] == pytest.approx((2 / math.log2(3) / best, 0, 0))
    assert found["nDCG@11"] == pytest.approx((got / best, 1 / math.log2(12), 0))
    assert found["MRR@10"] == (0.5, 0, 0)
    assert list(found) == ["recall@1", "recall@2", "recall@11", "nDCG@1", "nDCG@2", "nDCG@11", "MRR@10"]
    assert measures.depth((1, 2)) == 10
    assert measures.depth((5, 20)) == 20


# Chance


def test_an_interval_is_about_that_of_the_normal_distribution():
    values = np.random.default_rng(1).random((2, 400))
    low, high = significance.interval(values)
    reach = 1.96 * values.std(axis=1) / 20
    assert low == pytest.approx(values.mean(axis=1) - reach, abs=0.004)
    assert high == pytest.approx(values.mean(axis=1) + reach, abs=0.004)
    assert (significance.interval(values)[0] == low).all()


@pytest.mark.parametrize("values", [[[0.3]], [[0.5] * 7]])
def test_what_does_not_vary_has_no_interval(values):
    low, high = significance.interval(np.array(values))
    assert (low[0], high[0]) == pytest.approx((values[0][0], values[0][0]))


def test_chance_is_that_of_all_signs():
    differences = np.array([[0.5, -0.25, 0.5, 0.25, 0, 1, 0.25, 0.5], [1, -1, 0.5, -0.5, 0, 0, 0.25, 0], [0] * 8, [1] * 8])
    signs = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1)
    means = np.abs(differences @ signs) / 8
    exact = (means >= np.abs(differences.mean(axis=1))[:, None] - 1e-9).mean(axis=1)
    assert significance.p_value(differences) == pytest.approx(exact, abs=0.01)
    assert exact[2] == 1
    assert significance.p_value(np.ones((1, 60)))[0] == pytest.approx(1 / 10_001)


# Runs


def run_of(questions, values, *, part="dense", categories=None, **more):
    """A run whose one measure is `values`."""
    facts = {
        "set": "set",
        "digest": "d",
        "documents": 3,
        "refused": 1,
        "left_out": 2,
        "model": "fake",
        "revision": "fake-1",
        "version": "0.1.0",
        "at": datetime(2026, 5, 1, 9, tzinfo=UTC),
        "cutoffs": (5,),
        "limit": None,
        "seed": 20,
        "recall": {"recall": "full", "reranker": "none", "rerank_ms": 100},
    }
    took = tuple(float(n) for n in range(1, len(questions) + 1))
    return Run(
        **(facts | more),
        questions=tuple(questions),
        categories=tuple(categories or [""] * len(questions)),
        parts=(PartRun(part, {"recall@5": tuple(values)}, took),),
    )


def test_a_run_is_kept_as_it_was(tmp_path, memory, talks):
    run = evaluate(memory, read_set(talks), Plan(("dense", "fused"), (1, 5)))
    file = tmp_path / "run.json"
    file.write_text(json.dumps(runs.as_json(run)))
    assert runs.load(file) == run


WHOLE = json.loads(json.dumps(runs.as_json(run_of("ab", [1, 1]))))
BROKEN = [
    WHOLE | {"parts": {}},
    WHOLE | {"by_question": []},
    WHOLE | {"parts": {"dense": {"measures": {}}}},
    WHOLE | {"by_question": [one | {"id": ["a"]} for one in WHOLE["by_question"]]},
    json.loads(json.dumps(WHOLE).replace('"recall@5": 1,', '"recall@5": NaN,')),
]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"by_question": [1]}', '{"by_question": 3}', *map(json.dumps, BROKEN)])
def test_a_file_that_is_no_run_is_named(tmp_path, text):
    file = tmp_path / "run.json"
    file.write_text(text)
    with pytest.raises(InputError, match="run.json: is not a run that --out has written"):
        runs.load(file)


def test_figures_of_all_questions_and_of_each_category():
    run = run_of("abcd", [1, 0, 1, 1], categories=["x", "y", "", "x"])
    everyone, x, y = runs.groups(run)
    assert (everyone.name, everyone.questions, everyone.figures["dense"]["recall@5"].mean) == ("", 4, 0.75)
    assert (x.name, x.questions, x.figures["dense"]["recall@5"]) == ("x", 2, runs.Estimate(1, 1, 1))
    assert (y.name, y.questions, y.figures["dense"]["recall@5"]) == ("y", 1, runs.Estimate(0, 0, 0))
    document = runs.as_json(run)
    assert document["parts"]["dense"]["measures"]["recall@5"]["mean"] == 0.75
    assert document["parts"]["dense"]["categories"]["x"]["questions"] == 2
    assert document["parts"]["dense"]["p50_ms"] == 2.5
    assert document["by_question"][1] == {"id": "b", "category": "y", "parts": {"dense": {"recall@5": 0, "ms": 2}}}


def test_the_table():
    run = run_of("abcd", [1, 1, 1, 1], categories=["x\n", "y", "", "y"], limit=4)
    assert report.table(run).splitlines() == [
        "set: 3 documents (1 refused: without words), 4 questions, drawn with seed 20 (2 left out: nothing answers them); "
        "fake, ragbot 0.1.0",
        "",
        "part   recall@5            p50 ms  p95 ms",
        "dense  1.000 [1.00, 1.00]  2.5     3.8",
        "",
        "x (1 question)",
        "part   recall@5",
        "dense  1.000 [1.00, 1.00]",
        "",
        "y (2 questions)",
        "part   recall@5",
        "dense  1.000 [1.00, 1.00]",
    ]


def test_runs_are_compared_on_the_questions_of_both():
    before = run_of("dcba", [0, 0.5, 1, 0])
    now = run_of("abce", [1, 1, 0.75, 0])
    found = compare(before, now)
    assert found.questions == 3
    (one,) = found.differences
    assert (one.part, one.measure) == ("dense", "recall@5")
    assert (one.before, one.now) == pytest.approx((0.5, 2.75 / 3))
    assert one.difference.mean == pytest.approx(1.25 / 3)  # +1, 0 and +.25
    assert one.difference.low == pytest.approx(0)
    assert one.difference.high == pytest.approx(1)
    assert one.p == pytest.approx(0.5, abs=0.02)  # 4 of 8 ways to give signs
    assert report.comparison(found).splitlines() == [
        "compared with the run of 2026-05-01 09:00 UTC, fake, ragbot 0.1.0, on the 3 questions of both",
        "",
        "part   measure   before  now   difference             p",
        f"dense  recall@5  .500    .917  +.417 [+.000, +1.000]  {one.p:.4f}".replace(" 0.", " ."),
    ]


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (run_of("ab", [1, 1], set="other"), "is of set, not of other; compare runs of one set"),
        (run_of("ab", [1, 1], digest="e"), "used other files: those of set have changed since"),
        (run_of("ab", [1, 1], part="fused"), "has dense, but not fused"),
        (run_of("cd", [1, 1]), "asked none of these questions"),
    ],
)
def test_what_cannot_be_compared_is_refused(now, message):
    with pytest.raises(InputError, match=message):
        compare(run_of("ab", [1, 1]), now)


def test_a_run_is_drawn(tmp_path):
    run = run_of("abc", [0.1, 0.1, 0.1])
    run = replace(run, parts=(*run.parts, replace(run.parts[0], part="reranked")))
    for name, start in (("run.png", b"\x89PNG"), ("run.svg", b"<?xml")):
        plot.draw(run, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(InputError, match="run.txt: is not an image format that can be written; use a name that ends in .png"):
        plot.draw(run, tmp_path / "run.txt")
