"""Keeps the memory in step with folders while they change: a saved file is searchable a moment later."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import watchfiles

from ingest import pipeline
from ingest.pipeline import Outcome
from ragbot.errors import RagbotError, ReadError
from ragbot.memory import Memory
from ragbot.types import EVERYONE

TOGETHER_MS, STEP_MS = 400, 50
"""Changes are taken together for at most so long, and once nothing has changed for a step: editors save in several moves."""
LOOK_MS = 1_000
"""How often it is looked whether the folders are still there, and whether what failed can be done now."""

_Places = dict[Path, tuple[int, int] | None]
_Changed = set[tuple[watchfiles.Change, str]]


def watch(
    memory: Memory,
    folders: Sequence[Path],
    report: Callable[[Outcome], None],
    *,
    scope: str = EVERYONE,
    password: str | None = None,
    follow_links: bool = False,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Sync `folders`, then take over every change in them, until KeyboardInterrupt.

    Links that lead out of their folder are followed with `follow_links`; what changes behind them, the next sync takes over.
    `report` is told what became of each document, `ready` when the first sync is done. Raises
    ReadError if a folder is not there; one that vanishes later retires nothing, and is synced
    when it is back. What fails as a whole, as while the home is busy, is kept and tried again.
    """
    for folder in folders:
        if not folder.is_dir():
            raise ReadError(f"{folder}: is not a folder; only folders can be watched")
    work = _Work(memory, folders, report, scope, password, follow_links)
    there = _places(folders)
    changes = _changes(there, memory.home)
    next(changes)  # from here on no change is missed
    work.sync()
    memory.warm()
    ready()
    while _follow(changes, there, work):
        there = _places(folders)
        work.unsynced = [folder for folder, place in there.items() if place]
        changes = _changes(there, memory.home)


class _Work:
    """What is to be taken over, and is kept until it was."""

    def __init__(
        self,
        memory: Memory,
        folders: Sequence[Path],
        report: Callable[[Outcome], None],
        scope: str,
        password: str | None,
        follow_links: bool,
    ) -> None:
        self.unsynced, self.changed = list(folders), set[Path]()
        self.report = report
        self._memory, self._folders = memory, folders
        self._scope, self._password, self._follow_links = scope, password, follow_links
        self._said = ""

    def sync(self) -> None:
        while self.unsynced:
            folder, password, follow = self.unsynced[0], self._password, self._follow_links
            with self._telling() as outcomes:
                outcomes += pipeline.sync(self._memory, folder, scope=self._scope, password=password, follow_links=follow)
            del self.unsynced[0]

    def do(self) -> None:
        """All that can be done now. What prevents it is said once."""
        try:
            self.sync()
            if paths := self._not_lost():
                password, follow = self._password, self._follow_links
                with self._telling() as outcomes:
                    outcomes += pipeline.update(
                        self._memory, paths, self._folders, scope=self._scope, password=password, follow_links=follow
                    )
                self.changed.difference_update(paths)
            self._said = ""
        except (RagbotError, OSError) as cause:
            if self._said != str(cause):
                self.report(Outcome(str(self._memory.home), "failed", f"{cause}; trying again"))
            self._said = str(cause)

    @contextmanager
    def _telling(self) -> Iterator[list[Outcome]]:
        """Report the outcomes that the list is given, also those until Ctrl-C."""
        outcomes: list[Outcome] = []
        try:
            yield outcomes
        except pipeline.Stopped as cause:
            outcomes += cause.outcomes
            raise
        finally:
            for outcome in outcomes:
                if outcome.status != "unchanged":
                    self.report(outcome)

    def _not_lost(self) -> list[Path]:
        """The changed paths, without those that are gone with all of their folder: so looks a mount that has vanished."""
        lost = [os.path.abspath(folder) for folder in self._folders if not os.path.isdir(folder) or not os.listdir(folder)]
        return sorted(
            path for path in self.changed if os.path.lexists(path) or not any(path.is_relative_to(folder) for folder in lost)
        )


def _changes(there: _Places, home: Path) -> Iterator[_Changed]:
    """The changes in those folders that are there."""
    folders = [folder for folder, place in there.items() if place]
    return watchfiles.watch(
        *folders,
        watch_filter=lambda _, path: _wanted(path, folders, home),
        debounce=TOGETHER_MS,
        step=STEP_MS,
        rust_timeout=LOOK_MS,
        yield_on_timeout=True,
    )


def _follow(changes: Iterator[_Changed], there: _Places, work: _Work) -> bool:
    """Do what there is to do. True when a folder is back, or is another one than was `there`: nobody watches that one yet."""
    away = {folder for folder, place in there.items() if not place}
    while True:
        try:
            changed = next(changes)
        except StopIteration:
            return False
        except FileNotFoundError:  # it vanished again before it could be watched
            time.sleep(LOOK_MS / 1_000)
            return True
        work.changed |= {Path(path) for _, path in changed}
        now = _places(there)
        missing = {folder for folder, place in now.items() if not place}
        for folder in sorted(missing - away):
            work.report(Outcome(str(folder), "failed", f"{folder}: is not there; its documents are kept, and it is waited for"))
        if any(place and (folder in away or place != there[folder]) for folder, place in now.items()):
            return True
        away = missing
        work.unsynced = [folder for folder in work.unsynced if folder not in missing]
        work.do()


def _places(folders: Iterable[Path]) -> _Places:
    """On which device and where there each folder lies; None if it is not there."""
    found: _Places = {}
    for folder in folders:
        try:
            seen = os.stat(folder)
        except OSError:
            found[folder] = None
        else:
            found[folder] = (seen.st_dev, seen.st_ino)
    return found


def _wanted(path: str, folders: Sequence[Path], home: Path) -> bool:
    """Whether a walk through the folders would come to this path: no link but to a file, nothing behind one, and not the home."""
    real = os.path.realpath(home)
    for root in map(os.path.abspath, folders):
        if not Path(path).is_relative_to(root):
            continue
        inner = os.path.relpath(path, root)
        above = os.path.dirname(path) if path != root else path
        straight = os.path.join(os.path.realpath(root), os.path.relpath(above, root))
        if (
            not any(part.startswith((".", "~$")) for part in inner.split(os.sep) if part != ".")
            and os.path.realpath(above) == os.path.normpath(straight)
            and (os.path.isfile(path) or not os.path.islink(path))
            and not Path(os.path.realpath(path)).is_relative_to(real)
        ):
            return True
    return False
