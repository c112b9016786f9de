"""Optical character recognition (OCR): the text of an image in reading order.

RapidOCR runs the models in its wheel (PP-OCRv6, Chinese and English) on OpenVINO, which is
installed anyway. The models are loaded with the first image.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""Shape (height, width, 3), channels blue, green, red."""

_MIN_PROSE_CHARACTERS = 20
"""Where lines average at least this length on both sides of a gutter, they are columns of prose; otherwise table cells."""
_MIN_CELL_GAP_HEIGHTS = 1.2
"""A wider gap between two boxes of a row, in row heights, separates table cells; a narrower one words."""


@dataclass(frozen=True, slots=True)
class Box:
    """A recognized line of text and its edges, in pixels from the upper left corner."""

    left: float
    top: float
    right: float
    bottom: float
    text: str

    @property
    def middle(self) -> float:
        """The vertical centre, in pixels."""
        return (self.top + self.bottom) / 2


def read(picture: Picture) -> str:
    """The text of an image, one line per row, table cells separated by " | "; "" if there is none."""
    if picture.size == 0 or not picture.std():
        return ""
    found = _engine()(picture)
    if found.txts is None or found.boxes is None:
        return ""
    boxes = [
        Box(float(corners[:, 0].min()), float(corners[:, 1].min()), float(corners[:, 0].max()), float(corners[:, 1].max()), text)
        for corners, text in zip(found.boxes, found.txts, strict=True)
    ]
    return "\n".join(in_order(boxes))


def in_order(boxes: Sequence[Box]) -> list[str]:
    """The rows of a page in reading order: of two columns of prose, the left one first."""
    lines: list[str] = []
    for band in _bands(boxes):
        sides = _columns(band)
        if sides:
            lines += [line for side in sides for line in in_order(side)]
        else:
            lines += [_written(row) for row in _rows(band)]
    return lines


def _bands(boxes: Sequence[Box]) -> list[list[Box]]:
    """Split the boxes from top to bottom wherever wide lines follow narrow ones or the reverse: columns begin or end there."""
    if not boxes:
        return []
    left, right = min(box.left for box in boxes), max(box.right for box in boxes)
    bands: list[list[Box]] = [[]]
    wide_before: bool | None = None
    for box in sorted(boxes, key=lambda box: box.middle):
        wide = box.right - box.left > 0.6 * (right - left)
        if wide_before is not None and wide != wide_before:
            bands.append([])
        bands[-1].append(box)
        wide_before = wide
    return bands


def _columns(boxes: Sequence[Box]) -> tuple[list[Box], list[Box]] | None:
    """The boxes left and right of the widest gutter that no box crosses; None unless both sides are prose."""
    if len(boxes) < 6:
        return None
    edges = sorted(boxes, key=lambda box: box.left)
    reach, gutter, at = edges[0].right, 0.0, 0.0
    for before, box in pairwise(edges):
        reach = max(reach, before.right)
        if box.left - reach > gutter:
            gutter, at = box.left - reach, (box.left + reach) / 2
    left, right = [box for box in boxes if box.right <= at], [box for box in boxes if box.left >= at]
    prose = all(
        len(side) >= 3 and sum(len(box.text) for box in side) >= _MIN_PROSE_CHARACTERS * len(side) for side in (left, right)
    )
    return (left, right) if gutter and prose else None


def _rows(boxes: Sequence[Box]) -> list[list[Box]]:
    """Group boxes that overlap each other's vertical centre into rows, top to bottom, each from left to right."""
    rows: list[list[Box]] = []
    for box in sorted(boxes, key=lambda box: box.middle):
        if rows and box.top < rows[-1][-1].middle < box.bottom and rows[-1][0].top < box.middle < rows[-1][0].bottom:
            rows[-1].append(box)
        else:
            rows.append([box])
    return [sorted(row, key=lambda box: box.left) for row in rows]


def _written(row: Sequence[Box]) -> str:
    line = row[0].text
    for before, box in pairwise(row):
        cells = box.left - before.right > _MIN_CELL_GAP_HEIGHTS * (box.bottom - box.top)
        line += (" | " if cells else " ") + box.text
    return line


@functools.cache
def _engine() -> Any:  # noqa: ANN401 (the library has no types)
    from rapidocr import EngineType, RapidOCR

    engines = {f"{part}.engine_type": EngineType.OPENVINO for part in ("Det", "Cls", "Rec")}
    return RapidOCR(params={"Global.log_level": "critical", **engines})
