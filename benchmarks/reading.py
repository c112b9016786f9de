"""Fits how likely a passage answers, from how near it is and what the answerability models make of it: `calibration.json`.

    python -m benchmarks.reading DATA [--each 1] [--out FILE] [--json]    # DATA: the folder that `training.answerability` takes

Three sets that trained no reader, each asked through a memory with the default settings. Customers: organisations of
`training/organisations`, each with a memory of its own; `FITTED` fit, `REPORTED` report. English: titles of SQuAD 2.0, over the
passages of all titles, and every second question over those of other titles only ("silent": nothing answers). Chinese: questions
of CMRC 2018 with their passage, and without it ("silent", though other passages of the article are there).
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
from ragbot.answer.answer_span import CLEARLY, about_best, as_read, readable_passages
from ragbot.answer.context import Context
from ragbot.answer.quote import select_sentences
from ragbot.models.answerability import ACROSS, CHINESE, ENGLISH, GenerativeReader, languages
from ragbot.models.cross_encoder import CrossEncoder
from ragbot.types import EVERYONE
from training import organisations
from training.answerability import data

WEIGHTS = {
    ("customers", True): 1.0,
    ("customers", False): 0.25,
    ("answerable", True): 1.0,
    ("adversarial", False): 0.1,
    ("silent", False): 0.06,
}
"""What a question counts in the fit, by kind and by whether it is answerable. Most questions that people ask have an answer."""
ROUNDS = 3
"""How often the curves are fitted on the passages that they choose."""
CUT = 0.55
"""Where a persona refuses (`refuse_below`)."""
CHINESE_QUESTIONS, SQUAD = 200, 4
"""How many questions of CMRC are taken, and every so many-th of SQuAD's."""


class ReadQuestion(NamedTuple):
    """A question, and what was read for it."""

    set: str
    kind: str
    answerable: bool
    fits: bool
    languages: list[str]
    """Of each passage."""
    signs: list[tuple[float, float, float]]
    """Of each passage: cosine, coverage, and the logit of the cross-encoder."""
    hold: list[bool]
    """Whether each holds the answer."""
    passages: list[tuple[str, str]]
    text: str


def ask(memory, reader, questions):
    """What is read for each (set, kind, question, fits, whether a text of a uri answers)."""
    found, context = [], Context(memory, [EVERYONE])  # each sentence is embedded once
    for group, kind, question, fits, answers in questions:
        passages = readable_passages(select_sentences(question, context.retrieve(question), context.vectors))
        if not passages:
            continue
        read = [as_read(about_best(some)) for some in passages]
        said = reader.read(question, [(one.title, one.sentences) for one in read])
        found.append(
            ReadQuestion(
                group,
                kind,
                answers is not None,
                fits,
                [languages(question, one.text) for one in read],
                [(one.cosine, one.coverage, by.answers) for one, by in zip(read, said, strict=True)],
                [bool(answers and answers(one.text, some[0].hit.chunk)) for one, some in zip(read, passages, strict=True)],
                [(one.title, one.text) for one in read],
                question,
            )
        )
    return found


def fit(rows):
    """Bias and weights of a logistic curve over (signs, whether it holds, weight). No sign counts against an answer.

    In customers' questions as they were written a near miss shares more words with the text than a question that is answered:
    that is how they were meant, and says nothing of other questions.
    """
    signs, holds, weights = (np.array(column) for column in zip(*rows, strict=True))
    kept = list(range(signs.shape[1]))
    while True:
        found = LogisticRegression(C=100).fit(signs[:, kept], holds, weights)
        if found.coef_.min() >= 0 or len(kept) == 1:
            break
        kept = [sign for sign, weight in zip(kept, found.coef_[0], strict=True) if weight >= 0] or kept[-1:]
    by_sign = dict(zip(kept, found.coef_[0], strict=True))
    return [round(float(one), 3) for one in (found.intercept_[0], *(by_sign.get(sign, 0.0) for sign in range(signs.shape[1])))]


def chance(curve, signs):
    return 1 / (1 + np.exp(-(curve[0] + float(np.dot(curve[1:], signs)))))


def fitted(asked):
    """The curves by language, of each question the passage that comes first with them, and how likely that one answers."""
    first, curves = [0] * len(asked), {}
    for _ in range(ROUNDS):
        for name in (ENGLISH, CHINESE, ACROSS):
            rows = [
                (one.signs[at], one.hold[at], WEIGHTS[one.kind, one.answerable])
                for one, at in zip(asked, first, strict=True)
                if one.fits and one.languages[at] == name
            ]
            curves[name] = fit(rows)
        chances = [[chance(curves[which], signs) for which, signs in zip(one.languages, one.signs, strict=True)] for one in asked]
        best = [int(np.argmax(some)) for some in chances]
        first = [at if some[at] >= some[0] + CLEARLY else 0 for at, some in zip(best, chances, strict=True)]
    return curves, first, [some[at] for at, some in zip(first, chances, strict=True)]


