"""HTML: what a page says, as Markdown blocks, without its menus, scripts and controls.

Styles are only asked whether they hide something (visibility.py). Element names are those of the WHATWG standard.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector
from bs4.element import NavigableString, PageElement, PreformattedString, Tag
from bs4.exceptions import ParserRejectedMarkup

from ingest.parsers import blocks
from ingest.parsers.blocks import Block
from ingest.parsers.characters import decode
from ingest.parsers.damage import broken
from ingest.parsers.formats import Extract, Source
from ingest.parsers.grid import Span
from ingest.parsers.inline import contact_of, script_of
from ingest.parsers.nesting import bound
from ingest.parsers.numbering import Numbering, of_list
from ingest.parsers.titles import one_line
from ingest.parsers.visibility import take_out_unseen

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
BREAKING = frozenset(
    "address article aside blockquote body caption center dd details dir div dl dt fieldset figcaption "
    "figure footer form header hgroup hr html legend li main menu ol optgroup p pre search section summary "
    "table tbody td tfoot th thead tr ul".split()
).union(_HEADINGS)
"""The elements that begin a text of their own."""
_FURNITURE = frozenset(
    "head script style noscript template nav iframe object embed svg canvas audio video input "
    "select textarea datalist option annotation annotation-xml rt rp rtc".split()
)
"""What is never content, or no words of the text: the last three are the glosses over Chinese and Japanese."""
_OF_HEAD = frozenset("base basefont bgsound link meta noframes noscript script style template title".split())
_FURNITURE_ROLES = frozenset("navigation complementary search menu menubar".split())
_SECTIONS = ("article", "main", "section")
_NAMING = (*_HEADINGS, "dt", "summary", "th")
_MENU_NAME = re.compile(
    r"(?<![a-z])(?:menu|navbar|navigation|navbox|dropdown|sidebar|breadcrumbs?|catlinks|toc)(?![a-z])",
    re.IGNORECASE,
)
_PERMALINK = re.compile(r"[\s#¶§🔗\u200b]*")

_SPACE = re.compile("[ \t\n\r\f]+")
_AROUND_BREAK = re.compile(" *\n *")
_MANY_BREAKS = re.compile("\n{3,}")
_MANY_SPACES = re.compile(" {2,}")
_XML_DECLARATION = re.compile(r"\A\s*<\?xml\b.*?\?>", re.DOTALL)
_MAX_SPAN = 1_000
_MAX_AREA = 1_000_000
"""How many cells of a table the merged ones may cover; after that no cell is taken for merged."""
_LISTS = frozenset({"ul", "ol", "menu", "dir"})
_WORDS_BEFORE = 8
"""How many pieces of text are looked at to tell what a raised character means."""


@dataclass(frozen=True, slots=True)
class Page:
    """A parsed page. `main` is what is read of it, without menus, scripts and controls."""

    markup: str
    """The whole page, decoded, with what can be seen of it."""
    title: str
    author: str
    main: Tag
    marked: bool
    """Whether the page itself says which part is the main one."""
    hidden: int
    """How many characters of it nobody sees."""


def extract(source: Source, linked: Callable[[str], str | None] = lambda _: None) -> Extract:
    """The content of a page of a book, a mail or a feed: nothing is taken for boilerplate that does not say so of itself.

    `linked` gives the style sheet that the page links by an address; None if it is not to be had.
    """
    page = parsed(source, linked)
    return written(page, page.main)


def parsed(source: Source, linked: Callable[[str], str | None] = lambda _: None) -> Page:
    """The page, without what is never content. Raises BrokenError if no tree can be made of it."""
    declared = EncodingDetector.find_declared_encoding(source.data, is_html=True) or ""
    markup = decode(source.data, declared)
    soup = _parsed(markup, source.name)
    moved = _move_out_of_head(soup)
    removed = take_out_unseen(soup, linked)
    bounded = bound(soup, BREAKING)
    markup = str(soup) if moved or removed.changed or bounded else markup
    title, author = _title(soup), _author(soup)
    _strip(soup)
    main = _main(soup)
    return Page(markup, title, author, main or soup.body or soup, main is not None, removed.hidden)


def written(page: Page, part: Tag) -> Extract:
    """A part of the page as Markdown, with the page's title and author."""
    body = _blocks(part)
    title = page.title or blocks.first_heading(body)
    return Extract(blocks.write(body), title=title, author=page.author, hidden=page.hidden)


def _parsed(markup: str, name: str) -> BeautifulSoup:
    """The tree. The declaration goes first, and markup leads, or bs4 warns of XML or of a file name."""
    page = _XML_DECLARATION.sub("", markup)
    try:
        return BeautifulSoup(page if "<" in page else f"<p>{page}</p>", "lxml")
    except ParserRejectedMarkup as cause:
        raise broken(name, cause) from cause


