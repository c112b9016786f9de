"""What a file is, told from its content; the suffix only decides between kinds of text.

Knows magic numbers and first lines, not how to read anything. Sources: the formats' own
specifications and the signatures that `file(1)` uses.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from typing import BinaryIO

from ingest.readers import characters
from ingest.readers.formats import DOCX, HTML, PDF, PLAIN, Format, named

HEAD_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Found:
    """What a file holds, in words, and the format that reads it (None: no reader covers it)."""

    what: str
    format: Format | None = None


_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAGIC = (
    (0, _OLE, "an old Microsoft Office file (DOC, XLS, PPT or MSG)"),
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
_ZIP_MEMBERS = (
    (re.compile(r"ppt/presentation\d*\.xml"), "a PowerPoint file (PPTX)"),
    (re.compile(r"xl/workbook\d*\.(xml|bin)"), "an Excel file (XLSX)"),
    (re.compile(r"META-INF/container\.xml"), "an e-book (EPUB)"),
    (re.compile(r"META-INF/manifest\.xml"), "an OpenDocument file (ODT, ODS or ODP)"),
)
_WORD_MEMBER = re.compile(r"word/document\d*\.xml")
_WORD_VARIANTS = frozenset({".docm", ".dotx", ".dotm"})
_BY_SUFFIX = {  # texts with a structure of their own, which as plain text would only confuse
    ".csv": "a table (CSV)",
    ".tsv": "a table (TSV)",
    ".json": "JSON",
    ".jsonl": "JSON lines",
    ".ndjson": "JSON lines",
    ".ipynb": "a Jupyter notebook",
    ".xml": "XML",
    ".svg": "an SVG image",
    ".rss": "a feed (XML)",
    ".atom": "a feed (XML)",
    ".eml": "an e-mail (EML)",
    ".mbox": "a mailbox (MBOX)",
    ".mht": "a web archive (MHTML)",
    ".mhtml": "a web archive (MHTML)",
    ".ics": "a calendar (ICS)",
    ".vcf": "a contact (VCF)",
}
_PREAMBLE = re.compile(r"(?:\s+|<\?xml\b.*?\?>|<!--.*?-->)*", re.DOTALL)
_HTML_START = re.compile(r"<!doctype\s+html|<(?:html|head|body)[\s>]", re.IGNORECASE)
_MAIL_HEADER = re.compile(r"^(From|To|Subject|Date|Received|Return-Path|Delivered-To|Message-ID|MIME-Version):", re.MULTILINE)


def sniff(file: BinaryIO, suffix: str) -> Found:
    """Tells what an open file holds; `suffix` is lower case, with its dot."""
    head = file.read(HEAD_BYTES)
    if _is_pdf(head, suffix):
        return Found("a PDF", PDF)
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return _in_zip(file, suffix)
    if head.startswith(b"{\\rtf"):
        return Found("rich text (RTF)")
    if head.startswith(b"%!PS"):
        return Found("PostScript")
    text = characters.peek(head)
    return _in_binary(head) if text is None else _in_text(text, suffix)


def encrypted_office(data: bytes) -> bool:
    """Whether an old-style Office container holds an encrypted new-style file ([MS-OFFCRYPTO] 2.3)."""
    return data.startswith(_OLE) and "EncryptedPackage".encode("utf-16-le") in data


def _is_pdf(head: bytes, suffix: str) -> bool:
    """A PDF may have junk in front (ISO 32000-1, annex H.3.4.1); a text may speak of PDF."""
    early = head[:1024]
    at_start = early.lstrip(b"\xef\xbb\xbf \t\r\n\0").startswith(b"%PDF-")
    return at_start or (suffix == ".pdf" and b"%PDF-" in early)


def _in_zip(file: BinaryIO, suffix: str) -> Found:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        # Cut short. The reader of the format that it is named for says so better.
        return Found("a DOCX", DOCX) if suffix == ".docx" else Found("a damaged zip archive")
    if any(_WORD_MEMBER.fullmatch(name) for name in names):
        variant = suffix in _WORD_VARIANTS
        return Found("a Word template or macro file") if variant else Found("a DOCX", DOCX)
    for member, what in _ZIP_MEMBERS:
        if any(member.fullmatch(name) for name in names):
            return Found(what)
    return Found("a zip archive")


def _in_binary(head: bytes) -> Found:
    for offset, magic, what in _MAGIC:
        if head.startswith(magic, offset):
            return Found(what)
    return Found("binary data of no known type")


def _in_text(text: str, suffix: str) -> Found:
    """HTML by its first tag, whatever the name; among the rest the suffix decides."""
    after = _PREAMBLE.match(text)
    start = after.end() if after else 0
    promised = named(suffix)
    if _HTML_START.match(text, start):
        return Found(_BY_SUFFIX[suffix]) if suffix in _BY_SUFFIX else Found("HTML", HTML)
    if text.lstrip().startswith("<?xml") and not (promised and promised.textual and promised is not HTML):
        return Found(_BY_SUFFIX.get(suffix, "XML"))
    if promised and promised.textual:
        return Found(promised.name, promised)
    if suffix in _BY_SUFFIX:
        return Found(_BY_SUFFIX[suffix])
    if len(_MAIL_HEADER.findall(text[:4000].split("\n\n")[0])) >= 2 and _MAIL_HEADER.match(text):
        return Found("an e-mail (EML)")
    return Found("plain text", PLAIN)
