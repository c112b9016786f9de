"""What there is to ingest on the disk, and under which address. Reads names and times, and contents only to compare them."""

from __future__ import annotations

import glob
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ingest.parsers import opening
from ingest.state import DocumentState, FileState, Known
from ragbot.errors import EmptyError, LockedError, ReadError, UnsupportedError
from ragbot.text import storable

_FRESH_NS = 2_000_000_000
"""A file changed so lately may change again within the same tick of its file system's clock."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a source holds now. `path` is None where that is known already."""

    path: Path | None
    state: DocumentState | None = None
    """What is known of the source by now; None if that is no more than before."""
    suffix: str | None = None
    """What the name of the file does not tell."""
    passing: bool = False
    """Whether the file was made to be read once."""
    gone: str = ""
    """Why the document is no longer there."""
    stamp: str = ""
    """How a file lay there when it was looked at (`stamp`)."""
    within: str = ""
    """The real path of the folder that the file has to lie in; "" for any."""


class MissingError(ReadError):
    """There is nothing at a path."""


class LeadsOutError(UnsupportedError):
    """A link that leads out of the folder that it was met in."""


class Item(Protocol):
    """Something to ingest. `named` is true if a person named it, false if it turned up in a folder or a feed."""

    @property
    def uri(self) -> str: ...

    @property
    def named(self) -> bool: ...

    @property
    def name(self) -> str:
        """Its name for people: from the folder on that was named; "" if the uri is that."""
        ...

    def look(self, known: Known, stopped: Callable[[], bool] = lambda: False) -> Seen:
        """What it holds, where `known` is what was known of it before. Raises a ReadError if that cannot be told.

        It ends soon once `stopped` says so.
        """
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look for files: a file, a folder, or a pattern."""

    path: Path
    is_pattern: bool = False
    """Whether it stands for what matches it (*, ?, [], **)."""
    folder: Path | None = None
    """The folder that it was met in, if it was not named itself: links must not lead out of it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file to ingest."""

    path: Path
    uri: str
    named: bool
    folder: str = ""
    """The folder that was named, if the file itself was not."""
    within: str = ""
    """The real path of the folder that it must not lead out of; "" if it may."""
    linked: bool = False
    """Whether a link stands in its path."""

    @property
    def name(self) -> str:
        """Its name for people: that of the folder that was named, and its path in there."""
        if not self.folder:
            return storable(self.path.name)
        inner = os.path.relpath(self.path, self.folder).replace(os.sep, "/")
        return storable("/".join(filter(None, (os.path.basename(os.path.abspath(self.folder)), inner))))

    def look(self, known: Known, stopped: Callable[[], bool] = lambda: False) -> Seen:
        """Compares size and times, as rsync and git do, and the content only where they differ.

        A file that is too large or of a type that is not read is refused before it is read.
        """
        try:
            if self.within and self.linked:
                self._need_inside()
            seen = self.path.stat()
            stamped = _state(seen)
            device = str(seen.st_dev)  # of some file systems another one after each start
            if stamped and known.file and known.file.stamp == stamped:
                return Seen(None, replace(known.file, device=device))
            if not stat.S_ISREG(seen.st_mode):
                raise UnsupportedError(f"{self.uri}: is neither a file nor a folder")
            with opening.opened(self.path, self.within) as file:
                digest = opening.digest(file, self.uri, self.path.suffix.lower(), stopped)
        except OSError as cause:
            raise LockedError(f"{self.uri}: cannot be opened ({cause.strerror}); check its permissions") from cause
        same = known.file is not None and known.file.sha256 == digest != ""
        return Seen(None if same else self.path, FileState(digest, stamped, device), stamp=_stamp(seen), within=self.within)

    def _need_inside(self) -> None:
        try:
            opening.need_inside(self.path, self.within)
        except UnsupportedError as cause:
            why = "is a link that leads out of its folder; name it itself, or give --follow-links"
            raise LeadsOutError(f"{self.uri}: {why}") from cause


@dataclass(frozen=True, slots=True)
class Unread:
    """A path that could not be looked into, and why."""

    uri: str
    cause: ReadError


def find(places: Sequence[Place], home: Path, *, follow_links: bool = False) -> tuple[list[Found], list[Unread]]:
    """The files at or under `places`, in order and once each.

    Hidden files and the home itself are passed over. A link that leads out of its folder is found, and refuses to be looked
    at; with `follow_links` it is read, and so is what lies in folders outside that links lead to.
    """
    found: dict[str, Found] = {}
    unread: list[Unread] = []
    for place in places:
        for one in _in_place(place, home, follow_links):
            if isinstance(one, Unread):
                unread.append(one)
            elif one.named:
                found[one.uri] = one
            else:
                other = found.setdefault(one.uri, one).path
                if other is not one.path and os.path.abspath(other) != os.path.abspath(one.path):
                    clash = ReadError(f"{one.uri}: two files there cannot be told apart by name; rename one")
                    unread.append(Unread(one.uri, clash))
    return list(found.values()), unread


def _in_place(place: Place, home: Path, follow_links: bool) -> Iterator[Found | Unread]:
    root = root_of(place)
    if place.is_pattern and "**" in place.path.parts:  # `glob` would go round in circles of links
        walked = _Walk(root, root, home, follow_links).listed
        yield from (one for one in walked if isinstance(one, Unread) or covers(place, one.uri, home))
        if not any(isinstance(one, Unread) or covers(place, one.uri, home) for one in walked):
            yield Unread(uri_of(place.path, home), _missing(place))
    elif place.is_pattern:
        own, matches = Path(os.path.realpath(home)), sorted(glob.glob(str(place.path)))
        for path in map(Path, matches):
            if not Path(os.path.realpath(path)).is_relative_to(own):
                yield from _at(path, Place(path, folder=root), home, follow_links)
        if not matches:
            yield Unread(uri_of(place.path, home), _missing(place))
    else:
        yield from _at(place.path, place, home, follow_links)


def _at(path: Path, place: Place, home: Path, follow_links: bool) -> Iterator[Found | Unread]:
    """What there is at a path: the file, or what is in the folder."""
    uri, within, linked = uri_of(path, home), "", False
    if place.folder and not follow_links:
        within = os.path.realpath(place.folder)
        linked = os.path.realpath(path) != os.path.normpath(os.path.join(within, os.path.relpath(path, place.folder)))
    leads_out = linked and not os.path.realpath(path).startswith(os.path.join(within, ""))
    if os.path.isdir(path) and not leads_out:
        walked = _Walk(path, place.folder or path, home, follow_links).listed
        yield from walked or [Unread(uri, EmptyError(f"{path}: the folder is empty; nothing to ingest"))]
    elif leads_out or (cause := _no_file(path)) is None:
        yield Found(path, uri, place.folder is None, str(place.folder or ""), within, linked)
    else:
        yield Unread(uri, cause)


def uri_of(path: Path, home: Path) -> str:
    """The address of a file: relative to the folder that the home is in, else absolute.

    So it is the same from every working folder, and moves with a project that is moved whole.
    """
    full = os.path.abspath(path)
    base = os.path.join(os.path.dirname(os.path.abspath(home)), "")
    return storable(full.removeprefix(base).replace(os.sep, "/"))


def path_of(uri: str, home: Path) -> Path:
    """Where the file of this address lies."""
    return Path(os.path.abspath(home.parent), uri)


def is_gone(path: Path) -> bool:
    """Whether there is no file here, as far as can be told: not if a link points nowhere, or if nobody may look."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return not os.path.islink(path)
    except OSError:
        return False


