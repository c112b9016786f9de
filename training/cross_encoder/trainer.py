"""Trains the cross-encoder on packed rows; cut off, it goes on from its last checkpoint."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ragbot.errors import InputError
from training.cross_encoder.network import CLAIM, COMPLETE, PASSAGE, QUESTION, TURN, CrossEncoder, loss, quick_in_16_bits
from training.cross_encoder.packed import Packed

STEP = 4096
"""Tokens of a step, with padding."""
POOL = 40
"""How many steps' rows are sorted by length together."""
CHECKPOINT, SAID = 100, 20
WARM, HEAD_RATE = 0.06, 5.0
"""The share of steps in which the learning rate rises, and how much faster the heads learn than the body."""

TAUGHT = {
    "answers": torch.tensor([QUESTION, PASSAGE, COMPLETE]),
    "span": torch.tensor([QUESTION]),
    "claim": torch.tensor([CLAIM]),
    "needed": torch.tensor([TURN]),
    "complete": torch.tensor([COMPLETE]),
}
"""The tasks whose rows teach each head."""

Say = Callable[[str], None]


class Trainer:
    """Trains the network in a folder that keeps its checkpoint."""

    def __init__(self, rows: Packed, network: CrossEncoder, folder: Path, seed: int, say: Say) -> None:
        self._rows, self.network, self._folder, self._seed, self._say = rows, network, folder, seed, say
        folder.mkdir(parents=True, exist_ok=True)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network.to(self.device)
        self._vocabulary = torch.from_numpy(rows.vocabulary).to(self.device)

    def train(self, epochs: int, rate: float, step: int = STEP, minutes: float = float("inf")) -> int:
        """Learn from all rows, `epochs` times, or for so many minutes: then the learning rate falls faster. Returns the steps.

        Raises InputError if the folder holds a checkpoint of another training.
        """
        plan = [batch for epoch in range(epochs) for batch in self._plan(epoch, step)]
        heads = list(self.network.heads.parameters())
        body = [p for p in self.network.bert.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(
            [{"params": body, "rate": rate}, {"params": heads, "rate": HEAD_RATE * rate}], weight_decay=0.01
        )
        key = f"{self._seed} {epochs} {rate} {step} {len(body)} {len(self._rows.task)} {len(self._rows.ids)}"
        done = self._resume(optimizer, key)
        self._say(f"{len(self._rows.task)} rows, {len(plan)} steps, from step {done}")
        began, losses, counts = time.perf_counter(), defaultdict[str, float](float), defaultdict[str, float](float)
        for at in range(done, len(plan)):
            share = max(at / len(plan), (time.perf_counter() - began) / 60 / minutes)
            if share >= 1:
                self._say(f"out of time after {at} of {len(plan)} steps")
                self._keep(at, optimizer, key)
                return at
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * min((at + 1) / (WARM * len(plan)), (1 - share) / (1 - WARM))
            self._learn(plan[at], losses, counts)
            nn.utils.clip_grad_norm_(body + heads, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if (at + 1) % SAID == 0:
                left = (time.perf_counter() - began) / (at + 1 - done) * (len(plan) - at - 1) / 60
                said = "  ".join(f"{name} {losses[name] / max(1, counts[name]):.3f}" for name in losses)
                self._say(f"{at + 1}/{len(plan)}  {said}  {left:.0f} min left")
                losses.clear()
                counts.clear()
            if (at + 1) % CHECKPOINT == 0 or at + 1 == len(plan):
                self._keep(at + 1, optimizer, key)
        return len(plan)

    def _plan(self, epoch: int, step: int) -> Iterator[NDArray[np.int64]]:
        """Rows by step: of about one length, together at most so many tokens."""
        rng = np.random.default_rng(self._seed + epoch)
        lengths = np.diff(self._rows.start)
        order = rng.permutation(len(lengths))
        mean, batches = int(lengths.mean()), []
        for pool in np.array_split(order, max(1, len(order) * mean // (POOL * step))):
            pool = pool[np.argsort(lengths[pool], kind="stable")]
            begin = 0
            for at in range(1, len(pool) + 1):
                if at == len(pool) or (at + 1 - begin) * lengths[pool[at]] > step:
                    batches.append(pool[begin:at])
                    begin = at
        yield from (batches[i] for i in rng.permutation(len(batches)))

    def batch(self, chosen: NDArray[np.int64]) -> dict[str, Tensor]:
        """The rows with these numbers, padded."""
        rows = self._rows
        lengths = rows.start[chosen + 1] - rows.start[chosen]
        ids, marked = (np.zeros((len(chosen), int(lengths.max())), np.int64) for _ in range(2))
        for i, row in enumerate(chosen):
            part = slice(rows.start[row], rows.start[row + 1])
            ids[i, : lengths[i]], marked[i, : lengths[i]] = rows.ids[part], rows.marked[part]
        mask = np.arange(ids.shape[1])[None] < lengths[:, None]
        arrays: dict[str, Any] = {"ids": ids, "marked": marked, "mask": mask.astype(np.int64)}
        arrays |= {name: getattr(rows, name)[chosen].astype(np.int64) for name in ("second", "task", "label")}
        return {name: torch.from_numpy(value).to(self.device) for name, value in arrays.items()}

    def said(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the heads say of a batch."""
        mixed = self.device.type == "cuda" or quick_in_16_bits()
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=mixed):
            return self.network(self._vocabulary[batch["ids"]].float(), batch["mask"])  # type: ignore[no-any-return]

    def _learn(self, chosen: NDArray[np.int64], losses: dict[str, float], counts: dict[str, float]) -> None:
        batch = self.batch(chosen)
        found = loss(self.said(batch), batch)
        sum(found.values()).div(len(chosen)).backward()  # type: ignore[union-attr]
        for name, value in found.items():
            losses[name] += float(value.detach())
            counts[name] += int(torch.isin(batch["task"], TAUGHT[name].to(self.device)).sum())

    def _resume(self, optimizer: torch.optim.Optimizer, key: str) -> int:
        file = self._folder / "checkpoint.pt"
        if not file.is_file():
            return 0
        state = torch.load(file, weights_only=True, map_location=self.device)
        if state["key"] != key:
            raise InputError(f"{file}: is of a training with other settings or data; name another folder (--work), or delete it")
        self.network.load_state_dict(state["weights"], strict=False)
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])

    def _keep(self, step: int, optimizer: torch.optim.Optimizer, key: str) -> None:
        weights = self.network.trained()
        aside = self._folder / "checkpoint.new"
        torch.save({"step": step, "key": key, "weights": weights, "optimizer": optimizer.state_dict()}, aside)
        aside.replace(self._folder / "checkpoint.pt")
