"""XLSX: the comments on cells. Element names are those of ECMA-376, part 1, 18.7."""

from __future__ import annotations

import posixpath
import re

from ingest.parsers import markup
from ingest.parsers.archive import Archive
from ingest.parsers.sheet_layout import place_of

_THREADED = re.compile(r"\[Threaded comment\].*?\n\s*Comment:", re.DOTALL)
"""What Excel writes before a comment that others may answer, for its older versions."""


def comments_of(opened: Archive, member: str, name: str) -> dict[tuple[int, int], str]:
    """The comments on the cells of the sheet in this archive member, each in one line, by row and column from 0."""
    folder, file = posixpath.split(member)
    relations = f"{folder}/_rels/{file}.rels"
    if relations not in opened.names:
        return {}
    found: dict[tuple[int, int], str] = {}
    for relation in markup.parse(opened.read(relations), name):
        target = posixpath.normpath(posixpath.join("/", folder, relation.get("Target") or "")).lstrip("/")
        if not (relation.get("Type") or "").endswith("/comments") or target not in opened.names:
            continue
        root = markup.parse(opened.read(target), name)
        authors = [author.text or "" for author in root.iterfind("{*}authors/{*}author")]
        for comment in root.iterfind("{*}commentList/{*}comment"):
            place = place_of(comment.get("ref") or "")
            if place is not None:
                said = "".join(text.text or "" for text in comment.iterfind("{*}text//{*}t"))
                found[place] = _without_author(said, authors, comment.get("authorId") or "")
    return found


def _without_author(said: str, authors: list[str], number: str) -> str:
    """A comment in one line, without the name of its author that Excel puts before it."""
    author = authors[int(number)] if number.isdecimal() and len(number) < 6 and int(number) < len(authors) else ""
    said = _THREADED.sub("", said, count=1)
    return " ".join((said.removeprefix(f"{author}:") if author else said).split())
