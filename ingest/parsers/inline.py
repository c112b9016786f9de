"""What stands within a line of a page: raised and lowered characters, and telephone numbers and addresses behind links."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from urllib.parse import unquote

from bs4.element import NavigableString, PreformattedString, Tag

from ingest.parsers.scripts import raised, subscript, superscript

_MATH_PLACES: dict[tuple[str, int], Callable[[str], str]] = {
    ("msup", 1): superscript,
    ("msub", 1): subscript,
    ("msubsup", 1): subscript,
    ("msubsup", 2): superscript,
    ("mfrac", 1): "/{}".format,
}
"""What becomes of the children of MathML elements, by their place (MathML Core, 3.4)."""
_MAX_SIGNS, _MAX_AFTER = 3, 20
_TELEPHONE = re.compile(r"\+?[\d(][\d\s()./-]{1,40}(?:;ext=\d{1,8})?")
_ADDRESS = re.compile(r"[^\s<>@,?&]{1,100}@[^\s<>@,?&]{1,100}")


def script_of(tag: Tag, before: str) -> Callable[[str], str] | None:
    """How the text of an element is raised or lowered; None if it is not. `before` is the text in front of it."""
    if tag.name == "sup":
        return partial(raised, before=before, after=_after(tag))
    if tag.name == "sub":
        return partial(subscript, before=before)
    if tag.parent is None or tag.parent.name not in {"msup", "msub", "msubsup", "mfrac"}:
        return None
    return _MATH_PLACES.get((tag.parent.name, len(tag.find_previous_siblings(True, limit=3))))


def _after(tag: Tag) -> str:
    """The text that follows an element, with the lowered characters after a sign such as the bar of a fraction."""
    words, lowered = tag.next_sibling, tag.next_sibling.next_sibling if tag.next_sibling else None
    if not isinstance(words, NavigableString) or isinstance(words, PreformattedString):
        return ""
    short = len(words) <= _MAX_SIGNS and isinstance(lowered, Tag) and lowered.name == "sub"
    return words[:_MAX_AFTER] + (lowered.get_text()[:_MAX_AFTER] if short and lowered else "")


def contact_of(link: Tag) -> str:
    """The telephone number or mail address that a link leads to, if its words do not say it; else ""."""
    scheme, _, target = str(link.get("href") or "").strip().partition(":")
    target = unquote(target.partition("?")[0]).strip().removeprefix("//")
    words = link.get_text()
    if scheme.lower() == "tel" and _TELEPHONE.fullmatch(target):
        return "" if _digits(target).lstrip("0") in _digits(words) else target
    if scheme.lower() == "mailto" and _ADDRESS.fullmatch(target):
        return "" if target.lower() in words.lower() else target
    return ""


def _digits(text: str) -> str:
    return "".join(filter(str.isdecimal, text))
