"""all-MiniLM-L6-v2 (Reimers and Gurevych 2019; Wang et al. 2020) as an OpenVINO network, built from its weights.

In float32, or with its linear layers in 8 bits, as `training/quantise.py` made them: inputs in steps of their own for each
channel, weights rounded so that each column makes up for the error of those before it (GPTQ, Frantar et al. 2022). Channels of
wide range stand in several columns, one for each piece of the range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino as ov

LAYERS, HEADS, DIM = 6, 12, 384
HEAD = DIM // HEADS
EPSILON = 1e-12
LINEAR = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "o": "attention.output.dense",
    "up": "intermediate.dense",
    "down": "output.dense",
}
QUANTISED = Path(__file__).parent / "all-MiniLM-L6-v2-int8.npz"

Floats = NDArray[np.float32]
Pair = tuple[Floats, Floats]
"""Weight and bias."""


@dataclass(frozen=True)
class Weights:
    """What the network is made of; `linear` is by layer and short name."""

    words: Floats
    places: Floats
    norm: Pair
    linear: dict[tuple[int, str], Pair]
    norms: list[tuple[Pair, Pair]]
    """After attention, and after the two layers that follow it."""


@dataclass(frozen=True)
class Quantised:
    """One linear layer in 8 bits: y = (codes · round((x[columns] - low) / step)) · scale + bias."""

    columns: NDArray[np.int64]
    low: Floats
    high: Floats
    codes: NDArray[np.int8]
    scale: Floats
    bias: Floats


def weights(folder: Path) -> Weights:
    """The weights of a sentence-transformers folder of this model."""
    from safetensors.numpy import load_file

    found = {name.removeprefix("bert."): value for name, value in load_file(str(folder / "model.safetensors")).items()}

    def pair(name: str) -> Pair:
        return found[f"{name}.weight"], found[f"{name}.bias"]

    linear = {(i, short): pair(f"encoder.layer.{i}.{name}") for i in range(LAYERS) for short, name in LINEAR.items()}
    for i in range(LAYERS):  # the scale of attention goes into the query
        weight, bias = linear[i, "q"]
        linear[i, "q"] = (weight * np.float32(HEAD**-0.5), bias * np.float32(HEAD**-0.5))
    layers = [f"encoder.layer.{i}" for i in range(LAYERS)]
    return Weights(
        words=found["embeddings.word_embeddings.weight"],
        places=found["embeddings.position_embeddings.weight"] + found["embeddings.token_type_embeddings.weight"][0],
        norm=pair("embeddings.LayerNorm"),
        linear=linear,
        norms=[(pair(f"{layer}.attention.output.LayerNorm"), pair(f"{layer}.output.LayerNorm")) for layer in layers],
    )


def quantised(file: Path = QUANTISED) -> tuple[dict[tuple[int, str], Quantised], Floats]:
    """The linear layers in 8 bits, and the float32 vectors of `CHECK`, to compare with."""
    with np.load(file) as stored:
        layers = {}
        for i in range(LAYERS):
            for short in LINEAR:
                parts = {name: stored[f"{i}.{short}.{name}"] for name in ("columns", "low", "high", "codes", "scale", "bias")}
                layers[i, short] = Quantised(**parts)
        return layers, stored["check"]


CHECK = (
    "The capital of France is Paris.",
    "How do I reset the password of a router?",
    "Interest rates rose by a quarter point in June, and the bank expects a further rise before the end of the year.",
    "战国无双是由光荣开发的系列。",
    "def main(): return 0",
)
"""Texts whose vectors tell whether a processor computes the 8-bit network as it should."""


class _Builder:
    """Puts the network together, layer by layer. Tokens lie in rows, since steps by channel go by the second axis only."""

    def __init__(self, made_of: Weights, in_8_bits: Mapping[tuple[int, str], Quantised]) -> None:
        from openvino import opset13

        self._o, self._w, self._q = opset13, made_of, in_8_bits

    def _floats(self, value: Any) -> Any:  # noqa: ANN401 (anything numpy takes; gives a node)
        return self._o.constant(np.asarray(value, np.float32))

    def _ints(self, value: Any) -> Any:  # noqa: ANN401
        return self._o.constant(np.asarray(value, np.int64))

    def _norm(self, x: Any, by: Pair) -> Any:  # noqa: ANN401
        level = self._o.mvn(x, self._ints([-1]), True, EPSILON, "inside_sqrt")
        return self._o.add(self._o.multiply(level, self._floats(by[0])), self._floats(by[1]))

    def _linear(self, i: int, names: Sequence[str], x: Any, rows: Any = None) -> list[Any]:  # noqa: ANN401
        o = self._o
        if not self._q:
            pairs = [self._w.linear[i, name] for name in names]
            return [o.add(o.matmul(x, self._floats(w), False, True), self._floats(b[None])) for w, b in pairs]
        first = self._q[i, names[0]]
        if names[0] != "down" and len(first.columns) > DIM:
            x = o.concat([x, o.gather(x, self._ints(first.columns[DIM:]), self._ints(1))], 1)
        steps = self._floats(first.low[None]), self._floats(first.high[None])
        x = o.fake_quantize(x, *steps, self._floats([[0]]), self._floats([[255]]), 256)
        made = []
        for name in names:
            layer = self._q[i, name]
            codes, scale, bias = (part if rows is None else part[rows] for part in (layer.codes, layer.scale, layer.bias))
            weight = o.multiply(o.convert(o.constant(np.ascontiguousarray(codes)), "f32"), self._floats(scale[:, None]))
            made.append(o.add(o.matmul(x, weight, False, True), self._floats(bias[None])))
        return made

    def network(self) -> ov.Model:
        """ids and mask, (texts, tokens) each → unit vectors (texts, DIM)."""
        import openvino as ov

        o = self._o
        ids, mask = (o.parameter([-1, -1], ov.Type.i64, name=name) for name in ("ids", "mask"))
        shape = o.shape_of(ids, "i64")
        texts, length = (o.gather(shape, self._ints([axis]), self._ints(0)) for axis in (0, 1))
        places = o.slice(self._floats(self._w.places), self._ints([0]), length, self._ints([1]), self._ints([0]))
        x = self._norm(o.add(o.gather(self._floats(self._w.words), ids, self._ints(0)), places), self._w.norm)
        x = o.reshape(x, self._ints([-1, DIM]), False)
        by_head = o.concat([texts, length, self._ints([HEADS, HEAD])], 0)
        seen = o.convert(mask, "f32")
        hidden = o.multiply(o.subtract(self._floats(1.0), seen), self._floats(-1e4))
        hidden = o.unsqueeze(hidden, self._ints([1, 2]))
        for i, (after_attention, after) in enumerate(self._w.norms):
            attended = self._attention(i, x, by_head, hidden)
            x = self._norm(o.add(x, self._linear(i, ("o",), attended)[0]), after_attention)
            x = self._norm(o.add(x, self._feed_forward(i, x)), after)
        x = o.reshape(x, o.concat([texts, length, self._ints([DIM])], 0), False)
        weight = o.unsqueeze(seen, self._ints([2]))
        sums = o.reduce_sum(o.multiply(x, weight), self._ints([1]))
        mean = o.divide(sums, o.reduce_sum(weight, self._ints([1])))
        return ov.Model([o.normalize_l2(mean, self._ints([1]), EPSILON, "max")], [ids, mask], "all-MiniLM-L6-v2")

    def _attention(self, i: int, x: Any, by_head: Any, hidden: Any) -> Any:  # noqa: ANN401
        o = self._o

        def heads(y: Any) -> Any:  # noqa: ANN401
            return o.transpose(o.reshape(y, by_head, False), self._ints([0, 2, 1, 3]))

        q, k, v = map(heads, self._linear(i, ("q", "k", "v"), x))
        likeness = o.softmax(o.add(o.matmul(q, k, False, True), hidden), 3)
        attended = o.transpose(o.matmul(likeness, v, False, False), self._ints([0, 2, 1, 3]))
        return o.reshape(attended, self._ints([-1, DIM]), False)

    def _feed_forward(self, i: int, x: Any) -> Any:  # noqa: ANN401
        # What stands in several columns of the one layer comes out of the other as often.
        (up,) = self._linear(i, ("up",), x, self._q[i, "down"].columns if self._q else None)
        # The tanh form is within 1e-3 of the exact one and twice as fast.
        (down,) = self._linear(i, ("down",), self._o.gelu(up, "tanh"))
        return down


def network(made_of: Weights, in_8_bits: Mapping[tuple[int, str], Quantised] | None = None) -> ov.Model:
    """The network in float32, or with its linear layers `in_8_bits`."""
    return _Builder(made_of, in_8_bits or {}).network()
