"""What a caller of recall may give, and in what form it is compared with what is stored. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from numbers import Integral
from typing import get_args

from ragbot.errors import InputError
from ragbot.search.candidates import MAX_HITS
from ragbot.text import storable
from ragbot.types import Kind, Part

ROLES = ("user", "assistant")


def names(given: str | Collection[str]) -> frozenset[str]:
    """Names as they are stored; a single one may be given as it is."""
    return frozenset(map(storable, [given] if isinstance(given, str) else given))


def kinds(given: str | Collection[str]) -> frozenset[str]:
    """Kinds of documents. Raises InputError for one that does not exist."""
    found = names(given)
    if unknown := sorted(found - set(get_args(Kind))):
        raise InputError(f"there is no kind {unknown[0]!r}; there are {', '.join(get_args(Kind))}")
    return found


def history(given: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """(role, text) of what was said before, oldest first. Raises InputError for what is none."""
    found = list[tuple[str, str]]()
    for at, said in enumerate(given):
        if not isinstance(said, tuple | list) or len(said) != 2 or not all(isinstance(part, str) for part in said):
            raise InputError(f"history[{at}] is {str(said)[:60]!r}; it takes (role, text), both texts")
        role, text = said
        if role not in ROLES:
            raise InputError(f"history[{at}] has the role {role!r}; there are {' and '.join(ROLES)}")
        found.append((role, storable(text)))
    return found


def need_query(query: str, k: int, part: Part | None = None) -> None:
    """Raise InputError for what cannot be recalled."""
    if not isinstance(query, str) or not query.strip():
        raise InputError("the query is empty; say what to look for")
    if not isinstance(k, Integral) or isinstance(k, bool) or not 1 <= k <= MAX_HITS:
        raise InputError(f"k is {k}; it takes a whole number from 1 to {MAX_HITS}")
    if part is not None and part not in get_args(Part):
        raise InputError(f"there is no part {part!r} of recall; there are {', '.join(get_args(Part))}")
