"""DOCX: the body of a Word file in document order, as Markdown blocks, without headers, footers and comments.

This module walks the XML itself, since python-docx skips content controls, tracked insertions, text boxes
and formulas. Element names are those of ECMA-376, part 1.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import docx
from docx.document import Document as WordFile
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml.ns import nsmap
from docx.oxml.parser import parse_xml
from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import blocks
from ingest.parsers.archive import Archive
from ingest.parsers.blocks import Block
from ingest.parsers.damage import broken
from ingest.parsers.formats import Extract, Source
from ingest.parsers.titles import sensible

_MAX_HEADING_CHARACTERS = 200

_W = f"{{{nsmap['w']}}}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_P, _TBL, _TR, _TC, _BOX = (_W + name for name in ("p", "tbl", "tr", "tc", "txbxContent"))
_WRAPPERS = {_W + name for name in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo")} | {
    _MC + "AlternateContent",
    _MC + "Choice",
}
_OUTSIDE = {_W + name for name in ("pPr", "rPr", "sdtPr", "del", "moveFrom", "txbxContent", "rt")} | {_MC + "Fallback"}
_SIGNS = {_W + "tab": "\t", _W + "ptab": "\t", _W + "br": "\n", _W + "cr": "\n", _W + "noBreakHyphen": "-"}
_NOTES = {_W + "footnoteReference": "", _W + "endnoteReference": "e"}


@dataclass(frozen=True, slots=True)
class _Style:
    """The heading rank and list depth, from 1, that a style gives a paragraph; 0 if it gives none."""

    heading: int = 0
    item: int = 0


_Styles = Mapping[str, _Style]


def extract(source: Source) -> Extract:
    """The text of the body, then the notes."""
    archive = Archive(source)
    archive.refuse_entities()
    archive.refuse_strict("a Word document (.docx)")
    try:
        word = docx.Document(io.BytesIO(source.data))
        styles = _styles(word.styles.element)
        body = [*_blocks(word.element.body, styles), *_notes(word, styles)]
        title, author = _properties(word)
    except Exception as damage:  # on damaged files python-docx raises exceptions of many types
        raise broken(source.name, damage) from damage
    return Extract(blocks.write(body), title=title or blocks.first_heading(body), author=author)


def _blocks(parent: Element, styles: _Styles) -> Iterator[Block]:
    for child in parent:
        if child.tag == _P:
            yield from _paragraph(child, styles)
            for box in _boxes(child):
                yield from _blocks(box, styles)
        elif child.tag == _TBL:
            yield from _table(child, styles)
        elif child.tag in _WRAPPERS:
            yield from _blocks(child, styles)


def _paragraph(paragraph: Element, styles: _Styles) -> Iterator[Block]:
    text = _text(paragraph)
    if not text:
        return
    style = _style_of(paragraph, styles)
    if style.heading and len(text) <= _MAX_HEADING_CHARACTERS:
        yield Block("heading", text, style.heading)
    elif style.item:
        yield Block("item", text, style.item)
    else:
        yield Block("paragraph", text)


def _text(element: Element) -> str:
    lines = "".join(_runs(element)).split("\n")
    return "\n".join(line.strip() for line in lines).strip()


def _runs(element: Element) -> Iterator[str]:
    for child in element:
        tag = child.tag
        if tag == _W + "t" or tag == _M + "t":
            yield child.text or ""
        elif tag in _SIGNS:
            yield _SIGNS[tag]
        elif tag in _NOTES:
            yield f"[^{_NOTES[tag]}{child.get(_W + 'id')}]"
        elif tag not in _OUTSIDE and not _hidden(child):
            yield from _runs(child)


def _hidden(run: Element) -> bool:
    vanish = run.find(f"{_W}rPr/{_W}vanish")
    return vanish is not None and vanish.get(_W + "val") not in {"0", "false", "off"}


def _boxes(element: Element) -> Iterator[Element]:
    """The text boxes anchored in a paragraph, without the fallback copy that Word adds of each."""
    for child in element:
        if child.tag == _BOX:
            yield child
        elif child.tag != _MC + "Fallback":
            yield from _boxes(child)


def _table(table: Element, styles: _Styles) -> Iterator[Block]:
    """The table as one line per row. A cell that holds a table, or is the only one, is layout: its blocks are read as text."""
    rows = [list(_inside(row, _TC)) for row in _inside(table, _TR)]
    frame = len(rows) == 1 and len(rows[0]) == 1
    lines: list[list[str]] = []
    for cells, row in zip(rows, _inside(table, _TR), strict=True):
        if not frame and not any(next(cell.iter(_TBL), None) is not None for cell in cells):
            lines.append(_line(row, cells, styles))
            continue
        yield from filter(None, [blocks.table(lines)])
        lines = []
        for cell in cells:
            yield from _blocks(cell, styles)
    yield from filter(None, [blocks.table(lines)])


def _line(row: Element, cells: list[Element], styles: _Styles) -> list[str]:
    """The texts of a row by grid column; a merged cell has its text in the first column only."""
    line = [""] * _number(row, f"{_W}trPr/{_W}gridBefore")
    for cell in cells:
        merge = cell.find(f"{_W}tcPr/{_W}vMerge")
        goes_on = merge is not None and merge.get(_W + "val") != "restart"
        line.append("" if goes_on else " ".join(block.text for block in _blocks(cell, styles)))
        line += [""] * (_number(cell, f"{_W}tcPr/{_W}gridSpan") - 1)
    return line


def _inside(parent: Element, tag: str) -> Iterator[Element]:
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag in _WRAPPERS:
            yield from _inside(child, tag)


def _number(element: Element, path: str) -> int:
    found = element.find(path)
    value = "" if found is None else found.get(_W + "val") or ""
    return min(int(value), 100) if value.isdecimal() else 0


def _style_of(paragraph: Element, styles: _Styles) -> _Style:
    properties = paragraph.find(_W + "pPr")
    if properties is None:
        return _Style()
    named = properties.find(_W + "pStyle")
    style = styles.get(named.get(_W + "val") or "", _Style()) if named is not None else _Style()
    return style if style.heading else _direct(properties, style)


def _direct(properties: Element, style: _Style) -> _Style:
    """The style of a paragraph: its direct properties override the named `style`."""
    outline = properties.find(_W + "outlineLvl")
    level = _number(properties, _W + "outlineLvl") if outline is not None else 9
    numbering = properties.find(_W + "numPr")
    if level < 9:  # 9 is body text
        return _Style(heading=level + 1)
    if numbering is None:
        return style
    if numbering.find(_W + "numId") is not None and not _number(numbering, _W + "numId"):
        return _Style()  # numbering 0 takes the style's numbering away
    return _Style(item=_number(numbering, _W + "ilvl") + 1)


def _styles(element: Element) -> dict[str, _Style]:
    by_id = {style.get(_W + "styleId") or "": style for style in element.iter(_W + "style")}
    return {name: _resolved(name, by_id) for name in by_id}


def _resolved(style_id: str, by_id: Mapping[str, Element]) -> _Style:
    """Resolve a style by its name and properties, or those of the styles that it is based on."""
    seen: set[str] = set()
    while style_id in by_id and style_id not in seen:
        seen.add(style_id)
        element = by_id[style_id]
        style = _by_name(_value(element, "name").lower())
        properties = element.find(_W + "pPr")
        if style == _Style() and properties is not None:
            style = _direct(properties, style)
        if style != _Style():
            return style
        style_id = _value(element, "basedOn")
    return _Style()


def _by_name(name: str) -> _Style:
    """The built-in style of a name (lower case). Word stores these names in English whatever language it shows."""
    if name == "title":
        return _Style(heading=1)
    if match := re.fullmatch(r"heading ([1-9])", name):
        return _Style(heading=int(match[1]))
    if match := re.fullmatch(r"list (?:bullet|number)(?: ([2-9]))?", name):
        return _Style(item=int(match[1] or 1))
    return _Style()


def _value(element: Element, name: str) -> str:
    found = element.find(_W + name)
    return "" if found is None else found.get(_W + "val") or ""


def _notes(word: WordFile, styles: _Styles) -> Iterator[Block]:
    for kind, mark in (("footnote", ""), ("endnote", "e")):
        for part in _related(word, kind + "s"):
            for note in parse_xml(part).iter(_W + kind):
                text = " ".join(block.text for block in _blocks(note, styles))
                if text and note.get(_W + "type") in {None, "normal"}:  # other types are separator lines
                    yield Block("paragraph", f"[^{mark}{note.get(_W + 'id')}]: {text}")


def _related(word: WordFile, kind: str) -> Iterator[bytes]:
    for relation in word.part.rels.values():
        if relation.reltype.endswith("/" + kind) and not relation.is_external:
            yield relation.target_part.blob


def _properties(word: WordFile) -> tuple[str, str]:
    """Title and author, "" if the file has no core properties: python-docx would invent defaults."""
    relations = word.part.package.rels.values()
    if all(relation.reltype != RELATIONSHIP_TYPE.CORE_PROPERTIES for relation in relations):
        return "", ""
    author = word.core_properties.author
    return sensible(word.core_properties.title), "" if author == "python-docx" else author
