"""Fits the curve that says how likely something that a person told answers a question (`told` in the answerability model's file).

    python -m training.told [FILE…] [--json]        # some two minutes

The questions at the end of conversations (`training/conversations`), over the sentences that are held then: right is the one
that holds what an answer must.
First how likely each sentence answers, by its cosine, the match of words and the cross-encoder's logit; then how likely the
best one does. The bias is set so that at the threshold of the personas most questions are answered, or refused, as is right.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from ragbot.answer.answer_span import as_read
from ragbot.answer.context import TurnVectors
from ragbot.answer.quote import select_sentences
from ragbot.models import bundled
from ragbot.models.answerability import FOLDER, TOLD
from ragbot.models.cross_encoder import CrossEncoder
from ragbot.models.embedder import BundledEmbedder
from ragbot.search.calibration import calibration_of
from ragbot.types import Chunk, Hit
from training.conversations import HERE, Conversation, Probe, load

FILES = ("a", "b", "fitted-a")
THRESHOLD = 0.55
"""`refuse_below` of the personas."""
WRONG = 0.5
"""What a wrong answer counts against a right one."""
Floats = NDArray[np.float64]
Asked = tuple[Floats, NDArray[np.bool_], bool]
"""Signs (sentences, 3) of each sentence, which of them are right, and whether an answer is due."""


def hits(one: Conversation) -> list[Hit]:
    """What is held at the end of a conversation, as it would be found."""
    about, held = one.about(), one.states()[-1]
    now = datetime.now(UTC)
    return [
        Hit(Chunk(at, f"turn:{at}", 0, text, 0, len(text), None, "", one.id, now, now, "turn", heading=about[text]), 0.0)
        for at, text in enumerate(held, 1)
    ]


def answers(probe: Probe, text: str) -> bool:
    """Whether a sentence holds what an answer must."""
    return bool(probe.says) and all(any(said.lower() in text.lower() for said in group) for group in probe.says)


def asked(conversations: Sequence[Conversation]) -> Iterator[Asked]:
    """Each question over what is held."""
    embedder, reader = BundledEmbedder(bundled.E5), CrossEncoder()
    calibration = calibration_of(embedder)
    for one in conversations:
        found = hits(one)
        for probe in one.probes if found else ():
            vectors = TurnVectors(embedder.encode_query, embedder.encode, calibration)
            evidence = select_sentences(probe.question, found, vectors)
            passages = [as_read([e]) for e in evidence]
            read = reader.read(probe.question, [(one.title, one.sentences) for one in passages])
            signs = [(p.cosine, p.coverage, r.answers) for p, r in zip(passages, read, strict=True)]
            right = [answers(probe, e.text) for e in evidence]
            if signs:
                yield np.array(signs), np.array(right), bool(probe.says)


def fit(rows: Sequence[Asked]) -> tuple[list[float], dict[str, float]]:
    """The curve, and what it makes of the questions that fitted it."""
    each = LogisticRegression(C=10, max_iter=5000).fit(
        np.concatenate([signs for signs, _, _ in rows]), np.concatenate([right for _, right, _ in rows])
    )
    said = [each.decision_function(signs) for signs, _, _ in rows]
    best = np.array([one.max() for one in said])
    right = np.array([row[1][one.argmax()] for row, one in zip(rows, said, strict=True)])
    due = np.array([row[2] for row in rows])
    whole = LogisticRegression(C=10).fit(best[:, None], right)
    slope = float(whole.coef_[0, 0])

    def well(cut: float) -> float:
        return float(((best >= cut) & right).sum() + ((best < cut) & ~due).sum() - WRONG * ((best >= cut) & ~right).sum())

    cut = max(np.quantile(best, np.linspace(0.02, 0.6, 59)), key=well)
    bias = math.log(THRESHOLD / (1 - THRESHOLD)) - slope * (cut - float(each.intercept_[0]))
    curve = [bias, *(slope * each.coef_[0])]
    shares = {
        "questions": len(rows),
        "answered rightly of those that are answered there": float(((best >= cut) & right)[due].mean()),
        "answered wrongly of them": float(((best >= cut) & ~right)[due].mean()),
        "refused of the others": float((best < cut)[~due].mean()),
    }
    return [round(float(one), 3) for one in curve], {name: round(value, 3) for name, value in shares.items()}


def main() -> None:
    """Fit, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=[HERE / f"{name}.jsonl" for name in FILES])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    curve, shares = fit(list(asked(load(given.files))))
    file = FOLDER / "calibration.json"
    numbers: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(numbers | {TOLD: curve}) + "\n", encoding="utf-8")
    print(json.dumps({TOLD: curve, **shares}, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
