"""Which part of a page holds its content, given the text of the page that is known to be content. Pure functions on the tree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bs4.element import Tag

from ingest.parsers.html import BREAKING, is_layout, is_text, length, linked_share

LEAST_SHARE = 0.5
"""How much of the page's text the part must hold: with less, too much that may be content would go."""
MOST_LINKED = 0.5
"""A list or table with a larger share of its text in links is a menu rather than content."""
_RUN = 4
"""Words in a row by which a text is recognised: fewer are on a page by chance."""
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")
_TITLES = ("h1", "h2", "h3")
_NEVER_LOST = ("table", "dl", "pre", "ul", "ol", "figcaption", "blockquote", "details")


def main_part(page: Tag, title: str, content: str) -> Tag:
    """The smallest element with all texts that are in `content`, the page's headline, and every table, list and code on it.

    The page itself where that would lose more than half of the text, or where nothing of it is in `content`.
    """
    known = set(_runs(_words(content)))
    found = [tag for tag, words in _texts(page) if _is_known(words, known)]
    if not found:
        return page
    part = _around_repeated(_smallest_with([*found, *_headlines(page, title)]))
    part = _smallest_with([part, *_structures(page, part)])
    return part if length(part) >= LEAST_SHARE * length(page) else page


def _words(text: str) -> list[str]:
    """Lower-case words; a Chinese character is one."""
    return _WORD.findall(text.lower())


def _runs(words: list[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(words[at:] for at in range(_RUN)), strict=False)


def _is_known(words: list[str], known: set[tuple[str, ...]]) -> bool:
    runs = set(_runs(words))
    return bool(runs) and 2 * len(runs & known) >= len(runs)


def _texts(page: Tag) -> Iterator[tuple[Tag, list[str]]]:
    """The elements that hold text themselves, with its words."""
    holders: dict[int, tuple[Tag, list[str]]] = {}
    for node in page.descendants:
        if is_text(node) and node.strip():
            holder = next((tag for tag in node.parents if tag.name in BREAKING or tag is page), page)
            holders.setdefault(id(holder), (holder, []))[1].append(node)
    for holder, pieces in holders.values():
        yield holder, _words("".join(pieces))


def _headlines(page: Tag, title: str) -> list[Tag]:
    """The headings that are in the page's title, else the first of the highest rank."""
    wanted = f" {' '.join(_words(title))} "
    named = [tag for tag in page.find_all(_TITLES) if f" {' '.join(_words(tag.get_text()))} " in wanted]
    return [tag for tag in named if _words(tag.get_text())] or page.find_all("h1", limit=1)


def _structures(page: Tag, part: Tag) -> Iterator[Tag]:
    """Tables, lists, code and the like outside of a part, unless they are menus or only place things."""
    inside = {id(tag) for tag in part.descendants} | {id(tag) for tag in part.parents} | {id(part)}
    for tag in page.find_all(_NEVER_LOST):
        if id(tag) in inside or (tag.name == "table" and is_layout(tag)):
            continue
        if linked_share(tag) <= MOST_LINKED:
            yield tag


def _smallest_with(tags: Iterable[Tag]) -> Tag:
    """The innermost element that is or holds each of the tags."""
    first, *others = tags
    line = [first, *first.parents]
    place = {id(tag): at for at, tag in enumerate(line)}
    lowest = 0
    for other in others:
        above: Tag | None = other
        while above is not None and place.get(id(above), -1) < lowest:
            above = above.parent
        lowest = place[id(above)] if above is not None else len(line) - 1
    return line[lowest]


def _around_repeated(part: Tag) -> Tag:
    """The part, or what holds it and its like: the posts of a thread stand beside each other, with the same class."""
    for tag in [part, *part.parents]:
        beside = tag.parent.children if tag.parent is not None else ()
        alike = sum(isinstance(one, Tag) and (one.name, one.get("class")) == (tag.name, tag.get("class")) for one in beside)
        if alike > 2:
            part = tag.parent if tag.parent is not None else tag
    return part
