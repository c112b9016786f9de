"""Fits the numbers of a bundled embedder: where its cosines lie, and how likely a sentence answers a question.

    python -m training.calibrate [--model NAME] [--curves DATA]        # the folder with squad_style/

Writes `ragbot/models/bundled/MODEL.calibration.json` (`--out`). The anchors and the thresholds on statements come from the
reference texts of ragbot. All else of another model than all-MiniLM-L6-v2 is that one's, onto whose scale its cosines are
moved, but for what stands in `OWN`. With `--curves` the two curves are fitted too, from SQuAD 2.0 (without the titles that
report figures) and CMRC 2018; else those of the shipped file stay (docs/LOG.md says why). Each answerable question is asked
three times: with its passage in the memory, with only that passage left out ("beside", which is reported and fits nothing), and
with every passage of its title left out ("silent"); SQuAD's adversarial questions are asked once. A logistic regression tells
the questions whose best sentence holds the answer. The kinds count as if nine in ten questions had an answer. What the curve
does on titles that fitted nothing is printed, beside the curve that was in force.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from ragbot import Document, Memory
from ragbot.answer.context import TurnVectors
from ragbot.answer.quote import select_sentences
from ragbot.models import bundled
from ragbot.models.embedder import BundledEmbedder
from ragbot.search.calibration import Calibration, anchors, measure, measured, reference
from ragbot.types import Hit
from training.answerability import data

OTHERS = 0.06
"""What a question without an answer counts in the fit, of either kind: as if nine in ten questions had one."""
CUT = 0.55
"""The least chance at which a persona answers (`refuse_below`)."""
HELD = data.CALIBRATED | data.REPORTED
"""Titles of SQuAD that report figures."""
PARTS = ("bias", "cosine", "coverage")
OWN = {
    bundled.E5: {
        # On the 60 Chinese questions over the demo's handbook, whatever its cosine (benchmarks/cross_lingual.py).
        "answers_across": 0.43,
        # Customers' words are not the document's, and a claim of SciFact's is: with a full match at .8 of the highest possible
        # both are served (decision 0035).
        "words": 0.3,
        "words_cjk": 0.3,
        "full_match": 0.8,
        "feedback": 0.0,
        "feedback_cjk": 0.0,
        "sentence_words": 0.6,
        "sentence_meaning_cjk": 0.3,
        "sentence_words_cjk": 1.0,
        **{
            f"{name}{suffix}": value
            for name, value in (("bias", -4.2), ("cosine", 5.0), ("coverage", 3.5))
            for suffix in ("", "_cjk")
        },
    }
}
"""What other models than the reference have of their own, chosen by hand among a few (docs/LOG.md, 2026-11-30)."""
SAME = 60
"""So many first characters tell that a recalled passage is of the one that was asked about."""
PASSAGES, LOOKED_AT = 5, 40
"""How many passages a sentence is chosen from, and among how many recalled ones those of the article are left out."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a passage, and its answer there; "" if it has none."""

    text: str
    passage: str
    title: str
    answer: str


@dataclass(frozen=True, slots=True)
class Row:
    """The best sentence for one question."""

    kind: str
    """ "answerable", "beside", "silent" or "adversarial"."""
    aside: bool
    """Whether its article fits nothing."""
    cosine: float
    coverage: float
    right: bool


