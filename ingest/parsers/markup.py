"""Parse untrusted XML safely: no entities, network, files or endless depth. Knows no XML vocabulary."""

from __future__ import annotations

import re

from lxml import etree  # type: ignore[import-untyped]
from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers.damage import broken
from ragbot.errors import BrokenError

PROLOG_BYTES = 1 << 16
_SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_ASIDE = re.compile(rb"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)", re.DOTALL)
_TYPE_END = re.compile(rb"\]\s*>|<!ENTITY")


def parse(data: bytes, name: str) -> Element:
    """The root element, without comments and processing instructions.

    Raises BrokenError, naming `name`, if the document is malformed, nests too deeply or declares entities.
    """
    refuse_entities(data[:PROLOG_BYTES], name)
    root = _parsed(data, etree.XMLParser(**_SAFE, remove_comments=True, remove_pis=True), name)
    kind = root.getroottree().docinfo.internalDTD
    if (
        kind is not None and next(kind.iterentities(), None) is not None
    ):  # too far down for the check of the prolog, or hidden in quotes
        raise _declaring(name)
    return root


def walk(data: bytes, target: object, name: str) -> None:
    """Call `target.start(tag, attributes)` for each element, then `target.close()`, without building a tree.

    Recovers from damage where it can. Raises BrokenError if it cannot, or if the document declares entities.
    """
    refuse_entities(data[:PROLOG_BYTES], name)
    _parsed(data, etree.XMLParser(**_SAFE, target=target, recover=True), name)


def refuse_entities(head: bytes, name: str) -> None:
    """Raise BrokenError if the first bytes of an XML document declare entities."""
    plain = head.replace(b"\0", b"")  # UTF-16
    for mark in _MARKS:
        plain = plain.removeprefix(mark)
    plain = _ASIDE.sub(b"", plain).lstrip()
    found = _TYPE_END.search(plain) if plain.startswith(b"<!DOCTYPE") else None
    if found and found[0] == b"<!ENTITY":
        raise _declaring(name)


def _parsed(data: bytes, parser: etree.XMLParser, name: str) -> Element:
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as cause:
        raise broken(name, cause) from cause


def _declaring(name: str) -> BrokenError:
    return BrokenError(f"{name}: declares entities, as an XML bomb does; save it without its document type")


def local(element: Element) -> str:
    """The tag name without its namespace; "" for an unresolved entity."""
    return str(element.tag).rpartition("}")[2] if isinstance(element.tag, str) else ""
