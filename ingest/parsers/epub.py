"""EPUB: the chapters in reading order, each parsed as a web page, without the table of contents.

ebooklib is not used because of its licence, the AGPL. Names and paths are those of EPUB 3.3 and OPF 2.0.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from functools import partial
from urllib.parse import unquote

from lxml import etree  # type: ignore[import-untyped]
from lxml.etree import _Element as Element  # type: ignore[import-untyped]

from ingest.parsers import html, markup
from ingest.parsers.archive import Archive
from ingest.parsers.characters import decode
from ingest.parsers.damage import refuse_long
from ingest.parsers.formats import Extract, Source
from ingest.parsers.titles import one_line, sensible
from ragbot.errors import BrokenError, EmptyError, LockedError, ReadError

_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_DC = "{http://purl.org/dc/elements/1.1/}"
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"})
_GAP = "\n\n"


def extract(source: Source) -> Extract:
    """The text of all chapters. A missing or damaged one is listed in `pages_failed` by its number, from 1."""
    archive = Archive(source)
    place = _package_place(archive, source.name)
    package = markup.parse(archive.read(place), source.name)
    chapters = list(dict.fromkeys(_chapters(package, posixpath.dirname(place))))  # a spine may name a chapter several times
    _refuse_locked(archive, chapters, source.name)
    texts, failed, characters, hidden = [], [], 0, 0
    for number, chapter in enumerate(chapters, 1):
        source.alive()
        try:
            page = html.extract(Source(source.name, _as_html(archive.read(chapter))), partial(_sheet, archive, chapter))
        except EmptyError:
            continue
        except ReadError:
            failed.append(number)
        else:
            texts.append(page.text)
            hidden += page.hidden
            characters += len(page.text)
            refuse_long(source.name, characters)
    if len(failed) == len(chapters):
        raise BrokenError(f"{source.name}: damaged (none of its {len(chapters)} chapters can be read); export it again")
    title, author = (one_line("; ".join(_metadata(package, name))) for name in ("title", "creator"))
    text = _GAP.join(filter(None, texts))
    return Extract(text, title=sensible(title), author=author, pages_failed=tuple(failed), hidden=hidden)


def _package_place(archive: Archive, name: str) -> str:
    container = markup.parse(archive.read(_CONTAINER), name)
    for root in container.iter("{*}rootfile"):
        return _inside("", root.get("full-path") or "")
    raise BrokenError(f"{name}: damaged (its container names no package); fetch it again or export it again")


def _chapters(package: Element, folder: str) -> Iterator[str]:
    """The archive members of the chapters in reading order, without the table of contents."""
    items = {item.get("id"): item for item in package.iterfind("{*}manifest/{*}item")}
    for reference in package.iterfind("{*}spine/{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is not None and item.get("media-type") in _PAGES and "nav" not in (item.get("properties") or "").split():
            yield _inside(folder, item.get("href") or "")


def _inside(folder: str, reference: str) -> str:
    """The archive member that a reference names. A reference out of the archive matches no member."""
    return posixpath.normpath(posixpath.join(folder, unquote(reference.partition("#")[0])))


def _sheet(archive: Archive, chapter: str, reference: str) -> str | None:
    """The style sheet that a chapter links; None if it is not in the archive."""
    place = _inside(posixpath.dirname(chapter), reference)
    try:
        return decode(archive.read(place)) if place in archive.names else None
    except BrokenError:
        return None


def _as_html(data: bytes) -> bytes:
    """Convert a chapter from XML to HTML: an HTML parser would take "<title/>" for an opening tag."""
    try:
        return bytes(etree.tostring(markup.parse(data, ""), method="html", encoding="utf-8"))
    except BrokenError:  # many chapters are not well-formed XML
        return f"<!doctype html>{decode(data)}".encode("utf-8-sig")


def _refuse_locked(archive: Archive, chapters: list[str], name: str) -> None:
    """Raise LockedError if a chapter is encrypted. Obfuscated fonts do not matter."""
    if _ENCRYPTION not in archive.names:
        return
    root = markup.parse(archive.read(_ENCRYPTION), name)
    locked = {_inside("", reference.get("URI") or "") for reference in root.iter("{*}CipherReference")}
    if locked & set(chapters):
        raise LockedError(f"{name}: protected by its seller (DRM), which is not read; get a copy without protection")


def _metadata(package: Element, name: str) -> list[str]:
    """The metadata values of a Dublin Core name; of several titles only the first."""
    found = [text for element in package.iter(_DC + name) if (text := one_line(element.text or ""))]
    return found[:1] if name == "title" else found
