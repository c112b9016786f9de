"""PDF: the text of each page, where each page begins, its form and the names of its attachments.

PDFium gives the text: it is many times faster than pypdf and resolves ligatures (decision 0015). pypdf
reads what PDFium cannot: pages whose words run together, writing from right to left, forms. A page
without text is looked at by optical character recognition. Columns and tables come line by line.
"""

from __future__ import annotations

import io
import logging
import re
import unicodedata
from collections.abc import Iterator, Sequence

import pypdf
import pypdfium2
import pypdfium2.raw
from pypdf.generic import NameObject

from ingest.parsers.characters import clean
from ingest.parsers.damage import broken, refuse_long
from ingest.parsers.formats import Extract, Source
from ingest.parsers.titles import first_line, one_line, sensible
from ragbot.errors import BrokenError, EmptyError, LockedError

# pypdf logs what it repairs. Where an application sets up no logging, Python would print that
# to stderr; a handler that does nothing prevents it, and hides nothing from one that does.
log = logging.getLogger(__name__)
logging.getLogger("pypdf").addHandler(logging.NullHandler())

MOST_PAGES = 20_000
_GAP = "\n\n"
_OCR_DPI = 200
_OCR_MOST_SIDE = 3_000
_SCANNED = 16
"""A page with fewer letters than this is looked at as a picture: scans carry a number or a stamp at most."""
_UNMAPPED = re.compile(r"(?:/[A-Za-z]{1,8}\d{1,5}(?!\w)){2,}|/g\d+|(?:\(cid:\d+\))+")
_UNKNOWN = frozenset({"Cn", "Co", "Cc", "Cs"})
_CUT = re.compile(r"(?<![\w-])([\w-]*[^\W\d_])[-\xad]\n(\w+)(\S*)(?: ?\n| |$)?")
"""A word that goes on in the next line. A digit before the hyphen is none: some reports write a minus behind a number."""
_HYPHEN_SIGN = re.compile("\ufffe\n?")
"""What PDFium writes for a hyphen and the line end after it."""
_WORD = re.compile(r"(?<![-\xad]\n)\b[^\W\d_]+\b(?![-\xad]\n)")
_COMPOUND = re.compile(r"(?<!\w)(\w+)-(?=(\w+))")
_ALSO = frozenset({"and", "or", "und", "oder"})
_LONGEST_PREFIX = 3
_RUN_TOGETHER = re.compile(r"[A-Za-z]{20,}")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


def extract(source: Source) -> Extract:
    """The pages, joined by a blank line; a page of which much is lost counts as failed."""
    file = _opened(source)
    count = len(file)
    if not count:
        raise BrokenError(f"{source.name}: damaged (no page can be found); fetch it again or export it anew")
    if count > MOST_PAGES:
        raise BrokenError(f"{source.name}: has {count:,} pages, more than the {MOST_PAGES:,} that are read; split it")
    pages = _Pages(source, file)
    found: list[tuple[str, bool]] = []
    letters = 0
    for number in range(count):
        found.append(pages.read(number))
        letters += len(found[-1][0])
        refuse_long(source.name, letters)  # many pages may be one and the same object of the file
    failed = tuple(number for number, (_, lost) in enumerate(found, 1) if lost)
    texts = _with_headings(_dehyphenated([text for text, _ in found]), file)
    if extras := "\n".join([*pages.form(), *_attachments(file)]):
        texts[-1] = f"{texts[-1]}{_GAP if texts[-1] else ''}{extras}"
    if not any(texts):
        raise _nothing(source.name, count, len(failed))
    title, author = _properties(file)
    return Extract(
        _GAP.join(texts),
        title=title or next(filter(None, map(first_line, texts[:3])), ""),
        author=author,
        pages=_offsets(texts),
        pages_failed=failed,
    )


def _opened(source: Source) -> pypdfium2.PdfDocument:
    for password in dict.fromkeys((None, source.password)):
        try:
            return pypdfium2.PdfDocument(source.data, password=password)
        except pypdfium2.PdfiumError as cause:
            if getattr(cause, "err_code", 0) != pypdfium2.raw.FPDF_ERR_PASSWORD:
                return _repaired(source, cause)
    raise LockedError(_locked(source))