def leads_out(path: Path, folder: Path) -> bool:
    """Whether what is at a path below a folder lies elsewhere, by a link."""
    return not os.path.realpath(path).startswith(os.path.join(os.path.realpath(folder), ""))


def stamp(path: Path) -> str:
    """Size, times and place of a file; "" if it cannot be looked at."""
    try:
        return _stamp(os.stat(path))
    except OSError:
        return ""


def may_be_pattern(path: Path) -> bool:
    """Whether a path has the signs of a pattern, and no file is called so."""
    return glob.has_magic(str(path)) and not os.path.lexists(path)


def root_of(place: Place) -> Path:
    """The folder that everything of a place lies in."""
    if not place.is_pattern:
        return place.path
    return Path(*_before_magic(place.path.parts)) if not glob.has_magic(place.path.parts[0]) else Path()


def covers(place: Place, uri: str, home: Path) -> bool:
    """Whether the file of this address lies in the folder, is the file, or matches the pattern."""
    path, there = os.path.join(os.path.dirname(os.path.abspath(home)), uri), os.path.abspath(place.path)
    if place.is_pattern:
        return bool(re.fullmatch(f"{_regex(there)}(?:/.*)?", path))  # of a folder that matches everything is read
    return path == there or path.startswith(os.path.join(there, ""))


