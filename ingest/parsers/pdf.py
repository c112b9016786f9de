"""PDF: the text of each page, the page offsets, form fields and the names of attachments.

PDFium extracts the text: it is many times faster than pypdf and resolves ligatures (decision 0015). pypdf
extracts what PDFium cannot: pages whose words run together, right-to-left scripts, forms. A page
without text goes through optical character recognition (OCR). Tables are read line by line, columns of prose one
after the other. Text that nobody sees, running headers and page numbers are left out. A page begins, in the offsets,
after the end of the sentence that it shares with the page before.
"""

from __future__ import annotations

import io
import logging
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace
from functools import cache, partial

import pypdf
import pypdfium2
import pypdfium2.raw
from pypdf.generic import NameObject

from ingest.parsers.characters import clean
from ingest.parsers.damage import broken, refuse_long
from ingest.parsers.formats import Extract, Source
from ingest.parsers.hyphens import dehyphenated
from ingest.parsers.pdf_breaks import with_whole_sentences
from ingest.parsers.pdf_columns import in_reading_order
from ingest.parsers.pdf_furniture import without_furniture
from ingest.parsers.pdf_groups import with_group_names
from ingest.parsers.pdf_headings import title_of, with_headings
from ingest.parsers.pdf_lines import Page, Run, line_of, plain, rows_of
from ingest.parsers.pdf_objects import shapes
from ingest.parsers.pdf_visible import hidden_runs, switch
from ingest.parsers.titles import one_line, pdf_day, sensible
from ragbot.errors import BrokenError, EmptyError, LockedError

# pypdf logs its repairs. Without logging set up, Python would print them to stderr; a null handler
# prevents that, and hides nothing from an application that sets up logging.
log = logging.getLogger(__name__)
logging.getLogger("pypdf").addHandler(logging.NullHandler())

MAX_PAGES = 20_000
_GAP = "\n\n"
_OCR_DPI = 200
_MAX_OCR_SIDE_PIXELS = 3_000
_MIN_TEXT_LETTERS = 16
"""A page with fewer letters or digits goes through OCR: the text layer of a scan holds a page number or a stamp at most."""
_UNMAPPED = re.compile(r"(?:/[A-Za-z]{1,8}\d{1,5}(?!\w)){2,}|/g\d+|(?:\(cid:\d+\))+")
_UNKNOWN_CATEGORIES = frozenset({"Cn", "Co", "Cc", "Cs"})
_RUN_TOGETHER = re.compile(r"[A-Za-z]{20,}")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


def extract(source: Source) -> Extract:
    """The pages, separated by blank lines; a page that loses a tenth of its text or more counts as failed."""
    file = _open(source)
    count = len(file)
    if not count:
        raise BrokenError(f"{source.name}: damaged (no page can be found); fetch it again or export it again")
    if count > MAX_PAGES:
        raise BrokenError(f"{source.name}: has {count:,} pages, more than the {MAX_PAGES:,} that are read; split it")
    reader = _Pages(source, file)
    found: list[tuple[Page, bool]] = []
    characters = 0
    for number in range(count):
        found.append(reader.read(number))
        characters += len(found[-1][0].text)
        refuse_long(source.name, characters)  # a small file may refer to one long page many times
    failed = tuple(number for number, (_, lost) in enumerate(found, 1) if lost)
    title, author, changed = _properties(file)
    pages = with_headings(without_furniture([page for page, _ in found], title), file)
    texts = dehyphenated([page.written.strip() for page in with_whole_sentences(pages)])
    if extras := "\n".join([*reader.form(), *_attachments(file)]):
        texts[-1] = f"{texts[-1]}{_GAP if texts[-1] else ''}{extras}"
    if not any(texts):
        raise _no_text_error(source.name, count, len(failed))
    return Extract(
        _GAP.join(texts),
        title=title or title_of(pages),
        author=author,
        date=changed,
        pages=_offsets(texts),
        pages_failed=failed,
        hidden=sum(page.hidden for page, _ in found),
    )


def _open(source: Source) -> pypdfium2.PdfDocument:
    for password in dict.fromkeys((None, source.password)):
        try:
            return pypdfium2.PdfDocument(source.data, password=password)
        except pypdfium2.PdfiumError as cause:
            if getattr(cause, "err_code", 0) != pypdfium2.raw.FPDF_ERR_PASSWORD:
                return _repaired(source, cause)
    raise LockedError(_locked_message(source))


