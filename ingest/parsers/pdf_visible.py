"""Find the text of a PDF page that is not to be read: white on white, covered, clipped away, off the page, on a hidden layer,
tiny, struck out.

The rendered page decides: text is visible if the page looks different without it. Rendering is slow, so only runs with
a reason for doubt are tried, all of a page at once. The text layer of a scan, invisible or below its picture, stands for
the ink of the picture: it counts as visible where there is some.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from ingest.parsers.pdf_lines import Box, Run
from ingest.parsers.pdf_objects import MAX_OBJECTS, Colour, Handle, box_of, fill_of, is_filled, objects, stroke_of
from ingest.parsers.pdf_struck import is_rule, struck_runs

_MIN_SIZE_POINTS = 2.0
"""Smaller text is not read by anybody."""
_LIGHT = 200
"""Text with all of red, green and blue above this (0 to 255) may be lost on white paper."""
_MIN_CONTRAST = 24
"""Text that changes no pixel by more than this (0 to 255) is not seen."""
_LIKE = 40
"""Colours that differ by less than this in each of red, green and blue are hard to tell apart."""
_MIN_ALPHA = 32
_MAX_COMPARED = 300_000
"""The most pairs of a run and an area that are compared; on a page with more, every run is tried by rendering,
and only the largest images count."""
_MIN_SCAN_SHARE = 0.5
"""The pictures of a scan cover at least this share of its page; text in or under smaller ones is no text layer."""
_SCALE, _INK_SCALE = 2.0, 1.0
_MAX_SIDE_PIXELS = 2_000
_MAX_CLIP_PATHS, _MAX_CLIP_POINTS = 8, 16
_STROKED = (pdfium.FPDF_TEXTRENDERMODE_STROKE, pdfium.FPDF_TEXTRENDERMODE_STROKE_CLIP)
_UNSEEN = (pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP)


class _Area(NamedTuple):
    """A filled shape (its colour known or None) in drawing order."""

    order: int
    box: Box
    colour: Colour | None


@dataclass(slots=True)
class _Drawing:
    """What a page draws besides text, and when it draws each text object."""

    areas: list[_Area] = field(default_factory=list)
    images: list[tuple[int, Box]] = field(default_factory=list)
    rules: list[Box] = field(default_factory=list)
    """Thin horizontal lines that are seen on white paper."""
    order: dict[int, int] = field(default_factory=dict)
    in_forms: set[int] = field(default_factory=set)
    """The text objects in forms, which may belong to a layer as a whole."""
    complete: bool = True


def hidden_runs(page: pypdfium2.PdfPage, runs: Sequence[Run], has_layers: Callable[[], bool]) -> set[int]:
    """The addresses of the text objects that nobody sees, or that are struck out. Raises PdfiumError.

    `has_layers` says whether the file has optional content; it is asked only for pages with text in forms.
    """
    visible_box = page.get_bbox()
    drawing = _drawing(page)
    many = len(drawing.areas) * len(runs) > _MAX_COMPARED or not drawing.complete
    images = sorted(drawing.images, key=lambda image: -_surface(image[1]))[: _MAX_COMPARED // max(len(runs), 1)]
    layered = drawing.in_forms if drawing.in_forms and has_layers() else ()
    scanned = _covered(visible_box, [box for _, box in images]) >= _MIN_SCAN_SHARE
    hidden = struck_runs(drawing.rules, runs)
    doubtful: list[Run] = []
    layer: list[Run] = []
    reader = _Attributes()
    for run in runs:
        if not run.owner or not run.text.strip():
            continue
        middle = (run.left + run.right) / 2, run.baseline + run.size / 4
        pictures = [order for order, box in images if _holds(box, middle)]
        below = any(order > drawing.order.get(run.owner, 0) for order in pictures)
        mode = reader.mode(run)
        if not _holds(visible_box, middle) or _is_tiny(run):
            hidden.add(run.owner)
        elif scanned and pictures and (below or mode in _UNSEEN):
            layer.append(run)
        elif mode in _UNSEEN:
            hidden.add(run.owner)
        elif many or below or run.owner in layered or _is_doubtful(run, middle, mode, drawing, reader):
            doubtful.append(run)
    unread = drawing.order.keys() - {run.owner for run in runs}  # copies, drawn to make a shadow or bold letters
    hidden |= _without_ink(page, layer) if layer else set()
    return hidden | _without_effect(page, doubtful, unread) if doubtful else hidden


def _covered(page: Box, boxes: Iterable[Box]) -> float:
    """The share of a page that boxes cover; a part that two of them cover counts twice."""
    parts = ((max(page[0], box[0]), max(page[1], box[1]), min(page[2], box[2]), min(page[3], box[3])) for box in boxes)
    return sum(_surface(part) for part in parts if part[0] < part[2] and part[1] < part[3]) / max(_surface(page), 1)


def _is_tiny(run: Run) -> bool:
    """Whether it is too small to read. Its width counts too, because a font of drawings (Type 3) may say any size."""
    width = run.right - run.left
    return (
        width == 0
        and len(run.text.strip()) > 1
        or 0 < run.size < _MIN_SIZE_POINTS
        and width < 0.6 * _MIN_SIZE_POINTS * len(run.text)
    )


def _is_doubtful(run: Run, middle: tuple[float, float], mode: int, drawing: _Drawing, reader: _Attributes) -> bool:
    order = drawing.order.get(run.owner, 0)
    if reader.on_layer(run) or reader.is_clipped(run):
        return True
    colour, alpha = reader.colour(run, mode)
    if alpha < _MIN_ALPHA:
        return True
    around = [area for area in drawing.areas if _holds(area.box, middle)]
    if any(area.order > order for area in around):
        return True
    below = around[-1].colour if around else None
    if below is None:
        return min(colour) > _LIGHT or bool(around)
    return all(abs(one - other) < _LIKE for one, other in zip(colour, below, strict=True))


def _surface(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _holds(box: Box, point: tuple[float, float]) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


class _Attributes:
    """Asks PDFium about text objects, with one set of variables for all answers."""

    def __init__(self) -> None:
        self._bytes = [ctypes.c_uint() for _ in range(4)]
        self._floats = [ctypes.c_float() for _ in range(4)]

    def mode(self, run: Run) -> int:
        """The text render mode."""
        return int(pdfium.FPDFTextObj_GetTextRenderMode(_handle(run)))

    def colour(self, run: Run, mode: int) -> tuple[Colour, int]:
        """The colour and its alpha, 0 to 255 each; black if it is a pattern."""
        get = pdfium.FPDFPageObj_GetStrokeColor if mode in _STROKED else pdfium.FPDFPageObj_GetFillColor
        if not get(_handle(run), *map(ctypes.byref, self._bytes)):
            return (0, 0, 0), 255
        red, green, blue, alpha = (each.value for each in self._bytes)
        return (red, green, blue), alpha

    def on_layer(self, run: Run) -> bool:
        """Whether it belongs to optional content, which may be switched off."""
        handle = _handle(run)
        buffer, length = ctypes.create_string_buffer(64), ctypes.c_ulong()
        for number in range(min(pdfium.FPDFPageObj_CountMarks(handle), 16)):
            mark = pdfium.FPDFPageObj_GetMark(handle, number)
            wide = ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR))
            if pdfium.FPDFPageObjMark_GetName(mark, wide, len(buffer), ctypes.byref(length)):
                if buffer.raw[: min(length.value, len(buffer))].decode("utf-16-le", "ignore").rstrip("\0") == "OC":
                    return True
        return False

    def is_clipped(self, run: Run) -> bool:
        """Whether its middle lies outside of the bounds of a path that it is clipped to."""
        handle = _handle(run)
        path = pdfium.FPDFPageObj_GetClipPath(handle)
        count = pdfium.FPDFClipPath_CountPaths(path) if path else 0
        if count <= 0 or not pdfium.FPDFPageObj_GetBounds(handle, *map(ctypes.byref, self._floats)):
            return False
        left, bottom, right, top = (each.value for each in self._floats)
        middle = (left + right) / 2, (bottom + top) / 2
        return any(not _holds(box, middle) for box in self._clips(path, min(count, _MAX_CLIP_PATHS)))

    def _clips(self, path: Handle, count: int) -> Iterator[Box]:
        across, up = self._floats[:2]
        for number in range(count):
            points = pdfium.FPDFClipPath_CountPathSegments(path, number)
            if not 0 < points <= _MAX_CLIP_POINTS:
                continue
            found: list[tuple[float, float]] = []
            for point in range(points):
                segment = pdfium.FPDFClipPath_GetPathSegment(path, number, point)
                pdfium.FPDFPathSegment_GetPoint(segment, ctypes.byref(across), ctypes.byref(up))
                found.append((across.value, up.value))
            xs, ys = zip(*found, strict=True)
            yield min(xs), min(ys), max(xs), max(ys)


def _handle(run: Run) -> Handle:
    return ctypes.cast(run.owner, pdfium.FPDF_PAGEOBJECT)


def _drawing(page: pypdfium2.PdfPage) -> _Drawing:
    drawing = _Drawing()
    order = 0
    for order, drawn in enumerate(objects(page), 1):
        if drawn.kind == pdfium.FPDF_PAGEOBJ_TEXT:
            owner = ctypes.cast(drawn.handle, ctypes.c_void_p).value or 0
            drawing.order[owner] = order
            if drawn.in_form:
                drawing.in_forms.add(owner)
        elif drawn.kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            drawing.images.append((order, box_of(drawn)))
        elif drawn.kind in (pdfium.FPDF_PAGEOBJ_SHADING, pdfium.FPDF_PAGEOBJ_PATH):
            box, filled = box_of(drawn), drawn.kind == pdfium.FPDF_PAGEOBJ_SHADING or is_filled(drawn.handle)
            if filled and min(box[2] - box[0], box[3] - box[1]) > _MIN_SIZE_POINTS:  # no rule between lines
                drawing.areas.append(_Area(order, box, fill_of(drawn.handle)))
            elif is_rule(box) and (colour := (fill_of if filled else stroke_of)(drawn.handle)) and min(colour) <= _LIGHT:
                drawing.rules.append(box)
    drawing.complete = order < MAX_OBJECTS
    return drawing


def _without_effect(page: pypdfium2.PdfPage, runs: Sequence[Run], unread: Set[int]) -> set[int]:
    """The addresses of the text objects without which, and without those not read, the page looks the same."""
    scale = _scale(page, _SCALE)
    owners = {run.owner for run in runs}
    shown = page.render(scale=scale).to_numpy()
    try:
        switch(owners | unread, on=False)
        without = page.render(scale=scale).to_numpy()
    finally:
        switch(owners | unread, on=True)
    seen: set[int] = set()
    for run in runs:
        if run.owner in seen:
            continue
        place = _pixels(page, run, scale, 0)
        one, other = shown[place], without[place]
        if one.size and abs(one.astype("int16") - other).max() > _MIN_CONTRAST:
            seen.add(run.owner)
    return owners - seen


def _without_ink(page: pypdfium2.PdfPage, runs: Sequence[Run]) -> set[int]:
    """The addresses of the text objects where the page is blank. Text layers are laid roughly, so one size around counts too."""
    scale = _scale(page, _INK_SCALE)
    shown = page.render(scale=scale, grayscale=True).to_numpy()
    seen: set[int] = set()
    for run in runs:
        place = shown[_pixels(page, run, scale, run.size)]
        if place.size and int(place.max()) - int(place.min()) > _MIN_CONTRAST:
            seen.add(run.owner)
    return {run.owner for run in runs} - seen


def _scale(page: pypdfium2.PdfPage, scale: float) -> float:
    left, bottom, right, top = page.get_bbox()
    return min(scale, _MAX_SIDE_PIXELS / float(max(right - left, top - bottom, 1)))


def _pixels(page: pypdfium2.PdfPage, run: Run, scale: float, around: float) -> tuple[slice, slice]:
    """The rows and columns of a rendered page where a run stands, and so many points around it."""
    left, bottom, _, top = page.get_bbox()
    low, high = (run.baseline - run.size / 2 - around, run.baseline + run.size + around) if run.size else (bottom, top)
    rows = slice(max(0, math.floor((top - high) * scale)), max(0, math.ceil((top - low) * scale)))
    start, end = run.left - around - left, run.right + around - left
    return rows, slice(max(0, math.floor(start * scale)), max(0, math.ceil(end * scale)))


def switch(owners: Iterable[int], *, on: bool) -> None:
    """Have PDFium draw and write the objects at these addresses, or leave them out."""
    for owner in owners:
        pdfium.FPDFPageObj_SetIsActive(ctypes.cast(owner, pdfium.FPDF_PAGEOBJECT), on)
