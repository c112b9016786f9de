"""Parsers of other packages: found by the format, run, and what they give cleaned as the built-in ones clean theirs.

They run where the built-in ones do, in a process that may be killed. Whatever they raise is the failure of that one file.
"""

from __future__ import annotations

import importlib
import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ingest.parsers.characters import clean
from ingest.parsers.damage import refuse_long
from ingest.parsers.formats import Extract, Format, Source
from ragbot import plugins
from ragbot.errors import BrokenError, EmptyError, LockedError, ReadError, UnsupportedError
from ragbot.plugins import Plugin

_KINDS = (UnsupportedError, EmptyError, BrokenError, LockedError, ReadError)
_DATE = re.compile(r"(?:\d{4}-\d\d-\d\d)?")


class PluginError(Exception):
    """What is wrong with the plugin, not with the file."""


def parser_of(format: Format) -> Callable[[Source], Extract]:
    """What reads the files of a format; its module or plugin is loaded by then."""
    if format.plugins:
        return partial(_extract, format.plugins)
    extract: Callable[[Source], Extract] = importlib.import_module(f"ingest.parsers.{format.module}").extract
    return extract


def _extract(offered: tuple[Plugin, ...], source: Source) -> Extract:
    """What the plugin makes of a file. Raises a ReadError, which names the plugin where it is to blame."""
    try:
        plugin = plugins.single(offered, PluginError)
        assert plugin is not None
        parse = plugin.load(PluginError)
        with plugin.failing(PluginError, "failed", passed=(ReadError, MemoryError)):
            return _cleaned(_checked(parse(source)), source)
    except PluginError as cause:
        raise BrokenError(f"{source.name}: {cause}") from cause
    except ReadError as cause:  # of a class of its own, perhaps, which the process that asked does not know
        kind = next(kind for kind in _KINDS if isinstance(cause, kind))
        raise kind(" ".join(str(cause).split())) from cause


def _checked(given: object) -> Extract:
    """What a plugin gave. Raises TypeError or ValueError if it is not sound."""
    if not isinstance(given, Extract):
        raise TypeError(f"gave {type(given).__name__} instead of ingest.parsers.formats.Extract")
    for name in ("text", "title", "author", "date"):
        if not isinstance(getattr(given, name), str):
            raise TypeError(f"gave a {name} that is {type(getattr(given, name)).__name__} instead of str")
    if not _DATE.fullmatch(given.date):
        raise ValueError("gave a date that is not YYYY-MM-DD")
    numbers = (*given.pages, *given.pages_failed, given.hidden)
    if not all(isinstance(number, int) for number in numbers):
        raise TypeError("gave a page or a count that is no whole number")
    if [0, *given.pages, len(given.text)] != sorted([0, *given.pages, len(given.text)]):
        raise ValueError("gave pages that do not lie in the text one after the other")
    return given


def _cleaned(given: Extract, source: Source) -> Extract:
    """The same without what cannot be seen, page by page, so that each still begins where it says."""
    refuse_long(source.name, len(given.text))
    bounds = (0, *given.pages, len(given.text))
    pieces = [clean(given.text[start:end]) for start, end in itertools.pairwise(bounds)]
    starts = tuple(itertools.accumulate(len(piece) for piece in pieces[:-1]))
    return replace(given, text="".join(pieces), pages=starts, lines=bool(given.lines), pages_failed=tuple(given.pages_failed))
