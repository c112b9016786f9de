"""Reads the files attached to a message with the parsers of their types, within limits for all of them together.

An attachment that cannot be read costs nothing but itself: its heading says why.
"""

from __future__ import annotations

import importlib
import io
import re
from dataclasses import dataclass, field
from pathlib import PurePath

from ingest.parsers import sniff
from ingest.parsers.damage import MAX_TEXT_CHARACTERS, broken
from ingest.parsers.formats import EML, FORMATS, MHTML, Extract, Format, Source, all_names, named
from ingest.parsers.plugged import parser_of
from ragbot.errors import BrokenError, EmptyError, ReadError, UnsupportedError

MAX_FILES = 50
MAX_BYTES = 100_000_000
MAX_CHARACTERS = MAX_TEXT_CHARACTERS // 2
MAX_DEPTH = 3
"""How many messages, each attached to the one before as a file, are read."""
_HEADING = re.compile(r"#{1,5} ")
_FENCE = re.compile(r" {0,3}(?:```|~~~)")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a message. `name` is "" if it has none."""

    name: str
    content_type: str
    data: bytes


@dataclass(slots=True)
class Reader:
    """What is left of the limits of one message. `hidden` counts the characters that attachments show to nobody."""

    source: Source
    depth: int = 0
    files: int = field(default_factory=lambda: MAX_FILES)
    bytes: int = field(default_factory=lambda: MAX_BYTES)
    characters: int = field(default_factory=lambda: MAX_CHARACTERS)
    hidden: int = 0

    def written(self, attachment: Attachment) -> str:
        """The text of an attachment under a heading with its name; the heading alone if it cannot be read."""
        called = attachment.name or "without a name"
        try:
            extract = self._extract(attachment)
        except ReadError as cause:
            why = str(cause).removeprefix(f"{called}: ").partition("; ")[0]
            said = f"{attachment.content_type}, {len(attachment.data):,} bytes, not read: {why}"
            return f"# Attachment: {called} ({said})"
        self.hidden += extract.hidden
        self.characters -= len(extract.text)
        return f"# Attachment: {called}\n\n{_lowered(extract.text)}"

    def _extract(self, attachment: Attachment) -> Extract:
        name = attachment.name or "without a name"
        self.files -= 1
        self.bytes -= len(attachment.data)
        if self.files < 0 or self.bytes < 0 or self.characters < 0:
            raise ReadError(f"{name}: beyond what is read of one message; save it as a file of its own")
        suffix = _suffix(attachment)
        found, promised = sniff.sniff(io.BytesIO(attachment.data), suffix), named(suffix)
        if found.format is None:
            raise UnsupportedError(f"{name}: {found.what}; convert it to one of {all_names()}")
        if promised and promised is not found.format and not (promised.textual and found.format.textual):
            raise BrokenError(f"{name}: named {suffix} but holds {found.what}; rename it to {found.format.suffixes[0]}")
        self.source.alive()
        source = Source(name, attachment.data, self.source.password, self.source.alive)
        extract = self._parsed(source, found.format, nested=found.format in (EML, MHTML))
        if not extract.text.strip():
            raise EmptyError(f"{name}: holds no text; check that it is the file you mean")
        if len(extract.text) > self.characters:
            raise ReadError(f"{name}: beyond what is read of one message; save it as a file of its own")
        return extract

    def _parsed(self, source: Source, format: Format, *, nested: bool) -> Extract:
        if nested and self.depth >= MAX_DEPTH:
            raise ReadError(f"{source.name}: nested too deeply in other messages; save it as a file of its own")
        try:
            if not nested:
                return parser_of(format)(source)
            mail = importlib.import_module(f"ingest.parsers.{format.module}")
            extract: Extract = mail.extract_attached(source, self)
            return extract
        except (ReadError, MemoryError):
            raise
        except Exception as damage:  # a parser that trips over an attachment is no reason to lose the message
            raise broken(source.name, damage) from damage


def _suffix(attachment: Attachment) -> str:
    """The suffix of its name, or of the type that the message gives."""
    suffix = PurePath(attachment.name).suffix.lower()
    typical = (format.suffixes[0] for format in FORMATS if format.content_type == attachment.content_type)
    return suffix if suffix and " " not in suffix else next(typical, "")


def _lowered(text: str) -> str:
    """The text with its headings one rank lower, so that they stand below that of the attachment."""
    lines, fenced = text.split("\n"), False
    for at, line in enumerate(lines):
        fenced ^= bool(_FENCE.match(line))
        if not fenced and _HEADING.match(line):
            lines[at] = f"#{line}"
    return "\n".join(lines)