def _repaired(source: Source, cause: Exception) -> pypdfium2.PdfDocument:
    """The file as pypdf writes it anew: it finds its way through damage that PDFium gives up on."""
    anew = io.BytesIO()
    try:
        reader = pypdf.PdfReader(io.BytesIO(source.data))
        if reader.is_encrypted and not reader.decrypt(source.password or ""):
            raise LockedError(_locked(source))
        pypdf.PdfWriter(clone_from=reader).write(anew)
        return pypdfium2.PdfDocument(anew.getvalue())
    except LockedError:
        raise
    except Exception as damage:  # on damaged files pypdf raises whatever its own code trips over
        raise broken(source.name, damage if str(damage) else cause) from damage


def _locked(source: Source) -> str:
    wrong = "and this password does not open it" if source.password else ""
    return f"{source.name}: encrypted{wrong and ' ' + wrong}; give its password with --password"


class _Pages:
    """The pages of one file. pypdf opens it when the first page needs it."""

    def __init__(self, source: Source, file: pypdfium2.PdfDocument) -> None:
        self._source = source
        self._file = file
        self._second: pypdf.PdfReader | None = None

    def read(self, number: int) -> tuple[str, bool]:
        """The text of a page (from 0) without garbled lines, and whether much of it is lost with them."""
        self._source.alive()
        try:
            page = self._file[number]
            text, lost = _without_garble(_by_pdfium(page))
        except pypdfium2.PdfiumError as damage:
            log.info("page %d is unreadable: %s", number + 1, damage)
            return self._by_pypdf(number) or ("", True)
        if _runs_together(text) or _RIGHT_TO_LEFT.search(text):
            text, lost = self._by_pypdf(number) or (text, lost)
        if lost or _letters(text) < _SCANNED:
            text, lost = self._seen(number, page, text, lost)
        page.close()
        return text, lost

    def _seen(self, number: int, page: pypdfium2.PdfPage, text: str, lost: bool) -> tuple[str, bool]:
        """What recognition makes out on a page, if that is more than its text."""
        try:
            seen = clean(_looked_at(page))
        except Exception as damage:  # of PDFium, OpenCV or OpenVINO
            log.info("page %d cannot be looked at: %s", number + 1, damage)
            return text, True
        return (seen, False) if _letters(seen) > _letters(text) else (text, lost)

    def form(self) -> Iterator[str]:
        """What was filled in, a line for each field."""
        if self._file.get_formtype() == pypdfium2.raw.FORMTYPE_NONE:
            return
        try:
            fields = self._reader().get_fields() or {}
        except Exception as damage:  # as above; the pages are worth having
            log.info("the form is unreadable: %s", damage)
            return
        for name, field in fields.items():
            value = field.value
            said = str(value).removeprefix("/") if isinstance(value, NameObject) else " ".join(clean(str(value or "")).split())
            if said and said != "Off":
                yield f"{one_line(clean(name))}: {said}"

    def _by_pypdf(self, number: int) -> tuple[str, bool] | None:
        try:
            return _without_garble(clean(self._reader().pages[number].extract_text()))
        except Exception as damage:  # as above
            log.info("page %d is unreadable for pypdf: %s", number + 1, damage)
            return None

    def _reader(self) -> pypdf.PdfReader:
        if self._second is None:
            self._second = pypdf.PdfReader(io.BytesIO(self._source.data))
            if self._second.is_encrypted and not self._second.decrypt(""):
                self._second.decrypt(self._source.password or "")
        return self._second


def _by_pdfium(page: pypdfium2.PdfPage) -> str:
    turned = page.get_rotation()
    if turned:  # in a page that is shown turned by 90°, PDFium reads lines that were written upright from the last to the first
        page.set_rotation(0)
    text_page = page.get_textpage()
    try:
        return _HYPHEN_SIGN.sub("-\n", clean(text_page.get_text_range(errors="ignore")))
    finally:
        text_page.close()
        if turned:
            page.set_rotation(turned)


def _looked_at(page: pypdfium2.PdfPage) -> str:
    """What a person sees on a page."""
    from ingest.parsers import ocr

    side = max(page.get_size())
    return ocr.read(page.render(scale=min(_OCR_DPI / 72, _OCR_MOST_SIDE / side), rev_byteorder=False).to_numpy()[:, :, :3])


def _letters(text: str) -> int:
    return sum(char.isalnum() for char in text)


def _runs_together(text: str) -> bool:
    """Whether the spaces between its words are missing: then PDFium has not told the gaps from the letters."""
    run = sum(map(len, _RUN_TOGETHER.findall(text)))
    return run > 0.2 * _letters(text)


