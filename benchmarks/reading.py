"""Fits how likely a passage answers a question, from what the bundled answerability model makes of it (a logit).

    python benchmarks/reading.py DATA [--each 1]        # the folder that `python -m training.answerability` takes

Titles of SQuAD 2.0 that the model was not trained on. Each question is asked of the memory, of the passages of all titles, and of
those of other titles only ("silent": nothing answers); the model reads the passage that is found first. The curve has two
numbers, and all five titles fit it: two of them are not enough to tell how titles differ. Whole answers, with the model and
without, are measured by `ragbot eval answers`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from ragbot import Document, Memory
from ragbot.answer.lexical import lexically_entailed
from ragbot.models.answerability import open_answerability_model
from ragbot.text.sentences import sentences
from ragbot.text.tokens import content
from training.answerability import data
from training.answerability.corruptions import Maker, parts

OTHERS = 0.06
"""What a question without an answer counts in the fit, of either kind: as if nine in ten questions had one."""
CUTS = (0.5, 0.55, 0.65)


class ReadQuestion(NamedTuple):
    """A question, and what the model made of the passage that was found first."""

    logit: float
    right: bool
    """Whether that passage holds the answer."""
    kind: str
    """"answerable", "adversarial" or "silent"."""


def ask(memory, model, questions, silent):
    """What is read for each question, without those for which nothing is found."""
    found = []
    for one in questions:
        for hit in memory.recall(one.question, 1):
            answer = None if silent else one.answer
            kind = "silent" if silent else "answerable" if answer else "adversarial"
            right = bool(answer) and answer in hit.chunk.text and hit.chunk.text in one.passage
            (read,) = model.read(one.question, [(hit.chunk.title, hit.chunk.text)])
            found.append(ReadQuestion(read.answers, right, kind))
    return found


def fit(asked):
    """Bias and slope of the chance that the passage holds the answer, over the logit."""
    weight = [1.0 if one.kind == "answerable" else OTHERS for one in asked]
    found = LogisticRegression(C=100).fit([[one.logit] for one in asked], [one.right for one in asked], weight)
    return found.intercept_[0], found.coef_[0, 0]


def report(name, asked, curve):
    kinds, right = np.array([one.kind for one in asked]), np.array([one.right for one in asked])
    sure = 1 / (1 + np.exp(-(curve[0] + curve[1] * np.array([one.logit for one in asked]))))
    due, near = kinds == "answerable", kinds == "adversarial"
    auc = roc_auc_score(due[due | near], sure[due | near])
    print(f"{name}, {len(asked)} questions: AUC {auc:.3f}; the right passage is first for {right[due].mean():.3f}")
    for cut in [*CUTS, float(np.quantile(sure[due], 0.15))]:
        refused = {kind: (sure[kinds == kind] < cut).mean() for kind in ("answerable", "adversarial", "silent")}
        print(f"  below {cut:.2f} refused: " + ", ".join(f"{kind} {share:.3f}" for kind, share in refused.items()))


def claims(passages):
    """Statements made from the sentences that they stand in, and some with something changed: what do the rules let through?"""
    maker, made = Maker(1), []
    for text, title in passages.items():
        if title in data.REPORTED:
            made += maker.claims(title, text, parts(text), 2)
    due = np.array([one.span is not None for one in made])
    evidence = [one.answer or _like(one.question, one.passage) for one in made]
    rules = np.array([lexically_entailed(one.question, text, one.title) for one, text in zip(made, evidence, strict=True)])
    print(
        f"claims: of {due.sum()} that are said the rules let through {rules[due].mean():.3f}, "
        f"of {(~due).sum()} that are not {rules[~due].mean():.3f}"
    )


def _like(claim, passage):
    """The sentence that a changed statement was made of."""
    words = set(content(claim))
    texts = [passage[span.start : span.end] for span in sentences(passage)]
    return max(texts, key=lambda text: len(words & set(content(text))))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", type=int, default=1, help="take every so many-th question (default: all)")
    given = parser.parse_args(argv)
    squad = list(data.squad(given.folder / "squad_style"))
    passages = {one.passage: one.title for one in squad}
    asked, model = {"fitted": [], "reported": []}, open_answerability_model()
    for silent in (False, True):
        with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
            kept = {text: title for text, title in passages.items() if not silent or title not in data.CALIBRATED | data.REPORTED}
            memory.remember(Document(f"{at}", text, title) for at, (text, title) in enumerate(kept.items()))
            for name, titles in (("fitted", data.CALIBRATED), ("reported", data.REPORTED)):
                asked[name] += ask(memory, model, [one for one in squad if one.title in titles][:: given.each], silent)
    claims(passages)
    curve = fit(asked["fitted"] + asked["reported"])
    print("curve", np.round(curve, 2))
    for name, some in asked.items():
        report(name, some, curve)


if __name__ == "__main__":
    main()
