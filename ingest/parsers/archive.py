"""Zip archives, the containers of office files and e-books, opened only within limits of size and count.

Members are read into memory and never written to disk, so that a hostile name does no harm. An archive
inside an archive is not opened.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from ingest.parsers import markup
from ingest.parsers.damage import broken
from ingest.parsers.formats import Source
from ragbot.errors import BrokenError, LockedError

MAX_UNPACKED_BYTES = 200_000_000
"""The limit for all members of an archive together, unpacked."""
MAX_UNPACK_RATIO = 200
"""The limit of unpacked size divided by packed size; it applies only above ALWAYS_ALLOWED_BYTES."""
ALWAYS_ALLOWED_BYTES = 16_000_000
MAX_MEMBERS = 20_000
_XML = (".xml", ".rels")


class Archive:
    """A zip archive within the limits above.

    Raises BrokenError if it is damaged or exceeds a limit (a zip bomb), LockedError if a member is encrypted.
    """

    def __init__(self, source: Source) -> None:
        self._name = source.name
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(source.data))
            members = self._zip.infolist()
        except Exception as damage:  # a broken directory raises BadZipFile, struct.error, UnicodeError, …
            raise broken(source.name, damage) from damage
        if any(member.flag_bits & 1 for member in members):
            mend = "save it without a password"
            raise LockedError(f"{source.name}: encrypted as a zip archive, which is not read; {mend}")
        _refuse_bomb(source, members)
        self.names = frozenset(member.filename for member in members)

    def read(self, name: str) -> bytes:
        """The bytes of a member, never more than the directory states. Raises BrokenError if it is missing or damaged."""
        if name not in self.names:
            raise BrokenError(f"{self._name}: damaged (its part {name} is missing); fetch it again or export it again")
        try:
            return self._zip.read(name)
        except Exception as damage:  # zlib.error, BadZipFile, EOFError, NotImplementedError, …
            raise broken(self._name, damage) from damage

    def refuse_entities(self) -> None:
        """Raise BrokenError if an XML part declares entities, which no office program writes."""
        for name in sorted(self.names):
            if name.lower().endswith(_XML):
                markup.refuse_entities(self._head(name), self._name)

    def refuse_strict(self, instead: str) -> None:
        """Raise BrokenError if it is Strict Open XML (ISO/IEC 29500), which the parsing libraries do not read.

        `instead` names the format to save it as.
        """
        if b"http://purl.oclc.org/ooxml/" in self.read("_rels/.rels"):
            raise BrokenError(f"{self._name}: is Strict Open XML, which is not read; save it as {instead}")

    def _head(self, name: str) -> bytes:
        try:
            with self._zip.open(name) as member:
                return member.read(markup.PROLOG_BYTES)
        except Exception as damage:  # as above
            raise broken(self._name, damage) from damage


def uncompressed(members: Mapping[str, bytes]) -> io.BytesIO:
    """An archive of these members without compression, for parsers that unpack without a limit."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as copy:
        for name, data in members.items():
            copy.writestr(name, data)
    out.seek(0)
    return out


def _refuse_bomb(source: Source, members: list[zipfile.ZipInfo]) -> None:
    """Raise BrokenError if the stated sizes exceed a limit; zipfile never unpacks more than stated."""
    if len(members) > MAX_MEMBERS:
        cause = f"holds {len(members):,} parts, more than the {MAX_MEMBERS:,} that are read"
        raise BrokenError(f"{source.name}: {cause}; split it, or save it again")
    size = sum(member.file_size for member in members)
    if size > max(MAX_UNPACK_RATIO * len(source.data), ALWAYS_ALLOWED_BYTES):
        cause = f"unpacks from {len(source.data):,} to {size:,} bytes, as a zip bomb does"
        raise BrokenError(f"{source.name}: {cause}; split it, or save it again")
    if size > MAX_UNPACKED_BYTES:
        cause = f"unpacks to {size:,} bytes, more than the {MAX_UNPACKED_BYTES:,} that are read"
        raise BrokenError(f"{source.name}: {cause}; split it, or take out its pictures")
