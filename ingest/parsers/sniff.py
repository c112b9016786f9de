"""Detect the format of a file from its content; the suffix only decides between kinds of text.

This module knows magic numbers and first lines, but parses nothing. Sources: the specifications of the
formats and the signatures of `file(1)`.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from ingest.parsers import characters
from ingest.parsers.formats import (
    CODE,
    DOCX,
    EML,
    EPUB,
    HTML,
    IMAGES,
    MHTML,
    ODS,
    ODT,
    PDF,
    PLAIN,
    PPTX,
    XLS,
    XLSX,
    XML,
    Format,
    named,
)

HEAD_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Found:
    """What a file holds, in words, and its format; None if no parser reads it."""

    what: str
    format: Format | None = None


_OLD_OFFICE = "an old Microsoft Office file (DOC, PPT or MSG)"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAGIC = (
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"II*\0", "a TIFF image"),
    (0, b"MM\0*", "a TIFF image"),
    (0, b"BM", "a BMP image"),
    (8, b"WEBP", "a WebP image"),
    (8, b"WAVE", "WAV audio"),
    (4, b"ftyp", "an MP4 or HEIC file"),
    (0, b"ID3", "MP3 audio"),
    (0, b"\xff\xfb", "MP3 audio"),
    (0, b"OggS", "Ogg media"),
    (0, b"fLaC", "FLAC audio"),
    (0, b"\x1aE\xdf\xa3", "Matroska or WebM video"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ", "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (0, b"SQLite format 3", "an SQLite database"),
    (0, b"PAR1", "a Parquet file"),
)
_OLE_STREAMS = (("WordDocument", None), ("PowerPoint Document", None), ("Workbook", XLS), ("Book", XLS))
_ZIPPED = frozenset({DOCX, PPTX, XLSX, ODT, ODS, EPUB})
_IMAGES = {f"a {format.name} image": format for format in IMAGES}
_ZIP_MEMBERS = (
    (re.compile(r"word/document\d*\.xml"), DOCX),
    (re.compile(r"ppt/presentation\d*\.xml"), PPTX),
    (re.compile(r"xl/workbook\d*\.xml", re.IGNORECASE), XLSX),
    (re.compile(r"META-INF/container\.xml"), EPUB),
)
_VARIANTS = {
    **dict.fromkeys((".docm", ".dotx", ".dotm"), "a Word template or macro file"),
    **dict.fromkeys((".ppsx", ".ppsm", ".potx", ".potm"), "a PowerPoint show or template"),
    **dict.fromkeys((".xltx", ".xltm"), "an Excel template"),
}
_BY_MIMETYPE = {ODT.content_type: ODT, ODS.content_type: ODS, EPUB.content_type: EPUB}
"""Formats by the content of their first archive member (OpenDocument 1.3, part 2, 3.3; EPUB 3.3, 4.2.3)."""
_BY_SUFFIX = {  # structured texts that would be misleading as plain text
    ".svg": "an SVG image",
    ".mbox": "a mailbox (MBOX)",
    ".ics": "a calendar (ICS)",
    ".vcf": "a contact (VCF)",
}
_SVG_START = re.compile(r"(?:<!DOCTYPE\s+svg\b[^>]*>\s*)?<svg[\s>]")
_PREAMBLE = re.compile(r"(?:\s+|<\?xml\b.*?\?>|<!--.*?-->)*", re.DOTALL)
_HTML_START = re.compile(r"<!doctype\s+html|<(?:html|head|body)[\s>]", re.IGNORECASE)
_MAIL_HEADER = re.compile(r"^(From|To|Subject|Date|Received|Return-Path|Delivered-To|Message-ID|MIME-Version):", re.MULTILINE)


def sniff(file: BinaryIO, suffix: str) -> Found:
    """Detect the format of an open file; `suffix` is lower case, with its dot. One of a plugin decides alone."""
    promised = named(suffix)
    if promised and promised.plugins:
        return Found(promised.name, promised)
    head = file.read(HEAD_BYTES)
    if _is_pdf(head, suffix):
        return Found("a PDF", PDF)
    if promised in (EML, MHTML) and _MAIL_HEADER.match(head[:4000].decode("latin-1").lstrip()):
        return Found("an e-mail", promised)
    if head.startswith(_OLE):
        return _in_ole(file, suffix)
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return _in_zip(file, suffix)
    if head.startswith(b"{\\rtf"):
        return Found("rich text (RTF)")
    if head.startswith(b"%!PS"):
        return Found("PostScript")
    if picture := _in_picture(head):  # before the text formats: uncompressed white decodes as letters
        return picture
    text = characters.peek(head)
    return _in_binary(head) if text is None else _in_text(text, suffix)


def encrypted_office(data: bytes) -> bool:
    """Whether an old-style Office container holds an encrypted new-style file ([MS-OFFCRYPTO] 2.3)."""
    return data.startswith(_OLE) and "EncryptedPackage".encode("utf-16-le") in data


def _is_pdf(head: bytes, suffix: str) -> bool:
    """Other bytes may precede a PDF header (ISO 32000-1, annex H.3.4.1), but a text may also mention it."""
    early = head[:1024]
    at_start = early.lstrip(b"\xef\xbb\xbf \t\r\n\0").startswith(b"%PDF-")
    return at_start or (suffix == ".pdf" and b"%PDF-" in early)


def _in_ole(file: BinaryIO, suffix: str) -> Found:
    """The kind of an old Office file, by its stream names, which are mostly early in the directory ([MS-CFB] 2.6)."""
    file.seek(0)
    head = file.read(52)
    shift, first = int.from_bytes(head[30:32], "little"), int.from_bytes(head[48:52], "little")
    names = b""
    if shift in (9, 12):
        file.seek((first + 1) << shift)
        names = file.read(4096)
    for stream, format in _OLE_STREAMS:
        if f"{stream}\0".encode("utf-16-le") in names:
            return Found("an XLS", format) if format else Found(_OLD_OFFICE)
    return Found("an XLS", XLS) if suffix in XLS.suffixes else Found(_OLD_OFFICE)


def _in_zip(file: BinaryIO, suffix: str) -> Found:
    promised = named(suffix)
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            kind = _mimetype(archive)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        # Truncated. The parser of the format that the suffix names gives the better message.
        return Found(_called(promised), promised) if promised and promised in _ZIPPED else Found("a damaged zip archive")
    for member, format in _ZIP_MEMBERS:
        if any(member.fullmatch(name) for name in names):
            return Found(_VARIANTS[suffix]) if suffix in _VARIANTS else Found(_called(format), format)
    if kind in _BY_MIMETYPE:
        return Found(_called(_BY_MIMETYPE[kind]), _BY_MIMETYPE[kind])
    if promised in (ODT, ODS) and "content.xml" in names:  # the first member is missing, or encrypted
        return Found(_called(promised), promised)
    return Found("an OpenDocument file other than ODT and ODS" if "opendocument" in kind else "a zip archive")


def _mimetype(archive: zipfile.ZipFile) -> str:
    """The content of the archive's "mimetype" member; "" if it is missing or unreadable."""
    try:
        with archive.open("mimetype") as member:
            return member.read(100).decode("ascii", "replace").strip()
    except (KeyError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile):  # RuntimeError: encrypted
        return ""


