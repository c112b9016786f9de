"""How a parser's complaint is said in a message of one line."""

from __future__ import annotations

from ragbot.errors import BrokenError

_LONGEST = 120


def broken(name: str, cause: Exception) -> BrokenError:
    """The refusal of a file that its parser cannot make out."""
    return BrokenError(f"{name}: damaged ({_short(cause)}); fetch it again or export it anew")


def _short(cause: Exception) -> str:
    said = cause.args[0] if len(cause.args) == 1 else cause  # str() of a KeyError is quoted twice
    line = " ".join(str(said).split()).rstrip(".") or type(cause).__name__
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
