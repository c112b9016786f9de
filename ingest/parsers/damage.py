"""How a parser's complaint is said in a message of one line, and what a file is refused for that no parser complains of."""

from __future__ import annotations

from ragbot.errors import BrokenError

MOST_LETTERS = 20_000_000
"""What the text of a file may hold. Whoever asked for it holds it several times over."""
_LONGEST = 120


def broken(name: str, cause: Exception) -> BrokenError:
    """The refusal of a file that its parser cannot make out."""
    return BrokenError(f"{name}: damaged ({_short(cause)}); fetch it again or export it anew")


def refuse_long(name: str, letters: int) -> None:
    """Raises BrokenError if a file has more text than is read. Readers whose text may outgrow their file ask this as it grows."""
    if letters > MOST_LETTERS:
        raise BrokenError(f"{name}: holds more than {MOST_LETTERS:,} letters; split it")


def _short(cause: Exception) -> str:
    said = cause.args[0] if len(cause.args) == 1 else cause  # str() of a KeyError is quoted twice
    line = " ".join(str(said).split()).rstrip(".") or type(cause).__name__
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
