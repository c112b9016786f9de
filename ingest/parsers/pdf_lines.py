"""The lines of a PDF page with what is seen of them: place, size and weight. Knows PDFium and no document.

PDFium gives a page as characters in the order in which they are drawn. Consecutive characters of one text object
make a `Run`: they share font, size and colour, so each is asked for once a run and not once a character.
"""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise, repeat
from typing import Any, NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from ingest.parsers.characters import clean
from ingest.parsers.scripts import raised

_HYPHEN_SIGN = "\ufffe"
"""PDFium's sign for a hyphen at a line end. It stands for the line end too."""
_MIN_CELL_GAP_SIZES = 0.9
"""A wider gap between two runs of a line, in font sizes, separates table cells; a narrower one words."""
_MAX_RAISED_SIZE = 0.85
_MIN_RAISE_SIZES, _MAX_RAISE_SIZES = 0.15, 0.8
_MAX_RAISED_GAP_SIZES = 0.15
_MAX_OVERLAP_SIZES, _MAX_BESIDE_SIZES, _MAX_SHIFT_SIZES = 0.2, 0.5, 0.6
"""How far apart, in font sizes, two runs of one line may stand from left to right, and up or down."""
_MAX_RAISED_CHARACTERS = 12
_BOLD_NAME = re.compile(r"bold|black|heavy|demi|(?:^|\+)cmbx|(?:^|\+)cmssbx|-bd\b|\bbd\b", re.IGNORECASE)
_PLAIN_NAME = re.compile(r"regular|roman|book|light|italic|oblique|medium|(?:^|\+)cm[a-z]", re.IGNORECASE)
_MIN_BOLD_WEIGHT = 650
_FORCE_BOLD = 1 << 18
"""The bit of the font flags that asks for thicker strokes (ISO 32000-1, table 123)."""
_ALNUM = re.compile(r"[^\W_]")

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in points from the lower left corner of the page."""

_object_at = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)(
    ctypes.cast(pdfium.FPDFText_GetTextObject, ctypes.c_void_p).value or 0
)
"""FPDFText_GetTextObject, which returns an address here: asked for every character, it must not make an object each time."""


class Run(NamedTuple):
    """Consecutive characters of one text object. Lengths in points, from the lower left corner of the page."""

    text: str
    space: str
    """What PDFium puts before it: a space or nothing."""
    left: float
    right: float
    baseline: float
    size: float
    """The height of the font as it is shown; 0 for text that does not stand upright."""
    bold: bool
    owner: int
    """The address of its text object."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text. Where it stands and how it looks is 0 for text that comes from elsewhere than PDFium."""

    text: str
    left: float = 0.0
    right: float = 0.0
    baseline: float = 0.0
    size: float = 0.0
    """The size of most of its characters, in half points."""
    bold: bool = False
    cells: tuple[float, ...] = ()
    """The left edges of its table cells, where wide gaps divide it."""
    level: int = 0
    """The level of a heading, from 1; 0 for all other lines."""

    @property
    def written(self) -> str:
        """The line with the mark of its heading level."""
        return f"{'#' * self.level} {self.text.strip()}" if self.level else self.text


@dataclass(frozen=True, slots=True)
class Page:
    """The lines of a page in reading order."""

    lines: tuple[Line, ...]
    bottom: float = 0.0
    top: float = 0.0
    """The edges of the page; both 0 where the lines have no place."""
    hidden: int = 0
    """How many characters were left out because nobody sees them."""

    @property
    def text(self) -> str:
        """The text of its lines, without the marks of headings."""
        return "\n".join(line.text for line in self.lines)

    @property
    def written(self) -> str:
        """The text of its lines, with the marks of headings."""
        return "\n".join(line.written for line in self.lines)

    def with_lines(self, lines: Sequence[Line]) -> Page:
        """The same page with other lines."""
        return replace(self, lines=tuple(lines))


def plain(text: str) -> Page:
    """A page of which only the text is known."""
    return Page(tuple(Line(line) for line in text.split("\n")))


