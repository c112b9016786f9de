"""Rows in tokens, the body, and the vectors of the tokens in use, in one file: all that a bare machine needs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ragbot.models.bundled.e5 import BLOCK, E5, END, START
from training.cross_encoder.network import body_of

if TYPE_CHECKING:
    from training.cross_encoder.rows import Row

Located = tuple[list[int], list[tuple[int, int]]]

MAX_FIRST, MAX_SECOND = 256, 300
"""Tokens of the first text (the last ones are kept) and of the second."""
FILE = "packed.npz"


@dataclass(frozen=True, slots=True)
class Packed:
    """All rows in a few arrays; row i has the tokens from start[i] to start[i + 1]."""

    ids: NDArray[np.uint16]
    """Numbers of `vocabulary`'s rows."""
    marked: NDArray[np.uint8]
    """1 for a token of the answer, of a sentence that a complete one says, or one that a question needs."""
    start: NDArray[np.int64]
    second: NDArray[np.int16]
    """Where the second text begins in the row."""
    task: NDArray[np.uint8]
    label: NDArray[np.uint8]
    vocabulary: NDArray[np.float32]
    """(tokens, dim): the vectors of the tokens in use."""
    body: dict[str, NDArray[Any]]
    """The weights of the body as transformers names them."""


def pack(rows: Sequence[Row], folder: Path, seed: int) -> int:
    """Write the rows to a folder; returns how many tokens they have."""
    from ragbot.models.cross_encoder import PREFIXES
    from training.cross_encoder.rows import TASKS

    model, rng = E5(), random.Random(seed)
    prefixes = {**PREFIXES, "passage": PREFIXES["question"], "complete": PREFIXES["question"]}
    texts = list({text for row in rows for text in (prefixes[row.task][0] + row.first, prefixes[row.task][1] + row.second)})
    pieces = {text: model.located(text) for text in texts}
    ids, marks, start, second, task, label = [], [], [0], [], [], []
    for row in rows:
        one, other, at = _tokens(row, prefixes[row.task], pieces, rng)
        tokens = [START, *(t for t, _ in one), END, END, *(t for t, _ in other), END]
        ids.append(np.array(tokens, np.int32))
        marks.append(np.array([0, *(m for _, m in one), 0, 0, *(m for _, m in other), 0], np.uint8))
        start.append(start[-1] + len(tokens))
        second.append(at)
        task.append(TASKS.index(row.task))
        label.append(row.label)
    used, renumbered = np.unique(np.concatenate(ids), return_inverse=True)
    if len(used) > 65_535:
        raise ValueError("more tokens are in use than 16 bits number")
    vocabulary = model.words(used[None].astype(np.int64))[0]
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = dict(
        ids=renumbered.astype(np.uint16),
        marked=np.packbits(np.concatenate(marks)),
        start=np.array(start, np.int64),
        second=np.array(second, np.int16),
        task=np.array(task, np.uint8),
        label=np.array(label, np.uint8),
    )
    for name, value in {
        "vocabulary": vocabulary,
        **{f"body.{name}": one for name, one in body_of(model.weights()).items()},
    }.items():
        if name == "vocabulary" or name.startswith("body.encoder") and value.ndim == 2:
            arrays[f"{name}.codes"], arrays[f"{name}.scale"] = in_blocks(value)
        else:
            arrays[name] = value.astype(np.float16)
    np.savez_compressed(folder / FILE, **arrays)
    return start[-1]


def in_blocks(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """(codes, scale): values of blocks of 32 in whole steps, as the model file has them (its largest is 8 steps): 4 bits each."""
    blocks = values.reshape(-1, BLOCK)
    scale = np.abs(blocks).max(1).astype(np.float32) / 8
    codes = np.round(blocks / np.maximum(scale, 1e-12)[:, None]).astype(np.int8)
    return codes.reshape(values.shape), scale.astype(np.float16)


def _from_blocks(codes: NDArray[np.int8], scale: NDArray[np.float16]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = codes.reshape(-1, BLOCK) * scale.astype(np.float32)[:, None]
    return found.reshape(codes.shape)


def load(folder: Path) -> Packed:
    """What `pack` wrote."""
    parts: dict[str, Any] = {"body": {}}
    with np.load(folder / FILE) as file:
        for key in file.files:
            name = key.removesuffix(".codes")
            value = file[key] if name == key else _from_blocks(file[key], file[f"{name}.scale"])
            if name.startswith("body.") and not key.endswith(".scale"):
                parts["body"][name.removeprefix("body.")] = value.astype(np.float32)
            elif not key.endswith(".scale"):
                parts[name] = value
    parts["marked"] = np.unpackbits(parts["marked"], count=len(parts["ids"]))
    return Packed(**parts)


def _tokens(
    row: Row, prefixes: tuple[str, str], pieces: dict[str, Located], rng: random.Random
) -> tuple[list[tuple[int, int]], list[tuple[int, int]], int]:
    """The two texts as (token, marked), cut to length, and where the second begins in the row."""
    (a, b), owner = prefixes, 0 if row.task == "turn" else 1
    texts = (a + row.first, b + row.second)
    found = []
    for which, text in enumerate(texts):
        ids, places = pieces[text]
        by = len((a, b)[which])
        spans = [(s + by, e + by) for s, e in row.marked] if which == owner else []
        marks = [int(any(s < end and start < e for s, e in spans)) for start, end in places]
        found.append(list(zip(ids, marks, strict=True)))
    one, other = found
    one = one[-MAX_FIRST:] if row.task == "turn" else one[:MAX_FIRST]
    if len(other) > MAX_SECOND:
        head = 2  # the prefix
        at = next((i for i, (_, m) in enumerate(other) if m), None) if row.task == "question" else None
        begin = 0 if at is None else min(max(0, at - rng.randrange(20, MAX_SECOND - 40)), len(other) - MAX_SECOND)
        other = other[:head] + other[begin + head : begin + MAX_SECOND] if begin else other[:MAX_SECOND]
    return one, other, len(one) + 3
