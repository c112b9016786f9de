"""How much of a page's main content each reader keeps, and how much boilerplate: our own walker, trafilatura, and both together.

The pages of `benchmarks/pages` are labelled in themselves: what is boilerplate has the attribute `data-b`, which no reader
sees. Pages of other owners are labelled by selectors in `labels.json`; they are looked for in the folders given.

    python benchmarks/main_content.py [FOLDER …]
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from bs4 import BeautifulSoup
from bs4.element import NavigableString, PreformattedString, Tag

from ingest.parsers import html, web_page
from ingest.parsers.characters import decode
from ingest.parsers.formats import Source

PAGES = Path(__file__).parent / "pages"
TOKEN = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")
UNSEEN = {"script", "style", "template", "noscript", "head", "title", "svg", "button", "input", "select", "textarea", "iframe"}
RUN = 4
ENOUGH = 0.8


@dataclass(frozen=True)
class Unit:
    """A stretch of a page that is kept or lost as a whole: a paragraph, an item, a heading, a row of a table, some code."""

    kind: str
    words: tuple[str, ...]
    label: str


@dataclass(frozen=True)
class Page:
    name: str
    markup: str
    units: tuple[Unit, ...]


def words(text: str) -> tuple[str, ...]:
    return tuple(TOKEN.findall(text.lower()))


class _Labelling:
    """Walks a page and cuts it into units."""

    def __init__(self) -> None:
        self.found: list[Unit] = []
        self._run: list[str] = []

    def end(self, kind: str, label: str) -> None:
        if text := words("".join(self._run)):
            self.found.append(Unit(kind, text, label))
        self._run.clear()

    def walk(self, tag: Tag, kind: str, label: str) -> None:
        kind, label = kind_of(tag, kind), label_of(tag, label)
        if tag.name == "tr" and not tag.find(["table", "h1", "h2", "pre"]):
            cells = [cell for cell in tag.find_all(["td", "th"]) if not cell.find_parent(attrs={"data-b": True})]
            self._run.extend(f"{cell.get_text(' ')} " for cell in cells)
            self.end("row", label)
            return
        for child in tag.children:
            if isinstance(child, Tag) and is_seen(child):
                own = child.name in html.BREAKING | {"br"} or child.has_attr("data-b") or child.has_attr("data-n")
                if own:
                    self.end(kind, label)
                self.walk(child, kind, label)
                if own:
                    self.end(kind_of(child, kind), label_of(child, label))
            elif isinstance(child, NavigableString) and not isinstance(child, PreformattedString):
                self._run.append(str(child))


def kind_of(tag: Tag, around: str) -> str:
    if re.fullmatch("h[1-6]", tag.name):
        return "heading"
    return {"pre": "code", "li": "item", "dt": "item", "dd": "item", "p": "text"}.get(tag.name, around)


def label_of(tag: Tag, around: str) -> str:
    """m: main content, b: boilerplate, n: neither is asked for."""
    return "b" if tag.has_attr("data-b") else "n" if tag.has_attr("data-n") else around


def is_seen(tag: Tag) -> bool:
    hidden = tag.has_attr("hidden") or "display:none" in str(tag.get("style", "")).replace(" ", "")
    return tag.name not in UNSEEN and not hidden


def labelled(soup: BeautifulSoup) -> tuple[Unit, ...]:
    labelling = _Labelling()
    labelling.walk(soup.body or soup, "text", "m")
    labelling.end("text", "m")
    return tuple(labelling.found)


def page(name: str, soup: BeautifulSoup) -> Page:
    units = labelled(soup)
    for tag in soup.find_all(attrs={"data-b": True}) + soup.find_all(attrs={"data-n": True}):
        del tag["data-b"], tag["data-n"]
    return Page(name, str(soup), units)


def pages(folders: list[Path]) -> Iterator[Page]:
    for path in sorted(PAGES.glob("*.html")):
        yield page(path.stem, BeautifulSoup(path.read_text(encoding="utf-8"), "lxml"))
    for entry in json.loads((PAGES / "labels.json").read_text()):
        path = next((folder / entry["page"] for folder in folders if (folder / entry["page"]).exists()), None)
        if path is None:
            print(f"left out, in no folder given: {entry['page']}", file=sys.stderr)
            continue
        soup = BeautifulSoup(re.sub(r"\A\s*<\?xml.*?\?>", "", decode(path.read_bytes(), "")), "lxml")
        for attribute, selectors in (("data-b", entry["boilerplate"]), ("data-n", entry.get("neutral", ""))):
            for tag in soup.select(selectors) if selectors else ():
                tag[attribute] = ""
        yield page(path.stem, soup)


def walker(markup: str) -> str:
    return html.extract(Source("page", markup.encode())).text


def both(markup: str) -> str:
    return web_page.extract(Source("page", markup.encode())).text


def whole(markup: str) -> str:
    return BeautifulSoup(markup, "lxml").get_text(" ")


def trafilatura(**options: bool) -> Callable[[str], str]:
    import trafilatura as library

    def read(markup: str) -> str:
        return library.extract(markup, output_format="markdown", include_formatting=True, include_tables=True, **options) or ""

    return read


def runs(text: tuple[str, ...], size: int) -> set[tuple[str, ...]]:
    return {text[at : at + size] for at in range(len(text) - size + 1)}


@dataclass(frozen=True)
class Figures:
    """What a reader made of a page."""

    recall: float
    """Share of the words of the main content that is in units which were kept."""
    noise: float
    """Share of the words read that is in units of boilerplate."""
    lost: list[Unit]
    boilerplate: list[Unit]
    """The units of boilerplate that were kept, of `telling`: those whose words are not in the main content too."""
    telling: int
    ms: float


def measure(one: Page, text: str, ms: float) -> Figures:
    out = words(text)
    main = [unit for unit in one.units if unit.label == "m"]
    joined = tuple(word for unit in main for word in unit.words)
    known, own = ({size: runs(some, size) for size in range(1, RUN + 1)} for some in (out, joined))

    def kept(unit: Unit, among: dict[int, set[tuple[str, ...]]]) -> bool:
        size = min(RUN, len(unit.words))
        wanted = runs(unit.words, size)
        return len(wanted & among[size]) >= ENOUGH * len(wanted)

    lost = [unit for unit in main if not kept(unit, known)]
    telling = [unit for unit in one.units if unit.label == "b" and not kept(unit, own)]
    noise = [unit for unit in telling if kept(unit, known)]
    recall = 1 - sum(len(unit.words) for unit in lost) / max(len(joined), 1)
    return Figures(recall, sum(len(unit.words) for unit in noise) / max(len(out), 1), lost, noise, len(telling), ms)


def timed(read: Callable[[str], str], markup: str) -> tuple[str, float]:
    """What is read, and the processor's milliseconds for the second of two readings."""
    read(markup)
    begun = time.process_time()
    return read(markup), 1000 * (time.process_time() - begun)


