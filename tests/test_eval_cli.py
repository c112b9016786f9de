"""`ragbot eval retrieval`: what it prints, keeps, refuses and leaves behind."""

import builtins
import json
import tempfile

import pytest
from typer.testing import CliRunner

from ragbot import Memory
from ragbot.cli.main import cli

CORPUS = [
    {"id": "hours", "text": "The lab opens at nine."},
    {"id": "cards", "text": "Gift cards cannot be returned."},
    {"id": "door", "text": "The door is green."},
    {"id": "empty", "text": ""},
]
ASKED = [
    {"id": "q1", "question": "When does the lab open?", "evidence": ["hours"], "category": "time"},
    {"id": "q2", "question": "gift cards", "evidence": ["cards"], "category": "money"},
    {"id": "q3", "question": "Who is the mayor?", "evidence": []},
]


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "town"
    made.mkdir()
    for name, records in (("corpus.jsonl", CORPUS), ("qa.jsonl", ASKED)):
        (made / name).write_text("".join(json.dumps(one) + "\n" for one in records))
    return made


@pytest.fixture
def run(embedders, monkeypatch, tmp_path):
    """Runs `ragbot eval retrieval`: exit code, stdout, stderr. Temporary folders lie in `tmp_path / "temporary"`."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))

    def run_(*words):
        done = CliRunner().invoke(cli, ["eval", "retrieval", *map(str, words)])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    return run_


def test_it_prints_a_table_and_leaves_nothing_behind(run, folder, tmp_path):
    code, out, err = run(folder, "--parts", "lexical,dense", "--k", "2")
    assert (code, err) == (0, "")
    head, _, names, *rows = out.splitlines()
    assert head == (
        "town: 3 documents (1 refused: without words), 2 questions (1 left out: nothing answers them); "
        "multilingual-e5-small, ragbot 0.1.0"
    )
    assert names.split() == ["part", "recall@2", "nDCG@2", "MRR@10", "p50", "ms", "p95", "ms"]
    assert rows[0].startswith("dense    1.000 [1.00, 1.00]  1.000 [1.00, 1.00]  1.000 [1.00, 1.00]  ")
    assert rows[1].startswith("lexical  1.000 [1.00, 1.00]")
    assert [row for row in rows if "question" in row] == ["time (1 question)", "money (1 question)"]
    assert not list((tmp_path / "temporary").iterdir())
    assert not (tmp_path / "home-by-default").exists()


def test_it_keeps_a_home_where_it_is_told_to(run, folder, home, embedders):
    assert run(folder, "--parts", "dense", "--home", home)[0] == 0
    embedded = len(embedders["multilingual-e5-small"].embedded)
    assert run(folder, "--parts", "dense", "--home", home)[0] == 0
    assert len(embedders["multilingual-e5-small"].embedded) == embedded == 3
    with Memory.open(home, create=False) as memory:
        assert {one.uri for one in memory.documents()} == {"hours", "cards", "door"}


def test_json_is_one_document_and_out_keeps_it(run, folder, tmp_path):
    code, out, _ = run(folder, "--json", "--out", tmp_path / "run.json")
    found = json.loads(out)
    assert code == 0
    assert found == json.loads((tmp_path / "run.json").read_text())
    assert list(found["parts"]) == ["dense", "lexical", "fused"]
    assert list(found["parts"]["fused"]["measures"]) == ["recall@5", "recall@10", "nDCG@5", "nDCG@10", "MRR@10"]
    assert found["parts"]["fused"]["measures"]["recall@5"] == {"mean": 1, "low": 1, "high": 1}
    assert (found["set"], found["documents"], found["refused"], found["questions"], found["left_out"]) == ("town", 3, 1, 2, 1)
    assert found["model"] == "multilingual-e5-small"
    assert [one["id"] for one in found["by_question"]] == ["q1", "q2"]


def test_it_compares_with_a_run_and_draws(run, folder, tmp_path):
    kept = tmp_path / "run.json"
    run(folder, "--parts", "dense", "--out", kept)
    before = json.loads(kept.read_text())
    before["by_question"][0]["parts"]["dense"]["recall@5"] = 0.0
    kept.write_text(json.dumps(before))
    code, out, _ = run(folder, "--parts", "dense,fused", "--compare", kept, "--plot", tmp_path / "run.png")
    assert code == 0
    assert "compared with the run of" in out
    assert "dense  recall@5   .500    1.000  +.500 [+.000, +1.000]" in out
    assert "dense  recall@10  1.000   1.000  +.000 [+.000, +.000]   1.0000" in out
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    _, out, _ = run(folder, "--parts", "dense", "--compare", kept, "--json")
    compared = json.loads(out)["compared"]
    assert compared["questions"] == 2
    assert compared["differences"][0]["difference"]["mean"] == 0.5
    assert {one["part"] for one in compared["differences"]} == {"dense"}


@pytest.fixture
def unfilled(monkeypatch):
    """Fails where a memory is opened: what is wrong is said before."""

    def opened(*_, **__):
        raise AssertionError("the work has begun")

    monkeypatch.setattr(Memory, "open", opened)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--parts", "dense,best"], "--parts dense,best: takes one or more of dense,lexical,fused,reranked"),
        (["--k", "5,0"], "--k 5,0: takes whole numbers from 1 to 1000"),
        (["--k", ""], "takes whole numbers"),
        (["--set", "other"], "holds no set 'other'; there is town"),
        (["--out", "no/such/run.json"], "no/such/run.json: cannot be written"),
        (["--plot", "run.txt"], "run.txt: is not an image format"),
        (["--compare", "pyproject.toml"], "pyproject.toml: is not a run that --out has written"),
        (["--limit", "0"], "Invalid value for '--limit'"),
    ],
)
def test_wrong_use_is_said_before_the_work(run, folder, unfilled, words, message):
    code, out, err = run(folder, *words)
    assert (code, out) == (2, "")
    assert message in err


def test_several_sets_are_named(run, folder, unfilled):
    for name in ("corpus", "qa"):
        (folder / f"{name}_two.jsonl").write_text((folder / f"{name}.jsonl").read_text())
    code, out, _ = run(folder, "--json")
    assert code == 2
    assert json.loads(out)["error"].endswith("holds several sets; choose one with --set: town, two")


def test_a_run_of_other_files_is_refused_before_the_work(run, folder, tmp_path, monkeypatch):
    run(folder, "--parts", "dense", "--out", tmp_path / "run.json")
    (folder / "corpus.jsonl").write_text((folder / "corpus.jsonl").read_text().replace("nine", "ten"))
    monkeypatch.setattr(Memory, "open", None)
    code, _, err = run(folder, "--compare", tmp_path / "run.json")
    assert (code, "used other files: those of town have changed since" in err) == (2, True)


@pytest.mark.parametrize(
    ("library", "words", "named"), [("ir_measures", [], "ir-measures"), ("matplotlib", ["--plot", "x.png"], "matplotlib")]
)
def test_a_library_that_is_missing_is_named_with_its_extra(run, folder, unfilled, monkeypatch, library, words, named):
    original = builtins.__import__

    def without(name, *more):
        if name.partition(".")[0] == library:
            raise ImportError(f"No module named {library!r}")
        return original(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    code, _, err = run(folder, *words)
    assert code == 1
    assert f"{named} is missing" in err
    assert "pip install 'ragbot[eval]'" in err


def test_ctrl_c_ends_it_and_the_temporary_home(run, folder, tmp_path, monkeypatch):
    seen = []

    def stopped(*_, **__):
        seen.append(len(list((tmp_path / "temporary").iterdir())))
        raise KeyboardInterrupt

    monkeypatch.setattr(Memory, "compact", stopped)
    code, out, err = run(folder)
    assert (code, out) == (130, "")
    assert "stopped; nothing is kept" in err
    assert seen == [1]
    assert not list((tmp_path / "temporary").iterdir())
    code, _, err = run(folder, "--home", tmp_path / "kept")
    assert (code, "what was done until now is kept" in err) == (130, True)