def swapped(seen: Seen) -> ReadError | None:
    """Why what was read at a path is not to be believed: by now it leads out of the folder that it has to lie in."""
    if seen.path and seen.within:
        try:
            opening.need_inside(seen.path, seen.within)
        except UnsupportedError as cause:
            return ReadError(f"{cause} (it was replaced while it was read)")
    return None


def unmounted(gone: Mapping[str, Known], place: Place, home: Path) -> dict[str, Path]:
    """Of documents whose files are gone, by uri with what is known of them: those that lay on another device than what is
    in their place now (an empty folder, or nothing), and the folder above. So looks a mount that has vanished."""
    root, found = Path(os.path.abspath(root_of(place))), {}
    for uri, known in gone.items():
        own = folder = path_of(uri, home).parent
        while folder.is_relative_to(root) and not folder.is_dir():
            folder = folder.parent
        device = known.file.device if known.file else ""
        other = folder.is_dir() and device not in ("", str(folder.stat().st_dev))
        if other and folder.is_relative_to(root) and (folder != own or not any(folder.iterdir())):
            found[uri] = folder
    return found


def _before_magic(parts: Sequence[str]) -> list[str]:
    return list(parts[: next(at for at, part in enumerate(parts) if glob.has_magic(part))])


def _regex(pattern: str) -> str:
    """A pattern of `glob` as a regular expression (that module has one from Python 3.13)."""
    signs = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])", pattern)
    return "".join(
        signs.get(piece) or (piece.replace("[!", "[^", 1) if piece.startswith("[") else re.escape(piece)) for piece in pieces
    )


def _state(seen: os.stat_result) -> str:
    """The stamp of a file; "" if it changed too lately to tell it by that."""
    fresh = time.time_ns() - max(seen.st_mtime_ns, seen.st_ctime_ns) < _FRESH_NS
    return "" if fresh else _stamp(seen)


def _stamp(seen: os.stat_result) -> str:
    return f"{seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns} {seen.st_ino}"


def _missing(place: Place) -> ReadError:
    what = "matches nothing; check the pattern" if place.is_pattern else "does not exist; check the name"
    return MissingError(f"{place.path}: {what}")


def _no_file(path: Path) -> ReadError | None:
    """Why there is no file to read at this path; None if there is one."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return _missing(Place(path))
    except OSError as cause:
        return ReadError(f"{path}: cannot be looked at ({cause.strerror}); check its permissions")
    return None if stat.S_ISREG(mode) else UnsupportedError(f"{path}: is neither a file nor a folder")


class _Walk:
    """A walk through `top`, which is the named `folder` or lies in it. Hidden files and the home are left out."""

    def __init__(self, top: Path, folder: Path, home: Path, follow_links: bool) -> None:
        self.listed: list[Found | Unread] = []
        """The files, what could not be listed, and the links to folders outside, which are not followed."""
        self._folder, self._home, self._follow_links = folder, home, follow_links
        self._real, self._own = os.path.realpath(folder), os.path.realpath(home)
        self._followed = set[str]()
        for here, folders, names in os.walk(top, onerror=self._failed, followlinks=True):
            folders[:] = [name for name in sorted(folders) if self._goes_into(Path(here, name))]
            for name in sorted(names):
                if not name.startswith((".", "~$")):
                    self._list(Path(here, name))

    def _goes_into(self, path: Path) -> bool:
        there = os.path.realpath(path)
        if path.name.startswith(".") or there == self._own:
            return False
        if not os.path.islink(path):
            return True
        if there in self._followed or os.path.join(there, "").startswith(
            os.path.join(self._real, "")
        ):  # it is read where it lies
            return False
        self._followed.add(there)
        if not self._follow_links:
            self.listed.append(self._found(path, linked=True))
        return self._follow_links

    def _list(self, path: Path) -> None:
        problem, linked = _no_file(path), os.path.islink(path)
        if problem is None:
            self.listed.append(self._found(path, linked=linked))
        elif not isinstance(problem, UnsupportedError | MissingError) and not linked:
            self.listed.append(Unread(uri_of(path, self._home), problem))

    def _found(self, path: Path, *, linked: bool) -> Found:
        within = "" if self._follow_links else self._real
        return Found(path, uri_of(path, self._home), False, str(self._folder), within, linked)

    def _failed(self, cause: OSError) -> None:
        name = Path(str(cause.filename))
        why = ReadError(f"{name}: cannot be listed ({cause.strerror}); check its permissions")
        self.listed.append(Unread(uri_of(name, self._home), why))