def _without_garble(text: str) -> tuple[str, bool]:
    good = "\n".join(line for line in text.split("\n") if not _garbled(line)).strip()
    return good, len(good) < 0.9 * len(text.strip())


def _garbled(line: str) -> bool:
    """Whether a line is glyph names, or characters that mean nothing, for a third of it."""
    signs = [char for char in line if not char.isspace()]
    unknown = sum(char == "\ufffd" or unicodedata.category(char) in _UNKNOWN for char in signs)
    unmapped = sum(map(len, _UNMAPPED.findall(line)))
    return len(signs) > 3 and unknown + unmapped > 0.3 * len(signs)


def _dehyphenated(texts: Sequence[str]) -> list[str]:
    """Words that a line end cut in two are whole again, and the line ends after them.

    Whether the hyphen is the word's own, the rest of the text may tell, or its form. What tells nothing was cut by the
    typesetter.
    """
    if not any(_CUT.search(text) for text in texts):
        return list(texts)
    words = {word.lower() for text in texts for word in _WORD.findall(text)}
    compounds = {(left.lower(), right.lower()) for text in texts for left, right in _COMPOUND.findall(text)}

    def hyphen(left: str, right: str, rest: str) -> str:
        last, first = left.rpartition("-")[2].lower(), right.lower()
        if (last, first) in compounds:
            return "-"
        if last + first in words:
            return ""
        if first in _ALSO:  # "two- and three-dimensional"
            return "- "
        sides = left[-1] + right[0]
        alike = (sides.islower() or sides.isupper()) and sides.isalpha()  # scripts without capitals hyphenate nothing
        formed = not alike or "-" in left or rest.startswith("-") or 1 in (len(left), len(right))
        return "-" if formed or len(last) > _LONGEST_PREFIX and {last, first} <= words else ""

    def joined(match: re.Match[str]) -> str:
        left, right, rest = match.groups()
        end = "\n" if match.end() < len(match.string) else ""
        return f"{left}{hyphen(left, right, rest)}{right}{rest}{end}"

    return [_CUT.sub(joined, text) for text in texts]


def _offsets(texts: Sequence[str]) -> tuple[int, ...]:
    offsets, at = [], 0
    for text in texts:
        offsets.append(at)
        at += len(text) + len(_GAP)
    return tuple(offsets)


def _with_headings(texts: Sequence[str], file: pypdfium2.PdfDocument) -> list[str]:
    """Marks the lines that the outline of the file calls headings."""
    lines = [text.split("\n") for text in texts]
    plain = [list(page) for page in lines]  # those that are no headings yet
    try:
        for entry in file.get_toc(max_depth=6):
            at, title = _target(entry), one_line(clean(entry.get_title()))
            if at is None or not 0 <= at < len(lines) or not title:
                continue
            found = next((number for number, line in enumerate(plain[at]) if _same(line, title)), None)
            if found is not None:
                lines[at][found] = f"{'#' * min(entry.level + 1, 6)} {plain[at][found].strip()}"
                plain[at][found] = ""
    except pypdfium2.PdfiumError as damage:
        log.info("the outline is unreadable: %s", damage)
    return ["\n".join(page) for page in lines]


def _target(entry: pypdfium2.PdfBookmark) -> int | None:
    dest = entry.get_dest()
    return dest.get_index() if dest else None


def _same(line: str, title: str) -> bool:
    """Whether a line is a heading, with or without its number."""
    return (
        bool(line)
        and re.sub(r"[\W_]", "", re.sub(r"^[\d.\s]+", "", line)).lower()
        == re.sub(r"[\W_]", "", re.sub(r"^[\d.\s]+", "", title)).lower()
    )


def _attachments(file: pypdfium2.PdfDocument) -> Iterator[str]:
    for number in range(file.count_attachments()):
        yield f"Attachment: {one_line(clean(file.get_attachment(number).get_name()))}"


def _nothing(name: str, count: int, failed: int) -> BrokenError | EmptyError:
    pages = "page" if count == 1 else f"{count} pages"
    if failed:
        return BrokenError(f"{name}: the text of its {pages} cannot be decoded; export it anew, with fonts")
    return EmptyError(f"{name}: no words can be made out on its {pages}; give a sharper scan, or its text")


def _properties(file: pypdfium2.PdfDocument) -> tuple[str, str]:
    """Title and author, as far as they make sense."""
    said = file.get_metadata_dict(skip_empty=True)
    author = one_line(clean(said.get("Author", "")))
    return sensible(clean(said.get("Title", ""))), "" if author.startswith("ARRAY(") else author