def _move_out_of_head(soup: BeautifulSoup) -> bool:
    """Move what no head may hold, and all after it, into the body; return whether there was any.

    libxml2 knows no elements newer than HTML 4: it leaves a `main` in the head if no body tag stands before it.
    """
    head = soup.head
    stray = (
        (at for at, child in enumerate(head.contents) if isinstance(child, Tag) and child.name not in _OF_HEAD) if head else ()
    )
    first = next(iter(stray), None)
    if head is None or first is None:
        return False
    body = soup.body
    if body is None:
        body = soup.new_tag("body")
        head.insert_after(body)
    moved = [head.contents[at].extract(at) for at in range(len(head.contents) - 1, first - 1, -1)]
    body.insert(0, *reversed(moved))
    return True


def _title(soup: BeautifulSoup) -> str:
    for found in (soup.title, soup.h1):
        if found and (text := one_line(found.get_text())):
            return text
    return ""


def _author(soup: BeautifulSoup) -> str:
    meta = soup.find("meta", attrs={"name": re.compile("^author$", re.IGNORECASE)})
    return one_line(str(meta.get("content") or "")) if meta else ""


def _strip(soup: BeautifulSoup) -> None:
    """Takes out what is not content. The heading of a page's header stays: it is often the title."""
    todo: list[Tag] = [soup]
    while todo:
        tag = todo.pop()
        for at in range(len(tag.contents) - 1, -1, -1):  # by place, or a long row of siblings is searched for each of them
            child = tag.contents[at]
            if not isinstance(child, Tag):
                continue
            if _is_page_frame(child):
                headings = [heading.extract() for heading in child.find_all("h1")]
                child.extract(at)
                tag.insert(at, *headings)
                todo.extend(headings)
            elif _is_furniture(child):
                child.extract(at)
            else:
                todo.append(child)


def _is_page_frame(tag: Tag) -> bool:
    if tag.get("role") in {"banner", "contentinfo"}:
        return True
    return tag.name in {"header", "footer"} and tag.find_parent(_SECTIONS) is None


def _is_furniture(tag: Tag) -> bool:
    if tag.name in {"html", "body"}:  # some pages hide these until a script has run
        return False
    named = tag.name in _FURNITURE or tag.get("role") in _FURNITURE_ROLES
    aside = tag.name == "aside" and tag.find_parent(_SECTIONS) is None and not _is_note(tag)
    return named or aside or _is_control(tag) or tag.get("aria-hidden") == "true" or _is_link_menu(tag) or _is_permalink(tag)


def _is_note(tag: Tag) -> bool:
    """A note of a book (EPUB Structural Semantics, DPUB-ARIA)."""
    return "note" in f"{tag.get('epub:type', '')} {tag.get('role', '')}"


def _is_control(tag: Tag) -> bool:
    """Whether it is a button by itself, and not a heading that unfolds, nor among the words of a text."""
    if tag.name != "button" or tag.find_parent(_NAMING):
        return False
    words = any(is_text(node) and node.strip() for node in (tag.previous_sibling, tag.next_sibling))
    return not words or tag.find_parent("pre") is not None


def _is_link_menu(tag: Tag) -> bool:
    """A block that is called a menu, or stands aside, and is nearly all links; a restaurant's menu is not."""
    called = tag.name in {"div", "ul", "ol", "section", "table"} and _MENU_NAME.search(f"{tag.get('id')} {tag.get('class')}")
    if not called and tag.name != "aside":
        return False
    return linked_share(tag) > 0.8


def linked_share(tag: Tag) -> float:
    """How much of the text is in links, from 0 to 1; 1 where there is no text."""
    whole = length(tag)
    return sum(length(link) for link in tag.find_all("a")) / whole if whole else 1.0


def _is_permalink(tag: Tag) -> bool:
    """The sign beside a heading that links to the heading itself."""
    return tag.name in {"a", "button"} and bool(tag.find_parent(_HEADINGS)) and bool(_PERMALINK.fullmatch(tag.get_text()))


def _main(soup: BeautifulSoup) -> Tag | None:
    """The part that is marked as the main one, if at least half of the text is in it; of several articles, what holds all."""
    whole: Tag = soup.body or soup
    marked = [*soup.select("main, [role=main]"), *_around([tag for tag in soup("article") if not tag.find_parent("article")])]
    largest = max(marked, key=length, default=None)
    return largest if largest and length(largest) >= 0.5 * length(whole) else None


def _around(tags: Sequence[Tag]) -> list[Tag]:
    """The one tag, or the innermost that holds them all."""
    if len(tags) < 2:
        return list(tags)
    shared = set.intersection(*({id(above) for above in tag.parents} for tag in tags))
    return [next(above for above in tags[0].parents if id(above) in shared)]


def length(tag: Tag) -> int:
    """How many characters of text a part of a page holds, without white space."""
    return len("".join(tag.get_text().split()))


