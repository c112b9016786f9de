"""PDF: the text of each page, in the order that pypdf finds it, and where each page begins.

Knows no layout: columns and tables come as their lines do. Images are not looked at.
"""

from __future__ import annotations

import io
import logging
import re
import unicodedata
from collections.abc import Sequence

import pypdf
from pypdf.errors import DependencyError

from ingest.readers.characters import clean
from ingest.readers.damage import broken
from ingest.readers.formats import Extract, Source
from ingest.readers.titles import first_line, one_line, sensible
from ragbot.errors import BrokenError, EmptyError, LockedError

# pypdf logs what it repairs. Where an application sets up no logging, Python would print that
# to stderr; a handler that does nothing prevents it, and hides nothing from one that does.
log = logging.getLogger(__name__)
logging.getLogger("pypdf").addHandler(logging.NullHandler())

_GAP = "\n\n"
_UNMAPPED = re.compile(r"(?:/[A-Za-z]{1,8}\d{1,5}(?!\w)){2,}|/g\d+|(?:\(cid:\d+\))+")
_UNKNOWN = frozenset({"Cn", "Co", "Cc", "Cs"})
_HYPHENATED = re.compile(r"(?<![\w-])([^\W\d_]{2,})[-\xad]\n([^\W\d_]{2,})(\S*)(?: ?\n| |$)?")
_COMPOUND = re.compile(r"[^\W\d_]+-[^\W\d_]+")


def extract(source: Source) -> Extract:
    """The pages, joined by a blank line; a page of which much is lost counts as failed."""
    reader, count = _opened(source)
    found = [_page(reader, number) for number in range(count)]
    failed = tuple(number for number, (_, lost) in enumerate(found, 1) if lost)
    texts = _dehyphenated([text for text, _ in found])
    if not any(texts):
        raise _nothing(source.name, count, len(failed))
    title, author = _properties(reader)
    return Extract(
        _GAP.join(texts),
        title=title or next(filter(None, map(first_line, texts[:3])), ""),
        author=author,
        pages=_offsets(texts),
        pages_failed=failed,
    )


def _opened(source: Source) -> tuple[pypdf.PdfReader, int]:
    try:
        reader = pypdf.PdfReader(io.BytesIO(source.data))
        if reader.is_encrypted and not (reader.decrypt("") or reader.decrypt(source.password or "")):
            raise LockedError(_locked(source))
        count = len(reader.pages)
    except LockedError:
        raise
    except DependencyError as cause:
        mend = "install it: pip install 'pypdf[crypto]'"
        raise LockedError(f"{source.name}: encrypted with AES, which needs cryptography; {mend}") from cause
    except Exception as cause:  # on damaged files pypdf raises whatever its own code trips over
        raise broken(source.name, cause) from cause
    if not count:
        raise BrokenError(f"{source.name}: damaged (no page can be found); fetch it again or export it anew")
    return reader, count


def _locked(source: Source) -> str:
    wrong = "and this password does not open it" if source.password else ""
    return f"{source.name}: encrypted{wrong and ' ' + wrong}; give its password with --password"


def _page(reader: pypdf.PdfReader, number: int) -> tuple[str, bool]:
    """The text of a page (from 0) without garbled lines, and whether much of it is lost with them."""
    try:
        text = clean(reader.pages[number].extract_text())
    except Exception as damage:  # as above; the other pages are worth having
        log.info("page %d is unreadable: %s", number + 1, damage)
        return "", True
    good = "\n".join(line for line in text.split("\n") if not _garbled(line)).strip()
    return good, len(good) < 0.9 * len(text.strip())


def _garbled(line: str) -> bool:
    """Whether a line is glyph names, or characters that mean nothing, for a third of it."""
    signs = [char for char in line if not char.isspace()]
    unknown = sum(char == "\ufffd" or unicodedata.category(char) in _UNKNOWN for char in signs)
    unmapped = sum(map(len, _UNMAPPED.findall(line)))
    return len(signs) > 3 and unknown + unmapped > 0.3 * len(signs)


def _dehyphenated(texts: Sequence[str]) -> list[str]:
    """Words that a line end cut in two are whole again, and the line ends after them."""
    compounds = {word.lower() for text in texts for word in _COMPOUND.findall(text)}

    def whole(match: re.Match[str]) -> str:
        left, right, rest = match[1], match[2], match[3]
        if not (left[-1].islower() and right[0].islower()):
            return match[0]
        hyphen = "-" if f"{left}-{right}".lower() in compounds else ""
        end = "\n" if match.end() < len(match.string) else ""
        return f"{left}{hyphen}{right}{rest}{end}"

    return [_HYPHENATED.sub(whole, text) for text in texts]


def _offsets(texts: Sequence[str]) -> tuple[int, ...]:
    offsets, at = [], 0
    for text in texts:
        offsets.append(at)
        at += len(text) + len(_GAP)
    return tuple(offsets)


def _nothing(name: str, count: int, failed: int) -> BrokenError | EmptyError:
    pages = "page" if count == 1 else f"{count} pages"
    if failed:
        return BrokenError(f"{name}: the text of its {pages} cannot be decoded; export it anew, with fonts")
    cause = f"its {pages} {'holds' if count == 1 else 'hold'} only images (scanned), and OCR is not read yet"
    return EmptyError(f"{name}: {cause}; add a text layer")


def _properties(reader: pypdf.PdfReader) -> tuple[str, str]:
    """Title and author, as far as they make sense."""
    try:
        said = reader.metadata
        title, author = (said.title, said.author) if said else (None, None)
    except Exception as damage:  # as above; a file without properties is a file all the same
        log.info("the properties are unreadable: %s", damage)
        return "", ""
    author = one_line(clean(str(author or "")))
    return sensible(clean(str(title or ""))), "" if author.startswith("ARRAY(") else author
