"""The data types of the parsers and the table of supported formats. Standard library only.

A new format is one row of `FORMATS` and one module with `extract(source: Source) -> Extract`. Other packages add formats of
their own (docs/plugins.md), whose suffixes are known without running their code.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ragbot import plugins
from ragbot.plugins import Plugin


@dataclass(frozen=True, slots=True)
class Format:
    """A supported file format, and the module of this package that parses it."""

    name: str
    module: str
    content_type: str
    suffixes: tuple[str, ...]
    """Lower case, with the dot. Messages propose the first one."""
    textual: bool = False
    """Whether its bytes are text in some encoding; then often only the suffix tells it from other textual formats."""
    plugins: tuple[Plugin, ...] = ()
    """Whose format it is, if none of ragbot's: one, or several that contend for it. Then the suffix alone decides."""


@dataclass(frozen=True, slots=True)
class Source:
    """A whole file in memory. Error messages call it `name`."""

    name: str
    data: bytes
    password: str | None = None
    alive: Callable[[], None] = lambda: None
    """Called once for each page or picture, as a sign of progress."""


@dataclass(frozen=True, slots=True)
class Extract:
    """The result of a parser.

    `title` and `author` are "" if the file has none. `pages` holds the offset in `text` at which each page begins.
    `lines` says whether the line numbers of `text` are those of the file.
    """

    text: str
    title: str = ""
    author: str = ""
    date: str = ""
    """When what is read was written or last changed, as YYYY-MM-DD, where its markup says so."""
    pages: tuple[int, ...] = ()
    lines: bool = False
    pages_failed: tuple[int, ...] = ()
    """Numbers, from 1, of the pages whose text is lost in whole or large part."""
    hidden: int = 0
    """How many characters were left out because the file shows them to nobody."""


_OOXML = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"
_CODE = {
    "asm": ".asm .s",
    "c": ".c .h",
    "clojure": ".clj .cljs",
    "config": ".cfg .conf .ini .properties",
    "c++": ".cpp .cc .cxx .hpp .hh",
    "csharp": ".cs",
    "css": ".css .scss .sass .less",
    "dart": ".dart",
    "elixir": ".ex .exs",
    "erlang": ".erl",
    "fortran": ".f90 .f95",
    "go": ".go",
    "groovy": ".groovy .gradle",
    "haskell": ".hs",
    "java": ".java",
    "javascript": ".js .mjs .cjs .jsx",
    "julia": ".jl",
    "kotlin": ".kt .kts",
    "lua": ".lua",
    "objective-c": ".m .mm",
    "perl": ".pl .pm",
    "php": ".php",
    "powershell": ".ps1",
    "proto": ".proto",
    "python": ".py .pyi",
    "r": ".r",
    "ruby": ".rb",
    "rust": ".rs",
    "scala": ".scala",
    "sh": ".sh .bash .zsh .bat",
    "sql": ".sql",
    "swift": ".swift",
    "terraform": ".tf",
    "toml": ".toml",
    "typescript": ".ts .tsx",
    "vue": ".vue .svelte",
    "yaml": ".yaml .yml",
}
"""Language → suffixes. Their content types all begin with CODE."""

CODE = "text/x-"
_SUFFIX = re.compile(r"\.[a-z0-9_-]+")

PDF = Format("PDF", "pdf", "application/pdf", (".pdf",))
DOCX = Format("DOCX", "docx", f"{_OOXML}.wordprocessingml.document", (".docx",))
PPTX = Format("PPTX", "pptx", f"{_OOXML}.presentationml.presentation", (".pptx", ".pptm"))
XLSX = Format("XLSX", "sheets", f"{_OOXML}.spreadsheetml.sheet", (".xlsx", ".xlsm"))
XLS = Format("XLS", "sheets", "application/vnd.ms-excel", (".xls",))
ODT = Format("ODT", "odt", f"{_ODF}.text", (".odt",))
ODS = Format("ODS", "ods", f"{_ODF}.spreadsheet", (".ods",))
EPUB = Format("EPUB", "epub", "application/epub+zip", (".epub",))
EML = Format("EML", "mail", "message/rfc822", (".eml",), textual=True)
MHTML = Format("MHTML", "mail", "multipart/related", (".mhtml", ".mht"), textual=True)
CSV = Format("CSV", "separated", "text/csv", (".csv",), textual=True)
TSV = Format("TSV", "separated", "text/tab-separated-values", (".tsv", ".tab"), textual=True)
JSON = Format("JSON", "records", "application/json", (".json",), textual=True)
JSONL = Format("JSON lines", "records", "application/jsonl", (".jsonl", ".ndjson"), textual=True)
NOTEBOOK = Format("Jupyter notebook", "notebook", "application/x-ipynb+json", (".ipynb",), textual=True)
XML = Format("XML", "xml", "application/xml", (".xml", ".rss", ".atom"), textual=True)
HTML = Format("HTML", "web_page", "text/html", (".html", ".htm", ".xhtml"), textual=True)
MARKDOWN = Format("Markdown", "markdown", "text/markdown", (".md", ".markdown"), textual=True)
PLAIN = Format("plain text", "plain", "text/plain", (".txt", ".text", ".rst"), textual=True)
LANGUAGES = tuple(
    Format("source code", "code", f"{CODE}{language}", tuple(suffixes.split()), textual=True)
    for language, suffixes in _CODE.items()
)
IMAGES = tuple(
    Format(name, "image", f"image/{name.lower()}", tuple(suffixes.split()))
    for name, suffixes in {
        "PNG": ".png",
        "JPEG": ".jpg .jpeg",
        "TIFF": ".tif .tiff",
        "BMP": ".bmp",
        "WebP": ".webp",
        "GIF": ".gif",
    }.items()
)

FORMATS = (
    *(PDF, DOCX, PPTX, XLSX, XLS, ODT, ODS, EPUB, EML, MHTML, CSV, TSV, JSON, JSONL, NOTEBOOK, XML, HTML, MARKDOWN, PLAIN),
    *IMAGES,
    *LANGUAGES,
)


def named(suffix: str) -> Format | None:
    """The format that a suffix (lower case, with its dot) promises: one of ragbot's, else one of a plugin."""
    own = next((format for format in FORMATS if suffix in format.suffixes), None)
    return own or (_of_plugins().get(suffix) if _SUFFIX.fullmatch(suffix) else None)


@functools.lru_cache(maxsize=1)
def _of_plugins() -> Mapping[str, Format]:
    """The formats of plugins by suffix, looked up with the first suffix that is none of ragbot's."""
    found: dict[str, tuple[Plugin, ...]] = {}
    for name, offered in plugins.offered(plugins.PARSERS).items():
        suffix = f".{name.lower()}"
        found[suffix] = (*found.get(suffix, ()), *offered)
    taken = {suffix: format for format in FORMATS for suffix in format.suffixes}
    for suffix in sorted(found.keys() & taken.keys()):
        owner, packages = taken[suffix], " and ".join(plugin.package for plugin in found.pop(suffix))
        logging.getLogger(__name__).warning("%s is read by ragbot (%s) and not by the plugin of %s", suffix, owner.name, packages)
    return {
        suffix: Format(suffix[1:].upper(), "", f"application/x-{suffix[1:]}", (suffix,), plugins=offered)
        for suffix, offered in found.items()
    }


def all_names() -> str:
    """The most common target formats of a conversion, as words for messages."""
    *names, last = (format.name for format in (PDF, DOCX, HTML, MARKDOWN, PLAIN))
    return f"{', '.join(names)} and {last}"
