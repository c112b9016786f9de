"""Trains the reader: low-rank weights (LoRA, Hu and others 2021) beside those of the bundled generator.

A passage is read once for all that is asked about it: each question sees the passage and itself, not the other questions.
Cut off, training goes on from its last checkpoint.
"""

from __future__ import annotations

import hashlib
import random
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ragbot.errors import InputError
from ragbot.models import bundled, hub
from ragbot.models.answerability import NO, YES, asking, passage
from training.answerability.examples import Group, ReaderQuestion, groups

BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
WEIGHTS = "adapter_model.safetensors"
RANK = 16
LONGEST, LONGEST_QUESTION = 400, 80
"""Tokens of a passage and of a question."""
STEP = 3
"""Passages of a step."""
CHECKPOINT = 20
"""Steps from one checkpoint to the next."""
WARM = 0.08
"""The share of steps in which the learning rate rises."""
WORDS = 0.5
"""What the words of an answer count beside whether there is one."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Packed:
    """A group in tokens, one sequence of n."""

    ids: Tensor
    """(1, n)"""
    places: Tensor
    """(1, n): every question is read as if it stood right behind the passage."""
    seen: Tensor
    """(1, 1, n, n): which tokens a token sees."""
    due: Tensor
    """(n,): what is to be written there, -100 where nothing is."""
    weight: Tensor
    """(n,)"""
    first: list[int]
    """For each row, the place after which "yes" or "no" is written."""


class Trainer:
    """Trains the low-rank weights in a folder that keeps checkpoints; from a reader of before, if one is given."""

    def __init__(self, folder: Path, seed: int, say: Say, start: Path | None = None) -> None:
        self._folder, self._seed, self._say, self._start = folder, seed, say, start
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.tokenizer, self.network = _opened(start, self.device)
        self._inner: Any = self.network.base_model.model
        self._quick = self.device.type == "cuda" or _has_bfloat16()
        self._yes, self._no = (self.ids(text)[0] for text in (YES, NO))

    def ids(self, text: str) -> list[int]:
        """A text in tokens."""
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def train(self, asked: Sequence[ReaderQuestion], epochs: int, rate: float, beside: int = 1) -> None:
        """Learn from all that is asked, `epochs` times, each time with other questions beside it.

        Raises InputError if the folder holds a checkpoint of another training.
        """
        plan = list(self._plan(asked, epochs, beside))
        trained = [p for p in self.network.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.01)
        key = self._key(asked, epochs, rate, beside)
        done = self._resume(optimizer, key)
        steps = len(plan) // STEP
        self._say(f"going on at step {done} of {steps}" if done else f"{len(plan) // epochs} passages, {steps} steps")
        self.network.train()
        start, losses = time.perf_counter(), list[float]()
        for step in range(done, steps):
            for group in optimizer.param_groups:
                group["lr"] = rate * min((step + 1) / (WARM * steps), (steps - step) / ((1 - WARM) * steps))
            losses += [self._learn(self.packed(one)) for one in plan[step * STEP : (step + 1) * STEP]]
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if (step + 1) % CHECKPOINT == 0 or step + 1 == steps:
                left = (time.perf_counter() - start) / (step + 1 - done) * (steps - step - 1) / 60
                self._say(f"  {step + 1}/{steps}  loss of yes or no {np.mean(losses):.3f}  {left:.0f} min left")
                losses.clear()
                self._keep(step + 1, optimizer, key)
        self.network.eval()

    def _plan(self, asked: Sequence[ReaderQuestion], epochs: int, beside: int) -> Iterator[Group]:
        for epoch in range(epochs):
            rng = random.Random(self._seed + epoch)
            found = groups(asked, rng, beside)
            rng.shuffle(found)
            yield from found[: len(found) // STEP * STEP or STEP]

    def _learn(self, one: Packed) -> float:
        """Adds a group's gradients; returns its mean loss over "yes" or "no"."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._quick):
            states = self._states(one)
            at = (one.due != -100).nonzero()[:, 0]
            loss = nn.functional.cross_entropy(self._inner.lm_head(states[at - 1]).float(), one.due[at], reduction="none")
        (loss * one.weight[at]).sum().div(10 * STEP).backward()  # type: ignore[no-untyped-call]
        return float(loss.detach()[torch.isin(at, torch.tensor(one.first, device=self.device) + 1)].mean())

    def _states(self, one: Packed) -> Tensor:
        hidden = torch.zeros(one.seen.shape, device=self.device).masked_fill(~one.seen, torch.finfo(torch.float32).min)
        model = self._inner.model
        found = model(input_ids=one.ids, position_ids=one.places, attention_mask=hidden, use_cache=False)
        states: Tensor = found.last_hidden_state[0]
        return states

    def logits(self, group: Group) -> list[float]:
        """How much more likely "yes" is than "no", for each row."""
        one = self.packed(group)
        with torch.no_grad():
            found = self._inner.lm_head(self._states(one)[one.first])
        return [float(row[self._yes] - row[self._no]) for row in found]

    def auc(self, asked: Sequence[ReaderQuestion]) -> float | None:
        """How often a question that its passage answers is the surer of two, the other not answered; None without either."""
        scored = [
            (row.answer is not None, logit)
            for one in groups(asked, random.Random(self._seed), 0)
            for row, logit in zip(one.rows, self.logits(one), strict=True)
        ]
        due, other = (np.array([logit for answered, logit in scored if answered is wanted]) for wanted in (True, False))
        return round(float((due[:, None] > other[None, :]).mean()), 3) if due.size and other.size else None

    def packed(self, group: Group) -> Packed:
        """A group in tokens."""
        ids = self.ids(passage(group.title, group.passage))[:LONGEST]
        n = len(ids)
        places, owner, due, weight, first = list(range(n)), [0] * n, [-100] * n, [0.0] * n, list[int]()
        for number, row in enumerate(group.rows, 1):
            asks = self.ids(asking(row.question, row.claim))[-LONGEST_QUESTION:]
            reply = self.ids(NO if row.answer is None else YES + (f" {row.answer}" if row.answer else ""))
            first.append(len(ids) + len(asks) - 1)
            # Nothing is learnt of how a reply ends where its words are not known.
            reply += [self.tokenizer.eos_token_id] if row.answer != "" else []
            words = row.weight * WORDS / max(1, len(reply) - 1)
            ids += asks + reply
            places += range(n, n + len(asks) + len(reply))
            owner += [number] * (len(asks) + len(reply))
            due += [-100] * len(asks) + reply
            weight += [0.0] * len(asks) + [row.weight] + [words] * (len(reply) - 1)
        whose = torch.tensor(owner)
        seen = ((whose[None, :] == 0) | (whose[:, None] == whose[None, :])).tril()
        device = self.device
        return Packed(
            torch.tensor([ids], device=device),
            torch.tensor([places], device=device),
            seen[None, None].to(device),
            torch.tensor(due, device=device),
            torch.tensor(weight, device=device),
            first,
        )

    def _key(self, *settings: object) -> str:
        """What a checkpoint has to agree with: settings, data, and the reader of before."""
        start = self._start and (self._start / WEIGHTS).read_bytes()
        return hashlib.sha256(repr((self._seed, settings, start)).encode()).hexdigest()

    def _resume(self, optimizer: torch.optim.Optimizer, key: str) -> int:
        file = self._folder / "checkpoint.pt"
        if not file.is_file():
            return 0
        state = torch.load(file, weights_only=True)
        if state.get("key") != key:
            raise InputError(f"{file}: is of a training with other settings or data; name another folder (--work), or delete it")
        self.network.load_state_dict(state["weights"], strict=False)
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])

    def _keep(self, step: int, optimizer: torch.optim.Optimizer, key: str) -> None:
        weights = {name: p for name, p in self.network.state_dict().items() if "lora_" in name}
        aside = self._folder / "checkpoint.new"
        torch.save({"step": step, "key": key, "weights": weights, "optimizer": optimizer.state_dict()}, aside)
        aside.replace(self._folder / "checkpoint.pt")

    def export(self, folder: Path) -> None:
        """Write the weights as `peft` keeps them, in half precision."""
        from peft import get_peft_model_state_dict
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        config = self.network.peft_config["default"]
        config.base_model_name_or_path, config.inference_mode = BASE, True
        config.save_pretrained(str(folder))
        found = get_peft_model_state_dict(self.network, save_embedding_layers=False)
        weights = {name: value.half().contiguous().cpu() for name, value in found.items()}
        save_file(weights, str(folder / WEIGHTS))


def _opened(start: Path | None, device: torch.device) -> tuple[Any, Any]:
    """The tokenizer and the network, with weights of before or new ones. Raises InputError."""
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if start and not (start / "adapter_config.json").is_file():
        raise InputError(f"{start}: is no reader that was trained before (it has no adapter_config.json)")
    file = bundled.generator_file()
    with hub.loading(BASE), hub.quiet_transformers(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft reads what transformers has renamed; no other thread is at work here
        tokenizer: Any = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
        base: Any = AutoModelForCausalLM.from_pretrained(str(file.parent), gguf_file=file.name, dtype=torch.float32)
        if start:
            network: Any = PeftModel.from_pretrained(base, str(start), is_trainable=True, local_files_only=True)
        else:
            config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM")
            network = get_peft_model(base, config)
    return tokenizer, network.float().to(device)


def _has_bfloat16() -> bool:
    """Whether the processor computes bfloat16 itself."""
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
