"""The objects that a PDF page draws: texts, paths, images, and forms with objects of their own. Knows PDFium and no document."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium
from pypdfium2 import PdfMatrix

from ingest.parsers.pdf_lines import Box

MAX_OBJECTS = 20_000
_MAX_DEPTH = 4
"""Forms within forms."""

Handle = Any
"""A PDFium handle: the bindings have no types."""
Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""


class Drawn(NamedTuple):
    """An object of a page or of a form in it."""

    handle: Handle
    kind: int
    matrix: PdfMatrix
    """From its coordinates to those of the page."""
    in_form: bool


def objects(page: pypdfium2.PdfPage) -> Iterator[Drawn]:
    """The objects of a page and of its forms in the order in which they are drawn, MAX_OBJECTS at most."""
    return islice(_all_objects(page), MAX_OBJECTS)


def _all_objects(page: pypdfium2.PdfPage) -> Iterator[Drawn]:
    whole = PdfMatrix()
    for number in range(pdfium.FPDFPage_CountObjects(page)):
        yield from _with_content(pdfium.FPDFPage_GetObject(page, number), whole, 0)


def _with_content(handle: Handle, matrix: PdfMatrix, depth: int) -> Iterator[Drawn]:
    kind = pdfium.FPDFPageObj_GetType(handle)
    yield Drawn(handle, kind, matrix, depth > 0)
    if kind == pdfium.FPDF_PAGEOBJ_FORM and depth < _MAX_DEPTH:
        own = pdfium.FS_MATRIX()
        pdfium.FPDFPageObj_GetMatrix(handle, own)
        inner = PdfMatrix.from_raw(own).multiply(matrix)
        for number in range(pdfium.FPDFFormObj_CountObjects(handle)):
            yield from _with_content(pdfium.FPDFFormObj_GetObject(handle, number), inner, depth + 1)


def box_of(drawn: Drawn) -> Box:
    """Where an object stands on its page; at a point if PDFium does not know."""
    edges = [ctypes.c_float() for _ in range(4)]
    if not pdfium.FPDFPageObj_GetBounds(drawn.handle, *map(ctypes.byref, edges)):
        return 0.0, 0.0, 0.0, 0.0
    left, bottom, right, top = drawn.matrix.on_rect(*(edge.value for edge in edges))
    return left, bottom, right, top


def is_filled(path: Handle) -> bool:
    """Whether a path is filled, rather than drawn as a line or used to clip."""
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDFPath_GetDrawMode(path, ctypes.byref(fill), ctypes.byref(stroke))
    return bool(fill.value != pdfium.FPDF_FILLMODE_NONE)


def fill_of(handle: Handle) -> Colour | None:
    """The colour with which a path is filled; None if it is a pattern or lets through what is below."""
    return _opaque(pdfium.FPDFPageObj_GetFillColor, handle)


def stroke_of(handle: Handle) -> Colour | None:
    """The colour of the line of a path; None as for `fill_of`."""
    return _opaque(pdfium.FPDFPageObj_GetStrokeColor, handle)


def _opaque(get: Callable[..., int], handle: Handle) -> Colour | None:
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    known = get(handle, *map(ctypes.byref, (red, green, blue, alpha)))
    return (red.value, green.value, blue.value) if known and alpha.value == 255 else None


def shapes(page: pypdfium2.PdfPage) -> list[Box]:
    """The boxes of the lines, rectangles and other paths of a page."""
    return [box_of(drawn) for drawn in objects(page) if drawn.kind == pdfium.FPDF_PAGEOBJ_PATH]