def main() -> None:
    """Fit, write, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=Path, metavar="DATA", help="fit the curves too, from this folder")
    parser.add_argument("--limit", type=int, default=600, help="questions of each set (default: 600)")
    parser.add_argument("--model", choices=bundled.EMBEDDERS, default=bundled.MINILM)
    parser.add_argument("--out", type=Path, help="the file that is written (default: the one in the package)")
    given = parser.parse_args()
    embedder = BundledEmbedder(given.model)
    numbers = measured(embedder).as_mapping()
    numbers |= OWN.get(given.model, {})
    if given.model == bundled.MINILM:
        numbers = reference().as_mapping() | anchors(measure(embedder, "en"), measure(embedder, "zh"))
        numbers |= {f"reference_{name}": numbers[name] for name in ("unrelated", "related", "unrelated_cjk", "related_cjk")}
    start = Calibration.of(numbers)
    for name, read, suffix in (("English", squad, ""), ("Chinese", cmrc, "_cjk")) if given.curves else ():
        rows = asked(read(given.curves), given.limit, start, given.model)
        curve, shipped = fit(rows), [getattr(start, f"{part}{suffix}") for part in PARTS]
        numbers |= {f"{part}{suffix}": round(value, 2) for part, value in zip(PARTS, curve, strict=True)}
        report(f"{name}, fitted {np.round(curve, 2).tolist()}", rows, curve)
        report(f"{name}, shipped {shipped}", rows, shipped)
    out = given.out or bundled.calibration_file(given.model)
    out.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    print(f"{out.name}: {len(fields(Calibration))} numbers")


def squad(folder: Path) -> list[Question]:
    """The questions of SQuAD 2.0 without the titles that report figures."""
    every = data.squad(folder / "squad_style")
    return [Question(one.question, one.passage, one.title, one.answer or "") for one in every if one.title not in HELD]


def cmrc(folder: Path) -> list[Question]:
    """The questions of CMRC 2018."""
    passages = {one["id"]: one for one in _lines(next((folder / "squad_style").glob("cmrc2018*_corpus.jsonl.gz")))}
    return [
        Question(one["question"], passages[one["passage"]]["text"], passages[one["passage"]]["title"], one["answers"][0])
        for one in _lines(next((folder / "squad_style").glob("cmrc2018*_qa.jsonl.gz")))
    ]


def asked(questions: Sequence[Question], limit: int, numbers: Calibration, model: str) -> list[Row]:
    """The best sentence for some of the questions, asked of a memory of this embedder with the passages of all."""
    rows, passages = [], {one.passage: one.title for one in questions}
    some = [questions[at] for at in np.random.default_rng(0).permutation(len(questions))[:limit]]
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (home / "ragbot.toml").write_text(f'embedder = "{model}"\n', encoding="utf-8")
        memory = stack.enter_context(Memory.open(home))
        memory.remember(Document(f"{at}", text, title=title) for at, (text, title) in enumerate(passages.items()))
        for one in some:
            row = Row("answerable" if one.answer else "adversarial", zlib.crc32(one.title.encode()) % 4 == 0, 0, 0, False)
            hits = memory.recall(one.text, LOOKED_AT)
            rows.append(_best(memory, one, hits, numbers, row))
            if one.answer:
                beside = [hit for hit in hits if hit.chunk.text[:SAME] not in one.passage]
                rows.append(_best(memory, one, beside, numbers, replace(row, kind="beside")))
                others = [hit for hit in hits if hit.chunk.title != one.title]
                rows.append(_best(memory, one, others, numbers, replace(row, kind="silent")))
    return rows


def _best(memory: Memory, one: Question, hits: Sequence[Hit], numbers: Calibration, row: Row) -> Row:
    vectors = TurnVectors(memory.encode_query, memory.embedder().encode, numbers)
    found = next(iter(select_sentences(one.text, hits[:PASSAGES], vectors)), None)
    if found is None or found.across:  # which is not claimed
        return row
    right = row.kind == "answerable" and bool(one.answer) and (one.answer in found.text or found.text in one.answer)
    return replace(row, cosine=found.cosine, coverage=found.coverage, right=right)


def fit(rows: Sequence[Row]) -> tuple[float, float, float]:
    """Bias, and what cosine and match of words count."""
    some = [row for row in rows if not row.aside and row.kind != "beside"]
    weight = [1.0 if row.kind == "answerable" else OTHERS for row in some]
    curve = LogisticRegression(C=100).fit([[row.cosine, row.coverage] for row in some], [row.right for row in some], weight)
    return float(curve.intercept_[0]), float(curve.coef_[0, 0]), float(curve.coef_[0, 1])


def report(name: str, rows: Sequence[Row], curve: Sequence[float]) -> None:
    """How often a question is answered at the cut, and rightly, on the articles that fitted and on those kept aside."""
    print(name)
    for where, some in (("fitted", [r for r in rows if not r.aside]), ("aside", [r for r in rows if r.aside])):
        parts = []
        for kind in ("answerable", "beside", "silent", "adversarial"):
            those = [row for row in some if row.kind == kind]
            if those:
                sure = [1 / (1 + np.exp(-(curve[0] + curve[1] * row.cosine + curve[2] * row.coverage))) for row in those]
                answered = [row for row, chance in zip(those, sure, strict=True) if chance >= CUT]
                right = f" ({np.mean([row.right for row in answered]):.2f} rightly)" if kind == "answerable" and answered else ""
                parts.append(f"{kind} {len(those)}: answered {len(answered) / len(those):.2f}{right}")
        print(f"  {where}: {'; '.join(parts)}")


def _lines(file: Path) -> list[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as text:
        return [json.loads(line) for line in text]


if __name__ == "__main__":
    main()
