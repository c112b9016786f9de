"""EPUB: the chapters in their order, each read as the web page that it is. The table of contents stays out.

ebooklib was not taken: its licence is the AGPL. Names and places are those of EPUB 3.3 (and of OPF 2.0, which it kept).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
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
    """The chapters. One that is missing or damaged counts as failed, by its place among them."""
    archive = Archive(source)
    place = _package_place(archive, source.name)
    package = markup.parse(archive.read(place), source.name)
    chapters = list(dict.fromkeys(_chapters(package, posixpath.dirname(place))))  # each once, however often it is named
    _refuse_locked(archive, chapters, source.name)
    texts, failed, letters = [], [], 0
    for number, chapter in enumerate(chapters, 1):
        source.alive()
        try:
            texts.append(html.extract(Source(source.name, _as_html(archive.read(chapter)))).text)
        except EmptyError:
            continue
        except ReadError:
            failed.append(number)
        else:
            letters += len(texts[-1])
            refuse_long(source.name, letters)
    if len(failed) == len(chapters):
        raise BrokenError(f"{source.name}: damaged (none of its {len(chapters)} chapters can be read); export it anew")
    title, author = (one_line("; ".join(_said(package, name))) for name in ("title", "creator"))
    return Extract(_GAP.join(filter(None, texts)), title=sensible(title), author=author, pages_failed=tuple(failed))


def _package_place(archive: Archive, name: str) -> str:
    container = markup.parse(archive.read(_CONTAINER), name)
    for root in container.iter("{*}rootfile"):
        return _inside("", root.get("full-path") or "")
    raise BrokenError(f"{name}: damaged (its container names no package); fetch it again or export it anew")


def _chapters(package: Element, folder: str) -> Iterator[str]:
    """The members that hold the chapters, in the order of reading, without the table of contents."""
    items = {item.get("id"): item for item in package.iterfind("{*}manifest/{*}item")}
    for reference in package.iterfind("{*}spine/{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is not None and item.get("media-type") in _PAGES and "nav" not in (item.get("properties") or "").split():
            yield _inside(folder, item.get("href") or "")


def _inside(folder: str, reference: str) -> str:
    """The member that a reference means. One that leads out of the archive names nothing that is in it."""
    return posixpath.normpath(posixpath.join(folder, unquote(reference.partition("#")[0])))


def _as_html(data: bytes) -> bytes:
    """A chapter, which is XML, so that a reader of HTML takes it right: there "<title/>" would open a title."""
    try:
        return bytes(etree.tostring(markup.parse(data, ""), method="html", encoding="utf-8"))
    except BrokenError:  # many are not well-formed
        return f"<!doctype html>{decode(data)}".encode("utf-8-sig")


def _refuse_locked(archive: Archive, chapters: list[str], name: str) -> None:
    """Fonts may be scrambled, which is no lock; a chapter that is encrypted needs a key that is not in the book."""
    if _ENCRYPTION not in archive.names:
        return
    root = markup.parse(archive.read(_ENCRYPTION), name)
    locked = {_inside("", reference.get("URI") or "") for reference in root.iter("{*}CipherReference")}
    if locked & set(chapters):
        raise LockedError(f"{name}: protected by its seller (DRM), which is not read; get a copy without protection")


def _said(package: Element, name: str) -> list[str]:
    """What the metadata says under a name; of several titles the first."""
    found = [text for element in package.iter(_DC + name) if (text := one_line(element.text or ""))]
    return found[:1] if name == "title" else found
