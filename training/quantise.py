"""Makes the 8-bit layers of all-MiniLM-L6-v2: `ragbot/models/bundled/all-MiniLM-L6-v2-int8.npz`.

    python -m training.quantise DATA [--out FILE]                                # about 90 s
    python -m training.quantise DATA --measure [--model NAME] [--limit 200]      # how near the vectors are to float32

Those of multilingual-e5-small come with its retrained weights (`training.embedder --export`).

The ranges of the channels and what the rounding makes up for come from 280 texts of sets that may train a model: doc2dial_val,
squad_style, timeqa_human (train). `--measure` reports on others: mtrag (clapnq, fiqa, and its questions), scifact, rgb (Chinese).
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import statistics
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ragbot.models import bundled
from ragbot.models.bundled import encoder
from ragbot.models.bundled.encoder import EPSILON, Weights
from ragbot.models.embedder import CHECK, BundledEmbedder, open_model

SPLIT_X = 16
SPLIT_DOWN = {
    bundled.MINILM: (320, 320, 320, 32, 32, 32),
    bundled.E5: (320,) * 6 + (32,) * 6,
}
"""How many further columns the channels of widest range get: before attention, and by layer in the feed-forward part."""
WIDEN_X, WIDEN_O, WIDEN_DOWN, DAMP = 1.15, 1.25, 1.5, 0.01
GELU_MIN = -0.1701

ODD = [
    "",
    "a",
    "Yes.",
    "?",
    "…!?",
    "42",
    "OK 👍 🙂🙂🙂",
    "lab",
    "lab " * 300,
    "the " * 120,
    "no no no no no no no no",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
    "=" * 200,
    "| Monday | 9:00 | 17:00 |\n| Tuesday | 9:00 | 17:00 |\n| Sunday | closed | |",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "x = [f(i) for i in range(10) if i % 2 == 0]  # even ones",
    "https://example.org/a/b?c=d&e=f#g",
    "ERROR 0x80070005: access denied (user=guest, code=5)",
    "Das Schwimmbad öffnet um zehn Uhr und schließt am Abend um acht.",
    "La bibliothèque est fermée le dimanche et les jours fériés.",
    "Магазин открыт с девяти до шести, в воскресенье закрыто.",
    "المكتبة مغلقة يوم الجمعة.",
    "図書館は日曜日に休みです。",
    "도서관은 일요일에 쉽니다.",
    "पुस्तकालय रविवार को बंद रहता है।",
    "你好",
    "好" * 200,
    "The lab opens at 9:00.",
    "What about Sunday?",
    "price?",
    "refund policy gift card",
    "Rp 1.250,00 / € 12,50 / $3.99 / ¥800",
]
"""Texts that no set has: very short ones, ones that repeat themselves, other scripts, signs. They reach other ranges."""


def lines(file: Path) -> list[dict[str, Any]]:
    """The records of a JSON-lines file, perhaps compressed."""
    opened = gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8")
    with opened:
        return [json.loads(line) for line in opened if line.strip()]


def sample(file: Path, count: int, field: str = "text") -> list[str]:
    """Texts of a file, always the same ones."""
    texts = sorted({row[field] for row in lines(file) if isinstance(row.get(field), str) and row[field].strip()})
    return random.Random(0).sample(texts, min(count, len(texts)))


def calibration(data: Path) -> list[str]:
    """The texts that the ranges come from."""
    squad = data / "squad_style"
    texts = sample(data / "doc2dial_val/corpus.jsonl", 60) + sample(squad / "squad2_cs224n_dev_corpus.jsonl.gz", 60)
    texts += sample(squad / "cmrc2018_dev_corpus.jsonl.gz", 30) + sample(data / "timeqa_human/corpus_train.jsonl.gz", 30)
    for file in ("squad2_cs224n_dev_qa.jsonl.gz", "cmrc2018_dev_qa.jsonl.gz"):
        texts += sample(squad / file, 50, "question")
    return texts + ODD


def gptq(weight: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """(codes, scale): `weight` (n, k) in 8 bits a row, each column's error made up for in the columns still to come."""
    n, k = weight.shape
    c = covariance.double()
    c.diagonal().add_(DAMP * c.diagonal().mean())
    scale = (weight.abs().amax(1) / 127).clamp(min=1e-12).double()
    order = c.diagonal().argsort(descending=True)
    left = weight[:, order].double()
    factor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(c[order][:, order])), upper=True)
    codes = torch.zeros_like(left)
    for a in range(0, k, 64):
        b = min(k, a + 64)
        errors = torch.zeros(n, b - a, dtype=torch.float64)
        for j in range(a, b):
            codes[:, j] = (left[:, j] / scale).round().clamp(-127, 127)
            error = (left[:, j] - codes[:, j] * scale) / factor[j, j]
            errors[:, j - a] = error
            left[:, j + 1 : b] -= error[:, None] * factor[j, j + 1 : b]
        left[:, b:] -= errors @ factor[a:b, b:]
    return codes[:, order.argsort()].float(), scale.float()


