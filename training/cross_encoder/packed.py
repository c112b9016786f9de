"""Rows in tokens, the body, and the vectors of the tokens in use, in one file: all that a bare machine needs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.cross_encoder.network import body_of

if TYPE_CHECKING:
    from training.cross_encoder.rows import Row

Located = tuple[list[int], list[tuple[int, int]]]

MAX_FIRST, MAX_SECOND = 256, 224
"""Tokens of the first text (the last ones are kept) and of the second."""
FILE = "packed.npz"


@dataclass(frozen=True, slots=True)
class Packed:
    """All rows in a few arrays; row i has the tokens from start[i] to start[i + 1]."""

    ids: NDArray[np.uint16]
    """Numbers of `vocabulary`'s rows."""
    marked: NDArray[np.uint8]
    """1 for a token of the answer, or one that a question needs."""
    start: NDArray[np.int64]
    second: NDArray[np.int16]
    """Where the second text begins in the row."""
    task: NDArray[np.uint8]
    label: NDArray[np.uint8]
    vocabulary: NDArray[np.float16]
    """(tokens, dim): the vectors of the tokens in use."""
    body: dict[str, NDArray[Any]]
    """The weights of the body as transformers names them."""


def pack(rows: Sequence[Row], folder: Path, seed: int) -> int:
    """Write the rows to a folder; returns how many tokens they have."""
    from ragbot.models.bundled.e5 import E5, END, START
    from ragbot.models.cross_encoder import PREFIXES
    from training.cross_encoder.rows import TASKS

    model, rng = E5(), random.Random(seed)
    texts = list({text for row in rows for text in (PREFIXES[row.task][0] + row.first, PREFIXES[row.task][1] + row.second)})
    pieces = {text: model.located(text) for text in texts}
    ids, marks, start, second, task, label = [], [], [0], [], [], []
    for row in rows:
        one, other, at = _tokens(row, PREFIXES[row.task], pieces, rng)
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
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = dict(
        ids=renumbered.astype(np.uint16),
        marked=np.packbits(np.concatenate(marks)),
        start=np.array(start, np.int64),
        second=np.array(second, np.int16),
        task=np.array(task, np.uint8),
        label=np.array(label, np.uint8),
        vocabulary=model.words(used[None].astype(np.int64))[0].astype(np.float16),
    )
    # 4 bits of a block have 16 values: compressed, halves of floats take little more room.
    arrays |= {f"body.{name}": value.astype(np.float16) for name, value in body_of(model.weights()).items()}
    np.savez_compressed(folder / FILE, **arrays)
    return start[-1]


def load(folder: Path) -> Packed:
    """What `pack` wrote."""
    with np.load(folder / FILE) as file:
        parts: dict[str, Any] = {name: file[name] for name in file.files if not name.startswith("body.")}
        parts["body"] = {name[5:]: file[name].astype(np.float32) for name in file.files if name.startswith("body.")}
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
