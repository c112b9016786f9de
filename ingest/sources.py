"""What there is to ingest, and under which address. Reads names and no contents."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ragbot.errors import EmptyError, ReadError, UnsupportedError
from ragbot.text import storable


@dataclass(frozen=True, slots=True)
class Found:
    """A file to ingest. `named` is true if a person named it, false if it turned up in a folder."""

    path: Path
    uri: str
    named: bool


@dataclass(frozen=True, slots=True)
class Unread:
    """A path that could not be looked into, and why."""

    uri: str
    cause: ReadError


def find(paths: Sequence[Path], home: Path) -> tuple[list[Found], list[Unread]]:
    """The files under `paths`, in order and once each. Hidden files, links to folders and the home itself are passed over."""
    found: dict[str, Found] = {}
    unread: list[Unread] = []
    for path in paths:
        uri = uri_of(path, home)
        if os.path.isdir(path):
            files, failures = _walk(path, home)
            unread += failures
            if not files and not failures:
                unread.append(Unread(uri, EmptyError(f"{path}: the folder is empty; nothing to ingest")))
            for file in files:
                found.setdefault(uri_of(file, home), Found(file, uri_of(file, home), named=False))
        elif (cause := _no_file(path)) is None:
            found[uri] = Found(path, uri, named=True)
        else:
            unread.append(Unread(uri, cause))
    return list(found.values()), unread


def uri_of(path: Path, home: Path) -> str:
    """The address of a file: relative to the folder that the home is in, else absolute.

    So it is the same from every working folder, and moves with a project that is moved whole.
    """
    full = Path(os.path.abspath(path))
    base = Path(os.path.abspath(home)).parent
    return storable((full.relative_to(base) if full.is_relative_to(base) else full).as_posix())


def path_of(uri: str, home: Path) -> Path:
    """Where the file of this address lies."""
    return Path(os.path.abspath(home.parent), uri)


def is_under(uri: str, folder: Path, home: Path) -> bool:
    """Whether the file of this address lies in `folder`."""
    return path_of(uri, home).is_relative_to(os.path.abspath(folder))


def _no_file(path: Path) -> ReadError | None:
    """Why there is no file to read at this path; None if there is one."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return ReadError(f"{path}: does not exist; check the name")
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
            elif not isinstance(problem, UnsupportedError) and os.path.lexists(file) and not os.path.islink(file):
                failures.append(Unread(uri_of(file, home), problem))
    return files, failures