def rows_of(text_page: pypdfium2.PdfTextPage) -> list[list[Run]]:
    """The runs of a page, line by line as PDFium divides it. Raises PdfiumError.

    A page whose characters cannot be told apart gives one run a line, without place and size.
    """
    text, count = text_page.get_text_range(errors="ignore"), text_page.count_chars()
    at: Sequence[int] = range(count)
    if len(text) != count:  # characters without a meaning are counted, and not in the text
        at = [pdfium.FPDFText_GetTextIndexFromCharIndex(text_page, number) for number in range(count)]
        if max(at, default=-1) != len(text) - 1:
            lines = text.replace(_HYPHEN_SIGN, "-\n").splitlines()
            return [[Run(line, "", 0, 0, 0, 0, False, 0)] for line in lines]
    return list(_whole(_rows(_Reader(text_page), text, at)))


def _whole(rows: Iterable[list[Run]]) -> Iterator[list[Run]]:
    """The rows, with those joined that PDFium divides where a raised or lowered character stands between."""
    last: list[Run] | None = None
    for row in rows:
        if last and row and _continues(last[-1], row[0]):
            gap = row[0].left - last[-1].right
            space = " " if gap > _MAX_RAISED_GAP_SIZES * row[0].size and not row[0].text[0].isspace() else ""
            last += [row[0]._replace(space=space), *row[1:]]
            continue
        if last is not None:
            yield last
        last = row
    if last is not None:
        yield last


def _continues(before: Run, run: Run) -> bool:
    """Whether a run stands directly beside another one, perhaps a little higher or lower."""
    size = max(run.size, before.size)
    beside = -_MAX_OVERLAP_SIZES * size <= run.left - before.right <= _MAX_BESIDE_SIZES * size
    return beside and min(run.size, before.size) > 0 and abs(run.baseline - before.baseline) <= _MAX_SHIFT_SIZES * size


def _rows(reader: _Reader, text: str, at: Sequence[int]) -> Iterator[list[Run]]:
    row: list[Run] = []
    space = ""
    for owner, first, end in _objects(reader.text_page, len(at)):
        piece = "".join(text[place] for place in at[first:end] if place >= 0) if len(at) != len(text) else text[first:end]
        if not owner:  # a space or a line end that PDFium found between two runs
            if "\n" in piece:
                yield row
                row, space = [], ""
            elif row:
                space = " "
            continue
        parts = piece.split(_HYPHEN_SIGN)
        for part in parts[:-1]:
            yield [*row, reader.run(f"{part}-", space, owner, first, end)]
            row, space = [], ""
        if parts[-1]:
            row.append(reader.run(parts[-1], space, owner, first, end))
            space = ""
    yield row


def _objects(text_page: pypdfium2.PdfTextPage, count: int) -> Iterator[tuple[int, int, int]]:
    """(address of the text object or 0, first character, end) of the runs of a page."""
    page = ctypes.cast(text_page.raw, ctypes.c_void_p).value
    end = 0
    for owner, group in groupby(map(_object_at, repeat(page), range(count))):
        first, end = end, end + len(list(group))
        yield owner or 0, first, end


class _Reader:
    """Asks PDFium about runs, with one set of variables for all answers."""

    def __init__(self, text_page: pypdfium2.PdfTextPage) -> None:
        self.text_page = text_page
        self._numbers = [ctypes.c_double() for _ in range(4)]
        self._references = [ctypes.byref(number) for number in self._numbers]
        self._size = ctypes.c_float()
        self._matrix = pdfium.FS_MATRIX()
        self._bold: dict[int, bool] = {}

    def run(self, text: str, space: str, owner: int, first: int, end: int) -> Run:
        """The run of characters `first` to `end` of a text object."""
        text = text.replace("\r", " ").replace("\n", " ")
        start = first + len(text) - len(text.lstrip()) if text.strip() else first
        last = max(start, end - 1 - (len(text) - len(text.rstrip()) if text.strip() else 0))
        handle = ctypes.cast(owner, pdfium.FPDF_PAGEOBJECT)
        pdfium.FPDFText_GetCharBox(self.text_page, start, *self._references)
        left, right = self._numbers[0].value, self._numbers[1].value
        pdfium.FPDFText_GetCharBox(self.text_page, last, *self._references)
        left, right = min(left, self._numbers[0].value), max(right, self._numbers[1].value)
        pdfium.FPDFText_GetCharOrigin(self.text_page, start, *self._references[:2])
        baseline = self._numbers[1].value
        pdfium.FPDFTextObj_GetFontSize(handle, ctypes.byref(self._size))
        pdfium.FPDFText_GetMatrix(self.text_page, start, self._matrix)
        upright = abs(self._matrix.b) <= abs(self._matrix.a) / 10
        size = abs(self._size.value * self._matrix.d) if upright else 0.0
        return Run(text, space, left, right, baseline, size, self._is_bold(handle), owner)

    def _is_bold(self, handle: Any) -> bool:  # noqa: ANN401 (the bindings have no types)
        font = pdfium.FPDFTextObj_GetFont(handle)
        address = ctypes.cast(font, ctypes.c_void_p).value or 0
        if address not in self._bold:  # a page has few fonts
            self._bold[address] = bool(address) and _is_bold_font(font)
        return self._bold[address] or pdfium.FPDFTextObj_GetTextRenderMode(handle) == pdfium.FPDF_TEXTRENDERMODE_FILL_STROKE


