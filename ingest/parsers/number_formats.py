"""Write numbers as Excel shows them where their format says more than the number: padding, currency, unit.

Decimals alone do not: a number without a sign of its own is written in full. Thousands are not separated. The codes of
formats are those of ECMA-376, part 1, 18.8.31.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

_SECTION = re.compile(r'(?:"[^"]*"|\\.|\[[^\]]*\]|[^;"\\\[]|["\\\[])*')
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|(?P<blank>[_*].)|\[\$(?P<currency>[^\]-]*)(?:-[^\]]*)?\]|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<general>general)|(?P<digits>[0#?]+)|(?P<point>\.)|(?P<comma>,)|(?P<percent>%)|(?P<sign>[^\w@/])",
    re.IGNORECASE | re.DOTALL,
)
_COLOUR = re.compile(r"black|blue|cyan|green|magenta|red|white|yellow|color ?[0-9]{1,2}", re.IGNORECASE)
_MAX_CODE_CHARACTERS = 255
_MAX_DECIMALS = 30


@dataclass(slots=True)
class _Pattern:
    """A section of a format: literals and, between them, the places of digits."""

    parts: list[tuple[str, str]] = field(default_factory=list)
    """(kind, text): kind is "literal", "digits" or "point"."""
    general: bool = False
    percent: bool = False
    commas: int = 0
    """Commas after the last digit: each divides by a thousand."""

    @property
    def digits(self) -> str:
        return "".join(text for kind, text in self.parts if kind == "digits")


def shows_number(code: str, value: float) -> bool:
    """Whether a format shows the number at all: ";;;" shows nothing."""
    return ";" not in code or bool(_chosen(code, value))


def shows_text(code: str) -> bool:
    """Whether a format shows texts."""
    sections = _sections(code)
    return len(sections) < 4 or bool(sections[3])


def shows_percent(code: str) -> bool:
    """Whether a format shows numbers as percentages."""
    first = _pattern(_sections(code)[0])
    return first is not None and first.percent


def written(value: float, code: str) -> str | None:
    """The number in its format, None if that says nothing that the number itself does not say."""
    chosen = _pattern(_chosen(code, value))
    if chosen is not None and not chosen.digits and not chosen.general:  # a word for all such numbers
        return "".join(text for _, text in chosen.parts).strip() or None
    pattern = _pattern(_sections(code)[0])
    if pattern is None or not (pattern.digits or pattern.general) or not _says_more(pattern):
        return None
    text = _filled(abs(value), pattern)
    return f"-{text}" if value < 0 and any(sign in "123456789" for sign in text) else text


def _says_more(pattern: _Pattern) -> bool:
    literals = "".join(text for kind, text in pattern.parts if kind == "literal").strip(" -+()")
    whole = _whole_and_decimals(pattern)[0]
    return bool(literals and not (literals == "%" and pattern.percent)) or whole.count("0") > 1 or bool(pattern.commas)


def _filled(value: float, pattern: _Pattern) -> str:
    """A number that is not negative, among the literals of its pattern."""
    value = value * (100 if pattern.percent else 1) / 1000**pattern.commas
    before = [text for kind, text in _until_digits(pattern)]
    after = [text for kind, text in _until_digits(pattern, reverse=True)]
    first, last = len(before), len(pattern.parts) - len(after)
    inside = pattern.parts[first:last]
    if pattern.general:
        number = f"{value:.15g}"
    elif any(kind == "literal" for kind, _ in inside):
        number = _among_literals(value, inside)
    else:
        number = _plain(value, *_whole_and_decimals(pattern))
    return f"{''.join(before)}{number}{''.join(reversed(after))}".strip()


def _until_digits(pattern: _Pattern, *, reverse: bool = False) -> list[tuple[str, str]]:
    found = []
    for kind, text in reversed(pattern.parts) if reverse else pattern.parts:
        if kind != "literal":
            break
        found.append((kind, text))
    return found


def _plain(value: float, whole: str, decimals: str) -> str:
    text = f"{value:.{min(len(decimals), _MAX_DECIMALS)}f}"
    integer, _, fraction = text.partition(".")
    while len(fraction) > decimals.count("0") and fraction.endswith("0"):
        fraction = fraction[:-1]
    return f"{integer.zfill(whole.count('0'))}.{fraction}" if fraction else integer.zfill(whole.count("0"))


def _among_literals(value: float, inside: list[tuple[str, str]]) -> str:
    """The digits of a whole number in their places, as in 000-00-0000; those that are left stand at the first place."""
    digits = f"{value:.0f}"
    written: list[str] = []
    places = sum(len(text) for kind, text in inside if kind == "digits")
    for kind, text in reversed(inside):
        if kind != "digits":
            written.append(text)
            continue
        for sign in reversed(text):
            places -= 1
            taken = digits[-1:] if places else digits
            digits = digits[: len(digits) - len(taken)]
            written.append(taken or ("0" if sign == "0" else ""))
    return "".join(reversed(written)).strip(" -/")


def _whole_and_decimals(pattern: _Pattern) -> tuple[str, str]:
    """The places of digits before and after the decimal point."""
    kinds = [kind for kind, _ in pattern.parts]
    point = kinds.index("point") if "point" in kinds else len(kinds)
    whole, decimals = (
        "".join(text for kind, text in side if kind == "digits") for side in (pattern.parts[:point], pattern.parts[point:])
    )
    return whole, decimals


def _chosen(code: str, value: float) -> str:
    """The section of a format for a number: there may be one for negative numbers, and one for zero."""
    sections = _sections(code)
    at = 2 if not value else 1 if value < 0 else 0
    return sections[at] if at < len(sections) else sections[0]


@lru_cache(maxsize=1_000)
def _sections(code: str) -> tuple[str, ...]:
    sections, at = [], 0
    code = code[:_MAX_CODE_CHARACTERS]
    while at <= len(code):
        found = _SECTION.match(code, at)
        sections.append(found[0] if found else "")
        at += len(sections[-1]) + 1
    return tuple(sections)


@lru_cache(maxsize=1_000)
def _pattern(section: str) -> _Pattern | None:
    """A section taken apart; None if it shows something else than a decimal number, or depends on a condition."""
    pattern, at = _Pattern(), 0
    while at < len(section):
        token = _TOKEN.match(section, at)
        kind = token.lastgroup if token else None
        if token is None or kind is None or kind == "bracket" and not _COLOUR.fullmatch(token[kind]):
            return None
        at = token.end()
        if kind == "general":
            pattern.general = True
            pattern.parts.append(("digits", ""))
        elif kind in {"digits", "point"}:
            pattern.commas = 0
            pattern.parts.append((kind, token[0]))
        elif kind == "comma":
            pattern.commas += 1
        elif kind == "percent":
            pattern.percent = True
            pattern.parts.append(("literal", "%"))
        elif kind == "blank":
            pattern.parts.append(("literal", " "))
        elif kind != "bracket":
            pattern.parts.append(("literal", token[kind]))
    return pattern
