"""Zip archives, as office files and e-books are: opened only where what they state can be borne.

Members are read into memory, never written to the disk, so that their names can do no harm. An archive
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

MOST_BYTES = 200_000_000
"""What an archive may hold, unpacked."""
MOST_RATIO = 200
"""How many times its own size an archive may unpack to, if that is more than SMALL_BYTES."""
SMALL_BYTES = 16_000_000
MOST_MEMBERS = 20_000
_XML = (".xml", ".rels")


class Archive:
    """A zip archive whose members are not more, nor larger, than stated above.

    Raises BrokenError if it is damaged or a bomb, LockedError if a member is encrypted.
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
        """A member, never longer than it is stated to be. Raises BrokenError if it is missing or damaged."""
        if name not in self.names:
            raise BrokenError(f"{self._name}: damaged (its part {name} is missing); fetch it again or export it anew")
        try:
            return self._zip.read(name)
        except Exception as damage:  # zlib.error, BadZipFile, EOFError, NotImplementedError, …
            raise broken(self._name, damage) from damage

    def refuse_entities(self) -> None:
        """Raises BrokenError if an XML part declares entities, which no office program writes."""
        for name in sorted(self.names):
            if name.lower().endswith(_XML):
                markup.refuse_entities(self._head(name), self._name)

    def refuse_strict(self, instead: str) -> None:
        """Raises BrokenError if it is an Office file of the Strict kind (ISO/IEC 29500), which our parsers do not know."""
        if b"http://purl.oclc.org/ooxml/" in self.read("_rels/.rels"):
            raise BrokenError(f"{self._name}: is Strict Open XML, which is not read; save it as {instead}")

    def _head(self, name: str) -> bytes:
        try:
            with self._zip.open(name) as member:
                return member.read(markup.PROLOG_BYTES)
        except Exception as damage:  # as above
            raise broken(self._name, damage) from damage


def stored(members: Mapping[str, bytes]) -> io.BytesIO:
    """An archive of these members, uncompressed: for parsers that unpack without a limit."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as anew:
        for name, data in members.items():
            anew.writestr(name, data)
    out.seek(0)
    return out


def _refuse_bomb(source: Source, members: list[zipfile.ZipInfo]) -> None:
    """By the sizes that the archive states: zipfile never unpacks more than those."""
    if len(members) > MOST_MEMBERS:
        cause = f"holds {len(members):,} parts, more than the {MOST_MEMBERS:,} that are read"
        raise BrokenError(f"{source.name}: {cause}; split it or save it anew")
    size = sum(member.file_size for member in members)
    if size > max(MOST_RATIO * len(source.data), SMALL_BYTES):
        cause = f"unpacks from {len(source.data):,} to {size:,} bytes, as a zip bomb does"
        raise BrokenError(f"{source.name}: {cause}; split it or save it anew")
    if size > MOST_BYTES:
        cause = f"unpacks to {size:,} bytes, more than the {MOST_BYTES:,} that are read"
        raise BrokenError(f"{source.name}: {cause}; split it, or take out its pictures")
