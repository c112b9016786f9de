"""Takes out of a page what nobody sees: text that styles or attributes hide, that has the colour of its ground, or is struck out.

What unfolds on a click (`details`, tabs, buttons that say what they show) stays. Style sheets that are linked are not
fetched: on a page with any, colours are compared only where both are declared in the page itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bs4 import BeautifulSoup
from bs4.element import NavigableString, PreformattedString, Tag

from ingest.parsers.boxes import FAINTEST_OPACITY, is_far_indent, shows_nothing
from ingest.parsers.css import Cascade, Declarations, Value, on_screen
from ingest.parsers.css_values import (
    BLACK,
    PROPERTIES,
    WHITE,
    Color,
    color,
    contrast,
    font_size,
    keyword,
    list_type,
    over,
    resolved,
    words,
)

_SMALLEST_PX = 2.0
"""Letters of this size or less are not read by anybody."""
_LEAST_CONTRAST = 1.1
"""Below this ratio a text cannot be told from its ground; the palest grey that is used for print has 1.2."""
_STRUCK = frozenset({"s", "strike", "del"})
_NEVER_SHOWN = frozenset("head script style template noscript".split())
"""Elements without text of the page. They are taken out elsewhere, and not counted as hidden."""
_PAGE = frozenset({"html", "body"})
"""Some pages hide these until a script has run."""
_PICTURES = ("img", "picture", "video", "canvas", "svg", "object", "iframe")
_MAX_CONTROLLED = 10
_COLOR_NAME = re.compile(r"#?[A-Za-z0-9]+")
_BARE_HEX = re.compile(r"[0-9A-Fa-f]{6}")
_SAME = frozenset({"inherit", "currentcolor", "unset"})
_CONTROLS = frozenset({"button", "input", "select", "textarea"})
_COLOR_ATTRIBUTES = {"color": "color", "text": "color", "bgcolor": "background-color"}


@dataclass(frozen=True, slots=True)
class Removed:
    """What was taken out: how many characters were hidden, and whether the page changed at all."""

    hidden: int
    changed: bool


@dataclass(frozen=True, slots=True)
class _Look:
    """How text looks in an element, and what the elements in it inherit. None stands for a colour that is not known."""

    color: Color | None = BLACK
    ground: Color | None = WHITE
    size: float = 16.0
    visible: bool = True
    far: bool = False
    painted: bool = False
    """It has a shadow, or the background shows through its letters: it is seen whatever its colour is."""
    struck: bool = False
    variables: Mapping[str, Value] = field(default_factory=dict)

    def is_seen(self) -> bool:
        if not self.visible or self.far or self.size <= _SMALLEST_PX:
            return False
        if self.painted or self.color is None:
            return True
        if self.color[3] < FAINTEST_OPACITY:
            return False
        shade = over(self.color, self.ground)
        return shade is None or self.ground is None or contrast(shade, self.ground) >= _LEAST_CONTRAST


def take_out_unseen(soup: BeautifulSoup, linked: Callable[[str], str | None] = lambda _: None) -> Removed:
    """Take out of a page what nobody sees, and what is struck out.

    `linked` gives the style sheet that the page links by an address; None if it is not to be had.
    """
    page = _Page(soup, linked)
    hidden, changed = 0, False
    todo: list[tuple[Tag, _Look]] = [(soup, page.first_look())]
    while todo:
        tag, look = todo.pop()
        for at in range(len(tag.contents) - 1, -1, -1):
            child = tag.contents[at]
            if isinstance(child, Tag):
                if child.name in _NEVER_SHOWN:
                    continue
                inner = page.look(child, look)
                if inner is not None:
                    todo.append((child, inner))
                    continue
                hidden += _characters(child.get_text())
            elif isinstance(child, PreformattedString) or not isinstance(child, NavigableString) or not child.strip():
                continue
            elif not look.is_seen():
                hidden += _characters(child)
            elif not look.struck:
                continue
            child.extract(at)  # with its place, or a long row of siblings is searched for each of them
            changed = True
    return Removed(hidden, changed)


def _characters(text: str) -> int:
    return len("".join(text.split()))


class _Page:
    """The looks of a page's elements."""

    def __init__(self, soup: BeautifulSoup, linked: Callable[[str], str | None]) -> None:
        sheets = list(_sheets(soup, linked))
        self._cascade = Cascade([sheet for sheet in sheets if sheet], PROPERTIES)
        dark = any("dark" in str(tag.get("content")).lower() for tag in soup.select("meta[name=color-scheme]"))
        self._styled_elsewhere = None in sheets or self._cascade.imports or dark
        self._looks: dict[tuple[object, ...], tuple[_Look, _Look | None]] = {}
        self._pictured: dict[int, bool] = {}
        self._unfolding = frozenset(_unfolding(soup))

    def first_look(self) -> _Look:
        """How text looks on an empty page."""
        return _Look(None, None) if self._styled_elsewhere else _Look()

    def look(self, tag: Tag, above: _Look) -> _Look | None:
        """How text looks in an element; None if nothing in it is seen."""
        declared = self._cascade.declared(tag, "".join(_presented(tag)))
        loose = keyword(declared.get("position", ())) in {"absolute", "fixed"} and self._has_picture(tag.parent)
        unfolds = bool(self._unfolding) and str(tag.get("id")) in self._unfolding
        key = (id(above), id(declared), tag.name in _PAGE, tag.name in _STRUCK, loose, unfolds)
        if key not in self._looks:  # holds `above`, so that no other look gets its id
            self._looks[key] = above, self._new_look(tag, declared, above, loose, unfolds)
        if tag.name == "ol" and (numbering := _numbering(declared)) is not None:
            tag["type"] = numbering
        return self._looks[key][1]

    def _new_look(self, tag: Tag, declared: Declarations, above: _Look, loose: bool, unfolds: bool) -> _Look | None:
        """The look of an element; `loose` says that it may lie over a picture, `unfolds` that a click shows it."""
        variables = {name: value for name, value in declared.items() if name.startswith("--")}
        known = {**above.variables, **variables} if variables else above.variables
        own = resolved(declared, known)
        size = _size(own, above)
        if tag.name not in _PAGE and not unfolds and shows_nothing(own, size, self._cascade.animated):
            return None
        visibility = keyword(own.get("visibility", ()))
        dark = "dark" in words(own.get("color-scheme", ()))
        below = replace(above, color=None, ground=None) if dark else replace(above, ground=None) if loose else above
        letters_painted = "text" in words(own.get("background-clip", ())) and bool(own.get("background-image"))
        shadow = own.get("text-shadow")
        return _Look(
            color=_text_color(own, below),
            ground=_ground(own, below),
            size=size,
            visible=above.visible if not visibility or tag.name in _PAGE else visibility not in {"hidden", "collapse"},
            far=is_far_indent(own, size) if "text-indent" in own else above.far,
            painted=(above.painted if shadow is None else keyword(shadow) != "none") or letters_painted,
            struck=above.struck or tag.name in _STRUCK or "line-through" in words(own.get("text-decoration-line", ())),
            variables=known,
        )

    def _has_picture(self, tag: Tag | None) -> bool:
        """Whether there is a picture in an element, over which others may lie."""
        if tag is None:
            return False
        if id(tag) not in self._pictured:
            self._pictured[id(tag)] = tag.find(_PICTURES) is not None
        return self._pictured[id(tag)]