def with_generator(asked, first):
    """The curve over the English reader's logit in place of the cross-encoder's, for machines that do not have the latter."""
    generator = GenerativeReader()
    rows = [
        ((*one.signs[at][:2], generator.read(one.text, one.passages[at])[0]), one.hold[at], WEIGHTS[one.kind, one.answerable])
        for one, at in zip(asked, first, strict=True)
        if one.fits and one.languages[at] == ENGLISH
    ]
    return fit(rows)


def report(asked, first, sure):
    """How well each set's answerable questions are told from the others, and what is answered at the cut."""
    result = {}
    for name in sorted({(one.set, one.fits) for one in asked}):
        at = [i for i, one in enumerate(asked) if (one.set, one.fits) == name]
        due, right = (np.array([of(i) for i in at]) for of in (lambda i: asked[i].answerable, lambda i: asked[i].hold[first[i]]))
        chances = np.array([sure[i] for i in at])
        said = chances >= CUT
        figures = {
            "questions": len(at),
            "the right passage among those read": np.mean([any(asked[i].hold) for i in at if asked[i].answerable]),
            "first": right[due].mean(),
            "AUC right against all else": roc_auc_score(due & right, chances),
            "answerable, answered": said[due].mean(),
            "of those rightly": right[due & said].mean() if (due & said).any() else None,
        }
        for kind in sorted({asked[i].kind for i in at if not asked[i].answerable}):
            others = np.array([asked[i].kind == kind and not asked[i].answerable for i in at])
            figures[f"AUC against {kind} without an answer"] = roc_auc_score(due[due | others], chances[due | others])
            figures[f"{kind} without an answer, answered"] = said[others].mean()
        result[f"{name[0]}, {'fitted' if name[1] else 'reported'}"] = figures
    return result


def _every(questions, each):
    """Every so many-th question, in both languages."""
    return [question for at, question in enumerate(questions) if at // 2 % each == 0]


def customers(reader, each):
    """The questions of organisations that trained nothing."""
    found = []
    for fits, names in ((True, organisations.FITTED), (False, organisations.REPORTED)):
        for one in organisations.read(names):
            with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
                memory.remember(one.documents)
                found += ask(memory, reader, [_customers(one, question, fits) for question in _every(one.questions, each)])
    return found


def _customers(one, question, fits):
    def answers(text, chunk):
        return chunk.uri == question.document and organisations.holds(text, question.quote)

    way = f"customers {languages(question.text, one.documents[0].text)}"
    return way, "customers", question.text, fits, answers if question.answerable else None


def english(folder, reader, each):
    """Titles of SQuAD 2.0 that no model was trained on."""
    squad = list(data.squad(folder / "squad_style"))
    passages = {one.passage: one.title for one in squad}
    held = [one for one in squad if one.title in data.CALIBRATED | data.REPORTED][::each]
    found = []
    for silent in (False, True):
        with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
            memory.remember(
                Document(f"{at}", text, title)
                for at, (text, title) in enumerate(passages.items())
                if not silent or title not in data.CALIBRATED | data.REPORTED
            )
            found += ask(memory, reader, [_squad(one, silent) for one in held[:: 2 if silent else 1]])
    return found


def _squad(one, silent):
    def answers(text, chunk):
        return one.answer in text and chunk.text in one.passage

    kind = "silent" if silent else "answerable" if one.answer else "adversarial"
    return "SQuAD", kind, one.question, True, answers if kind == "answerable" else None


def chinese(folder, reader, each):
    """Questions of CMRC 2018."""
    corpus, asked = (_records(folder / f"squad_style/cmrc2018_dev_{name}.jsonl.gz") for name in ("corpus", "qa"))
    texts = {one["id"]: one for one in corpus}
    halves = [set(list(texts)[start::2]) for start in (0, 1)]
    chosen = random.Random(0).sample(asked, min(CHINESE_QUESTIONS, len(asked)))[::each]
    found = []
    for half in halves:
        with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
            memory.remember(Document(id, texts[id]["text"], texts[id].get("title", "")) for id in texts if id in half)
            found += ask(memory, reader, [_cmrc(one, texts[one["passage"]]["text"], one["passage"] in half) for one in chosen])
    return found


def _cmrc(one, passage, there):
    def answers(text, chunk):
        return any(answer in text for answer in one["answers"]) and chunk.text in passage

    return "CMRC", "answerable" if there else "silent", one["question"], True, answers if there else None


def _records(file):
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", type=int, default=1, help="take every so many-th question of each set (default: 1)")
    parser.add_argument("--out", type=Path, help="write the numbers to this file, calibration.json beside the model's weights")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(argv)
    reader = CrossEncoder()
    asked = (
        customers(reader, given.each)
        + english(given.folder, reader, SQUAD * given.each)
        + chinese(given.folder, reader, given.each)
    )
    numbers, first, sure = fitted(asked)
    numbers["generator"] = with_generator(asked, first)
    if given.out:
        others = json.loads(given.out.read_text(encoding="utf-8")) if given.out.is_file() else {}  # `training.told` fits one too
        given.out.write_text(json.dumps(others | numbers) + "\n", encoding="utf-8")
    result = {"numbers": numbers, **report(asked, first, sure)}
    print(json.dumps(result, indent=None if given.json else 1, ensure_ascii=False, default=lambda one: round(float(one), 3)))


if __name__ == "__main__":
    main()
