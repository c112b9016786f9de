"""Trains the model of what a message is, on messages that were written for this, and says how well it does on those kept apart.

    python -m training.intent [--out FILE] [--show] [--json]        # two minutes on 2 cores

`training/intents/*.jsonl`: messages as people type them, in English and Chinese, each with its intent, questions with the form of
answer that they want. The files `held*.jsonl`, of other writers and settings, train nothing. `training/conversations`: sentences
that become memory are statements, or corrections; messages that keep nothing are what their kind says (KEEPS_NOTHING).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from ragbot.answer.intent_model import BUCKETS, FILE, IntentModel, counts, features
from ragbot.models import bundled
from ragbot.models.embedder import BundledEmbedder
from training import conversations

MESSAGES = Path(__file__).parent / "intents"
STRENGTH = 2.0
"""The inverse of the regularisation."""
ROUNDS = 600

Labelled = dict[str, str]


KEEPS_NOTHING = {
    **dict.fromkeys(("hypothesis", "work", "order", "quotation", "off the record", "complaint"), "aside"),
    **dict.fromkeys(("forget", "forget that", "forget all"), "forget"),
    "takes back": "takes_back",
    "thanks": "thanks",
    "chatter": "chatter",
    "question": "question",
}
"""Kinds of messages in conversations, and the intents that they have if they keep nothing."""


def told(held: bool) -> list[Labelled]:
    """The messages of conversations and the sentences that they keep."""
    files = [file for file in sorted(conversations.HERE.glob("*.jsonl")) if file.stem.startswith("fitted") is held]
    rows = list[Labelled]()
    for one in conversations.load(files):
        for said in one.messages:
            kept = "correction" if said.kind == "correction" else "statement"
            texts = [(text, kept) for text in said.keeps]
            if not said.keeps and said.kind in KEEPS_NOTHING:
                texts = [(said.text, KEEPS_NOTHING[said.kind])]
            rows += [{"text": text, "language": one.language, "intent": intent} for text, intent in texts]
    return rows


def read(held: bool) -> list[Labelled]:
    """The messages that report, or those that train."""
    files = [file for file in sorted(MESSAGES.glob("*.jsonl")) if file.stem.startswith("held") is held]
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def train(rows: Sequence[Labelled], vectors: np.ndarray[Any, Any], embedder: str, out: Path) -> None:
    """Fit both softmaxes, and write them in 8 bits."""
    texts = [row["text"] for row in rows]
    holding = sum((counts(text) > 0).astype(np.int64) for text in texts)
    idf = (np.log((1 + len(texts)) / (1 + holding)) + 1).astype(np.float16)
    mean = vectors.mean(0).astype(np.float16)
    given = features(texts, vectors, idf.astype(np.float32), mean.astype(np.float32))
    asked = [at for at, row in enumerate(rows) if "form" in row]
    kind = LogisticRegression(C=STRENGTH, max_iter=ROUNDS).fit(given, [row["intent"] for row in rows])
    form = LogisticRegression(C=STRENGTH, max_iter=ROUNDS).fit(given[asked], [rows[at]["form"] for at in asked])
    weights = np.concatenate([kind.coef_, form.coef_]).T
    parts = (slice(0, BUCKETS), slice(BUCKETS, None))
    scale = np.zeros(weights.shape, np.float32)
    for part in parts:  # the buckets' weights are smaller than the others
        scale[part] = np.abs(weights[part]).max(0) / 127
    codes = np.round(weights / scale).astype(np.int8)
    np.savez_compressed(
        out,
        embedder=embedder,
        kinds=kind.classes_.astype(str),
        forms=form.classes_.astype(str),
        idf=idf,
        mean=mean,
        codes=codes,
        scale=np.stack([scale[0], scale[-1]]),
        bias=np.concatenate([kind.intercept_, form.intercept_]).astype(np.float32),
    )


def report(rows: Sequence[Labelled], vectors: np.ndarray[Any, Any], model: IntentModel, show: bool) -> dict[str, Any]:
    """What the model makes of messages kept apart."""
    said = model.read([row["text"] for row in rows], vectors)
    right = np.array([row["intent"] == one.kind for row, one in zip(rows, said, strict=True)])
    result: dict[str, Any] = {"messages": len(rows), "intent": _share(right)}
    for language in ("en", "zh"):
        result[f"intent, {language}"] = _share(right[[row["language"] == language for row in rows]])
    for kind in model.kinds:
        due = np.array([row["intent"] == kind for row in rows])
        result[kind] = {"messages": int(due.sum()), "right": _share(right[due])}
    asked = [(row, one) for row, one in zip(rows, said, strict=True) if "form" in row]
    result["form of a question"] = _share([row["form"] == one.form for row, one in asked])
    if show:
        for row, one in zip(rows, said, strict=True):
            if row["intent"] != one.kind:
                print(f"{row['intent']} → {one.kind} {one.chance:.2f}: {row['text']}", file=sys.stderr)
    return result


def _share(some: Any) -> float:  # noqa: ANN401
    return round(float(np.mean(some)), 3)


def main() -> None:
    """Train, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FILE, help="the file that is written (default: the one in the package)")
    parser.add_argument("--show", action="store_true", help="what was taken for something else, on standard error")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    embedder = BundledEmbedder(bundled.E5)
    rows, held = ([*read(kept_apart), *told(kept_apart)] for kept_apart in (False, True))
    vectors, others = (np.array([embedder.encode_query(row["text"]) for row in some], np.float32) for some in (rows, held))
    train(rows, vectors, f"{embedder.model}@{embedder.revision}", given.out)
    result = report(held, others, IntentModel(given.out), given.show)
    print(json.dumps(result, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