def columns(low: Tensor, high: Tensor, extra: int) -> tuple[Tensor, Tensor, Tensor]:
    """Channels of wide range get several columns, each for a piece of it: channel, low, high of each; first pieces first."""
    width, pieces = high - low, torch.ones(len(low), dtype=torch.int64)
    if extra:
        a, b = float(width.min()), float(width.max())
        for _ in range(40):
            middle = (a + b) / 2
            a, b = (a, middle) if torch.ceil(width / middle).sum() - len(width) <= extra else (middle, b)
        pieces = torch.ceil(width / b).long()
    channel = torch.cat([torch.arange(len(width)), torch.repeat_interleave(torch.arange(len(width)), pieces - 1)])
    piece = torch.cat([torch.zeros(len(width)), *(torch.arange(1, int(count)).float() for count in pieces)])
    each = (width / pieces)[channel]
    start = low[channel] + piece * each
    return channel, start, start + each


class Quantiser:
    """Goes through the network with real texts, as it is and in 8 bits, and quantises each layer for what reaches it."""

    def __init__(self, weights: Weights, words: Sequence[Any], split_down: Sequence[int], by_gptq: Collection[int]) -> None:
        """`words` holds the vectors (tokens, dim) of each text; `by_gptq` names the layers whose rounding makes up for itself."""
        self.words, self.lengths = words, [len(one) for one in words]
        self._split_down, self._by_gptq = split_down, by_gptq
        self.made: dict[tuple[int, str], dict[str, Any]] = {}
        self.linear = {key: tuple(map(torch.from_numpy, map(np.array, pair))) for key, pair in weights.linear.items()}
        self.weights = weights

    def plain(self, i: int, name: str, x: Tensor) -> Tensor:
        """What a layer gives without rounding."""
        return F.linear(x, *self.linear[i, name])

    def norm(self, x: Tensor, by: tuple[Any, Any]) -> Tensor:
        """The layer norm after a block."""
        return F.layer_norm(x, (x.shape[-1],), torch.from_numpy(by[0]), torch.from_numpy(by[1]), EPSILON)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention within each text: they lie one after the other."""

        def heads(m: Tensor) -> Tensor:
            return m.view(1, len(m), self.weights.shape.heads, -1).transpose(1, 2)

        parts = zip(*(torch.split(m, self.lengths) for m in (q, k, v)), strict=True)
        made = [F.scaled_dot_product_attention(heads(a), heads(b), heads(c), scale=1.0) for a, b, c in parts]
        return torch.cat([m.transpose(1, 2).flatten(2)[0] for m in made])

    def ranges(self, i: int, name: str, x: Tensor) -> tuple[Tensor, Tensor, int]:
        """From where to where each channel of a layer's input goes, with room, and how many further columns there are."""
        low, high = x.min(0)[0], x.max(0)[0]
        if name == "down":
            return torch.full_like(low, GELU_MIN), high.clamp(min=0.05) * WIDEN_DOWN + 0.05, self._split_down[i]
        middle, half = (low + high) / 2, (high - low) / 2 * (WIDEN_O if name == "o" else WIDEN_X)
        return middle - half.clamp(min=1e-4), middle + half.clamp(min=1e-4), 0 if name == "o" else SPLIT_X

    def group(self, i: int, names: Sequence[str], x: Tensor, exact: Tensor) -> list[Tensor]:
        """Quantise layers that share their input `x`; `exact` is what it would be without rounding. Their outputs."""
        channel, low, high = columns(*self.ranges(i, names[0], x))
        step = (high - low) / 255
        codes = ((x[:, channel] - low) / step).round_().clamp_(0, 255)
        mean = codes.mean(0)
        covariance = (codes - mean).T @ (codes - mean) / len(codes)
        outputs = []
        for name in names:
            weight, bias = self.linear[i, name]
            in_steps = weight[:, channel] * step
            if i in self._by_gptq:
                whole, scale = gptq(in_steps, covariance)
            else:
                whole, scale = map(torch.from_numpy, encoder.rounded(in_steps.numpy()))
            values = whole.float() * scale[:, None]
            bias = bias + weight @ exact.mean(0) - values @ mean
            parts = {"columns": channel, "low": low, "high": high, "codes": whole.to(torch.int8), "scale": scale, "bias": bias}
            self.made[i, name] = {part: value.numpy() for part, value in parts.items()}
            outputs.append(F.linear(codes, values, bias))
        return outputs

    @torch.no_grad()
    def run(self, layers: int | None = None) -> dict[tuple[int, str], dict[str, Any]]:
        """Quantise all layers, or the first ones: by layer and name, what the network in 8 bits is made of."""
        w = self.weights
        x = torch.cat([torch.from_numpy(one + w.places[: len(one)]) for one in self.words])
        x = exact = self.norm(x, w.norm)
        for i, (first, second) in enumerate(w.norms[:layers]):
            a = self.attend(*self.group(i, ("q", "k", "v"), x, exact))
            b = self.attend(*(self.plain(i, name, exact) for name in "qkv"))
            x = self.norm(x + self.group(i, ("o",), a, b)[0], first)
            exact = self.norm(exact + self.plain(i, "o", b), first)
            a = F.gelu(self.group(i, ("up",), x, exact)[0], approximate="tanh")
            b = F.gelu(self.plain(i, "up", exact), approximate="tanh")
            x = self.norm(x + self.group(i, ("down",), a, b)[0], second)
            exact = self.norm(exact + self.plain(i, "down", b), second)
            print(f"layer {i + 1} of {layers or w.shape.layers}", flush=True)
        return self.made


