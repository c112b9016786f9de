"""Read JSON lines files, gzipped or not; errors name the file and line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragbot.errors import InputError
from ragbot.text import storable


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file, with its number from 1."""

    file: Path
    number: int
    text: str

    def wrong(self, cause: str) -> InputError:
        """The error for this line, with its cause."""
        return InputError(f"{self.file}, line {self.number}: {cause}")


@dataclass(frozen=True, slots=True)
class Record:
    """The JSON object of a line."""

    line: Line
    fields: Mapping[str, Any]

    def word(self, *names: str, default: str | None = None) -> str:
        """The text of the first of these fields that is present; numbers are converted.

        Raises InputError if none is present and there is no default, or if the value is not a text.
        """
        name, value = next(((name, self.fields[name]) for name in names if self.fields.get(name) is not None), ("", default))
        if value is None:
            raise self.line.wrong(f"has no {' or '.join(map(repr, names))}; add it")
        if type(value) not in (str, int):
            raise self.line.wrong(f"{name!r} is {json.dumps(value)[:40]}; it takes a text")
        return storable(str(value))

    def filled(self, *names: str) -> str:
        """Like `word`, but raises InputError for an empty text too."""
        if not (word := self.word(*names)).strip():
            raise self.line.wrong(f"{' or '.join(map(repr, names))} is empty; fill it in")
        return word

    def list(self, name: str) -> list[Any]:
        """The list in a field, empty if the field is absent. Raises InputError if it is not a list."""
        found = self.fields.get(name)
        if found is not None and not isinstance(found, list):
            raise self.line.wrong(f"{name!r} is {json.dumps(found)[:40]}; it takes a list")
        return found or []


def lines(file: Path) -> Iterator[Line]:
    """The lines of a file that are not blank. Raises InputError if it is damaged or not in UTF-8."""
    try:
        with gzip.open(file, "rt", encoding="utf-8-sig") if file.suffix == ".gz" else file.open(encoding="utf-8-sig") as lines:
            for number, text in enumerate(lines, 1):
                if text.strip():
                    yield Line(file, number, text)
    except UnicodeDecodeError as cause:
        raise InputError(f"{file}: is not in UTF-8 ({cause.reason} at byte {cause.start}); save it as UTF-8") from cause
    except (gzip.BadGzipFile, EOFError, zlib.error) as cause:
        raise InputError(f"{file}: is damaged ({cause}); fetch it again") from cause


def records(file: Path) -> Iterator[tuple[str, Record]]:
    """(id, record) of each line. Raises InputError for a line that is not a JSON object or repeats an id."""
    seen = dict[str, int]()
    for line in lines(file):
        try:
            fields = json.loads(line.text)
        except (ValueError, RecursionError) as cause:
            raise line.wrong(f"is not JSON ({cause}); correct it") from cause
        if not isinstance(fields, dict):
            raise line.wrong("is not a JSON object; write {…}")
        record = Record(line, fields)
        id = record.filled("_id", "id")
        if id in seen:
            raise line.wrong(f"id {id!r} is that of line {seen[id]} too; give it another")
        seen[id] = line.number
        yield id, record
