"""DOCX: the body of a Word file in document order, as Markdown blocks, without comments; headers and footers stand at the end.

This module walks the XML itself, since python-docx skips content controls, tracked insertions, text boxes
and formulas. Struck-out text is left out; so is what nobody sees, whose characters are counted. Element names are
those of ECMA-376, part 1.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import docx
from docx.document import Document as WordFile
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml.ns import nsmap
from docx.oxml.parser import parse_xml
from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import blocks, scripts
from ingest.parsers.archive import Archive
from ingest.parsers.blocks import Block
from ingest.parsers.colours import WHITE
from ingest.parsers.damage import broken
from ingest.parsers.docx_frames import Size, is_anchor_off, is_frame_off, page_size
from ingest.parsers.docx_margins import margins, new_pieces
from ingest.parsers.docx_numbering import Numberings
from ingest.parsers.docx_styles import Kind, Styles, W, count, fill_of, is_on, value
from ingest.parsers.docx_theme import theme_colours, write_out
from ingest.parsers.formats import Extract, Source
from ingest.parsers.grid import Span
from ingest.parsers.looks import Look
from ingest.parsers.scripts import Script
from ingest.parsers.titles import day, sensible

_MAX_HEADING_CHARACTERS = 200

_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_P, _R, _TBL, _TR, _TC, _BOX = (W + name for name in ("p", "r", "tbl", "tr", "tc", "txbxContent"))
_RUNS, _TEXTS = {_R, _M + "r"}, {W + "t", _M + "t"}
_WRAPPERS = {W + name for name in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo")} | {
    _MC + "AlternateContent",
    _MC + "Choice",
}
_OUTSIDE = {W + name for name in ("pPr", "rPr", "sdtPr", "moveFrom", "txbxContent", "rt")} | {_MC + "Fallback"}
_SIGNS = {W + "tab": "\t", W + "ptab": "\t", W + "br": "\n", W + "cr": "\n", W + "noBreakHyphen": "-"}
_NOTES = {W + "footnoteReference": "", W + "endnoteReference": "e"}
_UNKNOWN_GROUND = ""


def extract(source: Source) -> Extract:
    """The text of the body, then the notes, then what the headers and footers say that stands nowhere else."""
    archive = Archive(source)
    archive.refuse_entities()
    archive.refuse_strict("a Word document (.docx)")
    try:
        word = docx.Document(io.BytesIO(source.data))
        settings, numbering = (next(map(parse_xml, _related(word, kind)), None) for kind in ("settings", "numbering"))
        colours = theme_colours(next(_related(word, "theme"), b""), settings)
        for root in (word.styles.element, word.element):
            write_out(root, colours)
        styles = Styles(word.styles.element)
        walk = _Walk(styles, Numberings(numbering, styles), page_size(word.element.body), colours)
        body = [*walk.blocks(word.element.body, _page_ground(word)), *_notes(word, walk)]
        title, author, changed = _properties(word)
        body += _margins(word, walk, settings, " ".join([title, author, *(block.text for block in body)]))
    except Exception as damage:  # on damaged files python-docx raises exceptions of many types
        raise broken(source.name, damage) from damage
    return Extract(blocks.write(body), title=title or blocks.first_heading(body), author=author, date=changed, hidden=walk.hidden)


@dataclass(slots=True)
class _Walk:
    """Walks through a document in its order. A `ground` is the colour behind a text, or _UNKNOWN_GROUND."""

    styles: Styles
    numberings: Numberings
    page: Size
    colours: Mapping[str, str]
    """Those of the theme, by name."""
    hidden: int = 0
    """How many characters that nobody sees were left out so far."""

    def blocks(self, parent: Element, ground: str) -> Iterator[Block]:
        """The blocks of an element: paragraphs, tables and text boxes."""
        for child in parent:
            if child.tag == _P and (frame := self.styles.frame(child)) is not None and is_frame_off(frame, self.page):
                self.hidden += _length(child)
            elif child.tag == _P:
                yield from self._paragraph(child, ground)
                if next(child.iter(_BOX), None) is not None:  # most paragraphs have none
                    for box in self._boxes(child, self.styles.paragraph_look(child)):
                        yield from self.blocks(box, _UNKNOWN_GROUND)
            elif child.tag == _TBL:
                yield from self._table(child, ground)
            elif child.tag in _WRAPPERS:
                yield from self.blocks(child, ground)

    def text(self, parent: Element, ground: str) -> str:
        """The text of the blocks of an element, in one line."""
        return " ".join(block.text for block in self.blocks(parent, ground))

    def _paragraph(self, paragraph: Element, ground: str) -> Iterator[Block]:
        kind = self.styles.kind(paragraph)
        level, label = self._label(paragraph, kind)
        fill = self.styles.fill(paragraph)
        look = self.styles.paragraph_look(paragraph)
        written = scripts.joined(_on_the_line(list(self._pieces(paragraph, look, ground if fill is None else fill))))
        text = "\n".join(line.strip() for line in written.split("\n")).strip()
        if not text:
            return
        text = f"{label} {text}" if label else text
        if kind.heading and len(text) <= _MAX_HEADING_CHARACTERS:
            yield Block("heading", text, kind.heading)
        elif kind.item and not kind.heading:
            yield Block("item", text, max(kind.item, level + 1))
        else:
            yield Block("paragraph", text)

    def _label(self, paragraph: Element, kind: Kind) -> tuple[int, str]:
        """The level of an automatic numbering and what it puts before the paragraph."""
        if not kind.number_id:
            return 0, ""
        by_style = self.numberings.level(kind.number_id, self.styles.style_id(paragraph))
        level = by_style if kind.level is None else kind.level
        return level, self.numberings.label(kind.number_id, level)

    def _pieces(self, element: Element, look: Look, ground: str) -> Iterator[tuple[Script, str]]:
        for child in element:
            tag = child.tag
            if tag in _TEXTS:
                yield look.script or "", child.text or ""
            elif tag in _SIGNS:
                yield "", _SIGNS[tag]
            elif tag in _NOTES:
                yield "", f"[^{_NOTES[tag]}{child.get(W + 'id')}]"
            elif tag == W + "del":
                self.hidden += _length(child)
            elif tag in _RUNS:
                yield from self._run(child, self.styles.run_look(child, look), ground)
            elif tag in {_M + "sup", _M + "sub", _M + "f"}:
                yield "", self._formula(child, look, ground)
            elif tag not in _OUTSIDE:
                yield from self._pieces(child, look, ground)

    def _run(self, run: Element, look: Look, ground: str) -> Iterator[tuple[Script, str]]:
        if look.is_hidden(ground):
            self.hidden += sum(len(part.text or "") for part in run if part.tag in _TEXTS)
        elif not look.struck:
            yield from self._pieces(run, look, ground)

    def _formula(self, part: Element, look: Look, ground: str) -> str:
        """An exponent, an index or a fraction of a formula."""
        if part.tag == _M + "f":
            sides = [scripts.joined(self._pieces(side, look, ground)) for side in part if side.tag in {_M + "num", _M + "den"}]
            return "/".join(side if side.isalnum() else f"({side})" for side in sides)
        text = scripts.joined(self._pieces(part, look, ground))
        return scripts.superscript(text) if part.tag == _M + "sup" else scripts.subscript(text)

    def _boxes(self, element: Element, look: Look) -> Iterator[Element]:
        """The text boxes anchored in a paragraph, without the fallback copy that Word adds of each."""
        for child in element:
            if child.tag == _BOX:
                yield child
            elif child.tag == _R and self.styles.run_look(child, look).vanished or self._is_hidden_shape(child):
                self.hidden += sum(map(_length, child.iter(_BOX)))
            elif child.tag != _MC + "Fallback":
                yield from self._boxes(child, look)

    def _is_hidden_shape(self, element: Element) -> bool:
        """Whether it is the anchor of a shape that is not shown or lies beside the page."""
        properties = element.find("{*}docPr") if isinstance(element.tag, str) else None
        if properties is None:
            return False
        return properties.get("hidden") in {"1", "true"} or is_anchor_off(element, self.page)

    def _table(self, table: Element, ground: str) -> Iterator[Block]:
        """The table as one line per row. A cell that holds a table, or is the only one, is layout: its blocks are text."""
        if self.styles.shades(value(table, "tblPr", "tblStyle")):
            ground = _UNKNOWN_GROUND
        fill = fill_of(table.find(W + "tblPr"))
        ground = ground if fill is None else fill
        elements = list(self._rows(table))
        rows = [list(_inside(row, _TC)) for row in elements]
        frame = len(rows) == 1 and len(rows[0]) == 1
        done = _Rows()
        for cells, row in zip(rows, elements, strict=True):
            if not frame and not any(next(cell.iter(_TBL), None) is not None for cell in cells):
                done.add(row, [(cell, self.text(cell, _ground(cell, ground))) for cell in cells])
                continue
            yield from filter(None, [blocks.table(done.lines, done.spans)])
            done = _Rows()
            for cell in cells:
                yield from self.blocks(cell, _ground(cell, ground))
        yield from filter(None, [blocks.table(done.lines, done.spans)])

    def _rows(self, table: Element) -> Iterator[Element]:
        """The rows that are seen."""
        for row in _inside(table, _TR):
            properties = row.find(W + "trPr")
            if properties is not None and (properties.find(W + "del") is not None or is_on(properties.find(W + "hidden"))):
                self.hidden += _length(row)
            else:
                yield row


@dataclass(slots=True)
class _Rows:
    """The texts of rows by grid column, and the merged cells among them."""

    lines: list[list[str]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    _open: dict[int, int] = field(default_factory=dict)
    """Column → the place in `spans` of the merged cell of the row above that may go on."""

    def add(self, row: Element, cells: list[tuple[Element, str]]) -> None:
        """Add a row of cells, each with its text."""
        line = [""] * count(row, "trPr", "gridBefore")
        still_open: dict[int, int] = {}
        for cell, text in cells:
            column, width = len(line), max(count(cell, "tcPr", "gridSpan"), 1)
            merge = cell.find(f"{W}tcPr/{W}vMerge")
            if merge is not None and merge.get(W + "val") != "restart" and column in self._open:
                place = still_open[column] = self._open[column]
                self.spans[place] = replace(self.spans[place], height=self.spans[place].height + 1)
                text = ""
            elif merge is not None or width > 1:
                if merge is not None:
                    still_open[column] = len(self.spans)
                self.spans.append(Span(len(self.lines), column, 1, width))
            line += [text, *[""] * (width - 1)]
        self._open = still_open
        self.lines.append(line)


def _on_the_line(pieces: Sequence[tuple[Script, str]]) -> Sequence[tuple[Script, str]]:
    """The pieces of a paragraph, plain if all of its text is moved up or down alike: it then joins nothing."""
    scripts_used = {script for script, text in pieces if text.strip()}
    return pieces if len(scripts_used) > 1 else [("", text) for _, text in pieces]


def _page_ground(word: WordFile) -> str:
    """The colour of the pages; unknown if they have one of their own or a picture behind the text."""
    behind = any(anchor.get("behindDoc") in {"1", "true"} for anchor in word.element.iter(f"{{{nsmap['wp']}}}anchor"))
    return WHITE if word.element.find(W + "background") is None and not behind else _UNKNOWN_GROUND


def _ground(cell: Element, below: str) -> str:
    fill = fill_of(cell.find(W + "tcPr"))
    return below if fill is None else fill


def _length(element: Element) -> int:
    """How many characters of text an element holds."""
    parts = (part for part in element.iter(W + "t", W + "delText"))
    return sum(len(part.text or "") for part in parts if next(part.iterancestors(_MC + "Fallback"), None) is None)


def _inside(parent: Element, tag: str) -> Iterator[Element]:
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag in _WRAPPERS:
            yield from _inside(child, tag)


def _notes(word: WordFile, walk: _Walk) -> Iterator[Block]:
    for kind, mark in (("footnote", ""), ("endnote", "e")):
        for part in map(parse_xml, _related(word, kind + "s")):
            write_out(part, walk.colours)
            for note in part.iter(W + kind):
                if note.get(W + "type") in {None, "normal"} and (text := walk.text(note, WHITE)):  # other types are lines
                    yield Block("paragraph", f"[^{mark}{note.get(W + 'id')}]: {text}")


def _margins(word: WordFile, walk: _Walk, settings: Element | None, known: str) -> Iterator[Block]:
    """What the headers and footers say that is not in the `known` text."""
    texts = []
    for part in margins(word, settings):
        write_out(part, walk.colours)
        texts += [block.text for block in walk.blocks(part, _page_ground(word))]
    return (Block("paragraph", piece) for piece in new_pieces(texts, known))


def _related(word: WordFile, kind: str) -> Iterator[bytes]:
    for relation in word.part.rels.values():
        if relation.reltype.endswith("/" + kind) and not relation.is_external:
            yield relation.target_part.blob


def _properties(word: WordFile) -> tuple[str, str, str]:
    """Title, author and the day of the last change, "" if the file has no core properties: python-docx would invent defaults."""
    relations = word.part.package.rels.values()
    if all(relation.reltype != RELATIONSHIP_TYPE.CORE_PROPERTIES for relation in relations):
        return "", "", ""
    author = word.core_properties.author
    changed = "" if author == "python-docx" else day(word.core_properties.modified)
    return sensible(word.core_properties.title), "" if author == "python-docx" else author, changed
