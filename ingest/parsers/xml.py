"""XML of any kind: what its elements say, each with the name of its element; running text as paragraphs.

Feeds (RSS, Atom) are read as the XML that they are. Knows no vocabulary.
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
_LONGEST_PATH = 120


def extract(source: Source) -> Extract:
    """A paragraph for each record: an element that repeats, or whose children do not."""
    root = _root(source)
    title = root.findtext("{*}title") or root.findtext("{*}channel/{*}title") or ""
    return Extract(clean(_GAP.join(_paragraphs(root))), title=title)


def _root(source: Source) -> Element:
    """As its declaration says; failing that, as its characters seem to be, without those that XML forbids."""
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
    """Whether it holds, at any depth, records that repeat, or running text."""
    inner = [child for child in _children(element) if len(child)]
    repeated = any(times > 1 for times in Counter(child.tag for child in inner).values())
    return repeated or any(_is_mixed(child) or _is_list(child) for child in inner)


def _is_mixed(element: Element) -> bool:
    """Whether it is running text: words with elements between them."""
    if not len(element):
        return False
    own = (element.text, *(child.tail for child in element))
    return any(words and not words.isspace() for words in own) and bool(_children(element))


def _children(element: Element) -> list[Element]:
    return list(element.iterchildren("*"))


def _pairs(element: Element, path: str) -> Iterator[str]:
    """A line for each element with words in it, and for each attribute."""
    children = _children(element) if len(element) else []
    if not children or _is_mixed(element):
        if said := ", ".join([*filter(None, [_words(element)]), *_attributes(element, "")]):
            yield f"{path}: {said}" if path else said
        return
    yield from _attributes(element, path)
    for child in children:
        yield from _pairs(child, _joined(path, markup.local(child)))


def _attributes(element: Element, path: str) -> Iterator[str]:
    """Those of the vocabulary itself: what other namespaces add are mostly hints for programs."""
    for name, value in element.attrib.items():
        if not name.startswith("{") and value.strip():
            yield f"{_joined(path, name)}: {' '.join(value.split())}"


def _joined(path: str, name: str) -> str:
    return (f"{path}.{name}" if path else name)[-_LONGEST_PATH:]


def _words(element: Element) -> str:
    """The words in an element. Of a web page inside, as feeds have them, the tags are left out."""
    words = "".join(element.itertext()) if len(element) else element.text or ""
    if "<" in words and (bare := _TAG.sub(" ", words)) != words:
        words = html.unescape(bare)
    return " ".join(words.split())
