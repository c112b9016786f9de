"""Finds what other packages offer to ragbot: entry points of three groups. Knows no models and no parsers, and imports neither.

Looking costs some 20 ms, and is done where a name is met that ragbot does not know itself. The code of a plugin is loaded when it
is used, not when it is found. What fails raises the error that the caller names, in one line with the plugin's package.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PARSERS, EMBEDDERS, GENERATORS = "ragbot.parsers", "ragbot.embedders", "ragbot.generators"
"""The groups of entry points, and no others."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_MAX_CAUSE_CHARACTERS = 300
_DAMAGE = (TypeError, ValueError, LookupError, AttributeError, OSError)
"""What Python raises over the files of a damaged package."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """What one package offers under one name."""

    group: str
    name: str
    package: str
    """The name and version of its package."""
    module: str
    """Where its object is: "module:attribute"."""

    def __str__(self) -> str:
        return f"{self.name} ({self.group} of {self.package})"

    def load(self, error: type[Exception]) -> Callable[..., object]:
        """What it offers to be called. Raises `error` if its module cannot be imported, or holds no such thing."""
        from importlib import metadata

        with self.failing(error, f"cannot be loaded from {self.module}"):
            found = metadata.EntryPoint(self.name, self.module, self.group).load()
            if not callable(found):
                raise TypeError(f"is {type(found).__name__}, which cannot be called")
            return found  # type: ignore[no-any-return]

    @contextmanager
    def failing(self, error: type[Exception], what: str, passed: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Turn whatever its code raises into `error`, in one line; what is an `error` already, or is `passed`, is passed on."""
        try:
            yield
        except (error, *passed):
            raise
        except (Exception, SystemExit) as cause:  # a plugin that ends the program ends itself
            reason = " ".join(str(cause).split())[:_MAX_CAUSE_CHARACTERS]
            said = f"{type(cause).__name__}: {reason}" if reason else type(cause).__name__
            raise self.wrong(error, f"{what} ({said})") from cause

    def wrong(self, error: type[Exception], why: str) -> Exception:
        """An `error` that says what is wrong with it, and whom to ask for a better one."""
        package = self.package.partition(" ")[0]
        return error(f"plugin {self}: {why}; mend or upgrade {package}, or uninstall it")


def offered(group: str) -> Mapping[str, tuple[Plugin, ...]]:
    """The plugins of a group by name: more than one where packages contend for it."""
    found: dict[str, list[Plugin]] = {}
    for entry in _entry_points(group):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist and entry.dist.name else "an unknown package"
        found.setdefault(entry.name, []).append(Plugin(group, entry.name, package, entry.value))
    return {name: tuple(plugins) for name, plugins in found.items()}


def _entry_points(group: str) -> list[EntryPoint]:
    """The entry points of a group. A package whose list of them is damaged is left out, and logged."""
    from importlib import metadata  # here: it costs a start 30 ms

    try:
        return list(metadata.entry_points(group=group))
    except _DAMAGE:
        pass
    found: dict[str, list[EntryPoint]] = {}
    for package in metadata.distributions():
        name = str(package.name)
        try:
            found.setdefault(name, list(package.entry_points.select(group=group)))  # the first on the path is the one imported
        except _DAMAGE as cause:
            logging.getLogger(__name__).warning("%s: its entry points cannot be read (%s); install it again", name, cause)
    return [entry for entries in found.values() for entry in entries]


def named(group: str, name: str, error: type[Exception]) -> Plugin | None:
    """The plugin of this name in a group; None if there is none. Raises `error` if several packages offer it."""
    return single(offered(group).get(name, ()), error) if _NAME.fullmatch(name) else None


@contextmanager
def missing(group: str, name: str, error: type[Exception]) -> Iterator[None]:
    """Add to an `error` about `name`, which is no folder either, that it may be a plugin's whose package is gone."""
    try:
        yield
    except error as cause:
        if not _NAME.fullmatch(name) or Path(name).is_dir():
            raise
        raise error(f"{cause}; or install the package that offers {name} as a plugin ({group}): none does here") from cause


def single(plugins: tuple[Plugin, ...], error: type[Exception]) -> Plugin | None:
    """The only one of the plugins of one name. Raises `error` if there are several."""
    if len(plugins) > 1:
        one, packages = plugins[0], " and ".join(plugin.package for plugin in plugins)
        raise error(f"plugin {one.name} ({one.group}): is offered by {packages}; uninstall all but one")
    return plugins[0] if plugins else None
