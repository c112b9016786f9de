"""Which segments are in force. One small file a space: the only files of the index that change."""

from __future__ import annotations

import errno
import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import xxhash

from ragbot.index import files
from ragbot.types import Manifest

FOLDER = "segments"
_NAME = "manifest-{}.json"
PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)
"""Errors that say nothing about the file."""


def path_of(home: Path, space: int) -> Path:
    """Where the manifest of a space lies."""
    return home / _NAME.format(space)


def read(home: Path, space: int) -> Manifest | None:
    """The manifest of a space; None if there is none, or not all of it is as it was written."""
    try:
        fields = json.loads(path_of(home, space).read_text(encoding="utf-8"))
        if fields.pop("xxh3") != _digest(fields):
            return None
        return Manifest(**{**fields, "segments": tuple(fields["segments"])})
    except OSError as cause:
        if cause.errno in PASSING:
            raise
        return None
    except (ValueError, TypeError, KeyError):
        return None


def _digest(fields: dict[str, Any]) -> str:
    return xxhash.xxh3_128_hexdigest(json.dumps(fields, sort_keys=True).encode())


def publish(home: Path, manifest: Manifest, spaces: Collection[int]) -> None:
    """Put `manifest` in force, then drop what no manifest of `spaces` names. Call it under the write lock."""
    fields = asdict(manifest)
    files.write(path_of(home, manifest.space), json.dumps({**fields, "xxh3": _digest(fields)}, indent=1).encode())
    sweep(home, spaces)


def sweep(home: Path, spaces: Collection[int]) -> None:
    """Drop manifests of other spaces than `spaces`, and what theirs do not name. Hold the builder's lock."""
    for stray in strays(home, spaces):
        files.remove(stray)


def strays(home: Path, spaces: Collection[int]) -> list[Path]:
    """Files and folders of the index that nothing in force names."""
    kept = {path_of(home, space).name for space in spaces}
    others = [file for file in home.glob(_NAME.format("*")) if file.name not in kept]
    asides = list(home.glob(f".*{files.ASIDE}"))
    manifests = [read(home, space) for space in spaces]
    named = {name for manifest in manifests if manifest for name in manifest.segments}
    folder = home / FOLDER
    return others + asides + ([one for one in folder.iterdir() if one.name not in named] if folder.is_dir() else [])
