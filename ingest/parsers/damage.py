"""What is wrong with files that are damaged or too long, or was read in part: each in one line."""

from __future__ import annotations

from ragbot.errors import BrokenError
from ragbot.types import Document

MAX_TEXT_CHARACTERS = 20_000_000
"""The limit for the text of one file. The process that asked for the text holds several copies of it."""
_MAX_CAUSE_CHARACTERS = 120


def broken(name: str, cause: Exception) -> BrokenError:
    """The error for a file that its parser fails on."""
    return BrokenError(f"{name}: damaged ({_short(cause)}); fetch it again or export it again")


def refuse_long(name: str, characters: int) -> None:
    """Raise BrokenError if a text exceeds MAX_TEXT_CHARACTERS.

    A parser whose text may be much longer than its file calls this while the text grows.
    """
    if characters > MAX_TEXT_CHARACTERS:
        raise BrokenError(f"{name}: has more than {MAX_TEXT_CHARACTERS:,} characters of text; split it")


def _short(cause: Exception) -> str:
    cause_text = cause.args[0] if len(cause.args) == 1 else cause  # str() of a KeyError is quoted twice
    line = " ".join(str(cause_text).split()).rstrip(".") or type(cause).__name__
    return line if len(line) <= _MAX_CAUSE_CHARACTERS else line[: _MAX_CAUSE_CHARACTERS - 1] + "…"


def left_out(document: Document) -> str:
    """What of a file was not read, in words; "" if nothing."""
    lost, hidden = (document.metadata.get(key, "") for key in ("pages_failed", "hidden_characters"))
    said = [f"much of page {lost} could not be read"] if lost else []
    return "; ".join([*said, *([f"{hidden} characters that nobody sees are left out"] if hidden else [])])
