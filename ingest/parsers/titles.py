"""Which of a file's own words can stand as its title. Pure functions."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 200
_LINE_LONGEST = 120

_FILE_NAME = re.compile(r"\.(docx?|dotx?|odt|rtf|indd|qxd|pdf|dvi|ps|tex|pptx?|xlsx?|od[tps]|epub|txt|html?)$", re.IGNORECASE)
_BY_PROGRAM = re.compile(
    r"^(microsoft (word|powerpoint|excel) - |untitled\b|document\d*$|(word document|powerpoint presentation|no title)$)",
    re.IGNORECASE,
)
_NOISE = frozenset("*«»\\@#")


def one_line(text: str) -> str:
    """White space becomes single spaces; what is longer than a title is cut."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1].rstrip() + "…"


def sensible(title: str) -> str:
    """The title that a file's properties give, or "" where a program put it there or it says nothing."""
    line = one_line(title)
    if _FILE_NAME.search(line) or _BY_PROGRAM.search(line) or not _wordy(line):
        return ""
    return line


def first_line(text: str) -> str:
    """The first line that could be a title, of a text without headings."""
    for line in text.split("\n")[:20]:
        short = one_line(line)
        noise = sum(char in _NOISE or unicodedata.category(char).startswith("S") for char in short)
        if _wordy(short) and len(short) <= _LINE_LONGEST and noise <= 0.1 * len(short):
            return short
    return ""


def _wordy(line: str) -> bool:
    signs = [char for char in line if not char.isspace()]
    letters = sum(char.isalpha() for char in signs)
    return letters >= 2 and letters >= 0.4 * len(signs)
