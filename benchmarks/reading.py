"""Fits how likely a passage answers for which the answerability model gives a logit: `calibration.json` beside the model.

    python -m benchmarks.reading DATA [--each 1]        # the folder that `python -m training.answerability` takes

Titles of SQuAD 2.0 that the reader was not trained on. Each question is asked through the memory, of the passages of all titles,
and of those of other titles only ("silent": nothing answers). Beside it stands what is said without a reader. The curve has two
numbers, and all five titles fit it: two of them are not enough to tell how titles differ.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from ragbot import Document, Memory
from ragbot.answer.answer_span import with_answer_span
from ragbot.answer.calibration import answerability, best_answerability
from ragbot.answer.context import Context
from ragbot.answer.lexical import lexically_entailed
from ragbot.answer.quote import select_sentences
from ragbot.text.sentences import sentences
from ragbot.text.tokens import content
from ragbot.types import EVERYONE
from training.answerability import data
from training.answerability.corruptions import Maker, parts

OTHERS = 0.06
"""What a question without an answer counts in the fit, of either kind: as if nine in ten questions had one."""
CUT, CUTS = 0.55, (0.5, 0.55, 0.65)


class AnswerQuestion(NamedTuple):
    """A question, and what was read for it."""

    answers: float
    """What the reader makes of the best sentence's passage, a logit."""
    sure: float
    """The confidence with it."""
    right: bool
    """Whether it holds the answer."""
    kind: str
    plain: float
    """The confidence without a reader, and whether its first sentence is right."""
    plain_right: bool


def ask(memory, questions, silent):
    """What is read for each question, without those for which nothing is found."""
    found = []
    for one in questions:
        context = Context(memory, [EVERYONE])
        plain = select_sentences(one.question, context.retrieve(one.question), context.vectors)
        best = next(iter(with_answer_span(one.question, plain, memory.runtime.answerability_model())), None)
        if best is None or best.span_found is None:
            continue
        answer = None if silent else one.answer
        right, plain_right = (bool(answer) and answer in e.text and e.hit.chunk.text in one.passage for e in (best, plain[0]))
        kind = "silent" if silent else "answerable" if answer else "adversarial"
        numbers = context.vectors.calibration
        sure, before = answerability(one.question, best, numbers), best_answerability(one.question, plain, numbers)
        found.append(AnswerQuestion(best.span_found.answers, sure, right, kind, before, plain_right))
    return found


def fit(asked):
    """How likely the best sentence is to hold the answer for what the reader makes of it, where it would be said without one."""
    some = [one for one in asked if one.plain >= CUT]
    weight = [1.0 if one.kind == "answerable" else OTHERS for one in some]
    found = LogisticRegression(C=100).fit([[one.answers] for one in some], [one.right for one in some], weight)
    return found.intercept_[0], found.coef_[0, 0]


def report(name, asked, best, right):
    kinds = np.array([one.kind for one in asked])
    due, near = kinds == "answerable", kinds == "adversarial"
    both = due | near
    print(f"{name}: AUC {roc_auc_score(due[both], best[both]):.3f}; the right sentence is first for {right[due].mean():.3f}")
    at = [*CUTS, float(np.quantile(best[due], 0.15))]
    for cut in at:
        refused = {kind: (best[kinds == kind] < cut).mean() for kind in ("answerable", "adversarial", "silent")}
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
    parser.add_argument("--out", type=Path, help="write the curve to this file, calibration.json beside the model's weights")
    given = parser.parse_args(argv)
    squad = list(data.squad(given.folder / "squad_style"))
    passages = {one.passage: one.title for one in squad}
    asked = {"fitted": [], "reported": []}
    for silent in (False, True):
        with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
            for at, (text, title) in enumerate(passages.items()):
                if not silent or title not in data.CALIBRATED | data.REPORTED:
                    memory.remember(Document(f"{at}", text, title))
            for name, titles in (("fitted", data.CALIBRATED), ("reported", data.REPORTED)):
                asked[name] += ask(memory, [one for one in squad if one.title in titles][:: given.each], silent)
    claims(passages)
    bias, slope = (round(float(one), 2) for one in fit(asked["fitted"] + asked["reported"]))
    print("curve", bias, slope)
    if given.out:
        given.out.write_text(json.dumps({"bias": bias, "logit": slope}) + "\n", encoding="utf-8")
    for name, some in asked.items():
        sure, right = np.array([one.sure for one in some]), np.array([one.right for one in some])
        report(f"{name}, {len(some)} questions, with the reader", some, sure, right)
        report(f"{name}, without", some, np.array([one.plain for one in some]), np.array([one.plain_right for one in some]))


if __name__ == "__main__":
    main()
