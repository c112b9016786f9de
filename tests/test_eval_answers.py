"""`ragbot eval answers`: which sets it reads, what it counts, what it prints, keeps and draws."""

import gzip
import json
import tempfile
from datetime import UTC, datetime

import pytest
from fakes import FakeGenerator
from typer.testing import CliRunner

import ragbot.runtime
from ragbot.cli.main import cli
from ragbot.errors import InputError
from ragbot.evaluate.answers import figures, overlap, report
from ragbot.evaluate.answers.questions import AnswerQuestion, read_answer_set
from ragbot.evaluate.answers.runner import AnswerRun, Reply, right
from ragbot.evaluate.corpus import document

CORPUS = [
    {"id": "hours", "text": "The lab opens at nine in the morning."},
    {"id": "cards", "text": "Gift cards cannot be returned."},
    {"id": "empty", "text": ""},
]
ASKED = [
    {"id": "q1", "question": "When does the lab open?", "answers": ["nine"], "evidence": ["hours"], "category": "time"},
    {"id": "q2", "question": "Who is the mayor of Paris?", "answers": [], "answerable": False, "category": "people"},
]


def lines(file, records):
    text = "".join(json.dumps(one) + "\n" for one in records)
    if file.suffix == ".gz":
        file.write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "town"
    made.mkdir()
    lines(made / "corpus.jsonl", CORPUS)
    lines(made / "qa.jsonl", ASKED)
    return made


