"""DOCX: what the headers and footers of the pages say that stands nowhere else.

Element names are those of ECMA-376, part 1: 17.10 (headers and footers) and 17.16 (fields).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from docx.document import Document as WordFile
from docx.oxml.parser import parse_xml
from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers.docx_styles import W, is_on

_PAGE_FIELDS = frozenset({"PAGE", "NUMPAGES", "SECTIONPAGES"})
_PAGE_NUMBER = "\ue000"
"""Stands for the number of a page."""
_MAX_PARTS, _MAX_PIECES = 50, 200
"""So many headers and footers, and pieces of their text, are looked at."""
_PIECES = re.compile(r"[\t\n|]")
_WORDS = re.compile(r"\w+")
_MAX_WORDS_BESIDE_NUMBER = 3
_SHORT_NUMBER = re.compile(r"\d{1,4}")


def margins(word: WordFile, settings: Element | None) -> Iterator[Element]:
    """The XML of the headers, then the footers, that pages show, with a sign for page numbers."""
    evens = settings is not None and is_on(settings.find(W + "evenAndOddHeaders"))
    used: dict[str, None] = {}
    for tag in ("headerReference", "footerReference"):
        for reference in word.element.body.iter(W + tag):
            kind, section = reference.get(W + "type"), reference.getparent()
            first = section is not None and is_on(section.find(W + "titlePg"))
            if kind not in {"first", "even"} or kind == "first" and first or kind == "even" and evens:
                used |= dict.fromkeys(value for name, value in reference.attrib.items() if name.endswith("}id"))
    for name in islice(used, _MAX_PARTS):
        if name in word.part.rels and not word.part.rels[name].is_external:
            root = parse_xml(word.part.rels[name].target_part.blob)
            _mark_page_numbers(root)
            yield root


def new_pieces(texts: Iterable[str], known: str) -> Iterator[str]:
    """What of the `texts` of headers and footers is neither a page number nor in the `known` text, each once."""
    everything = _key(known)
    seen: set[str] = set()
    pieces = (piece.strip() for text in texts for piece in _PIECES.split(text))
    for piece in islice(pieces, _MAX_PIECES):
        said = piece.replace(_PAGE_NUMBER, "").strip(" -–—·•,/")
        key, numbered = _key(said), _PAGE_NUMBER in piece
        if numbered and not any(map(str.isdecimal, key)) and len(_WORDS.findall(said)) <= _MAX_WORDS_BESIDE_NUMBER:
            continue
        if key and not _SHORT_NUMBER.fullmatch(key) and key not in everything and key not in seen:
            seen.add(key)
            yield said


def _key(text: str) -> str:
    return "".join(_WORDS.findall(text.casefold()))


def _mark_page_numbers(root: Element) -> None:
    """Put a sign where a field shows the number of a page, or how many there are."""
    for field in root.iter(W + "fldSimple"):
        if _is_page_field(field.get(W + "instr") or ""):
            for text in field.iter(W + "t"):
                text.text = _PAGE_NUMBER
    orders: list[str] = []  # of the fields that are open, from the outermost
    for part in root.iter(W + "fldChar", W + "instrText", W + "t"):
        if part.tag == W + "t":
            part.text = _PAGE_NUMBER if orders and _is_page_field(orders[-1]) else part.text
        elif part.tag == W + "instrText":
            orders[-1:] = [orders[-1] + (part.text or "")] if orders else []
        elif part.get(W + "fldCharType") == "begin":
            orders.append("")
        elif part.get(W + "fldCharType") == "end":
            del orders[-1:]


def _is_page_field(order: str) -> bool:
    return order.split()[:1] != [] and order.split()[0].upper() in _PAGE_FIELDS
