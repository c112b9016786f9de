"""Retrains the upper layers of multilingual-e5-small on questions in other words than the passages that answer them.

    python -m training.embedder SETS DATA            # about 25 minutes on 2 cores with bfloat16; goes on where it was cut off
    python -m training.embedder SETS DATA --export   # the file in the package: the mean of the old weights and the new ones

SETS is the folder of public sets (one `<set>.jsonl.gz` each), DATA the one that holds squad_style. A step takes all questions of
two organisations (`training/organisations`), in both languages, over all passages and sentences of these, and PAIRS questions of
the sets with their passages: of all that lies in the step, the one that answers must be nearest (InfoNCE). The new weights are
averaged with the old ones, which keeps what the old ones know of other matters (Wortsman et al. 2022).
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ragbot.models import bundled
from ragbot.models.bundled.e5 import E5, PAD
from ragbot.models.bundled.encoder import Weights
from ragbot.models.embedder import CHECK
from ragbot.text.documents import new_chunks_of
from ragbot.text.sentences import sentences
from training import organisations, quantise
from training.cross_encoder.export import quantised_arrays, weights_of
from training.cross_encoder.network import LAYERS, CrossEncoder, body_of
from training.cross_encoder.rows import kept_apart, records

TRAINED = 8
"""How many upper layers are trained."""
MAX_TOKENS, BATCH = 192, 16
SHORT = 12
"""A sentence of at most so many characters is left out."""
PAIRS, HEAT = 16, 0.02
"""Questions of the public sets in a step, and the temperature of the softmax over cosines."""
SETS = {"drcd_rerank": 2400, "squad_as2": 1200, "medquad_rerank": 1200, "bioasq_rerank": 800, "selqa": 800, "covid_faq": 200}
RATE, WARM, EPOCHS, SEED, CHECKPOINT = 4e-5, 0.1, 6, 1, 20
NEW = 0.6
"""What the new weights count in the mean."""


@dataclass(frozen=True, slots=True)
class Group:
    """Questions, each with the numbers of the texts that answer it; the other texts do not."""

    questions: list[str]
    texts: list[str]
    right: list[set[int]]


def of_organisation(one: organisations.Organisation, level: str) -> Group:
    """The questions that are answered there, over all passages of its documents, or over all sentences under their headings."""
    texts = list[tuple[str, str, str]]()
    for document in one.documents:
        for chunk in new_chunks_of(document):
            if level == "passages":
                texts.append((document.uri, chunk.text, chunk.embedded))
            else:
                heading = chunk.heading.rpartition(" > ")[2]
                parts = [chunk.text[span.start : span.end] for span in sentences(chunk.text)]
                texts += [(document.uri, part, f"{heading}: {part}" if heading else part) for part in parts if len(part) > SHORT]
    asked = [question for question in one.questions if question.answerable]
    right = [{at for at, (uri, text, _) in enumerate(texts) if uri == q.document and _is_right(text, q.quote)} for q in asked]
    kept = [at for at, found in enumerate(right) if found]
    return Group([asked[at].text for at in kept], [text for *_, text in texts], [right[at] for at in kept])


def _is_right(text: str, quote: str) -> bool:
    return organisations.holds(text, quote) or organisations.holds(quote, text)


def pairs(sets: Path, rng: random.Random) -> list[tuple[str, str, str]]:
    """(question, passage that answers, passage that does not) of the public sets, in some order."""
    found = []
    for name, most in SETS.items():
        some = [one for one in records(sets, name) if one.get("negatives") and not kept_apart(one.get("title", "x"))]
        for one in rng.sample(some, min(most, len(some))):
            positive = one["positive"] if isinstance(one["positive"], str) else rng.choice(one["positive"])
            found.append((one["query"], positive[:1200], rng.choice(one["negatives"])[:1200]))
    rng.shuffle(found)
    return found


class Trainer:
    """Trains the network in a folder that keeps its checkpoint."""

    def __init__(self, folder: Path, start: Path | None = None) -> None:
        self.model = E5()
        self.network = CrossEncoder(body_of(self.model.weights()), TRAINED)
        if start:
            self.network.load_state_dict(torch.load(start, weights_only=True)["weights"], strict=False)
        self._file = folder / "embedder.pt"
        folder.mkdir(parents=True, exist_ok=True)

    def train(self, plan: Sequence[tuple[Group, ...]]) -> None:
        """Learn step by step; goes on from the checkpoint."""
        own = [parameter for parameter in self.network.bert.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(own, weight_decay=0.01)
        done, began, lost = self._resume(optimizer), time.perf_counter(), list[float]()
        for at in range(done, len(plan)):
            for parameters in optimizer.param_groups:
                parameters["lr"] = RATE * min((at + 1) / (WARM * len(plan)), (1 - at / len(plan)) / (1 - WARM))
            lost.append(0.0)
            for group in plan[at]:
                loss = self.loss(group)
                loss.backward()  # type: ignore[no-untyped-call]
                lost[-1] += loss.item()
            torch.nn.utils.clip_grad_norm_(own, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if (at + 1) % 5 == 0:
                left = (time.perf_counter() - began) / (at + 1 - done) * (len(plan) - at - 1) / 60
                print(f"{at + 1}/{len(plan)}  loss {np.mean(lost[-5:]):.3f}  {left:.0f} min left", flush=True)
            if (at + 1) % CHECKPOINT == 0 or at + 1 == len(plan):
                state = {"step": at + 1, "weights": self.network.trained(), "optimizer": optimizer.state_dict()}
                torch.save(state, aside := self._file.with_suffix(".new"))
                aside.replace(self._file)

    def loss(self, group: Group) -> Tensor:
        """How far the texts that answer are from being nearest, over all texts of the group."""
        both = (
            self.vectors([self.model.prefixes[0] + q for q in group.questions]),
            self.vectors([self.model.prefixes[1] + text for text in group.texts]),
        )
        likeness = (both[0] @ both[1].T) / HEAT
        right = torch.zeros_like(likeness, dtype=torch.bool)
        for at, found in enumerate(group.right):
            right[at, list(found)] = True
        answering = torch.logsumexp(likeness.masked_fill(~right, -1e4), 1)
        return (torch.logsumexp(likeness, 1) - answering).mean()

    def vectors(self, texts: Sequence[str]) -> Tensor:
        """(n, dim): the unit vectors of texts, which are cut to MAX_TOKENS."""
        ids = [one[:MAX_TOKENS] for one in self.model.tokens(texts)]
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        found = list[Tensor]()
        for begin in range(0, len(order), BATCH):
            batch = [ids[at] for at in order[begin : begin + BATCH]]
            longest = max(map(len, batch))
            padded = np.array([one + [PAD] * (longest - len(one)) for one in batch], np.int64)
            mask = torch.tensor([[1] * len(one) + [0] * (longest - len(one)) for one in batch])
            with torch.autocast("cpu", dtype=torch.bfloat16):
                words = torch.from_numpy(self.model.words(padded))
                states = self.network.bert(inputs_embeds=words, attention_mask=mask).last_hidden_state.float()
            mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            found.append(F.normalize(mean, dim=1))
        return torch.cat(found)[torch.tensor(order).argsort()]

    def averaged(self, new: float) -> Weights:
        """The mean of the old weights and the trained ones."""
        self._resume(None)
        trained, own = self.network.state_dict(), CrossEncoder(body_of(self.model.weights()), TRAINED)
        old = own.state_dict()
        own.load_state_dict({name: new * value + (1 - new) * old[name] for name, value in trained.items()})
        self.network = own
        return weights_of(self.network, self.model.weights())

    def _resume(self, optimizer: torch.optim.Optimizer | None) -> int:
        if not self._file.is_file():
            return 0
        state = torch.load(self._file, weights_only=True)
        self.network.load_state_dict(state["weights"], strict=False)
        if optimizer:
            optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])


def planned(sets: Path, epochs: int) -> Iterator[tuple[Group, ...]]:
    """The steps: passages and sentences of two organisations, and pairs of the public sets."""
    rng = random.Random(SEED)
    every, public, taken = organisations.read(), pairs(sets, rng), 0
    by_level = {level: [of_organisation(one, level) for one in every] for level in ("passages", "sentences")}
    for _ in range(epochs):
        order = rng.sample(range(len(every)), len(every))
        for first, second in zip(order[::2], order[1::2], strict=False):
            some = [public[(taken + at) % len(public)] for at in range(PAIRS)]
            taken += PAIRS
            texts = [text for _, one, other in some for text in (one, other)]
            beside = Group([q for q, *_ in some], texts, [{2 * at} for at in range(PAIRS)])
            yield (*(joined(found[first], found[second]) for found in by_level.values()), beside)


def joined(one: Group, other: Group) -> Group:
    """Both in one: what answers the questions of the one does not answer those of the other."""
    moved = [{at + len(one.texts) for at in right} for right in other.right]
    return replace(one, questions=one.questions + other.questions, texts=one.texts + other.texts, right=one.right + moved)


def export(trainer: Trainer, data: Path, new: float, out: Path) -> None:
    """Write the file of the embedder: the retrained layers in 8 bits, and what the others are rounded by."""
    weights = trainer.averaged(new)
    given = [trainer.model.words(np.array([ids], np.int64))[0] for ids in trainer.model.tokens(quantise.calibration(data))]
    made = quantise.Quantiser(weights, given, quantise.SPLIT_DOWN[bundled.E5], range(LAYERS - TRAINED, LAYERS)).run()
    trainer.network.eval()
    with torch.no_grad():
        check = trainer.vectors([trainer.model.prefixes[1] + text for text in CHECK]).numpy()
    arrays: dict[str, Any] = quantised_arrays(made, weights, range(LAYERS - TRAINED, LAYERS))
    np.savez_compressed(out, check=check, **arrays)
    print(json.dumps({"file": out.name, "MB": round(out.stat().st_size / 1e6, 1)}))


def main() -> None:
    """Train, or write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, metavar="SETS")
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--work", type=Path, default=Path(".training/embedder"), help="where the checkpoint is kept")
    parser.add_argument("--start", type=Path, help="go on from the weights of this checkpoint of an earlier training")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"rounds over all organisations (default: {EPOCHS})")
    parser.add_argument("--export", action="store_true", help="write the file instead of training")
    parser.add_argument("--new", type=float, default=NEW, help=f"what the new weights count in the mean (default: {NEW})")
    parser.add_argument("--out", type=Path, default=bundled.quantised_file(bundled.E5), help="the file that is written")
    given = parser.parse_args()
    torch.manual_seed(SEED)
    trainer = Trainer(given.work, given.start)
    if given.export:
        export(trainer, given.data, given.new, given.out)
    else:
        trainer.train(list(planned(given.sets, given.epochs)))


if __name__ == "__main__":
    main()
