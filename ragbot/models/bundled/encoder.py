"""A BERT-like encoder (Devlin et al. 2019) as an OpenVINO network, built from its weights.

In float32, or with its linear layers in 8 bits, as `training/quantise.py` made them: inputs in steps of their own for each
channel, and weights in 8 bits with one scale a row. Channels of wide range stand in several columns, one for each piece of the
range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino as ov

EPSILON = 1e-12
LINEAR = ("q", "k", "v", "o", "up", "down")
"""The linear layers of a block: query, key, value, what follows attention, and the two of the feed-forward part."""

Floats = NDArray[np.float32]
Pair = tuple[Floats, Floats]
"""Weight and bias."""


@dataclass(frozen=True)
class Shape:
    """How many blocks and heads, and how wide."""

    layers: int
    heads: int
    dim: int


@dataclass(frozen=True)
class Weights:
    """What the network is made of; `linear` is by layer and name. The scale of attention is in the query."""

    shape: Shape
    words: Floats | None
    """The vectors of the vocabulary; None where the network is given vectors instead of tokens."""
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


InEightBits = Mapping[tuple[int, str], Quantised]


def scaled(query: Pair, shape: Shape) -> Pair:
    """The query layer with the scale of attention in it."""
    scale = np.float32((shape.dim // shape.heads) ** -0.5)
    return query[0] * scale, query[1] * scale


def quantised(file: Path, made_of: Weights) -> tuple[dict[tuple[int, str], Quantised], Floats]:
    """The linear layers in 8 bits, and the float32 vectors of the texts to compare with.

    The file holds the codes of the weights where they make up for one another's errors; else they are rounded here.
    """
    with np.load(file) as stored:
        return _layers(stored, made_of), stored["check"]


def _layers(stored: Mapping[str, Any], made_of: Weights) -> dict[tuple[int, str], Quantised]:
    layers = {}
    for i in range(made_of.shape.layers):
        for name in LINEAR:
            key = f"{i}.{name}"
            columns, low, high, bias = (stored[f"{key}.{part}"] for part in ("columns", "low", "high", "bias"))
            if f"{key}.codes" in stored:
                codes, scale = stored[f"{key}.codes"], stored[f"{key}.scale"]
            else:
                codes, scale = rounded(made_of.linear[i, name][0][:, columns] * ((high - low) / 255))
            layers[i, name] = Quantised(columns, low, high, codes, scale, bias)
    return layers


def retrained(stored: Mapping[str, Any], body: Weights) -> tuple[Weights, dict[tuple[int, str], Quantised]]:
    """A network of which some layers were retrained: in float32, and its linear layers in 8 bits.

    Of those layers the file holds codes, exact biases and norms; the others are the body's.
    """
    layers = _layers(stored, body)
    linear, norms = dict(body.linear), list(body.norms)
    for (i, name), layer in layers.items():
        if f"{i}.{name}.codes" in stored:
            width = 4 * body.shape.dim if name == "down" else body.shape.dim
            weight = np.zeros((len(layer.codes), width), np.float32)
            weight[:, layer.columns] = layer.codes * layer.scale[:, None] / ((layer.high - layer.low) / 255)
            linear[i, name] = weight, stored[f"{i}.{name}.exact"]
            norms[i] = tuple((stored[f"{i}.norm.{at}.weight"], stored[f"{i}.norm.{at}.bias"]) for at in (0, 1))  # type: ignore[assignment]
    return replace(body, linear=linear, norms=norms), layers


def rounded(weight: Floats) -> tuple[NDArray[np.int8], Floats]:
    """(codes, scale): a weight (n, k) in 8 bits, with one scale a row."""
    scale = np.maximum(np.abs(weight).max(1) / 127, np.float32(1e-12))
    return np.round(weight / scale[:, None]).clip(-127, 127).astype(np.int8), scale


class EncoderBuilder:
    """Puts the network together, layer by layer. Tokens lie in rows, since steps by channel go by the second axis only."""

    def __init__(self, made_of: Weights, in_8_bits: InEightBits | None = None) -> None:
        from openvino import opset13

        self._o, self._w, self._q = opset13, made_of, in_8_bits or {}
        self._dim = made_of.shape.dim

    def network(self, name: str) -> ov.Model:
        """Tokens (texts, tokens), or their vectors (texts, tokens, dim), and mask (texts, tokens) → unit vectors (texts, dim)."""
        import openvino as ov

        o = self._o
        words, mask, x, seen = self.encoded()
        weight = o.unsqueeze(seen, self.ints([2]))
        sums = o.reduce_sum(o.multiply(x, weight), self.ints([1]))
        mean = o.divide(sums, o.reduce_sum(weight, self.ints([1])))
        return ov.Model([o.normalize_l2(mean, self.ints([1]), EPSILON, "max")], [words, mask], name)

    def heads(self, name: str, weight: Floats, bias: Floats) -> ov.Model:
        """The same inputs → what linear heads, (heads, dim) and (heads,), say of each token (texts, tokens, heads)."""
        import openvino as ov

        words, mask, x, _ = self.encoded()
        said = self._o.add(self._o.matmul(x, self.floats(weight), False, True), self.floats(bias))
        return ov.Model([said], [words, mask], name)

    def encoded(self) -> tuple[Any, Any, Any, Any]:
        """The two inputs, the last layer's vectors (texts, tokens, dim), and the mask in floats."""
        import openvino as ov

        o, w = self._o, self._w
        mask = o.parameter([-1, -1], ov.Type.i64, name="mask")
        if w.words is None:
            words = x = o.parameter([-1, -1, self._dim], ov.Type.f32, name="words")
        else:
            words = o.parameter([-1, -1], ov.Type.i64, name="ids")
            x = o.gather(self.floats(w.words), words, self.ints(0))
        shape = o.shape_of(mask, "i64")
        texts, length = (o.gather(shape, self.ints([axis]), self.ints(0)) for axis in (0, 1))
        places = o.slice(self.floats(w.places), self.ints([0]), length, self.ints([1]), self.ints([0]))
        x = o.reshape(self._norm(o.add(x, places), w.norm), self.ints([-1, self._dim]), False)
        by_head = o.concat([texts, length, self.ints([w.shape.heads, self._dim // w.shape.heads])], 0)
        seen = o.convert(mask, "f32")
        hidden = o.unsqueeze(o.multiply(o.subtract(self.floats(1.0), seen), self.floats(-1e4)), self.ints([1, 2]))
        for i, (after_attention, after) in enumerate(w.norms):
            attended = self._attention(i, x, by_head, hidden)
            x = self._norm(o.add(x, self._linear(i, ("o",), attended)[0]), after_attention)
            x = self._norm(o.add(x, self._feed_forward(i, x)), after)
        return words, mask, o.reshape(x, o.concat([texts, length, self.ints([self._dim])], 0), False), seen

    def floats(self, value: Any) -> Any:  # noqa: ANN401 (anything numpy takes; gives a node)
        """A constant."""
        return self._o.constant(np.asarray(value, np.float32))

    def ints(self, value: Any) -> Any:  # noqa: ANN401
        """A constant."""
        return self._o.constant(np.asarray(value, np.int64))

    def _norm(self, x: Any, by: Pair) -> Any:  # noqa: ANN401
        level = self._o.mvn(x, self.ints([-1]), True, EPSILON, "inside_sqrt")
        return self._o.add(self._o.multiply(level, self.floats(by[0])), self.floats(by[1]))

    def _linear(self, i: int, names: Sequence[str], x: Any, rows: Any = None) -> list[Any]:  # noqa: ANN401
        o = self._o
        if not self._q:
            pairs = [self._w.linear[i, name] for name in names]
            return [o.add(o.matmul(x, self.floats(w), False, True), self.floats(b[None])) for w, b in pairs]
        first = self._q[i, names[0]]
        if names[0] != "down" and len(first.columns) > self._dim:
            x = o.concat([x, o.gather(x, self.ints(first.columns[self._dim :]), self.ints(1))], 1)
        steps = self.floats(first.low[None]), self.floats(first.high[None])
        x = o.fake_quantize(x, *steps, self.floats([[0]]), self.floats([[255]]), 256)
        made = []
        for name in names:
            layer = self._q[i, name]
            codes, scale, bias = (part if rows is None else part[rows] for part in (layer.codes, layer.scale, layer.bias))
            weight = o.multiply(o.convert(o.constant(np.ascontiguousarray(codes)), "f32"), self.floats(scale[:, None]))
            made.append(o.add(o.matmul(x, weight, False, True), self.floats(bias[None])))
        return made

    def _attention(self, i: int, x: Any, by_head: Any, hidden: Any) -> Any:  # noqa: ANN401
        o = self._o

        def heads(y: Any) -> Any:  # noqa: ANN401
            return o.transpose(o.reshape(y, by_head, False), self.ints([0, 2, 1, 3]))

        q, k, v = map(heads, self._linear(i, ("q", "k", "v"), x))
        likeness = o.softmax(o.add(o.matmul(q, k, False, True), hidden), 3)
        attended = o.transpose(o.matmul(likeness, v, False, False), self.ints([0, 2, 1, 3]))
        return o.reshape(attended, self.ints([-1, self._dim]), False)

    def _feed_forward(self, i: int, x: Any) -> Any:  # noqa: ANN401
        # What stands in several columns of the one layer comes out of the other as often.
        (up,) = self._linear(i, ("up",), x, self._q[i, "down"].columns if self._q else None)
        # The tanh form is within 1e-3 of the exact one and twice as fast.
        (down,) = self._linear(i, ("down",), self._o.gelu(up, "tanh"))
        return down
