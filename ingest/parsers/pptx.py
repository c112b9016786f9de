"""PPTX: each slide is a page: its title, then its shapes in the order of a screen reader, then the notes.

python-pptx opens the file; this module walks the XML of the slides itself, since python-pptx skips formulas,
SmartArt and content that newer versions wrap in alternatives. Dates, footers, slide numbers and struck-out text are
left out; so is what nobody sees, whose characters are counted. A hidden slide is an empty page, so that page numbers are
those that PowerPoint shows. Element names are those of ECMA-376, part 1.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import zip_longest

import pptx
from lxml.etree import _Element as Element  # type: ignore[import-untyped]
from pptx.opc.constants import RELATIONSHIP_TYPE
from pptx.oxml.ns import qn
from pptx.presentation import Presentation
from pptx.slide import Slide

from ingest.parsers import blocks, markup, scripts
from ingest.parsers import pptx_looks as looks
from ingest.parsers.archive import Archive
from ingest.parsers.blocks import Block
from ingest.parsers.damage import broken
from ingest.parsers.formats import Extract, Source
from ingest.parsers.grid import Span
from ingest.parsers.pptx_places import is_off
from ingest.parsers.scripts import Script
from ingest.parsers.titles import sensible
from ragbot.errors import ReadError

_TITLES = frozenset({"title", "ctrTitle"})
_FURNITURE = frozenset({"dt", "ftr", "hdr", "sldNum", "sldImg"})
_LISTS = frozenset({"", "body", "obj"})
"""Placeholder types whose paragraphs are list items if there are several. "" stands for a missing type."""
_SHAPES = frozenset({"sp", "graphicFrame", "cxnSp", "grpSp", "AlternateContent", "Choice"})
_CHOICE, _MATH = "Choice", "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_MAX_CHART_POINTS = 100
"""A chart with more points per series is a curve, whose values are not read."""


def extract(source: Source) -> Extract:
    """The text of the slides, in order."""
    archive = Archive(source)
    archive.refuse_entities()
    archive.refuse_strict("a PowerPoint presentation (.pptx)")
    try:
        show = pptx.Presentation(io.BytesIO(source.data))
        hidden = 0
        pages = []
        for slide in show.slides:
            source.alive()
            page = _Page(slide, source, show.slide_width or 0, show.slide_height or 0)
            pages.append(list(page.blocks()))
            hidden += page.hidden
        title, author = _properties(show)
    except (ReadError, MemoryError):
        raise
    except Exception as damage:  # on damaged files python-pptx raises exceptions of many types
        raise broken(source.name, damage) from damage
    text, starts = blocks.write_pages(pages)
    heading = next(filter(None, map(blocks.first_heading, pages)), "")
    return Extract(text, title=title or heading, author=author, pages=starts, hidden=hidden)


def _placeholder(shape: Element) -> str | None:
    """The type of a placeholder, "" if it is not given; None for any other shape."""
    found = next(shape.iter(qn("p:ph")), None)
    return None if found is None else found.get("type") or ""


class _Page:
    """Reads a slide. A `ground` is the colour behind a text, or UNKNOWN_GROUND."""

    def __init__(self, slide: Slide, source: Source, width: int, height: int) -> None:
        self._slide = slide
        self._source = source
        self._size = None if not width or not height or looks.moves(slide) else (width, height)
        self._grounds = looks.grounds_of(slide)
        self.hidden = 0
        """How many characters that nobody sees were left out so far."""

    def blocks(self) -> Iterator[Block]:
        """The title, the other shapes and the notes; nothing of a hidden slide."""
        tree = self._slide.shapes.element
        if looks.is_hidden_slide(self._slide):
            self._hide(tree)
            return
        shapes = list(self._shapes(tree, self._size))
        shapes.sort(key=lambda shape: _placeholder(shape) not in _TITLES)  # stable: only the title moves
        for shape in shapes:
            yield from self._shape(shape)
        if self._slide.has_notes_slide:
            notes = self._slide.notes_slide.notes_text_frame
            if notes and (text := notes.text.replace("\v", "\n").strip()):
                yield Block("paragraph", f"Notes: {text}")

    def _hide(self, element: Element) -> None:
        self.hidden += sum(map(len, looks.texts(element)))

    def _shapes(self, tree: Element, size: tuple[int, int] | None) -> Iterator[Element]:
        """The shapes that are seen, those in groups included; of alternatives the first, as newer versions show it.

        With the `size` of the slide, those that lie beside it are left out.
        """
        for child in tree:
            name = markup.local(child)
            if name not in _SHAPES:
                continue
            if looks.is_hidden_shape(child) or size and is_off(child, *size) or self._grounds.is_covered(child):
                self._hide(child)
            elif name == "grpSp":
                yield from self._shapes(child, None)
            elif name in {"AlternateContent", _CHOICE}:
                yield from self._shapes(child, size)
            else:
                yield child

    def _shape(self, shape: Element) -> Iterator[Block]:
        kind = _placeholder(shape)
        if kind in _FURNITURE:
            return
        if markup.local(shape) == "graphicFrame":
            yield from self._graphic(shape)
            return
        body = shape.find(qn("p:txBody"))
        if body is None:
            return
        ground = self._grounds.of_shape(shape)
        if kind in _TITLES:
            if title := " ".join(" ".join(self._text(paragraph, ground) for paragraph in body.iter(qn("a:p"))).split()):
                yield Block("heading", title)
            return
        yield from self._paragraphs(body, kind in _LISTS, ground)

    def _paragraphs(self, body: Element, is_list: bool, ground: str) -> Iterator[Block]:
        paragraphs = [(part, text) for part in body.iter(qn("a:p")) if (text := self._text(part, ground))]
        numbers = looks.Numbers()
        for paragraph, text in paragraphs:
            properties = paragraph.find(qn("a:pPr"))
            level = int(properties.get("lvl") or 0) if properties is not None else 0
            marks = set() if properties is None else {markup.local(child) for child in properties}
            marked = bool(marks & {"buChar", "buAutoNum", "buBlip"})
            label = numbers.label(level, None if properties is None else properties.find(qn("a:buAutoNum")))
            listed = marked or level > 0 or is_list and len(paragraphs) > 1
            if listed and "buNone" not in marks:
                yield Block("item", f"{label} {text}" if label else text, level + 1)
            else:
                yield Block("paragraph", text)

    def _text(self, paragraph: Element, ground: str = looks.UNKNOWN_GROUND) -> str:
        words = scripts.joined(self._pieces(paragraph, ground))
        return "\n".join(" ".join(line.split()) for line in words.split("\n")).strip()

    def _pieces(self, paragraph: Element, ground: str) -> Iterator[tuple[Script, str]]:
        for part in paragraph.iter(qn("a:t"), qn("a:br"), _MATH):
            if any(markup.local(above) == "Fallback" for above in part.iterancestors()):
                continue
            run = part.getparent()
            if part.tag == qn("a:br"):
                yield "", "\n"
            elif part.tag == _MATH or run is None:
                yield "", part.text or ""
            elif self._grounds.hides(run, ground):
                self.hidden += len(part.text or "")
            elif not looks.is_struck(run):
                yield looks.script_of(run), part.text or ""

    def _graphic(self, frame: Element) -> Iterator[Block]:
        data = frame.find(f"{qn('a:graphic')}/{qn('a:graphicData')}")
        for child in () if data is None else data:
            match markup.local(child):
                case "tbl":
                    yield from filter(None, [self._table(child)])
                case "chart":
                    if (chart := self._part(child.get(qn("r:id")))) is not None:
                        yield from self._chart(chart)
                case "relIds":  # SmartArt: its text is in a part of its own
                    if (diagram := self._part(child.get(qn("r:dm")))) is not None:
                        yield from (Block("item", text) for point in _points(diagram) if (text := self._text(point)))

    def _part(self, relation: str | None) -> Element | None:
        """The XML of a part that the slide refers to; None if it is missing, as in files reduced by other programs."""
        part = self._slide.part
        if relation is None or relation not in part.rels or part.rels[relation].is_external:
            return None
        return markup.parse(part.related_part(relation).blob, self._source.name)

    def _table(self, table: Element) -> Block | None:
        """The table as a block; of a merged cell the first one holds the text and says how far it reaches."""
        lines: list[list[str]] = []
        spans: list[Span] = []
        for row in table.iterfind(qn("a:tr")):
            line: list[str] = []
            for cell in row.iterfind(qn("a:tc")):
                covered = {cell.get("hMerge"), cell.get("vMerge")} & {"1", "true"}
                height, width = _count(cell, "rowSpan"), _count(cell, "gridSpan")
                if height * width > 1:
                    spans.append(Span(len(lines), len(line), height, width))
                line.append("" if covered else self._cell(cell))
            lines.append(line)
        return blocks.table(lines, spans)

    def _cell(self, cell: Element) -> str:
        ground = self._grounds.of_cell(cell)
        return " ".join(filter(None, (self._text(paragraph, ground) for paragraph in cell.iter(qn("a:p")))))

    def _chart(self, chart: Element) -> Iterator[Block]:
        """The title of a chart, then a table with one row per category."""
        title = chart.find("{*}chart/{*}title")
        if title is not None and (text := " ".join(filter(None, map(self._text, title.iter(qn("a:p")))))):
            yield Block("paragraph", f"Chart: {text}")
        series = list(chart.iterfind("{*}chart/{*}plotArea/{*}*/{*}ser"))
        if not series:
            return
        names = [next(each.iterfind("{*}tx//{*}v"), None) for each in series]
        head = ["", *("" if name is None else name.text or "" for name in names)]
        categories = _values(series[0], "cat") or _values(series[0], "xVal")
        columns = [_values(each, "val") or _values(each, "yVal") for each in series]
        if max(map(len, columns)) > _MAX_CHART_POINTS:
            columns = []
        yield from filter(None, [blocks.table([head, *map(list, zip_longest(categories, *columns, fillvalue=""))])])


def _points(diagram: Element) -> Iterator[Element]:
    for point in diagram.iterfind("{*}ptLst/{*}pt"):
        if point.get("type") in {None, "node", "asst"}:
            yield from point.iterfind("{*}t/" + qn("a:p"))


def _count(cell: Element, name: str) -> int:
    value = cell.get(name) or ""
    return max(int(value), 1) if value.isdecimal() and len(value) < 10 else 1


def _values(series: Element, name: str) -> list[str]:
    """The cached values of a series, in the order of their index, "" where one is missing."""
    values = {int(point.get("idx") or 0): point.findtext("{*}v") or "" for point in series.iterfind(f"{{*}}{name}//{{*}}pt")}
    return [values.get(at, "") for at in range(max(values) + 1)] if values and max(values) < 100_000 else []


def _properties(show: Presentation) -> tuple[str, str]:
    """Title and author, "" if the file has no core properties: python-pptx would invent defaults."""
    relations = show.part.package._rels.values()
    if all(relation.reltype != RELATIONSHIP_TYPE.CORE_PROPERTIES for relation in relations):
        return "", ""
    return sensible(show.core_properties.title), show.core_properties.author
