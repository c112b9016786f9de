"""XML of any kind: one "path: text" per element, and mixed content as paragraphs.

Feeds (RSS, Atom) are read like any other XML. The parser knows no vocabulary.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator

from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import markup
from ingest.parsers.characters import clean, decode
from ingest.parsers.formats import Extract, Source
from ragbot.errors import BrokenError

_GAP = "\n\n"
_TAG = re.compile(r"</?(?:p|br|div|span|a|ul|ol|li|b|i|em|strong|img|table|tr|td|h[1-6]|pre|code)\b[^<>]*>", re.IGNORECASE)
_MAX_PATH_CHARACTERS = 120
_MAX_ATTRIBUTES = 200
"""How many attributes of an element are read. With more, lxml's own list of them takes a time that grows with their square."""


def extract(source: Source) -> Extract:
    """One paragraph per record: an element that repeats, or whose children do not."""
    root = _root(source)
    title = root.findtext("{*}title") or root.findtext("{*}channel/{*}title") or ""
    return Extract(clean(_GAP.join(_paragraphs(root))), title=title)


def _root(source: Source) -> Element:
    """The root, decoded as declared; if that fails, by the detected encoding without characters that XML forbids."""
    try:
        return markup.parse(source.data, source.name)
    except BrokenError as cause:
        text = decode(source.data).lstrip()
        body = text.partition("?>")[2] if text.startswith("<?xml") else text
        try:
            return markup.parse(body.encode(), source.name)
        except BrokenError:
            raise cause from None


def _paragraphs(element: Element) -> Iterator[str]:
    if _is_mixed(element):
        yield _words(element)
        return
    if not _is_list(element):
        yield from filter(None, ["\n".join(_pairs(element, ""))])
        return
    lines = list(_attributes(element, ""))
    for child in _children(element):
        if _children(child):
            yield from filter(None, ["\n".join(lines)])
            lines = []
            yield from _paragraphs(child)
        else:
            lines += _pairs(child, markup.local(child))
    yield from filter(None, ["\n".join(lines)])


def _is_list(element: Element) -> bool:
    """Whether it holds, at any depth, repeated records or mixed content."""
    inner = [child for child in _children(element) if len(child)]
    repeated = any(times > 1 for times in Counter(child.tag for child in inner).values())
    return repeated or any(_is_mixed(child) or _is_list(child) for child in inner)


def _is_mixed(element: Element) -> bool:
    """Whether it has mixed content: text with elements in it."""
    if not len(element):
        return False
    own = (element.text, *(child.tail for child in element))
    return any(words and not words.isspace() for words in own) and bool(_children(element))


def _children(element: Element) -> list[Element]:
    return list(element.iterchildren("*"))


def _pairs(element: Element, path: str) -> Iterator[str]:
    """One line per element with text, and per attribute."""
    children = _children(element) if len(element) else []
    if not children or _is_mixed(element):
        if value := ", ".join([*filter(None, [_words(element)]), *_attributes(element, "")]):
            yield f"{path}: {value}" if path else value
        return
    yield from _attributes(element, path)
    for child in children:
        yield from _pairs(child, _joined(path, markup.local(child)))


def _attributes(element: Element, path: str) -> Iterator[str]:
    """One line per attribute without a namespace: namespaced ones are mostly hints for programs. Of many, the first ones."""
    count = len(element.attrib)
    first = element.items() if count <= _MAX_ATTRIBUTES else _first_attributes(element)
    for name, value in first:
        if not name.startswith("{") and value.strip():
            yield f"{_joined(path, name)}: {' '.join(value.split())}"
    if count > _MAX_ATTRIBUTES:
        yield f"… and {count - _MAX_ATTRIBUTES:,} more attributes, not read"


def _first_attributes(element: Element) -> list[tuple[str, str]]:
    return [(str(one.attrname), str(one)) for one in element.xpath(f"@*[position() <= {_MAX_ATTRIBUTES}]")]


def _joined(path: str, name: str) -> str:
    return (f"{path}.{name}" if path else name)[-_MAX_PATH_CHARACTERS:]


def _words(element: Element) -> str:
    """The text of an element. Tags of embedded HTML, as in feeds, are removed."""
    words = "".join(element.itertext()) if len(element) else element.text or ""
    if "<" in words and (bare := _TAG.sub(" ", words)) != words:
        words = html.unescape(bare)
    return " ".join(words.split())