@dataclass(slots=True)
class _Flow:
    """The blocks so far, and the one being gathered."""

    done: list[Block] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    heading: int = 0
    in_item: bool = False
    """An item has begun and nothing of it is written yet."""
    number: str = ""
    lists: list[Numbering] = field(default_factory=list)

    def open(self, tag: Tag) -> None:
        name = tag.name
        if name == "br":
            self.words.append("\n")
        elif name in BREAKING:
            self.end()
        if name in _HEADINGS:
            self.heading = int(name[1])
        elif name in _LISTS:
            self.lists.append(of_list(tag))
        elif name == "li":
            self.in_item = True
            self.number = self.lists[-1].take(tag) if self.lists else ""

    def close(self, name: str) -> None:
        if name in BREAKING:
            self.end()
        if name in _HEADINGS:
            self.heading = 0
        elif name in _LISTS:
            self.lists.pop()
        elif name == "li":
            self.in_item = False

    def end(self) -> None:
        """Closes the block being gathered, if there is any text in it."""
        text = _tidy("".join(self.words))
        self.words.clear()
        if text and self.heading:
            self.done.append(Block("heading", text, self.heading))
        elif text and self.in_item:
            self.done.append(Block("item", f"{self.number}{text}", max(len(self.lists), 1)))
            self.in_item = False
        elif text:
            self.done.append(Block("paragraph", text))

    def add(self, *whole: Block | None) -> None:
        self.end()
        self.done.extend(block for block in whole if block and block.text)


@dataclass(frozen=True, slots=True)
class _Close:
    name: str
    contact: str = ""
    """A number or address to be written behind the words."""


def _blocks(root: Tag) -> list[Block]:
    """Walks with a stack of its own: pages nest deeper than Python calls may."""
    flow = _Flow()
    todo: list[PageElement | _Close] = [root]
    while todo:
        node = todo.pop()
        if isinstance(node, _Close):
            flow.words += [f" ({node.contact})" if flow.words else node.contact] if node.contact else []
            flow.close(node.name)
        elif isinstance(node, Tag):
            _enter(node, flow, todo)
        elif is_text(node):
            flow.words.append(_SPACE.sub(" ", node))
    flow.end()
    return flow.done


def is_text(node: PageElement | None) -> TypeGuard[NavigableString]:
    """Whether a node is words, and not a comment or its like."""
    return isinstance(node, NavigableString) and not isinstance(node, PreformattedString)


def _enter(tag: Tag, flow: _Flow, todo: list[PageElement | _Close]) -> None:
    if tag.name == "pre":
        flow.add(_pre(tag))
    elif tag.name == "table" and not is_layout(tag):
        caption = " ".join(block.text for block in _blocks(tag.caption)) if tag.caption else ""
        flow.add(Block("paragraph", " ".join(caption.split())), blocks.table(*cells_of(tag)))
    elif script := script_of(tag, "".join(flow.words[-_WORDS_BEFORE:])):
        text = _SPACE.sub(" ", tag.get_text())
        flow.words.append(script(text) if text.strip() else text)
    else:
        flow.open(tag)
        todo.append(_Close(tag.name, contact_of(tag) if tag.name == "a" else ""))
        todo.extend(reversed(tag.contents))


def _tidy(text: str) -> str:
    text = _AROUND_BREAK.sub("\n", _MANY_SPACES.sub(" ", text))
    return _MANY_BREAKS.sub("\n\n", text).strip()


def _pre(tag: Tag) -> Block:
    words = ("\n" if isinstance(node, Tag) and node.name == "br" else node if is_text(node) else "" for node in tag.descendants)
    lines = "".join(words).split("\n")
    return Block("pre", "\n".join(line.rstrip() for line in lines).strip("\n"))


def is_layout(table: Tag) -> bool:
    """Whether a table only places things: marked as such, framing a page's parts, or of one cell."""
    if table.get("role") in {"presentation", "none"} or table.find(["table", "pre", *_SECTIONS, *_HEADINGS]):
        return True
    return len(table.find_all(["td", "th"], limit=2)) < 2


def cells_of(table: Tag) -> tuple[list[list[str]], list[Span]]:
    """The texts by row and column, that of a merged cell in its first row and column, and the merged cells."""
    rows: list[list[str]] = []
    spans: list[Span] = []
    held: dict[int, int] = {}  # column → how many rows below are taken by a cell from above
    area = 0
    for number, tr in enumerate(_own(table.find_all("tr"), table)):
        row: list[str] = []
        fresh: dict[int, int] = {}
        for cell in _own(tr.find_all(["td", "th"]), tr):
            while held.get(len(row), 0):
                row.append("")
            width, height = _span(cell, "colspan"), _span(cell, "rowspan")
            area += width * height
            if area > _MAX_AREA:
                width = height = 1
            if width * height > 1:
                spans.append(Span(number, len(row), height, width))
                fresh.update(dict.fromkeys(range(len(row), len(row) + width), height))
            row += [" ".join(block.text for block in _blocks(cell)), *[""] * (width - 1)]
        held = {column: left - 1 for column, left in (held | fresh).items() if left > 1}
        rows.append(row)
    return rows, spans


def _own(parts: Iterable[Tag], whole: Tag) -> list[Tag]:
    """The rows or cells that lie in no other cell: what does is a part of that one's text."""
    return [part for part in parts if part.find_parent(["td", "th", whole.name]) is whole]


def _span(cell: Tag, name: str) -> int:
    value = str(cell.get(name) or "1").strip()
    return min(max(int(value), 1), _MAX_SPAN) if value.isdecimal() and len(value) < 10 else 1
