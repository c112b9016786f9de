"""The one mutable file of the index, and how files get on the disk whole or not at all."""

from __future__ import annotations

import json
import os
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
    """Put `manifest` in force, then drop the segments that it no longer names."""
    write(home / FILE, json.dumps(asdict(manifest), indent=1).encode())
    (home / FOLDER).mkdir(exist_ok=True)
    for file in (home / FOLDER).iterdir():
        if file.name not in manifest.segments:
            file.unlink(missing_ok=True)


def write(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the new one and no mixture."""
    path.parent.mkdir(exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as file:
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
