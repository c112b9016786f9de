"""Trains the reader: one network that finds an answer in a few sentences, and says whether it is there.

Built on the bundled embedder, whose word vectors it keeps; the rest is trained. Cut off, it goes on from its last checkpoint.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from ragbot.errors import InputError
from ragbot.learn.examples import Example
from ragbot.models import bundled, hub

LONGEST = 192
"""Tokens of a question and its text."""
BATCH_TOKENS = 3072
CHECKPOINT = 200
"""Steps from one checkpoint to the next."""
WARM = 0.1
"""The share of steps in which the learning rate rises."""
HIDDEN = -1e4

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Phase:
    """One pass of training over some examples, `epochs` times."""

    name: str
    examples: Sequence[Example]
    epochs: int
    rate: float


@dataclass(frozen=True, slots=True)
class Row:
    """An example in tokens. A span of (0, 0) is none; one of (-1, -1) is not known."""

    ids: list[int]
    types: list[int]
    span: tuple[int, int]
    answers: bool
    weight: float


class Network(nn.Module):
    """The embedder's layers with two heads: where an answer begins and ends, and whether there is one."""

    def __init__(self) -> None:
        super().__init__()
        with hub.quiet_transformers():
            self.body: Any = AutoModel.from_pretrained(str(bundled.embedder_folder()), add_pooling_layer=False)
        dim = self.body.config.hidden_size
        self.span, self.answers = nn.Linear(dim, 2), nn.Linear(dim, 1)
        for name in ("word_embeddings", "position_embeddings"):
            getattr(self.body.embeddings, name).weight.requires_grad_(False)

    def forward(self, ids: Tensor, types: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, tokens) each → where it begins and ends (n, tokens), and whether it is there (n,), as logits."""
        states = self.body(input_ids=ids, token_type_ids=types, attention_mask=mask).last_hidden_state.float()
        ends, seen = self.span(states), (types == 1) & mask.bool()
        seen[:, 0] = True  # the first token stands for "not here"
        begin, end = (ends[..., at].masked_fill(~seen, HIDDEN) for at in (0, 1))
        return begin, end, self.answers(states[:, 0])[:, 0]


class Trainer:
    """Trains a network in phases, in a folder that keeps its checkpoints; from a reader of before, if one is given."""

    def __init__(self, folder: Path, seed: int, say: Say, start: Path | None = None) -> None:
        self._folder, self._seed, self._say = folder, seed, say
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = Network().to(self.device)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(str(bundled.embedder_folder()))
        if start:
            self.network.load_state_dict(imported(start), strict=False)
        self._quick = self.device.type == "cuda" or _has_bfloat16()

    def train(self, phases: Sequence[Phase]) -> None:
        """Each phase in turn, those that a checkpoint has behind it left out."""
        file = self._folder / "checkpoint.pt"
        state: dict[str, Any] = torch.load(file, weights_only=True) if file.is_file() else {"phase": 0, "step": 0}
        if "network" in state:
            self.network.load_state_dict(state["network"])
            self._say(
                f"going on at step {state['step']} of {phases[state['phase']].name}" if state["phase"] < len(phases) else "done"
            )
        for number, phase in enumerate(phases):
            if number >= state["phase"]:
                here = number == state["phase"] and "optimizer" in state
                self._phase(number, phase, state["step"] if here else 0, state["optimizer"] if here else None)

    def _phase(self, number: int, phase: Phase, done: int, optimizer_state: Any) -> None:  # noqa: ANN401 (torch's own)
        rows = [row for example in phase.examples if (row := self.row(example))]
        rng = random.Random(self._seed + number)
        plan = [batch for _ in range(phase.epochs) for batch in batches(rows, BATCH_TOKENS, rng)]
        trained = [p for p in self.network.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=phase.rate, weight_decay=0.01)
        if optimizer_state:
            optimizer.load_state_dict(optimizer_state)
        self._say(f"{phase.name}: {len(rows)} examples, {len(plan)} steps")
        self.network.train()
        start, losses = time.perf_counter(), list[float]()
        for step in range(done, len(plan)):
            for group in optimizer.param_groups:
                group["lr"] = phase.rate * min((step + 1) / (WARM * len(plan)), (len(plan) - step) / ((1 - WARM) * len(plan)))
            loss = self._loss([rows[at] for at in plan[step]])
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            if (step + 1) % CHECKPOINT == 0:
                took = (time.perf_counter() - start) / (step + 1 - done)
                self._say(
                    f"  {step + 1}/{len(plan)}  loss {np.mean(losses):.3f}  {took * (len(plan) - step - 1) / 60:.0f} min left"
                )
                losses.clear()
                self._keep(number, step + 1, optimizer)
        self._keep(number + 1, 0, None)

    def _keep(self, phase: int, step: int, optimizer: torch.optim.Optimizer | None) -> None:
        state: dict[str, Any] = {"phase": phase, "step": step, "network": self.network.state_dict()}
        if optimizer:
            state["optimizer"] = optimizer.state_dict()
        aside = self._folder / "checkpoint.new"
        torch.save(state, aside)
        aside.replace(self._folder / "checkpoint.pt")

    def row(self, example: Example) -> Row | None:
        """An example in tokens; None if its answer is cut off."""
        made = self.tokenizer(
            example.question, example.text, truncation="longest_first", max_length=LONGEST, return_offsets_mapping=True
        )
        span = (0, 0)
        if example.answers and example.span is None:
            span = (-1, -1)
        elif example.span:
            inside = [
                at
                for at, ((begin, end), kind) in enumerate(zip(made["offset_mapping"], made["token_type_ids"], strict=True))
                if kind == 1 and begin < example.span.end and end > example.span.start and end > begin
            ]
            if not inside or made["offset_mapping"][inside[-1]][1] < example.span.end:
                return None
            span = (inside[0], inside[-1])
        return Row(made["input_ids"], made["token_type_ids"], span, example.answers, example.weight)

    def _loss(self, rows: Sequence[Row]) -> Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._quick):
            begin, end, answers = self.network(*self.tensors(rows))
        begins, ends = (torch.tensor([row.span[at] for row in rows], device=self.device) for at in (0, 1))
        due = torch.tensor([float(row.answers) for row in rows], device=self.device)
        weight = torch.tensor([row.weight for row in rows], device=self.device)
        where = nn.functional.cross_entropy(begin.float(), begins, reduction="none", ignore_index=-1)
        where = (where + nn.functional.cross_entropy(end.float(), ends, reduction="none", ignore_index=-1)) / 2
        whether = nn.functional.binary_cross_entropy_with_logits(answers.float(), due, reduction="none")
        return ((where + whether) * weight).mean()

    def tensors(self, rows: Sequence[Row]) -> tuple[Tensor, Tensor, Tensor]:
        """Ids, types and mask, (rows, tokens) each."""
        longest = max(len(row.ids) for row in rows)
        found = torch.zeros(3, len(rows), longest, dtype=torch.long)
        for at, row in enumerate(rows):
            n = len(row.ids)
            found[0, at, :n], found[1, at, :n], found[2, at, :n] = torch.tensor(row.ids), torch.tensor(row.types), 1
        ids, types, mask = found.to(self.device)
        return ids, types, mask


def batches(rows: Sequence[Row], tokens: int, rng: random.Random, pool: int = 2000) -> list[list[int]]:
    """Places of rows in batches of like length, in an order by chance."""
    order, made = list(range(len(rows))), list[list[int]]()
    rng.shuffle(order)
    for first in range(0, len(order), pool):
        batch = list[int]()
        for at in sorted(order[first : first + pool], key=lambda at: len(rows[at].ids)):
            if batch and len(rows[at].ids) * (len(batch) + 1) > tokens:
                made.append(batch)
                batch = []
            batch.append(at)
        made += [batch] if batch else []
    rng.shuffle(made)
    return made


def _has_bfloat16() -> bool:
    """Whether the processor computes bfloat16 itself."""
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False


def exported(network: Network) -> dict[str, np.typing.NDArray[Any]]:
    """What is kept of a trained network: linear layers in 8 bits with a scale for each row, all else in half precision."""
    kept = dict[str, np.typing.NDArray[Any]]()
    for name, value in network.state_dict().items():
        if "word_embeddings" in name or "position" in name:
            continue  # those of the embedder
        array = value.float().cpu().numpy()
        if array.ndim == 2 and "encoder" in name:
            scale = np.maximum(np.abs(array).max(axis=1), 1e-8) / 127
            kept[name] = np.round(array / scale[:, None]).astype(np.int8)
            kept[f"{name}.scale"] = scale.astype(np.float32)
        else:
            kept[name] = array.astype(np.float16)
    return kept


def imported(file: Path) -> dict[str, Tensor]:
    """What `exported` kept, as weights of a network; the word and position vectors are not among them. Raises InputError."""
    try:
        with np.load(file) as stored:
            kept = {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as cause:
        raise InputError(f"{file}: is no reader that was trained before ({cause})") from cause
    if "answers.weight" not in kept:
        raise InputError(f"{file}: is no reader that was trained before (it has no answers.weight)")
    return {
        name: torch.tensor(value.astype(np.float32) * (kept[f"{name}.scale"][:, None] if f"{name}.scale" in kept else 1))
        for name, value in kept.items()
        if not name.endswith(".scale")
    }
