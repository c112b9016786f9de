"""CSS: which of a page's declarations apply to an element, by the cascade (CSS Cascading 4). Knows no property's meaning.

What is not modelled: layers, and selectors that soupsieve does not know; such rules are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice, repeat, takewhile
from typing import Any, TypeAlias

import soupsieve
import tinycss2  # type: ignore[import-untyped]
from bs4.element import Tag

Token: TypeAlias = Any
"""A node of tinycss2, which has no types."""
Value: TypeAlias = "tuple[Token, ...]"
"""The tokens of tinycss2, without white space and comments."""
Declarations: TypeAlias = "Mapping[str, Value]"

MAX_CHARACTERS = 1_000_000
"""How much of a page's style sheets is read, some two seconds' worth. Rules after that are passed over."""
MAX_RULES = 20_000
MAX_WORK = 500_000
"""How much time goes into finding the rules of all elements, in units of some 10 µs, for each of two kinds of selectors.

After that, selectors other than a single class, id or element name match nothing: of a page of 20,000 rules and as many
elements, text may be read that such rules would hide."""
_MATCH_WORK = 5
_MAX_SELECTOR_CHARACTERS = 300
_MAX_STYLE_CHARACTERS = 10_000
_MAX_CANDIDATES = 500
"""How many rules may be tried on one element, in the order of the style sheet."""

_WIDTH_PX = 1280
"""The screen on which a page is taken to be seen."""
_CONDITION = re.compile(r"\(\s*(min|max)-(?:device-)?width\s*:\s*([\d.]+)(px|em|rem)\s*\)")
_OTHER_MEDIA = re.compile(
    r"\b(?:print|speech|tty|tv|braille|handheld|projection|aural|embossed)\b|prefers-color-scheme\s*:\s*dark"
    r"|orientation\s*:\s*portrait|prefers-reduced-motion\s*:\s*reduce|prefers-contrast|forced-colors|scripting\s*:\s*none"
)
_CONDITIONAL = frozenset({"supports", "layer", "container", "scope"})
_SLOW_SELECTOR = re.compile(r":has\(|~(?!=)|:nth-|:(?:first|last|only)-|:empty|:lang|:dir|:contains|:-soup")
_MAX_BRACKETS = 8
_MAX_NESTING, _MAX_SELECTORS_ABOVE = 8, 50
_ID, _CLASS, _NAME, _COMBINATOR = "id", "class", "name", "combinator"
_BEFORE_SCRIPT = ".no-js"
"""A class that pages take off themselves by a script."""


@dataclass(frozen=True, slots=True)
class _Selector:
    """A selector; `key` is an id, class or element name that all elements have which it matches ("*": none)."""

    text: str
    key: str
    is_key: bool
    """Whether it asks for nothing but its key."""
    specificity: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Rule:
    selector: _Selector
    order: int
    normal: Declarations
    important: Declarations


class Cascade:
    """Finds the declarations that apply to the elements of a page. Time is bounded by the limits above."""

    def __init__(self, sheets: Iterable[str], properties: frozenset[str]) -> None:
        self.animated = False
        """Whether a sheet declares keyframes."""
        self.imports = False
        """Whether a sheet imports another one, which is not read."""
        self._properties = properties
        self._by_key: dict[str, list[_Rule]] = {}
        self._known: dict[tuple[object, ...], Declarations] = {}
        self._work = [MAX_WORK, MAX_WORK]  # for selectors that look at parents, and for those that look at siblings too
        left, count = MAX_CHARACTERS, 0
        for text in sheets:
            sheet = _parsed(text[:left], properties)
            left -= len(text[:left])
            self.animated |= sheet.animated
            self.imports |= sheet.imports
            for rule in sheet.rules[: MAX_RULES - count]:
                self._by_key.setdefault(rule.selector.key, []).append(replace(rule, order=count))
                count += 1

    def declared(self, tag: Tag, presented: str = "") -> Declarations:
        """What applies to an element. `presented` holds the declarations that its name and attributes stand for."""
        rules = sorted(self._matching(tag), key=lambda rule: (rule.selector.specificity, rule.order))
        style = str(tag.get("style") or "")
        key = (style, presented, *(rule.order for rule in rules))
        if key not in self._known:
            self._known[key] = self._cascaded(rules, style, presented)
        return self._known[key]

    def _cascaded(self, rules: list[_Rule], style: str, presented: str) -> Declarations:
        normal, important = parse_style(style, self._properties)
        declared = dict(parse_style(presented, self._properties)[0])
        for layer in (*(rule.normal for rule in rules), normal, *(rule.important for rule in rules), important):
            for name, value in layer.items():
                _put(declared, name, value)
        return declared

    def _matching(self, tag: Tag) -> list[_Rule]:
        if not self._by_key:
            return []
        classes = dict.fromkeys(tag.get_attribute_list("class"))
        keys = ("*", tag.name, f"#{tag.get('id')}", *(f".{name}" for name in classes))
        candidates = [rule for key in keys for rule in self._by_key.get(key, ())]
        return [rule for rule in candidates[:_MAX_CANDIDATES] if self._matches(rule.selector, tag)]

    def _matches(self, selector: _Selector, tag: Tag) -> bool:
        if selector.is_key:
            return True
        slow = bool(_SLOW_SELECTOR.search(selector.text)) and tag.parent is not None
        if self._work[slow] <= 0:
            return False
        self._work[slow] -= _MATCH_WORK + sum(1 for _ in tag.parents) // 8
        if slow and tag.parent:
            self._work[slow] -= len(tag.parent.contents) // 3
        compiled = _compiled(selector.text)
        return compiled is not None and compiled.match(tag)


@dataclass(frozen=True, slots=True)
class _Sheet:
    rules: tuple[_Rule, ...]
    animated: bool
    imports: bool


@lru_cache(maxsize=8)
def _parsed(text: str, properties: frozenset[str]) -> _Sheet:
    """A style sheet; the chapters of a book share theirs."""
    nodes = list(_applying(tinycss2.parse_stylesheet(text, True, True)))
    keywords = [node.lower_at_keyword for node in nodes if node.type == "at-rule"]
    rules = (rule for node in nodes if node.type == "qualified-rule" for rule in _rules(node, properties))
    return _Sheet(
        tuple(filter(None, islice(rules, MAX_RULES))), any(one.endswith("keyframes") for one in keywords), "import" in keywords
    )


def _applying(nodes: Iterable[Token]) -> Iterator[Token]:
    """The rules, out of the conditions too that hold on a screen."""
    todo = list(reversed(list(nodes)))
    while todo:
        node = todo.pop()
        if node.type == "at-rule" and node.content is not None and _holds(node):
            todo += reversed(tinycss2.parse_rule_list(node.content, True, True))
        yield node


def _holds(rule: Token) -> bool:
    """Whether an at-rule is a condition that holds on a screen."""
    name, condition = rule.lower_at_keyword, _text(rule.prelude).strip().lower()
    return on_screen(condition) if name == "media" else name in _CONDITIONAL and not condition.startswith("not")


def _rules(node: Token, properties: frozenset[str]) -> Iterator[_Rule | None]:
    """A style rule for each of its selectors, and those nested in it (CSS Nesting 1); None for whatever else takes time."""
    todo = [(list(_split(node.prelude)), node.content, 0)]
    while todo:
        selectors, content, depth = todo.pop()
        nodes = tinycss2.parse_blocks_contents(content, True, True)
        normal, important = _declarations(nodes, properties)
        for part in selectors if normal or important else ():
            selector = _selector(part)
            yield _Rule(selector, 0, normal, important) if selector and _BEFORE_SCRIPT not in selector.text else None
        inner = [one for one in nodes if one.type in {"qualified-rule", "at-rule"} and one.content is not None]
        for one in reversed(inner if depth < _MAX_NESTING else []):
            if one.type == "qualified-rule":
                nested = list(_nested(one.prelude, selectors))
                todo.append((nested, one.content, depth + 1))
                yield from repeat(None, len(nested))
            elif _holds(one):
                todo.append((selectors, one.content, depth + 1))


def _nested(prelude: list[Token], above: list[list[Token]]) -> Iterator[list[Token]]:
    """The selectors of a nested rule with those of the rule around it in the place of "&", which leads if it is left out."""
    texts = [_text(part).strip() for part in above[:_MAX_SELECTORS_ABOVE]]
    for part in islice(_split(prelude), _MAX_SELECTORS_ABOVE):
        text = _text(part).strip()
        for outer in texts:
            whole = text.replace("&", outer) if "&" in text else f"{outer} {text}"
            if outer and text and len(whole) <= _MAX_SELECTOR_CHARACTERS:
                yield tinycss2.parse_component_value_list(whole)


@lru_cache(maxsize=4096)
def parse_style(style: str, properties: frozenset[str]) -> tuple[Declarations, Declarations]:
    """The declarations of a style attribute that are of these properties: the normal, and the important ones."""
    nodes = tinycss2.parse_blocks_contents(style[:_MAX_STYLE_CHARACTERS], True, True) if style else ()
    return _declarations(nodes, properties)


def on_screen(query: str) -> bool:
    """Whether a media query holds on a wide, light screen."""
    return any(_query_holds(one.strip().lower()) for one in query.split(",")) or not query.strip()


def _query_holds(query: str) -> bool:
    if query.startswith("not "):
        return not _query_holds(query[4:].strip())
    for kind, number, unit in _CONDITION.findall(query):
        width = float(number) * (1 if unit == "px" else 16)
        if width > _WIDTH_PX if kind == "min" else width < _WIDTH_PX:
            return False
    return not _OTHER_MEDIA.search(query)


def _declarations(nodes: Iterable[Token], properties: frozenset[str]) -> tuple[Declarations, Declarations]:
    """The normal and the important declarations, the later of two of the same name."""
    normal: dict[str, Value] = {}
    important: dict[str, Value] = {}
    for node in nodes:
        custom = node.type == "declaration" and node.name.startswith("--")
        if custom or node.type == "declaration" and node.lower_name in properties:
            value = tuple(token for token in node.value if token.type not in {"whitespace", "comment"})
            _put(important if node.important else normal, node.name if custom else node.lower_name, value)
    return normal, important


def _put(declared: dict[str, Value], name: str, value: Value) -> None:
    """Put a declaration last, wherever one of that name stood: a shorthand overrides what stands before it."""
    declared.pop(name, None)
    declared[name] = value


def _split(tokens: Iterable[Token]) -> Iterator[list[Token]]:
    """The selectors of a list, at its commas."""
    part: list[Token] = []
    for token in tokens:
        if token == ",":
            yield part
            part = []
        elif token.type != "comment":
            part.append(token)
    yield part


def _selector(tokens: list[Token]) -> _Selector | None:
    """What a selector asks for. None for a pseudo-element, and for one that is empty, too long or nested too deeply."""
    while tokens and tokens[-1].type == "whitespace":
        tokens = tokens[:-1]
    text = _text(tokens).strip()
    if not text or len(text) > _MAX_SELECTOR_CHARACTERS or "::" in text:
        return None
    asked = [_asked(before, token) for before, token in zip([None, *tokens], tokens, strict=False)]
    kinds = [kind for kind, _ in asked]
    last = list(takewhile(lambda one: one[0] != _COMBINATOR, reversed(asked)))
    key = next((name for kind in (_ID, _CLASS, _NAME) for one, name in last if one == kind and name), "*")
    is_key = text in {"*", key} and key != "html"
    return _Selector(text, key, is_key, (kinds.count(_ID), kinds.count(_CLASS), kinds.count(_NAME)))


def _asked(before: Token | None, token: Token) -> tuple[str, str]:
    """What a token of a selector asks for, and the key that this is; ("", "") for a sign that belongs to the next one."""
    if token.type == "whitespace" or token.type == "literal" and token.value in ">+~":
        return _COMBINATOR, ""
    if token.type == "hash":
        return _ID, f"#{token.value}"
    if token.type == "[] block" or token.type == "function":
        return _CLASS, ""
    if token.type != "ident":
        return "", ""
    if before == ".":
        return _CLASS, f".{token.value}"
    if before == ":":
        return _CLASS, "html" if token.lower_value == "root" else ""
    return _NAME, token.lower_value


def _text(tokens: Iterable[Token]) -> str:
    """The tokens as CSS; "" if they nest so deeply that nobody wrote them."""
    tokens = list(tokens)
    level = tokens
    for _ in range(_MAX_BRACKETS):
        level = [inner for token in level for inner in getattr(token, "content", None) or getattr(token, "arguments", None) or ()]
        if not level:
            return str(tinycss2.serialize(tokens))
    return ""


@lru_cache(maxsize=4096)
def _compiled(selector: str) -> soupsieve.SoupSieve | None:
    try:
        return soupsieve.compile(selector)
    except (soupsieve.SelectorSyntaxError, NotImplementedError):
        return None
