"""Files that somebody hands in, rather than files of a folder: read, dated, and remembered under the name that they came with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ingest.dating import dated
from ingest.originals import with_original
from ingest.parse_pool import ParsePool, Request
from ingest.parsers.damage import left_out
from ingest.pipeline import Outcome
from ragbot.errors import InputError
from ragbot.memory import Memory
from ragbot.safety.gate import harmless_name
from ragbot.text import storable

SCHEME = "upload:"
"""What the uri of an uploaded document begins with; its name follows."""
LONGEST_NAME = 200


def uri_of(name: str) -> str:
    """The uri of a file that is handed in under a name. Raises InputError for what is no name of a file."""
    plain = storable(name).replace("\\", "/").strip()
    parts = [part for part in PurePosixPath(plain).parts if part not in ("/", "..", ".")]
    path = "/".join(parts)
    if not parts or not path.isprintable() or len(path) > LONGEST_NAME:
        raise InputError(f"the name of a file takes 1 to {LONGEST_NAME} printable characters; give the file another name")
    return f"{SCHEME}{path}"


class Uploads:
    """Takes files into a memory. Safe to use from several threads: each file is read in a process that can be killed."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._pool = ParsePool()

    def close(self) -> None:
        """End the processes that read."""
        self._pool.__exit__()

    def add(self, path: Path, name: str, *, scope: str) -> Iterator[str | Outcome]:
        """Remember what a file holds under `name`; a second one of that name is its next version.

        Gives what is being done, "reading" and "embedding", and at last what became of it, which is searchable then.
        Raises ReadError for a file that gives no text, InputError for a name that cannot be one.
        """
        uri = uri_of(name)
        yield "reading"
        known = self._memory.document(uri, scope=scope)
        shown = harmless_name(uri.removeprefix(SCHEME))
        document = self._pool.read(Request(path, uri, scope, suffix=PurePosixPath(shown).suffix.lower()))
        named_by_file = document.title in (path.stem, PurePosixPath(uri).stem)  # of a file that has no title of its own
        title = PurePosixPath(shown).stem if named_by_file else document.title
        document = replace(document, title=title, metadata={**document.metadata, "name": shown})
        document = with_original(dated(document, None, "", known.valid_from if known else None), path)
        yield "embedding"
        done = self._memory.remember(document)
        status = "unchanged" if done.skipped else "updated" if known else "added"
        yield Outcome(uri, status, left_out(document), done, shown)  # type: ignore[arg-type]