def _is_bold_font(font: Any) -> bool:  # noqa: ANN401 (as above)
    buffer = ctypes.create_string_buffer(256)
    length = min(pdfium.FPDFFont_GetBaseFontName(font, buffer, len(buffer)), len(buffer))
    name = buffer.raw[:length].decode("latin-1").rstrip("\0")
    if _BOLD_NAME.search(name) or pdfium.FPDFFont_GetFlags(font) & _FORCE_BOLD:
        return True
    return not _PLAIN_NAME.search(name) and pdfium.FPDFFont_GetWeight(font) >= _MIN_BOLD_WEIGHT


def line_of(row: Sequence[Run]) -> Line:
    """A row of runs as a line, with raised characters marked as such."""
    if not row:
        return Line("")
    sizes: Counter[float] = Counter()
    for run in row:
        sizes[round(run.size * 2) / 2] += len(run.text.strip())
    size = max(sizes, key=lambda each: (sizes[each], each))
    worded = [run for run in row if _ALNUM.search(run.text)]
    gaps = [run.left for before, run in pairwise(row) if run.left - before.right > _MIN_CELL_GAP_SIZES * (size or 1)]
    return Line(
        clean(_text(row, size)),
        left=min(run.left for run in row),
        right=max(run.right for run in row),
        baseline=row[0].baseline,
        size=size,
        bold=bool(worded) and all(run.bold for run in worded),
        cells=(row[0].left, *gaps) if gaps else (),
    )


def _text(row: Sequence[Run], size: float) -> str:
    text, above, base, before = "", "", row[0], row[0]
    if len(row) > 1 and row[0].text.isdecimal() and _is_raised(row[0], row[1], size):  # the mark of the note that follows
        row = [row[0], row[1]._replace(space=" "), *row[2:]]
    for run, after in zip(row, (*row[1:], None), strict=True):
        glued = (above or text)[-1:].strip() and (not run.space or run.left - before.right < _MAX_RAISED_GAP_SIZES * size)
        if glued and _is_raised(run, base, size) and not _belongs_to(after, run):
            above += run.text
        else:
            text += (raised(above, text) if above else "") + (run.space if text else "") + run.text
            base, above = run, ""
        before = run
    return text + (raised(above, text) if above else "")


def _belongs_to(after: Run | None, run: Run) -> bool:
    """Whether a raised run is the numerator of a fraction, or part of a logo such as LaTeX, rather than an exponent or a mark."""
    if after is None or after.space:
        return False
    return after.text[:1] in "/⁄" or run.text.isupper() and after.text[:1].isalpha()


def _is_raised(run: Run, base: Run, size: float) -> bool:
    """Whether a run is smaller than the last one on the baseline and than its line, and stands higher."""
    return (
        0 < run.size <= _MAX_RAISED_SIZE * min(base.size, size)
        and _MIN_RAISE_SIZES * base.size <= run.baseline - base.baseline <= _MAX_RAISE_SIZES * base.size
        and len(run.text.strip()) <= _MAX_RAISED_CHARACTERS
        and bool(run.text.strip())
    )