def _repaired(source: Source, cause: Exception) -> pypdfium2.PdfDocument:
    """The file as rewritten by pypdf, which tolerates damage that PDFium does not."""
    repaired = io.BytesIO()
    try:
        reader = pypdf.PdfReader(io.BytesIO(source.data))
        if reader.is_encrypted and not reader.decrypt(source.password or ""):
            raise LockedError(_locked_message(source))
        pypdf.PdfWriter(clone_from=reader).write(repaired)
        return pypdfium2.PdfDocument(repaired.getvalue())
    except LockedError:
        raise
    except Exception as damage:  # on damaged files pypdf raises exceptions of many types
        raise broken(source.name, damage if str(damage) else cause) from damage


def _locked_message(source: Source) -> str:
    wrong = "and this password does not open it" if source.password else ""
    return f"{source.name}: encrypted{wrong and ' ' + wrong}; give its password with --password"


class _Pages:
    """The pages of one file. pypdf opens the file only when a page or the form needs it."""

    def __init__(self, source: Source, file: pypdfium2.PdfDocument) -> None:
        self._source = source
        self._file = file
        self._second: pypdf.PdfReader | None = None
        self._layers: bool | None = None

    def read(self, number: int) -> tuple[Page, bool]:
        """A page (number from 0) without garbled lines, and whether a tenth of its text or more was garbled."""
        self._source.alive()
        try:
            page = self._file[number]
            read, lost = _without_garble(_by_pdfium(page, self.has_layers))
        except pypdfium2.PdfiumError as damage:
            log.info("page %d is unreadable: %s", number + 1, damage)
            return self._by_pypdf(number) or (Page(()), True)
        if _runs_together(read.text) or _RIGHT_TO_LEFT.search(read.text):
            read, lost = self._by_pypdf(number, page, read.hidden) or (read, lost)
        if lost or _letters(read.text) < _MIN_TEXT_LETTERS:
            read, lost = self._recognized(number, page, read, lost)
        page.close()
        return read, lost

    def _recognized(self, number: int, page: pypdfium2.PdfPage, read: Page, lost: bool) -> tuple[Page, bool]:
        """The page as seen by OCR if that has more letters than its text layer, else the given one."""
        try:
            seen = clean(_recognize(page))
        except Exception as damage:  # of PDFium, OpenCV or OpenVINO
            log.info("page %d cannot be recognized: %s", number + 1, damage)
            return read, True
        return (replace(plain(seen), hidden=read.hidden), False) if _letters(seen) > _letters(read.text) else (read, lost)

    def form(self) -> Iterator[str]:
        """The filled form fields, one line each."""
        if self._file.get_formtype() == pypdfium2.raw.FORMTYPE_NONE:
            return
        try:
            fields = self._reader().get_fields() or {}
        except Exception as damage:  # pypdf, as above; the pages are still usable
            log.info("the form is unreadable: %s", damage)
            return
        for name, field in fields.items():
            value = field.value
            text = str(value).removeprefix("/") if isinstance(value, NameObject) else " ".join(clean(str(value or "")).split())
            if text and text != "Off":
                yield f"{one_line(clean(name))}: {text}"

    def _by_pypdf(self, number: int, page: pypdfium2.PdfPage | None = None, hidden: int = 0) -> tuple[Page, bool] | None:
        """The page as pypdf reads it; without the text that `_by_pdfium` switched off, if there are `hidden` characters of it."""
        try:
            other = self._seen_part(number, page) if page and hidden else self._reader().pages[number]
            return _without_garble(replace(plain(clean(other.extract_text())), hidden=hidden))
        except Exception as damage:  # as above
            log.info("page %d is unreadable for pypdf: %s", number + 1, damage)
            return None

    def _seen_part(self, number: int, page: pypdfium2.PdfPage) -> pypdf.PageObject:
        """A copy of the page without what is switched off (in forms, PDFium writes that too)."""
        page.gen_content()
        copy, out = pypdfium2.PdfDocument.new(), io.BytesIO()
        copy.import_pages(self._file, [number])
        copy.save(out)
        return pypdf.PdfReader(out).pages[0]

    def has_layers(self) -> bool:
        """Whether the file has optional content, which a viewer may show or hide; False if that cannot be read."""
        if self._layers is None:
            try:
                self._layers = "/OCProperties" in self._reader().root_object
            except Exception as damage:  # as above
                log.info("the layers are unreadable: %s", damage)
                self._layers = False
        return self._layers

    def _reader(self) -> pypdf.PdfReader:
        if self._second is None:
            self._second = pypdf.PdfReader(io.BytesIO(self._source.data))
            if self._second.is_encrypted and not self._second.decrypt(""):
                self._second.decrypt(self._source.password or "")
        return self._second


