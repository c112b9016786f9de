"""Trains the model that says whether a later message ends an earlier one, and reports how well it does on those kept apart.

    python -m training.supersession train [--epochs 4] [--layers 3]     # 10 minutes on 2 cores
    python -m training.supersession fit                                  # the thresholds alone
    python -m training.supersession report FILE…                         # conversations that trained nothing

`training/conversations`: pairs that were written for this, and the pairs that conversations hold (each message with what stood
before it). The last layers of the cross-encoder are trained, on what the layers below them say, which is computed once. The
files `fitted-*` fit the threshold.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ragbot.models import bundled
from ragbot.models.bundled.e5 import E5, END, PAD, START
from ragbot.models.bundled.encoder import Weights, retrained
from ragbot.models.cross_encoder import WEIGHTS as BODY
from ragbot.models.supersession import EARLIER, JUST_NOW, LATER, MAX_EARLIER, MAX_LATER, WEIGHTS, SupersessionModel
from training.conversations import HERE, load
from training.cross_encoder.export import quantised_arrays, weights_of
from training.cross_encoder.network import LAYERS, CrossEncoder, body_of, quick_in_16_bits
from training.quantise import SPLIT_DOWN, Quantiser

STEP, POOL = 4096, 600
"""Tokens of a step, with padding, and rows that are sorted by length together."""
WARM, HEAD_RATE = 0.06, 5.0
FOCUS = {"correction": 0.7, "takes back": 0.6}
"""How often the earlier one of a written pair counts as the last matter, by kind."""
FOCUS_ELSE = 0.3
ROW = 0.5
"""What the loss of a row counts beside that of its message."""
TEXTS = 280
"""Rows that the ranges of the channels come from."""


@dataclass(frozen=True, slots=True)
class Row:
    """A message, and an earlier one that it ends or not."""

    later: str
    earlier: str
    last: bool
    ends: bool
    language: str
    kind: str
    message: int
    """Rows of one message have the same number."""


def written(files: Iterable[Path], rng: random.Random) -> list[Row]:
    """The pairs of files."""
    found = list[Row]()
    for line in (line for file in sorted(files) for line in file.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        last = rng.random() < FOCUS.get(row["kind"], FOCUS_ELSE)
        found.append(Row(row["after"], row["before"], last, bool(row["ends"]), row["language"], row["kind"], len(found)))
    return found


def told(files: Iterable[Path]) -> list[Row]:
    """The pairs of conversations: each message that keeps or ends something, and each sentence that is held before it."""
    found, number = list[Row](), 0
    for one in load(sorted(files)):
        held, last, about = list[str](), list[str](), one.about()
        for said in one.messages:
            number -= 1
            if said.keeps or said.ends:
                found += [
                    Row(said.text, named(text, about), text in last, text in said.ends, one.language, said.kind, number)
                    for text in held
                ]
            held = [text for text in held if text not in said.ends] + list(said.keeps)
            last = list(said.keeps) or (last if said.kind == "question" else [])
    return found


def named(text: str, about: dict[str, str]) -> str:
    """A sentence with what it is about, where it does not say so itself."""
    return f"{about[text]}: {text}" if about.get(text) else text


class Trainer:
    """The last layers of the cross-encoder and a head, over what the layers below say of each row."""

    def __init__(self, layers: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.rng, self.layers, self.e5 = random.Random(seed), layers, E5()
        with np.load(BODY) as stored:
            self.body: Weights = retrained(stored, self.e5.weights())[0]
        self.network = CrossEncoder(body_of(self.body), layers)
        self.head = nn.Linear(self.body.shape.dim, 1)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def tokens(self, row: Row) -> list[int]:
        """A row as the model reads it."""
        first = self.e5.located(LATER + row.later)[0][:MAX_LATER]
        second = self.e5.located((JUST_NOW if row.last else EARLIER) + row.earlier)[0][:MAX_EARLIER]
        return [START, *first, END, END, *second, END]

    def below(self, rows: Sequence[Row]) -> list[Tensor]:
        """What the layers that are not trained say of each row, (tokens, dim) in 16 bits."""
        tokens = [self.tokens(row) for row in rows]
        found: list[Any] = [None] * len(rows)
        kept = self.network.bert.encoder.layer
        self.network.bert.encoder.layer = kept[: LAYERS - self.layers]
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=quick_in_16_bits()):
            for some in _batches([len(one) for one in tokens]):
                longest = max(len(tokens[at]) for at in some)
                ids, mask = np.full((len(some), longest), PAD, np.int64), np.zeros((len(some), longest), np.int64)
                for place, at in enumerate(some):
                    ids[place, : len(tokens[at])], mask[place, : len(tokens[at])] = tokens[at], 1
                words, seen = torch.from_numpy(self.e5.words(ids)), torch.from_numpy(mask)
                said = self.network.bert(inputs_embeds=words, attention_mask=seen).last_hidden_state
                for place, at in enumerate(some):
                    found[at] = said[place, : len(tokens[at])].half()
        self.network.bert.encoder.layer = kept
        return found

    def logits(self, states: Sequence[Tensor]) -> Tensor:
        """What the trained layers and the head make of rows, (rows,)."""
        longest = max(len(one) for one in states)
        x = torch.zeros(len(states), longest, self.body.shape.dim)
        hidden = torch.full((len(states), 1, 1, longest), -1e4)
        for at, one in enumerate(states):
            x[at, : len(one)], hidden[at, ..., : len(one)] = one.float(), 0.0
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=quick_in_16_bits()):
            for layer in self.network.bert.encoder.layer[LAYERS - self.layers :]:
                x = layer(x, attention_mask=hidden)
                x = x[0] if isinstance(x, tuple) else x
            found: Tensor = self.head(x[:, 0])[:, 0].float()
        return found

    def train(self, rows: Sequence[Row], epochs: int, rate: float) -> None:
        """Learn from all rows, so many times."""
        states, due = self.below(rows), torch.tensor([float(row.ends) for row in rows])
        lengths = [len(one) for one in states]
        plan = [some for _ in range(epochs) for some in _batches(lengths, self.rng, [row.message for row in rows])]
        own = [one for one in self.network.bert.parameters() if one.requires_grad]
        groups = [{"params": own, "rate": rate}, {"params": list(self.head.parameters()), "rate": HEAD_RATE * rate}]
        optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
        began, losses = time.perf_counter(), list[float]()
        for at, some in enumerate(plan):
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * min((at + 1) / (WARM * len(plan)), (1 - at / len(plan)) / (1 - WARM))
            loss = _loss(self.logits([states[n] for n in some]), due[some], [rows[n].message for n in some])
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(own, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(loss.detach()))
            if (at + 1) % 20 == 0 or at + 1 == len(plan):
                left = (time.perf_counter() - began) / (at + 1) * (len(plan) - at - 1)
                print(f"{at + 1}/{len(plan)}  loss {np.mean(losses[-20:]):.3f}  {left:.0f} s left", file=sys.stderr, flush=True)

    def export(self, rows: Sequence[Row], file: Path) -> None:
        """Write the trained layers in 8 bits and the head; the thresholds are fitted on what is written."""
        weights, own = weights_of(self.network, self.body), range(LAYERS - self.layers, LAYERS)
        words = [self.e5.words(np.array([self.tokens(row)], np.int64))[0] for row in self.rng.sample(list(rows), TEXTS)]
        with torch.no_grad():
            made = Quantiser(weights, words, SPLIT_DOWN[bundled.E5], own).run()
        head = {f"heads.{part}": getattr(self.head, part).detach().numpy() for part in ("weight", "bias")}
        np.savez_compressed(file, **quantised_arrays(made, weights, own), **head, thresholds=np.zeros(2, np.float32))


def _batches(lengths: Sequence[int], rng: random.Random | None = None, together: Sequence[int] = ()) -> Iterator[list[int]]:
    """Rows by step, of about one length, those with one number `together` in one step; shuffled with `rng`."""
    groups = defaultdict[int, list[int]](list)
    for at in range(len(lengths)):
        groups[together[at] if together else at].append(at)
    order, found = list(groups.values()), list[list[int]]()
    if rng:
        rng.shuffle(order)
    for begin in range(0, len(order), POOL):
        batch = list[int]()
        for group in sorted(order[begin : begin + POOL], key=lambda group: max(lengths[at] for at in group)):
            if batch and (len(batch) + len(group)) * max(lengths[at] for at in group) > STEP:
                found.append(batch)
                batch = []
            batch += group
        found.append(batch)
    if rng:
        rng.shuffle(found)
    yield from found


def _loss(said: Tensor, due: Tensor, messages: Sequence[int]) -> Tensor:
    """Of each row, whether it ends; and of each message, which of its rows does, or none."""
    total = ROW * nn.functional.binary_cross_entropy_with_logits(said, due, reduction="sum")
    numbers = torch.tensor(messages)
    for number in dict.fromkeys(messages):
        own, ends = said[numbers == number], due[numbers == number] > 0
        none = torch.zeros(1)
        right = own[ends] if ends.any() else none
        total = total + torch.logsumexp(torch.cat([own, none]), 0) - torch.logsumexp(right, 0)
    return total / len(set(messages))


def best_thresholds(rows: Sequence[Row], said: NDArray[np.float64]) -> tuple[float, float]:
    """From which logit the likeliest fact of a message is ended, and further ones: so most messages end just what they do."""
    groups = defaultdict[int, list[int]](list)
    for at, row in enumerate(rows):
        groups[row.message].append(at)
    messages = [(said[some], np.array([rows[at].ends for at in some])) for some in groups.values()]

    def right(pair: tuple[float, float]) -> int:
        return sum(bool((_ended(logits, *pair) == due).all()) for logits, due in messages)

    grid = [(round(first, 2), round(more, 2)) for first in np.arange(-2, 2.1, 0.25) for more in np.arange(1, 7.1, 0.5)]
    return max(grid, key=right)


def _ended(said: NDArray[np.float64], first: float, more: float) -> NDArray[np.bool_]:
    """Which facts of one message are ended."""
    ended: NDArray[np.bool_] = (said >= more) | ((said == said.max()) & (said >= first))
    return ended


def report(rows: Sequence[Row], said: NDArray[np.float64], thresholds: tuple[float, float]) -> dict[str, Any]:
    """How many ends are found, and how much of what is found is one; by language, and by kind of message."""
    due, found = np.array([row.ends for row in rows]), np.zeros(len(rows), np.bool_)
    numbers = np.array([row.message for row in rows])
    for number in np.unique(numbers):
        found[numbers == number] = _ended(said[numbers == number], *thresholds)

    def of(these: NDArray[np.bool_]) -> dict[str, Any]:
        a, b = due & these, found & these
        both = int((a & b).sum())
        return {
            "pairs": int(these.sum()),
            "ends": int(a.sum()),
            "found": round(both / max(1, a.sum()), 3),
            "of what is found": round(both / max(1, b.sum()), 3),
            "ended though they stand": round(float((b & ~a).sum() / max(1, (these & ~due).sum())), 4),
        }

    result: dict[str, Any] = {"all": of(np.ones(len(rows), np.bool_))}
    for language in ("en", "zh"):
        result[language] = of(np.array([row.language == language for row in rows]))
    for kind in sorted({row.kind for row in rows}):
        result[kind] = of(np.array([row.kind == kind for row in rows]))
    return result


def main() -> None:
    """Train, or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train on the written conversations, and write the file in the package")
    train.add_argument("--epochs", type=int, default=4)
    train.add_argument("--layers", type=int, default=4, help="how many layers are trained (default: %(default)s)")
    train.add_argument("--rate", type=float, default=1.5e-4)
    train.add_argument("--seed", type=int, default=1)
    train.add_argument("--out", type=Path, default=WEIGHTS, help="the file that is written (default: the one in the package)")
    commands.add_parser("fit", help="fit the thresholds of the file in the package")
    tell = commands.add_parser("report", help="what the model in the package makes of conversations")
    tell.add_argument("files", nargs="+", type=Path)
    given = parser.parse_args()
    conversations = sorted(HERE.glob("*.jsonl"))
    fitted = told(file for file in conversations if file.stem.startswith("fitted"))
    if given.command == "report":
        model, rows = SupersessionModel(), told(given.files)
        print(json.dumps(report(rows, _read(model, rows), model.thresholds), indent=1))
        return
    file = given.out if given.command == "train" else WEIGHTS
    if given.command == "train":
        trainer = Trainer(given.layers, given.seed)
        rows = written((HERE / "pairs").glob("*.jsonl"), trainer.rng)
        rows += told(file for file in conversations if not file.stem.startswith("fitted"))
        trainer.train(rows, given.epochs, given.rate)
        trainer.export(rows, file)
    said = _read(SupersessionModel(file), fitted)
    thresholds = best_thresholds(fitted, said)
    with np.load(file) as stored:
        arrays = dict(stored)
    np.savez_compressed(file, **(arrays | {"thresholds": np.array(thresholds, np.float32)}))
    print(json.dumps({"thresholds": thresholds, **report(fitted, said, thresholds)}, indent=1))


def _read(model: SupersessionModel, rows: Sequence[Row]) -> NDArray[np.float64]:
    return np.array([model.ends(row.later, [(row.earlier, row.last)])[0] for row in rows])


if __name__ == "__main__":
    main()
