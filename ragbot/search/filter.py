"""What a caller of recall may give, and in what form it is compared with what is stored. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from numbers import Integral
from typing import get_args

from ragbot.errors import InputError
from ragbot.index.columns import Filter
from ragbot.search.candidates import MAX_HITS
from ragbot.store import Snapshot
from ragbot.store.rows import micros
from ragbot.text import storable
from ragbot.types import Kind, Part

ROLES = ("user", "assistant")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which passages a recall may find. Times are microseconds since 1970; `uris` may hold patterns."""

    scopes: frozenset[str]
    as_of: int | None = None
    known_at: int | None = None
    kinds: frozenset[str] = frozenset()
    uris: frozenset[str] = frozenset()
    since: int | None = None
    until: int | None = None

    def filter(self, snapshot: Snapshot) -> Filter:
        """The same for an index, which knows documents, and what was recorded until when, by ids."""
        documents = frozenset(snapshot.documents_like(self.uris)) if self.uris else None
        last_id = None if self.known_at is None else snapshot.last_id_at(self.known_at)
        return Filter(self.scopes, self.as_of, self.kinds, documents, self.since, self.until, last_id)

    def at(self, snapshot: Snapshot) -> Selection:
        """The same, as of now where nothing else is asked and something holds only later, or no longer then."""
        return replace(self, as_of=snapshot.time_of(self.as_of))


def select(
    scopes: str | Collection[str],
    *,
    kinds: str | Collection[str] = (),
    uris: str | Collection[str] = (),
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Selection:
    """A selection as a caller gives it. What was known then is asked as of then, if nothing else is said.

    Raises InputError for a kind or a time that does not exist.
    """
    given = {"as_of": as_of or known_at, "known_at": known_at, "since": since, "until": until}
    at, known, after, before = (None if moment is None else micros(moment, name) for name, moment in given.items())
    return Selection(names(scopes), at, known, kinds_of(kinds), names(uris), after, before)


def names(given: str | Collection[str]) -> frozenset[str]:
    """Names as they are stored; a single one may be given as it is."""
    return frozenset(map(storable, [given] if isinstance(given, str) else given))


def kinds_of(given: str | Collection[str]) -> frozenset[str]:
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