def report(readers: dict[str, Callable[[str], str]], all_pages: list[Page], verbose: str) -> None:
    print("recall, units lost of all, share of boilerplate, milliseconds")
    print(f"{'page':28}" + "".join(f"{name:>34}" for name in readers))
    every: dict[str, list[Figures]] = {name: [] for name in readers}
    for one in all_pages:
        cells = []
        units = sum(unit.label == "m" for unit in one.units)
        for name, read in readers.items():
            got = measure(one, *timed(read, one.markup))
            every[name].append(got)
            cells.append(f"{got.recall:10.3f} {len(got.lost):4}/{units:<4} {got.noise:6.3f} {got.ms:6.0f}")
            if name == verbose:
                show(got)
        print(f"{one.name[:27]:28}" + "".join(f"{cell:>34}" for cell in cells))
    for name, figures in every.items():
        print(summary(name, figures, all_pages))


def show(got: Figures) -> None:
    for what, units in (("lost", got.lost), ("kept boilerplate", got.boilerplate)):
        for unit in units[:12]:
            print(f"    {what} ({unit.kind}): {' '.join(unit.words)[:110]}")


def summary(name: str, figures: list[Figures], all_pages: list[Page]) -> str:
    of = Counter(unit.kind for one in all_pages for unit in one.units if unit.label == "m")
    lost = Counter(unit.kind for got in figures for unit in got.lost)
    kept, telling = sum(len(got.boilerplate) for got in figures), sum(got.telling for got in figures)
    return (
        f"{name}: mean recall {fmean(got.recall for got in figures):.4f}, lowest {min(got.recall for got in figures):.3f}, "
        f"pages under .95 {sum(got.recall < 0.95 for got in figures)}, mean share of boilerplate "
        f"{fmean(got.noise for got in figures):.4f}, boilerplate units kept {kept}/{telling}, "
        f"{sum(got.ms for got in figures):.0f} ms; lost by kind "
        + ", ".join(f"{kind} {lost[kind]}/{count}" for kind, count in sorted(of.items()))
    )


def main(argv: Sequence[str] | None = None) -> None:
    arguments = sys.argv[1:] if argv is None else argv
    verbose = next((one.removeprefix("--show=") for one in arguments if one.startswith("--show=")), "")
    folders = [Path(one) for one in arguments if not one.startswith("--")]
    readers: dict[str, Callable[[str], str]] = {
        "walker": walker,
        "both": both,
        "trafilatura": trafilatura(),
        "recall": trafilatura(favor_recall=True),
        "precision": trafilatura(favor_precision=True),
    }
    report(readers, list(pages(folders)), verbose)
    print(f"memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