def _by_pdfium(page: pypdfium2.PdfPage, has_layers: Callable[[], bool]) -> Page:
    """The visible lines of a page in reading order. Raises PdfiumError."""
    turned = page.get_rotation()
    if turned:  # on a page rotated by 90°, PDFium returns upright lines in reverse order
        page.set_rotation(0)
    text_page = page.get_textpage()
    try:
        rows = rows_of(text_page)
        hidden = hidden_runs(page, [run for row in rows for run in row], has_layers)
        unseen = sum(len(run.text.strip()) for row in rows for run in row if run.owner in hidden)
        if hidden:
            switch(hidden, on=False)
            rows = [_seen(row, hidden) for row in rows if not row or any(run.owner not in hidden for run in row)]
        _, bottom, _, top = page.get_bbox()
        lines = with_group_names(list(map(line_of, in_reading_order(rows, cache(partial(shapes, page))))))
        return Page(tuple(lines), bottom, top, unseen)
    finally:
        text_page.close()
        if turned:
            page.set_rotation(turned)


def _seen(row: list[Run], hidden: Set[int]) -> list[Run]:
    """The runs of a row that are not hidden, with one space where one was hidden between two."""
    seen: list[Run] = []
    for run in row:
        if run.owner in hidden:
            continue
        if len(seen) and seen[-1].text.endswith(" ") and run.text.startswith(" "):
            run = run._replace(text=run.text.lstrip(" "), space="")
        if run.text:
            seen.append(run)
    return seen


def _recognize(page: pypdfium2.PdfPage) -> str:
    """The text of the rendered page, by OCR."""
    from ingest.parsers import ocr

    side = max(page.get_size())
    return ocr.read(page.render(scale=min(_OCR_DPI / 72, _MAX_OCR_SIDE_PIXELS / side), rev_byteorder=False).to_numpy()[:, :, :3])


def _letters(text: str) -> int:
    return sum(char.isalnum() for char in text)


def _runs_together(text: str) -> bool:
    """Whether the spaces between words are missing, because PDFium did not recognize the gaps."""
    run = sum(map(len, _RUN_TOGETHER.findall(text)))
    return run > 0.2 * _letters(text)


def _without_garble(page: Page) -> tuple[Page, bool]:
    good = page.with_lines([line for line in page.lines if not _garbled(line.text)])
    return good, len(good.text.strip()) < 0.9 * len(page.text.strip())


def _garbled(line: str) -> bool:
    """Whether more than 30 % of a line are glyph names or unassigned characters."""
    signs = [char for char in line if not char.isspace()]
    unknown = sum(char == "\ufffd" or unicodedata.category(char) in _UNKNOWN_CATEGORIES for char in signs)
    unmapped = sum(map(len, _UNMAPPED.findall(line)))
    return len(signs) > 3 and unknown + unmapped > 0.3 * len(signs)


def _offsets(texts: Sequence[str]) -> tuple[int, ...]:
    offsets, at = [], 0
    for text in texts:
        offsets.append(at)
        at += len(text) + len(_GAP)
    return tuple(offsets)


def _attachments(file: pypdfium2.PdfDocument) -> Iterator[str]:
    for number in range(file.count_attachments()):
        yield f"Attachment: {one_line(clean(file.get_attachment(number).get_name()))}"


def _no_text_error(name: str, count: int, failed: int) -> BrokenError | EmptyError:
    pages = "page" if count == 1 else f"{count} pages"
    if failed:
        return BrokenError(f"{name}: the text of its {pages} cannot be decoded; export it again, with fonts")
    return EmptyError(f"{name}: no text can be recognized on its {pages}; give a sharper scan, or the text")


def _properties(file: pypdfium2.PdfDocument) -> tuple[str, str, str]:
    """Title, author and the day of the last change, each "" if missing or implausible."""
    metadata = file.get_metadata_dict(skip_empty=True)
    author = one_line(clean(metadata.get("Author", "")))
    changed = pdf_day(metadata.get("ModDate", "")) or pdf_day(metadata.get("CreationDate", ""))
    return sensible(clean(metadata.get("Title", ""))), "" if author.startswith("ARRAY(") else author, changed
