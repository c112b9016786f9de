"""What a caller may give, and in what form it is stored. Pure functions; what is wrong is named with its mend."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from numbers import Integral
from typing import get_args

from ragbot.errors import InputError
from ragbot.recalling import MOST
from ragbot.text import storable
from ragbot.text.tokens import has_words
from ragbot.types import Document, Kind, Part

ROLES = ("user", "assistant")


def storable_document(document: Document) -> Document:
    """A document as it can be stored."""
    return replace(
        document,
        uri=storable(document.uri),
        text=storable(document.text),
        title=storable(document.title),
        scope=storable(document.scope),
        metadata={storable(key): storable(value) for key, value in document.metadata.items()},
    )


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
    if not isinstance(k, Integral) or isinstance(k, bool) or not 1 <= k <= MOST:
        raise InputError(f"k is {k}; it takes a whole number from 1 to {MOST}")
    if part is not None and part not in get_args(Part):
        raise InputError(f"there is no part {part!r} of recall; there are {', '.join(get_args(Part))}")


def need_words(document: Document) -> None:
    """Raise InputError for a document that has no address, no scope, or nothing to be found by."""
    if not document.uri.strip():
        raise InputError("a document needs a uri: the address that its citations name")
    if not document.scope.strip():
        raise InputError(f"{document.uri}: its scope is empty; name one, or leave it out for everyone")
    if not has_words(document.text):
        raise InputError(f"{document.uri}: holds no words; nothing was remembered of it")
