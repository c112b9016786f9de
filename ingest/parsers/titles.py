"""Choose a title from the text or properties of a file. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime

MAX_TITLE_CHARACTERS = 200
FIRST_YEAR = 1990
"""Programs put a year up to this one where they know none."""
_MAX_FIRST_LINE_CHARACTERS = 120

_FILE_NAME = re.compile(r"\.(docx?|dotx?|odt|rtf|indd|qxd|pdf|dvi|ps|tex|pptx?|xlsx?|od[tps]|epub|txt|html?)$", re.IGNORECASE)
_BY_PROGRAM = re.compile(
    r"^(microsoft (word|powerpoint|excel) - |untitled\b|document\d*$|(word document|powerpoint presentation|no title)$)",
    re.IGNORECASE,
)
_NOISE = frozenset("*«»\\@#")


def one_line(text: str) -> str:
    """Collapse white space to single spaces, and cut to MAX_TITLE_CHARACTERS."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_TITLE_CHARACTERS else line[: MAX_TITLE_CHARACTERS - 1].rstrip() + "…"


def sensible(title: str) -> str:
    """The title in the properties of a file; "" if a program generated it or it has hardly any letters."""
    line = one_line(title)
    if _FILE_NAME.search(line) or _BY_PROGRAM.search(line) or not _wordy(line):
        return ""
    return line


def day(moment: datetime | None) -> str:
    """A time in the properties of a file as YYYY-MM-DD; "" for none, or one that a program invents."""
    return f"{moment:%Y-%m-%d}" if moment and moment.year > FIRST_YEAR else ""


def pdf_day(text: str) -> str:
    """The day of a date as PDF writes it (ISO 32000-1, 7.9.4), "D:20240501…"; "" for what is none."""
    found = re.match(r"D?:?(\d{4})(\d\d)(\d\d)", text)
    try:
        return day(datetime(int(found[1]), int(found[2]), int(found[3]))) if found else ""
    except ValueError:
        return ""


def first_line(text: str) -> str:
    """The first line that can serve as a title, for a text without headings; "" if there is none."""
    for line in text.split("\n")[:20]:
        short = one_line(line)
        noise = sum(char in _NOISE or unicodedata.category(char).startswith("S") for char in short)
        if _wordy(short) and len(short) <= _MAX_FIRST_LINE_CHARACTERS and noise <= 0.1 * len(short):
            return short
    return ""


def _wordy(line: str) -> bool:
    signs = [char for char in line if not char.isspace()]
    letters = sum(char.isalpha() for char in signs)
    return letters >= 2 and letters >= 0.4 * len(signs)
