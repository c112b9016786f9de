"""Keeps the memory in step with folders while they change: a saved file is searchable a moment later."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

import watchfiles

from ingest import pipeline
from ingest.pipeline import Outcome
from ragbot.errors import BusyError, ReadError
from ragbot.memory import Memory
from ragbot.types import EVERYONE

TOGETHER_MS, STEP_MS = 400, 50
"""Changes are taken together for at most so long, and once nothing has changed for a step: editors save in several moves."""
LOOK_MS = 1_000


def watch(
    memory: Memory,
    folders: Sequence[Path],
    report: Callable[[Outcome], None],
    *,
    scope: str = EVERYONE,
    password: str | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Sync `folders`, then take over every change in them, until KeyboardInterrupt.

    `report` is told what became of each document, `ready` when the first sync is done. Raises
    ReadError if a folder is not there; one that vanishes later retires nothing, and is
    waited for. Changes while the home is busy are kept and tried again.
    """
    for folder in folders:
        if not folder.is_dir():
            raise ReadError(f"{folder}: is not a folder; only folders can be watched")
    changes = watchfiles.watch(
        *folders,
        watch_filter=lambda _, path: _wanted(Path(path), folders, memory.home),
        debounce=TOGETHER_MS,
        step=STEP_MS,
        rust_timeout=LOOK_MS,
        yield_on_timeout=True,
    )
    next(changes)  # from here on no change is missed
    for folder in folders:
        _report(pipeline.sync(memory, folder, scope=scope, password=password), report)
    memory.warm()
    ready()
    waiting: set[Path] = set()
    for changed in changes:
        waiting |= {Path(path) for _, path in changed}
        if not waiting:
            continue
        try:
            _report(pipeline.update(memory, _not_lost(waiting, folders), scope=scope, password=password), report)
            waiting.clear()
        except BusyError as cause:
            report(Outcome(str(memory.home), "failed", f"{cause}; trying again"))


def _report(outcomes: Iterable[Outcome], report: Callable[[Outcome], None]) -> None:
    for outcome in outcomes:
        if outcome.status != "unchanged":
            report(outcome)


def _not_lost(paths: Collection[Path], folders: Sequence[Path]) -> list[Path]:
    """The changed paths, without those that are gone with all of their folder: so looks a mount that has vanished."""
    lost = [folder for folder in folders if not folder.is_dir() or not any(folder.iterdir())]
    return sorted(path for path in paths if path.exists() or not any(path.is_relative_to(folder.absolute()) for folder in lost))


def _wanted(path: Path, folders: Sequence[Path], home: Path) -> bool:
    """Whether a walk through the folders would come to this path."""
    own = home.resolve()
    if path.resolve().is_relative_to(own):
        return False
    return any(
        not any(part.startswith((".", "~$")) for part in path.relative_to(root).parts)
        for root in (folder.absolute() for folder in folders)
        if path.is_relative_to(root)
    )
