"""XML parsed so that it can do no harm: no entities, no network, no files, no endless depth. Knows no vocabulary."""

from __future__ import annotations

import re

from lxml import etree  # type: ignore[import-untyped]
from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.readers.damage import broken
from ragbot.errors import BrokenError

PROLOG_BYTES = 1 << 16
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_BEFORE_TYPE = ((b"<?", b"?>"), (b"<!--", b"-->"))
_TYPE_END = re.compile(rb"\]\s*>|<!ENTITY")


def parse(data: bytes, name: str) -> Element:
    """The root element, without comments. Raises BrokenError, by `name`: malformed, too deep, or declaring entities."""
    refuse_entities(data[:PROLOG_BYTES], name)
    safe = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
    parser = etree.XMLParser(**safe, remove_comments=True, remove_pis=True)
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as cause:
        raise broken(name, cause) from cause


def refuse_entities(head: bytes, name: str) -> None:
    """Raises BrokenError if the first bytes of an XML document declare entities."""
    plain = head.replace(b"\0", b"")  # UTF-16
    for mark in _MARKS:
        plain = plain.removeprefix(mark)
    at = _after_comments(plain)
    found = _TYPE_END.search(plain, at) if plain.startswith(b"<!DOCTYPE", at) else None
    if found and found[0] == b"<!ENTITY":
        raise BrokenError(f"{name}: declares entities, as an XML bomb does; save it without its document type")


def _after_comments(data: bytes) -> int:
    at = 0
    while at < len(data):
        end = next((end for start, end in _BEFORE_TYPE if data.startswith(start, at)), b"")
        if end:
            closed = data.find(end, at)
            at = len(data) if closed < 0 else closed + len(end)
        elif data[at : at + 1].isspace():
            at += 1
        else:
            break
    return at


def local(element: Element) -> str:
    """The name of an element without its namespace; "" for an entity that is not known."""
    return str(element.tag).rpartition("}")[2] if isinstance(element.tag, str) else ""
