"""Bounds the depth of a page's tree and the attributes of its elements: many operations on a tree take time with their square."""

from __future__ import annotations

from collections.abc import Iterator

from bs4 import BeautifulSoup
from bs4.element import NavigableString, PageElement, PreformattedString, Tag

MAX_DEPTH = 400
"""Pages that never close their <font> reach some hundreds."""
MAX_ATTRIBUTES = 200


def bound(soup: BeautifulSoup, breaking: frozenset[str]) -> bool:
    """Make a flat row of paragraphs of what lies deeper than MAX_DEPTH; return whether the page was changed.

    Attributes after the first MAX_ATTRIBUTES of an element go. `breaking` holds the elements that begin a text of their own.
    """
    changed = False
    todo: list[tuple[Tag, int]] = [(soup, 0)]
    while todo:
        tag, depth = todo.pop()
        if len(tag.attrs) > MAX_ATTRIBUTES:
            for name in list(tag.attrs)[MAX_ATTRIBUTES:]:
                del tag.attrs[name]
            changed = True
        inner = [(child, depth + 1) for child in tag.contents if isinstance(child, Tag)]
        if depth == MAX_DEPTH and inner:
            _flatten(soup, tag, breaking)
            changed = True
        else:
            todo += inner
    return changed


def _flatten(soup: BeautifulSoup, tag: Tag, breaking: frozenset[str]) -> None:
    texts = list(_texts(tag, breaking))
    tag.clear()
    for text in texts:
        paragraph = soup.new_tag("p")
        paragraph.string = text
        tag.append(paragraph)


def _texts(tag: Tag, breaking: frozenset[str]) -> Iterator[str]:
    """The texts in an element, one for each run between the beginnings and ends of what breaks a text."""
    words: list[str] = []
    todo: list[PageElement | None] = list(reversed(tag.contents))
    while todo:
        node = todo.pop()
        breaks = node is None or isinstance(node, Tag) and node.name in breaking
        if breaks and "".join(words).strip():
            yield "".join(words)
        if breaks:
            words.clear()
        if isinstance(node, Tag) and node.name not in {"script", "style", "template"}:
            todo += [None] if node.name in breaking else []
            todo += reversed(node.contents)
        elif isinstance(node, NavigableString) and not isinstance(node, PreformattedString):
            words.append(node)
    if "".join(words).strip():
        yield "".join(words)
