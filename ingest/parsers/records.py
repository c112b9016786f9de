"""JSON and JSON lines: one "path: value" per value, where the path joins the keys.

Numbers are kept as written, however long. The parser knows no schema.
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
_MAX_BAD_SHARE = 0.5
"""With a larger share of lines that are not JSON, a file is not JSON lines."""
_MAX_PATH_CHARACTERS = 120

Value: TypeAlias = "dict[str, Value] | list[Value] | str | bool | None"


def extract(source: Source) -> Extract:
    """A JSON document, one paragraph per record; or JSON lines, one record per line of the file."""
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
    """Parse a JSON document, numbers as strings. Raises JSONDecodeError, or RecursionError if it nests too deeply."""
    value: Value = json.loads(text.removeprefix("\ufeff"), parse_int=str, parse_float=str, parse_constant=str, strict=False)
    return value


def too_deep(name: str) -> BrokenError:
    """The error for a document that nests too deeply."""
    return BrokenError(f"{name}: nests too deeply to be read; export it with less nesting")


def _lines(lines: Sequence[str]) -> list[str] | None:
    """Each line as one record, a damaged one unchanged; None if most lines are not JSON."""
    written, bad, full = [], 0, 0
    for line in lines:
        full += bool(line.strip())
        try:
            written.append("; ".join(_flat(parsed(line), "")) if line.strip() else "")
        except (json.JSONDecodeError, RecursionError):
            bad += 1
            written.append(line)
    return written if bad <= _MAX_BAD_SHARE * full and full > 1 else None


def _paragraphs(value: Value, path: str) -> Iterator[str]:
    """The paragraphs of a value: one per record of a list, per nested object, and per run of single values between them."""
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
    """One "path: value" line per value; the members of a list of objects are numbered from 1."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _pairs(one, _joined(path, key))
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        for number, one in enumerate(value, 1):
            yield from _pairs(one, f"{path}[{number}]")
    else:
        value_text = ", ".join(map(_value_text, value)) if isinstance(value, list) else _value_text(value)
        if value_text:
            yield f"{path}: {value_text}" if path else value_text


def _flat(value: Value, path: str) -> Iterator[str]:
    return (" ".join(pair.split()) for pair in _pairs(value, path))


def _joined(path: str, key: str) -> str:
    name = " ".join(key.split())
    return (f"{path}.{name}" if path else name)[-_MAX_PATH_CHARACTERS:]


def _value_text(value: Value) -> str:
    match value:
        case True | False:
            return str(value).lower()
        case None:
            return ""
        case _:
            return str(value).strip()