def _called(format: Format) -> str:
    return f"{'an' if format.name[0] in 'EOX' else 'a'} {format.name}"


def _in_picture(head: bytes) -> Found | None:
    """An image format, or None. A text may begin like one ("BMW", "GIF89a is"), but has no zero bytes in its header."""
    found = _in_binary(head)
    return found if found.format and 0 in head[:20] else None


def _in_binary(head: bytes) -> Found:
    for offset, magic, what in _MAGIC:
        if head.startswith(magic, offset):
            return Found(what, _IMAGES.get(what))
    return Found("binary data of no known type")


def _in_text(text: str, suffix: str) -> Found:
    """The kind of a text: HTML by its first tag, unless the suffix names source code; otherwise mostly by the suffix."""
    after = _PREAMBLE.match(text)
    start = after.end() if after else 0
    promised = named(suffix)
    is_code = promised is not None and promised.content_type.startswith(CODE)
    if suffix in _BY_SUFFIX:
        return Found(_BY_SUFFIX[suffix])
    if _HTML_START.match(text, start) and not is_code:
        return Found("HTML", HTML)
    if text.lstrip().startswith("<?xml") and not (promised and promised.textual and promised is not HTML):
        return Found("an SVG image") if _SVG_START.match(text, start) else Found("XML", XML)
    if promised and promised.textual:
        return Found(promised.name, promised)
    if len(_MAIL_HEADER.findall(text[:4000].split("\n\n")[0])) >= 2 and _MAIL_HEADER.match(text):
        return Found("an e-mail (EML)", EML)
    return Found("plain text", PLAIN)
