"""Filters by metadata, in the words of LangChain's FAISS store. Pure functions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from ragbot.errors import InputError

Wanted = Callable[[dict[str, Any]], bool]
"""Whether a document of this metadata is wanted."""
Filter = Mapping[str, Any] | Wanted
"""{"key": value}, {"key": [one, or, another]}, {"key": {"$gt": 3}}, {"$or": [filter, filter]}; or a function of the metadata."""


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compared(value: object, given: object) -> bool:
        try:
            return compare(value, given)
        except TypeError:  # there is no order between a number and a text, or nothing
            return False

    return compared


OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$neq": operator.ne,
    "$gt": _ordered(operator.gt),
    "$gte": _ordered(operator.ge),
    "$lt": _ordered(operator.lt),
    "$lte": _ordered(operator.le),
    "$in": lambda value, given: value in given,
    "$nin": lambda value, given: value not in given,
}


def wanted_by(given: Filter | None) -> Wanted | None:
    """The filter as a function; None if there is none. Raises InputError for one that cannot be one."""
    if given is None or callable(given):
        return given
    if not isinstance(given, Mapping):
        raise InputError(f"filter is {given!r:.60}; it takes a mapping of metadata, or a function of them")
    return _all([_condition(key, value) for key, value in given.items()])


def _condition(key: str, value: Any) -> Wanted:  # noqa: ANN401 (JSON)
    if key in ("$and", "$or"):
        if not isinstance(value, list | tuple):
            raise InputError(f"filter: {key} is {value!r:.60}; it takes a list of filters")
        return (_all if key == "$and" else _any)([_part(one) for one in value])
    if key == "$not":
        inner = _part(value)
        return lambda metadata: not inner(metadata)
    if key.startswith("$"):
        raise InputError(
            f"filter: there is no {key!r} here; there are $and, $or and $not, and below a key {', '.join(OPERATORS)}"
        )
    if isinstance(value, Mapping) and any(str(name).startswith("$") for name in value):
        return _all([_compared(key, name, other) for name, other in value.items()])
    if isinstance(value, list | tuple):
        return lambda metadata: key in metadata and (metadata[key] in value or metadata[key] == value)
    return lambda metadata: key in metadata and bool(metadata[key] == value)


def _part(given: Filter) -> Wanted:
    wanted = wanted_by(given)
    if wanted is None:
        raise InputError("filter: a part of it is None; leave it out")
    return wanted


def _compared(key: str, name: str, other: Any) -> Wanted:  # noqa: ANN401 (JSON)
    if name not in OPERATORS:
        raise InputError(f"filter: there is no operator {name!r}; there are {', '.join(OPERATORS)}")
    if name in ("$in", "$nin") and not isinstance(other, list | tuple | set | frozenset):
        raise InputError(f"filter: {name} of {key!r} is {other!r:.60}; it takes a list")
    compare = OPERATORS[name]
    return lambda metadata: bool(compare(metadata.get(key), other))


def _all(parts: list[Wanted]) -> Wanted:
    return lambda metadata: all(part(metadata) for part in parts)


def _any(parts: list[Wanted]) -> Wanted:
    return lambda metadata: any(part(metadata) for part in parts)
