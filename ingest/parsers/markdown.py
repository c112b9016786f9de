"""Markdown, kept line by line, front matter included, without what is hidden (markdown_hidden.py). The title is extracted."""

from __future__ import annotations

import re

from ingest.parsers.characters import decode
from ingest.parsers.formats import Extract, Source
from ingest.parsers.markdown_hidden import shown
from ingest.parsers.titles import one_line

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE)
_FRONT_TITLE = re.compile(r"^title:(.*)$", re.MULTILINE)
_FENCED = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1|\Z)", re.DOTALL | re.MULTILINE)
_TOP_HEADING = re.compile(r"^ {0,3}#[ \t]+(\S.*)$|^(\S.*)\n=+[ \t]*$", re.MULTILINE)
_QUOTED = re.compile(r"(['\"])(.+)\1")
_CLOSING = re.compile(r" #+$")
_ATTRIBUTES = re.compile(r" ?\{[^{}]*\}$")


def extract(source: Source) -> Extract:
    """The decoded text without what its reader is not shown; its line numbers are those of the file."""
    seen = shown(decode(source.data))
    return Extract(seen.text, title=_title(seen.text), lines=True, hidden=seen.hidden)


def _title(text: str) -> str:
    """The first top-level heading, else the title in the front matter, else ""."""
    front = _FRONT_MATTER.match(text)
    body = _FENCED.sub("", text[front.end() :] if front else text)
    heading = _TOP_HEADING.search(body)
    if heading:
        line = one_line(heading[1] or heading[2])  # collapse spaces first: long runs of them make the patterns slow
        return _ATTRIBUTES.sub("", _CLOSING.sub("", line) if heading[1] else line)
    said = _FRONT_TITLE.search(front[1]) if front else None
    title = said[1].strip() if said else ""
    quoted = _QUOTED.fullmatch(title)
    return quoted[2] if quoted else title