def make(data: Path, out: Path) -> None:
    """Write the file of the network in 8 bits. Each column makes up for the error of those before it (Frantar et al. 2022)."""
    torch.manual_seed(0)
    exact = BundledEmbedder(bundled.MINILM, in_8_bits=False)
    weights = open_model(bundled.MINILM).weights()
    assert weights.words is not None
    words = [weights.words[np.array(ids, np.int64)] for ids in exact.token_ids(calibration(data))]
    made = Quantiser(weights, words, SPLIT_DOWN[bundled.MINILM], range(weights.shape.layers)).run()
    arrays = {f"{i}.{name}.{part}": value for (i, name), layer in made.items() for part, value in layer.items()}
    np.savez_compressed(out, check=exact.encode(CHECK), **arrays)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


def measure(data: Path, model: str, limit: int) -> None:
    """Cosine to sentence-transformers' vectors (MiniLM) or to float32, and the speed of all, in turns."""
    ours, exact = BundledEmbedder(model, in_8_bits=True), BundledEmbedder(model, in_8_bits=False)
    ways: dict[str, Callable[[list[str]], Any]] = {"float32": exact.encode, "8 bits": ours.encode}
    truth = ways["float32"]
    if model == bundled.MINILM:
        from sentence_transformers import SentenceTransformer

        theirs = SentenceTransformer(str(bundled.minilm_folder()))
        truth = ways["sentence-transformers"] = lambda texts: theirs.encode(texts, normalize_embeddings=True)
    sets = {
        "clapnq": sample(data / "mtrag/corpus_clapnq.jsonl.gz", limit),
        "fiqa": sample(data / "mtrag/corpus_fiqa.jsonl.gz", limit),
        "questions": sample(data / "mtrag/queries_clapnq.jsonl", limit),
        "scifact": sample(data / "scifact/corpus.jsonl.gz", limit),
    }
    zh = [text for row in lines(data / "rgb/zh_refine.jsonl.gz") for text in row.get("positive", []) if isinstance(text, str)]
    sets["rgb zh"] = random.Random(0).sample(sorted(set(zh)), min(limit, len(set(zh))))
    for name, texts in sets.items():
        vectors = truth(texts)
        for kind, embedder in (("8 bits", ours), ("float32", exact)):
            c = (embedder.encode(texts) * vectors).sum(axis=1)
            print(f"{name:10} {kind:8} n={len(texts)} mean {c.mean():.5f} p1 {np.percentile(c, 1):.5f} min {c.min():.5f}")
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    texts = sets["clapnq"]
    for _ in range(5):
        for name, way in ways.items():
            began = time.perf_counter()
            way(texts)
            speeds[name].append(len(texts) / (time.perf_counter() - began))
    base = statistics.median(speeds.get("sentence-transformers", speeds["float32"]))
    for name, some in speeds.items():
        print(f"{name:22} {statistics.median(some):6.1f} passages/s (median of 5), x {statistics.median(some) / base:.2f}")


def main(argv: Sequence[str] | None = None) -> None:
    """Make the file, or measure it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=bundled.quantised_file(bundled.MINILM), help="the file that is written")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--model", choices=bundled.EMBEDDERS, default=bundled.MINILM, help="which one is measured")
    parser.add_argument("--limit", type=int, default=200)
    options = parser.parse_args(argv)
    if options.measure:
        measure(options.data, options.model, options.limit)
    else:
        make(options.data, options.out)


if __name__ == "__main__":
    main()
