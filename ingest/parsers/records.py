"""JSON and JSON lines: "key: value" for each value, with the path to it as its key.

Numbers stand as they are written, however long. Knows no vocabulary.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from ingest.parsers.characters import clean, decode
from ingest.parsers.damage import broken
from ingest.parsers.formats import Extract, Source
from ragbot.errors import BrokenError

_GAP = "\n\n"
_MOST_BAD = 0.5
_LONGEST_PATH = 120

Value: TypeAlias = "dict[str, Value] | list[Value] | str | bool | None"


def extract(source: Source) -> Extract:
    """A JSON document, a paragraph for each record; or records line by line, whose lines are the file's own."""
    text = decode(source.data)
    try:
        return Extract(clean(_GAP.join(_paragraphs(parsed(text), ""))))
    except json.JSONDecodeError as cause:
        lines = _lines(text.split("\n"))
        if lines is None:
            raise broken(source.name, cause) from cause
        return Extract(clean("\n".join(lines)), lines=True)
    except RecursionError as cause:
        raise too_deep(source.name) from cause


def parsed(text: str) -> Value:
    """A JSON document. Numbers come as they are written. Raises JSONDecodeError, or RecursionError if too deep."""
    value: Value = json.loads(text.removeprefix("\ufeff"), parse_int=str, parse_float=str, parse_constant=str, strict=False)
    return value


def too_deep(name: str) -> BrokenError:
    """The refusal of a document that no program writes."""
    return BrokenError(f"{name}: nests too deeply to be read; export it anew, flatter")


def _lines(lines: Sequence[str]) -> list[str] | None:
    """Each line as one: a record, or as it stands where it is damaged. None if most are not records."""
    written, bad, full = [], 0, 0
    for line in lines:
        full += bool(line.strip())
        try:
            written.append("; ".join(_flat(parsed(line), "")) if line.strip() else "")
        except (json.JSONDecodeError, RecursionError):
            bad += 1
            written.append(line)
    return written if bad <= _MOST_BAD * full and full > 1 else None


def _paragraphs(value: Value, path: str) -> Iterator[str]:
    """What belongs together: each record of a list, each object in an object, the single values between them."""
    if isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        for one in value:
            yield from filter(None, ["\n".join(_pairs(one, path))])
        return
    if not isinstance(value, dict):
        yield from filter(None, ["\n".join(_pairs(value, path))])
        return
    single: list[str] = []
    for key, one in value.items():
        if isinstance(one, dict | list):
            inner = list(_paragraphs(one, _joined(path, key)))
            if len(inner) == 1:
                single += inner
                continue
            yield from filter(None, ["\n".join(single)])
            single = []
            yield from inner
        else:
            single += _pairs(one, _joined(path, key))
    yield from filter(None, ["\n".join(single)])


def _pairs(value: Value, path: str) -> Iterator[str]:
    """A line for each value in it; the members of a list of objects are counted from 1."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _pairs(one, _joined(path, key))
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        for number, one in enumerate(value, 1):
            yield from _pairs(one, f"{path}[{number}]")
    else:
        said = ", ".join(map(_said, value)) if isinstance(value, list) else _said(value)
        if said:
            yield f"{path}: {said}" if path else said


def _flat(value: Value, path: str) -> Iterator[str]:
    return (" ".join(pair.split()) for pair in _pairs(value, path))


def _joined(path: str, key: str) -> str:
    name = " ".join(key.split())
    return (f"{path}.{name}" if path else name)[-_LONGEST_PATH:]


def _said(value: Value) -> str:
    match value:
        case True | False:
            return str(value).lower()
        case None:
            return ""
        case _:
            return str(value).strip()
