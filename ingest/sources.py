"""What there is to ingest on the disk, and under which address. Reads names and times, and contents only to compare them."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

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


class _MissingError(ReadError):
    """There is nothing at a path."""


class Item(Protocol):
    """Something to ingest. `named` is true if a person named it, false if it turned up in a folder or a feed."""

    @property
    def uri(self) -> str: ...

    @property
    def named(self) -> bool: ...

    def look(self, known: Known) -> Seen:
        """What it holds, where `known` is what was known of it before. Raises a ReadError if that cannot be told."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """A file to ingest."""

    path: Path
    uri: str
    named: bool

    def look(self, known: Known) -> Seen:
        """Compares size and times, as rsync and git do, and the content only where they differ."""
        try:
            seen = self.path.stat()
            stamped = _state(seen)
            device = str(seen.st_dev)  # of some file systems another one after each start
            if stamped and known.file and known.file.stamp == stamped:
                return Seen(None, replace(known.file, device=device))
            with self.path.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as cause:
            raise LockedError(f"{self.path}: cannot be opened ({cause.strerror}); check its permissions") from cause
        same = known.file is not None and known.file.sha256 == digest
        return Seen(None if same else self.path, FileState(digest, stamped, device), stamp=_stamp(seen))


@dataclass(frozen=True, slots=True)
class Unread:
    """A path that could not be looked into, and why."""

    uri: str
    cause: ReadError


def find(paths: Sequence[Path], home: Path) -> tuple[list[Found], list[Unread]]:
    """The files under `paths`, in order and once each; a path that does not exist may be a pattern (*, ?, [], **).

    Hidden files, links to folders and the home itself are passed over.
    """
    found: dict[str, Found] = {}
    unread: list[Unread] = []
    own = Path(os.path.realpath(home))
    for path, named in ((one, not is_pattern(given)) for given in paths for one in _expanded(given)):
        if not named and Path(os.path.realpath(path)).is_relative_to(own):
            continue
        uri = uri_of(path, home)
        if os.path.isdir(path):
            files, failures = _walk(path, home)
            unread += failures
            if not files and not failures:
                unread.append(Unread(uri, EmptyError(f"{path}: the folder is empty; nothing to ingest")))
            for file in files:
                inner = uri_of(file, home)
                other = found.setdefault(inner, Found(file, inner, named=False)).path
                if other is not file and os.path.abspath(other) != os.path.abspath(file):
                    unread.append(Unread(inner, ReadError(f"{inner}: two files there cannot be told apart by name; rename one")))
        elif (cause := _no_file(path)) is None:
            found[uri] = Found(path, uri, named)
        else:
            unread.append(Unread(uri, cause))
    return list(found.values()), unread


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


def stamp(path: Path) -> str:
    """Size, times and place of a file; "" if it cannot be looked at."""
    try:
        return _stamp(os.stat(path))
    except OSError:
        return ""


def is_pattern(path: Path) -> bool:
    """Whether a path stands for those that match it: it has signs of a pattern, and no file is called so."""
    return glob.has_magic(str(path)) and not os.path.lexists(path)


def root_of(source: Path) -> Path:
    """The folder that everything of a source lies in."""
    if not is_pattern(source):
        return source
    return Path(*_before_magic(source.parts)) if not glob.has_magic(source.parts[0]) else Path()


def covers(source: Path, uri: str, home: Path) -> bool:
    """Whether the file of this address lies in the folder `source`, is the file, or matches the pattern."""
    path, there = os.path.join(os.path.dirname(os.path.abspath(home)), uri), os.path.abspath(source)
    if is_pattern(source):
        return bool(re.fullmatch(f"{_regex(there)}(?:/.*)?", path))  # of a folder that matches everything is read
    return path == there or path.startswith(os.path.join(there, ""))


def unmounted(gone: Mapping[str, Known], source: Path, home: Path) -> dict[str, Path]:
    """Of documents whose files are gone, by uri with what is known of them: those that lay on another device than what is
    in their place now (an empty folder, or nothing), and the folder above. So looks a mount that has vanished."""
    root, found = Path(os.path.abspath(root_of(source))), {}
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


def _expanded(path: Path) -> list[Path]:
    if not is_pattern(path):
        return [path]
    return [Path(match) for match in sorted(glob.glob(str(path), recursive=True))] or [path]


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


def _no_file(path: Path) -> ReadError | None:
    """Why there is no file to read at this path; None if there is one."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        matches = "matches nothing; check the pattern" if is_pattern(path) else "does not exist; check the name"
        return _MissingError(f"{path}: {matches}")
    except OSError as cause:
        return ReadError(f"{path}: cannot be looked at ({cause.strerror}); check its permissions")
    return None if stat.S_ISREG(mode) else UnsupportedError(f"{path}: is neither a file nor a folder")


def _walk(folder: Path, home: Path) -> tuple[list[Path], list[Unread]]:
    files: list[Path] = []
    failures: list[Unread] = []

    def failed(cause: OSError) -> None:
        name = Path(str(cause.filename))
        failures.append(
            Unread(uri_of(name, home), ReadError(f"{name}: cannot be listed ({cause.strerror}); check its permissions"))
        )

    own = os.path.realpath(home)
    for here, folders, names in os.walk(folder, onerror=failed):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and os.path.realpath(Path(here, name)) != own)
        for file in (Path(here, name) for name in sorted(names) if not name.startswith((".", "~$"))):
            problem = _no_file(file)
            if problem is None:
                files.append(file)
            elif not isinstance(problem, UnsupportedError | _MissingError) and not os.path.islink(file):
                failures.append(Unread(uri_of(file, home), problem))
    return files, failures
