"""From a checkpoint to the file in the package: the retrained layers in 8 bits, and the heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ragbot.models import bundled
from ragbot.models.bundled.encoder import Pair, Weights, scaled
from ragbot.models.bundled.minilm import LINEAR
from training.cross_encoder.network import HEAD_SIZES, CrossEncoder
from training.cross_encoder.packed import Packed
from training.quantise import SPLIT_DOWN, Quantiser

TEXTS = 280
"""Rows that the ranges of the channels come from."""


def weights_of(network: CrossEncoder, body: Weights) -> Weights:
    """The weights of a trained network as ragbot has them."""
    state: dict[str, Any] = {name: value.float().cpu().numpy() for name, value in network.bert.state_dict().items()}

    def pair(name: str) -> Pair:
        return state[f"{name}.weight"], state[f"{name}.bias"]

    linear, norms = dict[tuple[int, str], Pair](), list[tuple[Pair, Pair]]()
    for i in range(body.shape.layers):
        at = f"encoder.layer.{i}"
        for short, name in LINEAR.items():
            linear[i, short] = scaled(pair(f"{at}.{name}"), body.shape) if short == "q" else pair(f"{at}.{name}")
        norms.append((pair(f"{at}.attention.output.LayerNorm"), pair(f"{at}.output.LayerNorm")))
    return replace(body, linear=linear, norms=norms)


def export(network: CrossEncoder, body: Weights, rows: Packed, trained: Sequence[int], file: Path) -> None:
    """Write the file. `trained` names the layers that are the network's own."""
    weights = weights_of(network, body)
    chosen = np.random.default_rng(0).choice(len(rows.task), min(TEXTS, len(rows.task)), replace=False)
    words = [rows.vocabulary[rows.ids[rows.start[at] : rows.start[at + 1]]].astype(np.float32) for at in chosen]
    with torch.no_grad():
        made = Quantiser(weights, words, SPLIT_DOWN[bundled.E5], trained).run()
    arrays = quantised_arrays(made, weights, trained)
    heads = [network.heads[name] for name in HEAD_SIZES]
    for part in ("weight", "bias"):
        arrays[f"heads.{part}"] = np.concatenate([getattr(head, part).detach().float().cpu().numpy() for head in heads])
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, **arrays)


def quantised_arrays(
    made: Mapping[tuple[int, str], Mapping[str, Any]], weights: Weights, trained: Sequence[int]
) -> dict[str, Any]:
    """What a file holds of a network's layers: of those that were trained the codes, exact biases and norms too."""
    arrays: dict[str, Any] = {}
    for (i, name), layer in made.items():
        kept = [part for part in layer if i in trained or part not in ("codes", "scale")]
        arrays |= {f"{i}.{name}.{part}": layer[part] for part in kept}
        if i in trained:
            arrays[f"{i}.{name}.exact"] = weights.linear[i, name][1]
    for i in trained:
        for at, (weight, bias) in enumerate(weights.norms[i]):
            arrays |= {f"{i}.norm.{at}.weight": weight, f"{i}.norm.{at}.bias": bias}
    return arrays