def _unfolding(soup: BeautifulSoup) -> Iterator[str]:
    """The ids of what the tabs and buttons of a page show on a click, as `details` does (WAI-ARIA 1.2, aria-controls)."""
    for tag in soup.select("[aria-controls]"):
        is_control = tag.name in {"button", "a"} or tag.get("role") in {"tab", "button"}
        if is_control and (tag.get_text(strip=True) or tag.find(_PICTURES)):
            yield from str(tag["aria-controls"]).split()[:_MAX_CONTROLLED]


def _size(own: Mapping[str, Value], above: _Look) -> float:
    size = font_size(own.get("font-size", ()), above.size)
    return above.size if size is None else size


def _text_color(own: Mapping[str, Value], above: _Look) -> Color | None:
    value = own.get("-webkit-text-fill-color") or own.get("color")
    return above.color if value is None or keyword(value) in _SAME else color(value)


def _ground(own: Mapping[str, Value], above: _Look) -> Color | None:
    """The colour behind the text; None if it is not known, as over a picture."""
    if any(token.type in {"url", "function"} for token in own.get("background-image", ())):
        return None
    value = own.get("background-color")
    if not value or keyword(value) in {"initial", "unset", "none"}:
        return above.ground
    shade = color(value)
    return None if shade is None else over(shade, above.ground)


def _numbering(declared: Declarations) -> str | None:
    """The `type` of a list whose numbering is declared."""
    value = declared.get("list-style-type") or declared.get("list-style") or ()
    return next((kind for token in value if (kind := list_type((token,))) is not None), None)


def _sheets(soup: BeautifulSoup, linked: Callable[[str], str | None]) -> Iterator[str | None]:
    """The style sheets of a page, except those for paper and those for readers without scripts; None for one not to be had."""
    for tag in soup.find_all(["style", "link"]):
        if not on_screen(str(tag.get("media") or "")) or tag.find_parent(["noscript", "template"]):
            continue
        if tag.name == "style":
            yield "".join(tag.strings)
        elif "stylesheet" in str(tag.get("rel")).lower() and "alternate" not in str(tag.get("rel")).lower():
            yield linked(str(tag.get("href") or ""))


def _presented(tag: Tag) -> Iterator[str]:
    """The declarations that an element's name and attributes stand for (WHATWG HTML, 15)."""
    if tag.has_attr("hidden"):
        yield "content-visibility:hidden;" if str(tag["hidden"]).lower() == "until-found" else "display:none;"
    if tag.name == "dialog" and not tag.has_attr("open"):
        yield "display:none;"
    if tag.name == "a" and tag.has_attr("href"):
        yield "color:#0000ee;"
    elif tag.name == "mark":
        yield "background-color:#ff0;color:#000;"
    elif tag.name in _CONTROLS:  # the colours of the reader's system
        yield "background-image:url();color:buttontext;"
    for attribute, property in _COLOR_ATTRIBUTES.items():
        value = str(tag.get(attribute) or "")
        if _COLOR_NAME.fullmatch(value) and not (attribute == "text" and tag.name != "body"):
            yield f"{property}:{'#' if _BARE_HEX.fullmatch(value) else ''}{value};"
    if tag.has_attr("background"):
        yield "background-image:url();"
