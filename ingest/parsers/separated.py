"""CSV and TSV: one line for each record, below the header with the names of its columns.

The delimiter is the one by which the first records come out most alike. csv.Sniffer was not taken: it
takes a letter or a colon for one where a file has a single column, and fails on quotes.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import partial
from itertools import islice

from ingest.parsers import rows
from ingest.parsers.characters import decode
from ingest.parsers.formats import Extract, Source

_DELIMITERS = "\t;|,"  # among equals the comma is last: it may stand in numbers
_SAMPLE_LINES = 200
_MOST_STRAYS = 20
"""With more stray quotes than these, quotes are letters in all that follows: each costs a look for its end."""
_END = "\0"
"""A line that no text holds, since `decode` takes it out."""


def extract(source: Source) -> Extract:
    """The records. Where each is one line of the file, the lines are the file's own."""
    text = decode(source.data)
    lines = text.split("\n")
    records = _records(lines, _delimiter(lines[:_SAMPLE_LINES]))
    if records is None:  # quotes that never close: better as it stands than torn
        return Extract(text, lines=True)
    tally = rows.Tally(source.name)
    for record in records:
        tally.add(record)
    written = list(rows.written(records))
    exact = len(records) == len(lines)
    return Extract("\n".join(written if exact else filter(None, written)), lines=exact)


def _records(lines: Sequence[str], delimiter: str) -> list[list[str]] | None:
    """The records; None if they cannot be told apart.

    A cell in quotes may span lines. Where its quotes are not as programs write them, or never close, the first may be
    a stray one, which would swallow the records after it: a line that leaves it open is read with quotes as letters.
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
                if strays == _MOST_STRAYS:
                    read = partial(read, quoting=csv.QUOTE_NONE)
                records.append(alone[0])
                at += 1
    except csv.Error:  # a cell longer than csv takes
        return None
    return records


def _delimiter(lines: Sequence[str]) -> str:
    return max(_DELIMITERS, key=lambda sign: _likeness(lines, sign))


def _likeness(lines: Sequence[str], delimiter: str) -> float:
    """How many of the first records have as many cells as most of them; 0 if that is one."""
    records = [record for record in islice(_records(lines, delimiter) or [], _SAMPLE_LINES) if record]
    widths = [len(record) for record in records]
    usual = max(set(widths), key=widths.count, default=0)
    return widths.count(usual) / len(widths) if usual > 1 else 0
