"""Fits how likely it is that evidence answers a question (`ragbot.grounding.likely`), with what the reader makes of it.

    python benchmarks/reading.py DATA        # the folder that `python -m ragbot.learn` takes

Titles of SQuAD 2.0 that the reader was not trained on: some fit the curve, the others give the figures. Each question is asked of
the passages of all titles, through the memory. Beside it stands the curve that is in force without a reader.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from ragbot import Document, Memory, grounding
from ragbot.learn import data
from ragbot.models.reader import open_reader

REFUSED = 0.15
"""The share of the answerable questions that may be refused."""


def read(memory, asked):
    """Of each question: features of what is read, which of it answers, whether any could, and the confidence without a reader."""
    rows = []
    for one in asked:
        hits = memory.recall(one.question, 5)
        plain = grounding.evidence(one.question, hits, memory.embedder().encode)
        some = plain[: grounding.READ]
        said = open_reader().read(one.question, [e.shown for e in some])
        answer = one.passage[one.span.start : one.span.end] if one.span else None
        good = [bool(answer) and answer in e.text and e.hit.chunk.text in one.passage for e in some]
        x = [(e.cosine, e.coverage, r.answers, r.found) for e, r in zip(some, said, strict=True)]
        rows.append((np.array(x), np.array(good), answer is not None, grounding.confidence(one.question, plain)))
    return [row for row in rows if len(row[0])]


def report(name, best, right, due, cut):
    yes = best >= cut
    print(
        f"{name}: {len(due)} questions, AUC {roc_auc_score(due, best):.3f}; at {cut:.3f} refused {1 - yes[due].mean():.3f} "
        f"of those with an answer, {1 - yes[~due].mean():.3f} of the others; right sentence first {(right & yes)[due].mean():.3f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    squad = list(data.squad(given.folder / "squad_style"))
    passages = {one.passage: one.title for one in squad}
    with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
        memory.remember(Document(f"{at}", text, title) for at, (text, title) in enumerate(passages.items()))
        fitted, reported = ([one for one in squad if one.title in titles] for titles in (data.CALIBRATED, data.REPORTED))
        fitted, reported = read(memory, fitted), read(memory, reported)
    curve = LogisticRegression(C=10, max_iter=1000).fit(
        np.concatenate([row[0] for row in fitted]), np.concatenate([row[1] for row in fitted])
    )
    print("curve", np.round([*curve.intercept_, *curve.coef_[0]], 2))
    cuts = {}
    for name, rows in (("fitted", fitted), ("reported", reported)):
        due = np.array([row[2] for row in rows])
        sure = [curve.predict_proba(row[0])[:, 1] for row in rows]
        with_reader = (
            np.array([one.max() for one in sure]),
            np.array([row[1][one.argmax()] for row, one in zip(rows, sure, strict=True)]),
        )
        without = np.array([row[3] for row in rows]), np.array([row[1][0] for row in rows])
        for way, (best, right) in (("with reader", with_reader), ("without", without)):
            report(f"{name}, {way}", best, right, due, cuts.setdefault(way, np.quantile(best[due], REFUSED)))


if __name__ == "__main__":
    main()
