"""CSV and TSV: one line per record, each value with the name of its column.

The delimiter is the one that gives the first records the most uniform width. csv.Sniffer is not used: in a
file with a single column it takes a letter or a colon for the delimiter, and it fails on quotes.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from functools import partial
from itertools import islice

from ingest.parsers import rows
from ingest.parsers.characters import decode
from ingest.parsers.column_names import are_told_apart
from ingest.parsers.damage import MAX_TEXT_CHARACTERS
from ingest.parsers.formats import Extract, Source

_DELIMITERS = "\t;|,"  # on a tie the comma is last: it may be part of a number
_SAMPLE_LINES = 200
_MAX_STRAY_QUOTES = 20
"""After this many stray quotes, quotes are plain characters in the rest of the file: each costs a search for its end."""
_NUMBERS = re.compile(r"(\d+)|(.)", re.DOTALL)
_MIXED = re.compile("a9|9a|a.9|9.a")
_MAX_SHAPE = 40
_ALIKE_SHARE = 0.8
_END = "\0"
"""A line that no text holds, since `decode` removes NUL."""


def extract(source: Source) -> Extract:
    """The records, one per line. If no record spans lines, the line numbers are those of the file."""
    text = decode(source.data)
    csv.field_size_limit(MAX_TEXT_CHARACTERS)  # the module's own is 131,072: one longer cell costs all records
    lines = text.split("\n")
    records = _records(lines, _delimiter(lines[:_SAMPLE_LINES]))
    if records is None:  # quotes that never close: the text is kept unchanged
        return Extract(text, lines=True)
    tally = rows.Tally(source.name)
    for record in records:
        tally.add(record)
    written = list(rows.written(records)) if _has_names(records) else [_joined(record) for record in records]
    exact = len(records) == len(lines)
    return Extract("\n".join(written if exact else filter(None, written)), lines=exact)


def _joined(record: Sequence[str]) -> str:
    return " | ".join(" ".join(cell.split()) for cell in record).strip(" |")


def _has_names(records: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of several cells has the names of the columns, and is not the first of the records."""
    at = rows.header_at(records)
    if at is None:
        return False
    first, below = records[at], records[at + 1 :]
    return not _is_record(first, below) and are_told_apart(first, below[:_SAMPLE_LINES])


def _is_record(first: Sequence[str], records: Sequence[Sequence[str]]) -> bool:
    """Whether a row is a record like those below it, though its cells could be names.

    A name of a column is not among its values, nor made of letters and digits in the way that they all are.
    """
    for at, cell in enumerate(first):
        below = [record[at] for record in records if at < len(record) and record[at] and record != first]
        if cell in below:
            return True
        shape = _shape(cell)
        alike = sum(_shape(other) == shape for other in below[:_SAMPLE_LINES])
        if _MIXED.search(shape) and len(below) > 1 and alike >= _ALIKE_SHARE * len(below[:_SAMPLE_LINES]):
            return True
    return False


def _shape(cell: str) -> str:
    """The cell with an "a" for each letter and a "9" for each number, so that "K12" is like "B7"."""
    return "".join("9" if digits else "a" if one.isalpha() else one for digits, one in _NUMBERS.findall(cell[:_MAX_SHAPE]))


def _records(lines: Sequence[str], delimiter: str) -> list[list[str]] | None:
    """Parse the records; None if they cannot be separated.

    A quoted cell may span lines. Where the quotes are malformed or never close, the opening quote may be a stray
    one, which would swallow the records after it: such a line is parsed with quotes as plain characters.
    """
    read = partial(csv.reader, delimiter=delimiter, skipinitialspace=True)
    records: list[list[str]] = []
    at = strays = 0
    try:
        while at < len(lines):
            first, reader = at, read((f"{lines[n]}\n" for n in range(at, len(lines))), strict=True)
            try:
                for record in reader:
                    records.append(record)
                    at = first + reader.line_num
            except csv.Error:
                alone = list(read([f"{lines[at]}\n", _END]))
                if alone[-1] != [_END]:
                    alone, strays = list(read([f"{lines[at]}\n"], quoting=csv.QUOTE_NONE)), strays + 1
                if strays == _MAX_STRAY_QUOTES:
                    read = partial(read, quoting=csv.QUOTE_NONE)
                records.append(alone[0])
                at += 1
    except csv.Error:  # a cell longer than the limit of the csv module
        return None
    return records


def _delimiter(lines: Sequence[str]) -> str:
    return max(_DELIMITERS, key=lambda sign: _likeness(lines, sign))


def _likeness(lines: Sequence[str], delimiter: str) -> float:
    """The share of the first records with the most common number of cells; 0 if that number is one."""
    records = [record for record in islice(_records(lines, delimiter) or [], _SAMPLE_LINES) if record]
    widths = [len(record) for record in records]
    usual = max(set(widths), key=widths.count, default=0)
    return widths.count(usual) / len(widths) if usual > 1 else 0
