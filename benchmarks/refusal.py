"""Fits and measures when to answer and when to say "I don't know" (`ragbot.answer.quote.best_answerability`).

    python benchmarks/refusal.py FOLDER        # the folder holds squad2_*_{corpus,qa}.jsonl.gz and cmrc2018_*

Each answerable question is asked twice: with its passage in the memory (an answer is due), and with
every passage of its article left out (the corpus is silent: a refusal is due). Half of the articles
fit the curve, the other half give the figures. SQuAD's own unanswerable questions are reported and
not fitted: they ask the article about what it almost says, which needs a reader, not a threshold.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import zlib
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from ragbot import Document, Memory
from ragbot.answer import quote
from ragbot.text.tokens import has_cjk

K = 5


def lines(file: Path) -> list[dict]:
    with gzip.open(file, "rt", encoding="utf-8") as text:
        return [json.loads(line) for line in text]


def features(memory: Memory, question: str, without: str) -> tuple[float, float, str]:
    """Cosine and coverage of the best evidence, and the best sentence, leaving out one article."""
    hits = [hit for hit in memory.recall(question, 40) if hit.chunk.title != without][:K]
    found = quote.select_sentences(question, hits, memory.embedder().encode)
    return (found[0].cosine, found[0].coverage, found[0].text) if found else (0.0, 0.0, "")


def measure(folder: Path, name: str, limit: int) -> None:
    corpus = lines(next(folder.glob(f"{name}*_corpus.jsonl.gz")))
    asked = lines(next(folder.glob(f"{name}*_qa.jsonl.gz")))
    titles = {passage["id"]: passage["title"] for passage in corpus}
    rng = np.random.default_rng(0)
    asked = [asked[i] for i in rng.permutation(len(asked))[:limit]]
    with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
        memory.remember(Document(p["id"], p["text"], title=p["title"]) for p in corpus)
        rows = []
        for question in asked:
            title = titles[question["passage"]]
            held_out = zlib.crc32(title.encode()) % 2 == 0
            cosine, coverage, best = features(memory, question["question"], "")
            right = any(answer in best for answer in question["answers"])
            rows.append(("due" if question["answerable"] else "adversarial", held_out, cosine, coverage, right))
            if question["answerable"]:
                rows.append(("silent", held_out, *features(memory, question["question"], title)[:2], False))
    report(name, rows, has_cjk(asked[0]["question"]))


def report(name: str, rows: list[tuple], cjk: bool) -> None:
    kind = np.array([row[0] for row in rows])
    held = np.array([row[1] for row in rows])
    x = np.array([row[2:4] for row in rows], float)
    right = np.array([row[4] for row in rows])
    fit = ~held & (kind != "adversarial")
    curve = LogisticRegression(C=100).fit(x[fit], kind[fit] == "due")
    bias, weights = float(curve.intercept_[0]), curve.coef_[0]
    print(f"{name}: fitted curve ({bias:.1f}, {weights[0]:.1f}, {weights[1]:.1f})")
    now = quote._CURVE_CJK if cjk else quote._CURVE
    for label, (b, w1, w2) in (("fitted", (bias, *weights)), ("in force", now)):
        p = 1 / (1 + np.exp(-(b + x[:, 0] * w1 + x[:, 1] * w2)))
        for cut in (0.5, 0.6, 0.7):
            yes = held & (p >= cut)
            share = {k: (yes & (kind == k)).sum() / max(1, (held & (kind == k)).sum()) for k in ("due", "silent", "adversarial")}
            hit = right[yes & (kind == "due")].mean()
            print(
                f"  {label:8} cut {cut}: answered when due {share['due']:.2f} (gold in best sentence {hit:.2f}), "
                f"refused when silent {1 - share['silent']:.2f}"
                + (f", refused when adversarial {1 - share['adversarial']:.2f}" if (kind == "adversarial").any() else "")
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=600, help="questions of each set")
    parser.add_argument(
        "--sets", nargs="+", default=["squad2", "cmrc2018"], help="which of the sets, by the start of the file's name"
    )
    arguments = parser.parse_args()
    for name in arguments.sets:
        measure(arguments.folder, name, arguments.limit)
