"""Fits how likely a passage answers for what the answerability models make of it: `calibration.json` beside the English one.

    python -m benchmarks.reading DATA [--each 1] [--out FILE] [--json]    # DATA: the folder that `training.answerability` takes

English: titles of SQuAD 2.0 that no model was trained on. Each question is asked through the memory, of the passages of all
titles, and every second one of those of other titles only ("silent": nothing answers). Chinese: questions of CMRC 2018, which
trained nothing either, asked of a memory with their passage and of one without it ("silent", though other passages of the article
are there). Beside it stands what is said without any reader. Every question fits: a part of them is not enough to tell how
titles differ.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from ragbot import Document, Memory
from ragbot.answer.answer_span import as_read, readable_passages, with_answer_span
from ragbot.answer.calibration import answerability, best_answerability
from ragbot.answer.context import Context
from ragbot.answer.quote import select_sentences
from ragbot.models.answerability import open_answerability_model
from ragbot.types import EVERYONE
from training.answerability import data

OTHERS = {"adversarial": 0.06, "silent": 0.06}
"""What a question without an answer counts in the fit: as if nine in ten questions had one."""
CUT, CUTS = 0.5, (0.5, 0.55, 0.65)
CHINESE = 200


class AnswerQuestion(NamedTuple):
    """A question, and what was read for it."""

    kind: str
    plain: float
    """The confidence without a reader, and whether its first sentence is right."""
    plain_right: bool
    sure: float
    """The same with it, as it is calibrated now."""
    right: bool
    signs: list[tuple[float, ...]]
    """What the bilingual model makes of each passage that is read; before that of the first, what the English one does."""
    hold: list[bool]
    """Whether each holds the answer."""


def ask(memory, model, questions, silent, cjk):
    """What is read for each (question, answers, passage), without those for which nothing is found."""
    found = []
    for question, answers, passage in questions:
        context = Context(memory, [EVERYONE])
        plain = select_sentences(question, context.retrieve(question), context.vectors)
        if not plain:
            continue
        numbers = context.vectors.calibration

        def is_right(e, answers=answers, passage=passage):
            return not silent and any(a in e.text for a in answers) and e.hit.chunk.text in passage

        texts = [as_read(sorted(some, key=lambda e: e.span.start)) for some in readable_passages(plain)]
        signs = [(one.answers,) for one in model.bilingual.read(question, texts)]
        if not cjk:
            signs[0] = (model.english.read(question, texts[0])[0], *signs[0])
        best, *_ = with_answer_span(question, plain, model, numbers)
        found.append(
            AnswerQuestion(
                "silent" if silent else "answerable" if answers else "adversarial",
                best_answerability(question, plain, numbers),
                is_right(plain[0]),
                answerability(question, best, numbers),
                is_right(best),
                signs,
                [any(map(is_right, some)) for some in readable_passages(plain)],
            )
        )
    return found


def fit(asked, least=CUT):
    """Bias and weights of the signs of passages for whether they hold the answer.

    Only questions count that would be answered without a reader: their confidence is at least `least`.
    """
    rows = [
        (signs, holds, OTHERS.get(one.kind, 1.0))
        for one in asked
        if one.plain >= least
        for signs, holds in zip(one.signs, one.hold, strict=False)
    ]
    signs, holds, weights = zip(*rows, strict=True)
    found = LogisticRegression(C=100).fit(signs, holds, weights)
    return [round(float(one), 3) for one in (found.intercept_[0], *found.coef_[0])]


def report(name, asked):
    """How well answerable questions are told from the others, with the reader and without."""
    kinds = np.array([one.kind for one in asked])
    due, result = kinds == "answerable", {"questions": len(asked)}
    for way, sure, right in (
        ("with the reader", [one.sure for one in asked], [one.right for one in asked]),
        ("without", [one.plain for one in asked], [one.plain_right for one in asked]),
    ):
        sure, right = np.array(sure), np.array(right)
        figures = {"right sentence first": right[due].mean()}
        for kind in sorted(set(kinds) - {"answerable"}):
            both = due | (kinds == kind)
            figures[f"AUC {kind}"] = roc_auc_score(due[both], sure[both])
        for cut in (*CUTS, float(np.quantile(sure[due], 0.12))):
            figures[f"refused below {cut:.2f}"] = {
                kind: round(float((sure[kinds == kind] < cut).mean()), 3) for kind in set(kinds)
            }
        result[way] = {key: value if isinstance(value, dict) else round(float(value), 3) for key, value in figures.items()}
    return {name: result}


def english(folder, model, each):
    squad = list(data.squad(folder / "squad_style"))
    passages = {one.passage: one.title for one in squad}
    held = [one for one in squad if one.title in data.CALIBRATED | data.REPORTED][::each]
    questions = [(one.question, [one.answer] if one.answer else [], one.passage) for one in held]
    found = []
    for silent in (False, True):
        with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
            memory.remember(
                Document(f"{at}", text, title)
                for at, (text, title) in enumerate(passages.items())
                if not silent or title not in data.CALIBRATED | data.REPORTED
            )
            found += ask(memory, model, questions[:: 2 if silent else 1], silent, cjk=False)
    return found


def chinese(folder, model):
    corpus, asked = (_records(folder / f"squad_style/cmrc2018_dev_{name}.jsonl.gz") for name in ("corpus", "qa"))
    texts = {one["id"]: one for one in corpus}
    halves = [set(list(texts)[start::2]) for start in (0, 1)]
    chosen = random.Random(0).sample(asked, min(CHINESE, len(asked)))
    found = []
    for half in halves:
        with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
            memory.remember(Document(id, texts[id]["text"], texts[id].get("title", "")) for id in texts if id in half)
            for own in (True, False):
                some = [one for one in chosen if (one["passage"] in half) is own]
                questions = [(one["question"], one["answers"], texts[one["passage"]]["text"]) for one in some]
                found += ask(memory, model, questions, not own, cjk=True)
    return found


def _records(file):
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", type=int, default=1, help="take every so many-th English question (default: all)")
    parser.add_argument("--out", type=Path, help="write the numbers to this file, calibration.json beside the model's weights")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(argv)
    model = open_answerability_model()
    squad, cmrc = english(given.folder, model, given.each), chinese(given.folder, model)
    numbers = {
        "english": fit([one._replace(signs=[one.signs[0][:1]]) for one in squad]),
        "both": fit([one._replace(signs=one.signs[:1]) for one in squad]),
        "bilingual": fit([one._replace(signs=one.signs[1:], hold=one.hold[1:]) for one in squad]),
        # Of those without their passage few would be answered.
        "bilingual_cjk": fit([one._replace(signs=one.signs[:1]) for one in cmrc], least=0),
    }
    if given.out:
        given.out.write_text(json.dumps(numbers) + "\n", encoding="utf-8")
    result = {"numbers": numbers, **report("English", squad), **report("Chinese", cmrc)}
    print(json.dumps(result, indent=None if given.json else 1, ensure_ascii=False))


if __name__ == "__main__":
    main()
