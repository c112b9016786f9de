"""Web pages: what our own walker reads of a page, of that part alone which trafilatura finds content in, and the page's date.

trafilatura loses tables, code and headings that are content, so none of its text is used (docs/decisions/0024-main-content.md).
"""

from __future__ import annotations

from dataclasses import replace

from htmldate import find_date
from lxml.etree import LxmlError  # type: ignore[import-untyped]
from lxml.html import HtmlElement  # type: ignore[import-untyped]
from trafilatura import extract as main_text
from trafilatura import load_html

from ingest.parsers import html
from ingest.parsers.formats import Extract, Source
from ingest.parsers.main_part import main_part

MOST_ELEMENTS = 6_000
"""With more, a page is read as it is: trafilatura's time grows with the square, some 15 s for so many of the worst kind."""
MOST_CHARACTERS = 2_000_000
_FAILURES = (ArithmeticError, AssertionError, AttributeError, LookupError, LxmlError, RecursionError, TypeError, ValueError)


def extract(source: Source) -> Extract:
    """The main content of the page, with its date if it gives one."""
    page = html.parsed(source)
    tree = _tree(page.markup)
    if tree is None:
        return html.written(page, page.main)
    source.alive()  # what follows may take as long again
    part = page.main if page.marked else main_part(page.main, page.title, _main_text(tree))
    return replace(html.written(page, part), date=_date(tree))


def _tree(markup: str) -> HtmlElement | None:
    """The page as trafilatura parses it. None if it cannot, or if that would be too much work."""
    if len(markup) > MOST_CHARACTERS or markup.count("<") > 3 * MOST_ELEMENTS:
        return None
    try:
        tree = load_html(markup)
    except _FAILURES:
        return None
    return None if tree is None or sum(1 for _ in tree.iter()) > MOST_ELEMENTS else tree


def _main_text(tree: HtmlElement) -> str:
    """What trafilatura takes for content when it is to be strict; "" if it fails."""
    try:
        return main_text(tree, output_format="txt", favor_precision=True) or ""
    except _FAILURES:
        return ""


def _date(tree: HtmlElement) -> str:
    """When the page was last changed, else published, as YYYY-MM-DD; "" if its markup does not say so.

    Never given a text: htmldate would fetch one that looks like an address. The wider search of htmldate is off: it takes
    years of copyright notices for dates.
    """
    try:
        return find_date(tree, extensive_search=False) or ""
    except _FAILURES:
        return ""
