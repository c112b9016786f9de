"""The one mutable file of the index, and how files get on the disk whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from ragbot.types import Manifest

FILE = "manifest.json"
FOLDER = "segments"


def read(home: Path) -> Manifest | None:
    """The manifest in force; None if there is none, or none that can be understood."""
    try:
        fields = json.loads((home / FILE).read_text(encoding="utf-8"))
        return Manifest(**{**fields, "segments": tuple(fields["segments"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def publish(home: Path, manifest: Manifest) -> None:
    """Put `manifest` in force, then drop the segments that it does not name. Call it under the write lock."""
    write(home / FILE, json.dumps(asdict(manifest), indent=1).encode())
    sweep(home, manifest)


def withdraw(home: Path) -> None:
    """Put no manifest in force, and drop every segment. Call it under the write lock."""
    (home / FILE).unlink(missing_ok=True)
    sweep(home, None)


def sweep(home: Path, manifest: Manifest | None) -> None:
    """Drop the segments that `manifest` does not name.

    One that another process has just sealed goes too: that process notices when it publishes,
    since what made this sweep necessary has changed the ground under it.
    """
    for name in strays(home, manifest):
        (home / FOLDER / name).unlink(missing_ok=True)


def strays(home: Path, manifest: Manifest | None) -> list[str]:
    """Files among the segments that `manifest` does not name."""
    named = manifest.segments if manifest else ()
    folder = home / FOLDER
    return [file.name for file in folder.iterdir() if file.name not in named] if folder.is_dir() else []


def write(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the new one and no mixture."""
    path.parent.mkdir(exist_ok=True)
    # A name of its own each time: threads of one process write at once too.
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".aside", dir=path.parent)
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