@pytest.fixture
def run(embedders, monkeypatch, tmp_path):
    """Runs `ragbot eval answers`: exit code, stdout, stderr."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(ragbot.runtime, "open_generator", lambda *_: FakeGenerator(*["I do not know that."] * 9))

    def run_(*words):
        done = CliRunner().invoke(cli, ["eval", "answers", *map(str, words)])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    return run_


# Sets


def test_a_corpus_with_its_questions(folder):
    found = read_answer_set(folder)
    assert (found.name, len(found.entries), found.left_out) == ("town", 3, 0)
    assert found.questions[0] == AnswerQuestion(
        "q1", "When does the lab open?", ("nine",), True, frozenset({"hours"}), category="time"
    )
    assert not found.questions[1].answerable


def test_tasks_of_several_corpora_with_what_was_said_before(tmp_path):
    for name in ("town", "farm"):
        lines(tmp_path / f"corpus_{name}.jsonl.gz", [{"id": f"{name}1", "text": f"The {name} is old."}])
    said = [{"role": "user", "text": "Hi"}, {"role": "agent", "text": "Hello"}]
    kinds = ("ANSWERABLE", "UNANSWERABLE", "CONVERSATIONAL")
    tasks = [
        {"id": f"{name}{n}", "domain": name, "question": "How old?", "history": said, "answers": ["old"], "answerability": kind,
         "evidence": [f"{name}1"]}
        for name in ("town", "farm") for n, kind in enumerate(kinds)
    ]  # fmt: skip
    lines(tmp_path / "tasks.jsonl.gz", tasks)
    with pytest.raises(InputError, match="several sets; choose one with --set: farm, town"):
        read_answer_set(tmp_path)
    found = read_answer_set(tmp_path, "farm")
    assert [one.id for one in found.questions] == ["farm0", "farm1"] and found.left_out == 1
    assert [one.answerable for one in found.questions] == [True, False]
    assert [one.relevant for one in found.questions] == [{"farm1"}, frozenset()]
    assert found.questions[0].history == (("user", "Hi"), ("assistant", "Hello"))


def test_questions_that_bring_their_passages(tmp_path):
    named = {"id": "r1", "question": "How many?", "answers": ["12"], "wrong_answers": ["30"]}
    lines(tmp_path / "own.jsonl", [named | {"passages": [{"text": "It is 12.", "type": "correct"}, {"text": "It is 30."}]}])
    fields = {"positive": ["It is 12.", ["Twelve."]], "positive_wrong": ["It is 30."], "negative": None}
    lines(
        tmp_path / "rgb.jsonl",
        [{"id": "r2", "question": "How many?", "answers": [["12", "twelve"]], "fake_answer": "30"} | fields],
    )
    own, rgb = (read_answer_set(tmp_path, name) for name in ("own", "rgb"))
    assert [(entry.id, entry.asked, entry.text) for entry in own.entries] == [
        ("r1/0", "r1", "It is 12."), ("r1/1", "r1", "It is 30.")]  # fmt: skip
    # They are documents that stand beside each other: of turns, the newest would count.
    given = [document(entry, "own") for entry in own.entries]
    assert [(one.kind, one.scope, one.valid_from) for one in given] == [("file", "r1", None)] * 2
    (asked,) = own.questions
    assert (asked.relevant, asked.wrong, asked.scope) == ({"r1/0"}, ("30",), "r1")
    (asked,) = rgb.questions
    assert (asked.answers, asked.wrong, asked.relevant) == (("12", "twelve"), ("30",), {"r2/0", "r2/1"})
    assert [entry.text for entry in rgb.entries] == ["It is 12.", "Twelve.", "It is 30."]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"id": "q1"}, "qa.jsonl, line 1: has no 'text' or 'question'"),
        ({"id": "q1", "question": "?", "evidence": ["gone"]}, "line 1: names 'gone', which is not in the corpus"),
        ({"id": "q1", "question": "?", "answers": [{}]}, "line 1: 'answers' holds {}; it takes texts"),
        ({"id": "q1", "question": "?", "answerable": "yes"}, "line 1: 'answerable' is \"yes\"; it takes true or false"),
        ({"id": "q1", "question": "?", "conv": "c"}, "line 1: is about the conversation 'c'"),
    ],
)
def test_what_is_wrong_with_a_set_is_named(folder, record, message):
    lines(folder / "qa.jsonl", [record])
    with pytest.raises(InputError, match=message):
        read_answer_set(folder)


def test_a_folder_without_questions(tmp_path, folder):
    with pytest.raises(InputError, match="holds no set; a set is corpus.jsonl with qa.jsonl or tasks.jsonl"):
        read_answer_set(tmp_path)
    lines(folder / "qa.jsonl", [])
    with pytest.raises(InputError, match="qa.jsonl: holds no question that can be asked"):
        read_answer_set(folder)


# Measures


def test_replies_are_compared_by_their_words():
    assert overlap.holds("It opens at Nine.", ["the nine", "ten"]) == 1
    assert overlap.holds("It opens at ninety.", ["nine"]) == 0
    assert overlap.holds("答案是光荣公司。", ["光荣"]) == 1
    assert overlap.exact("The Nine!", ["nine"]) == 1
    assert overlap.exact("at nine", ["nine"]) == 0
    assert overlap.f1("at nine", ["nine"]) == pytest.approx(2 / 3)
    assert overlap.f1("at ten", ["nine"]) == 0
    assert overlap.holds("nothing", [""]) == 0
    assert overlap.is_long(["one " * 13]) and not overlap.is_long(["one " * 13, "two"]) and not overlap.is_long([])


LONG = " ".join(map(str, range(20)))


@pytest.mark.parametrize(
    ("asked", "reply", "is_right"),
    [
        (AnswerQuestion("q", "?", ("nine",), True, frozenset("a")), ("At nine.", True, ("a",)), True),
        (AnswerQuestion("q", "?", ("nine",), True, frozenset("a")), ("At ten.", True, ("a",)), False),
        (AnswerQuestion("q", "?", ("nine",), True, frozenset("a")), ("I don't know: nine?", False, ()), False),
        (AnswerQuestion("q", "?", (LONG,), True, frozenset("a")), ("Something.", True, ("b", "a")), True),
        (AnswerQuestion("q", "?", (LONG,), True, frozenset("a")), ("Something.", True, ("b",)), False),
        (AnswerQuestion("q", "?", (), False, frozenset()), ("At nine.", True, ("a",)), False),
        (AnswerQuestion("q", "?", (), False, frozenset()), ("I don't know.", False, ()), True),
    ],
)
def test_what_is_right(asked, reply, is_right):
    text, answered, cited = reply
    assert right(asked, Reply(text, answered, 0.5, cited, 1, 1)) is is_right


def run_of(*pairs):
    facts = {
        "set": "s",
        "digest": "d",
        "documents": 1,
        "refused": 0,
        "left_out": 0,
        "generator": "g",
        "reader": "none",
        "persona": "plain",
        "model": "m",
        "version": "1",
    }
    questions, said = zip(*pairs, strict=True)
    return AnswerRun(
        **facts, at=datetime(2026, 5, 1, tzinfo=UTC), limit=None, seed=1, questions=questions, replies={"ragbot": said}
    )  # fmt: skip


def due(n, category=""):
    return AnswerQuestion(f"q{n}", "?", ("nine",), True, frozenset({"a", "b"}), ("ten",), category=category)


NOT_DUE = AnswerQuestion("none", "?", (), False, frozenset())


def said(text, confidence, *cited):
    return Reply(text, bool(cited), confidence, cited, 10.0, 20.0)


def test_figures_of_all_questions_and_of_each_category():
    run = run_of(
        (due(1, "x"), said("nine", 0.9, "a", "c")),
        (due(2, "x"), said("nine or ten", 0.8, "b")),
        (due(3), said("I don't know", 0.1)),
        (NOT_DUE, said("something", 0.7, "c")),
        (NOT_DUE, said("I don't know", 0.2)),
    )
    everyone, x = figures.figures(run, "ragbot")
    means = {name: (n, round(estimate.mean, 3)) for name, (n, estimate) in everyone.values.items()}
    assert means == {
        "answered": (3, 0.667), "refused": (2, 0.5), "refusal precision": (2, 0.5), "gold in reply": (3, 0.667),
        "exact": (3, 0.333), "F1": (3, 0.5), "gold cited": (3, 0.667), "citation precision": (2, 0.75),
        "citation recall": (3, 0.333), "wrong in reply": (3, 0.333), "conflict named": (3, 0.333), "words": (3, 1.667),
    }  # fmt: skip
    assert (x.name, x.questions, x.values["answered"][0]) == ("x", 2, 2)
    assert figures.latency(run, "ragbot")["first_p50_ms"] == 10


def test_risk_grows_with_coverage_where_confidence_is_worth_something():
    run = run_of(
        (NOT_DUE, said("something", 0.25, "c")),
        (due(1), said("nine", 0.95, "a")),
        (due(2), said("ten", 0.55, "a")),
        (due(3), said("I don't know", 0.0)),
    )
    found = figures.refusing(run, "ragbot")
    assert found.coverage == (0.25, 0.5, 0.75)
    assert found.risk == pytest.approx((0, 1 / 2, 2 / 3))
    assert found.area == pytest.approx((0 + 1 / 2 + 2 / 3) / 3)
    assert found.calibration_error == pytest.approx((0.25 + 0.05 + 0.55) / 3)
    assert figures.refusing(run_of((due(1), said("nine", 0.0, "a"))), "ragbot") is None


# The command


def test_what_a_question_tells_is_no_answer(run, folder):
    lines(folder / "qa.jsonl", [{"id": "q1", "question": "The mayor lives in the tower.", "answers": [], "answerable": False}])
    code, out, _ = run(folder, "--json")
    assert code == 0
    (asked,) = json.loads(out)["by_question"]
    said = asked["systems"]["ragbot"]
    assert "I will remember that" in said["text"]
    assert (said["answered"], said["cited"]) == (False, [])


def test_it_prints_a_table(run, folder):
    code, out, err = run(folder, "--plain")
    assert (code, err) == (0, "")
    head, _, names, *rows = out.splitlines()
    assert head == (
        "town: 2 documents (1 refused: without words), 2 questions; SmolLM2-135M-Instruct, reader bundled, persona plain, "
        "multilingual-e5-small, ragbot 0.1.0"
    )
    assert names.split() == ["of", "ragbot", "plain"]
    table = {row[:18].strip(): row[20:].split() for row in rows[: rows.index("")]}
    assert table["gold in reply"] == ["1", "1.000", "[1.00,", "1.00]", ".000", "[.00,", ".00]"]
    assert table["refused"][:2] == ["1", "1.000"]
    assert {"first p50 ms", "all p95 ms", "risk over coverage", "calibration error"} <= table.keys()
    assert "time (1 question)" in out and "people (1 question)" in out


def test_it_keeps_and_draws_the_run(run, folder, tmp_path):
    code, out, _ = run(
        folder, "--json", "--out", tmp_path / "run.json", "--plot", tmp_path / "run.png", "--home", tmp_path / "kept"
    )
    assert code == 0
    kept, printed = json.loads((tmp_path / "run.json").read_text()), json.loads(out)
    assert kept == printed
    first, second = kept["by_question"]
    assert first["systems"]["ragbot"]["right"] and first["systems"]["ragbot"]["cited"] == ["hours"]
    assert first["systems"]["ragbot"]["confidence"] > 0.5 > second["systems"]["ragbot"]["confidence"]
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert run(folder, "--limit", "1", "--home", tmp_path / "kept")[0] == 0  # what questions told is in nobody's way


def test_wrong_use_is_said_before_the_work(run, folder, tmp_path):
    assert "no/such.json: cannot be written" in run(folder, "--out", "no/such.json")[2]
    assert "run.txt: is not an image format" in run(folder, "--plot", tmp_path / "run.txt")[2]
    assert "holds no set" in run(tmp_path / "temporary")[2]


def test_a_table_of_a_run_without_confidence():
    assert "risk over coverage" in report.table(run_of((due(1), said("nine", 0.0, "a"))))
