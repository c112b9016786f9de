"""How derived files get on the disk: whole or not at all, and named by what is in them.

A folder of files is put together aside, every file flushed, and then renamed into its place. Its
name is the digest of its list of contents, which holds size and digest (XXH3, 128 bits) of each file.
"""

from __future__ import annotations

import json
import mmap
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xxhash

CONTENTS = "contents.json"
ASIDE = ".aside"
BLOCK = 1 << 24


def write(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the new one and no mixture."""
    path.parent.mkdir(exist_ok=True)
    aside = _aside(path.parent)
    try:
        with aside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    _flush_folder(path.parent)


class Damaged(ValueError):
    """A file is not what it was when it was written."""


@contextmanager
def folder_aside(parent: Path) -> Iterator[Path]:
    """An empty folder to put files in; what is left of it at the end goes."""
    parent.mkdir(exist_ok=True)
    aside = _aside(parent)
    aside.mkdir()
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _aside(parent: Path) -> Path:
    """A name of its own each time: threads of one process write at once too. Not of `tempfile`, which lets no one else read."""
    return parent / f".{secrets.token_hex(8)}{ASIDE}"


def commit(aside: Path, about: dict[str, Any]) -> str:
    """Give the files of `aside`, and what is said `about` them, their name and place beside it."""
    files = {file.name: {"bytes": file.stat().st_size, "xxh3": digest(file)} for file in sorted(aside.iterdir())}
    content = json.dumps({**about, "files": files}, indent=1, ensure_ascii=False).encode()
    name = xxhash.xxh3_128_hexdigest(content)
    for file in aside.iterdir():
        with file.open("rb") as flushed:
            os.fsync(flushed.fileno())
    write(aside / CONTENTS, content)
    place = aside.parent / name
    try:
        _rename(aside, place)
    except FileExistsError:  # the same content was sealed before, and may have been harmed since
        try:
            verified(place)
        except (OSError, ValueError):
            place.rename(_aside(place.parent))
            _rename(aside, place)
    _flush_folder(aside.parent)
    return name


def _rename(aside: Path, place: Path) -> None:
    try:
        aside.rename(place)
    except OSError as cause:
        if place.is_dir():
            raise FileExistsError(place) from cause
        raise


def verified(folder: Path, only: Collection[str] | None = None) -> dict[str, Any]:
    """What was said about the files of `folder`; the bytes of all of them are compared, or of `only` some.

    Raises OSError if one is missing, Damaged if one is not what it was.
    """
    content = (folder / CONTENTS).read_bytes()
    if xxhash.xxh3_128_hexdigest(content) != folder.name:
        raise Damaged(f"{folder.name}/{CONTENTS}: content does not match its name")
    about: dict[str, Any] = json.loads(content)
    files: dict[str, dict[str, Any]] = about.pop("files")
    for name, listed in files.items():
        if (folder / name).stat().st_size != listed["bytes"]:
            raise Damaged(f"{folder.name}/{name}: is not of its size")
    hashed = [name for name in files if only is None or name in only]
    # Hashing lets go of the interpreter: several files at once.
    with ThreadPoolExecutor() as pool:
        for name, found in zip(hashed, pool.map(lambda name: digest(folder / name), hashed), strict=True):
            if found != files[name]["xxh3"]:
                raise Damaged(f"{folder.name}/{name}: content does not match its digest")
    return about


def digest(file: Path) -> str:
    """XXH3 of a file, as hex digits."""
    found = xxhash.xxh3_128()
    with file.open("rb") as content:
        if not file.stat().st_size:
            return found.hexdigest()
        with mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
            for at in range(0, len(view), BLOCK):
                with view[at : at + BLOCK] as block:
                    found.update(block)
    return found.hexdigest()


def remove(path: Path) -> None:
    """Remove a file or a folder that nobody names any more; readers that have it open keep it."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
