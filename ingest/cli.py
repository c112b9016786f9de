"""The `ingest` command: add, sync, forget, refresh, check, status."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragbot.errors import InputError, NotFoundError
from ragbot.terminal import Home, Json, Scope, app, note, reporting, say, say_error, say_json, waiting
from ragbot.types import EVERYONE

if TYPE_CHECKING:
    from ingest.pipeline import Outcome

cli = app("Fill a ragbot memory with documents, and keep it in step with them.")

Password = Annotated[str | None, typer.Option("--password", help="For encrypted files.", show_default=False)]
SHOWN = 20
ORDER = ("added", "updated", "unchanged", "retired", "skipped", "failed")


@cli.command()
def add(
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="Files and folders (PDF, DOCX, HTML, Markdown, text).")],
    home: Home = None,
    scope: Scope = EVERYONE,
    password: Password = None,
    as_json: Json = False,
) -> None:
    """Add files and folders. What has not changed costs nothing; what has costs what changed."""
    with reporting(as_json):
        from ingest import pipeline
        from ragbot.memory import Memory

        named = [_path(path) for path in paths]
        with Memory.open(home) as memory, _progress() as progress:
            outcomes = pipeline.add(memory, named, scope=scope, password=password, progress=progress)
        _report(outcomes, as_json)


@cli.command()
def sync(
    folder: Annotated[str, typer.Argument(help="A folder.")],
    home: Home = None,
    scope: Scope = EVERYONE,
    password: Password = None,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Retire everything if the folder is empty.")] = False,
    as_json: Json = False,
) -> None:
    """Bring the memory in step with a folder: new is added, changed updated, gone retired."""
    with reporting(as_json):
        from ingest import pipeline
        from ragbot.memory import Memory

        named = _path(folder)
        with Memory.open(home) as memory, _progress() as progress:
            outcomes = pipeline.sync(memory, named, scope=scope, password=password, allow_empty=allow_empty, progress=progress)
        _report(outcomes, as_json)


@cli.command()
def forget(
    uri: Annotated[str, typer.Argument(help="The document's address, as `ingest status` lists it, or its path.")],
    home: Home = None,
    scope: Scope = EVERYONE,
    as_json: Json = False,
) -> None:
    """Erase a document, every version of it, and everything derived from it. This cannot be undone."""
    with reporting(as_json):
        from ingest.sources import uri_of
        from ragbot.memory import Memory

        with Memory.open(home, create=False) as memory:
            try:
                done = memory.forget(uri, scope=scope)
            except NotFoundError:
                uri = uri_of(Path(uri), memory.home)
                done = memory.forget(uri, scope=scope)
        if as_json:
            say_json({"uri": uri, "scope": scope, "erased": done.chunks, "cleared": done.cleared})
            return
        say(f"forgot {uri}; passages erased: {done.chunks}")
        if not done.cleared:
            note("another process is still reading: the database's log is cleared of it at the next forget or refresh")


@cli.command()
def refresh(
    model: Annotated[
        str | None, typer.Option("--model", help="Re-embed everything with this model (name, id or folder).", show_default=False)
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Seal the index anew; with --model, move to another embedding model while the old one answers."""
    with reporting(as_json):
        from ragbot.memory import Memory

        with Memory.open(home, create=False) as memory, waiting("Refreshing…"):
            done = memory.refresh(model)
        if as_json:
            say_json(asdict(done))
        else:
            say(f"{done.sealed} passages sealed, {done.embedded} embedded, model {done.space.model}")


@cli.command()
def check(home: Home = None, as_json: Json = False) -> None:
    """Compare the index with the truth, and name each disagreement. Changes nothing."""
    with reporting(as_json):
        from ragbot.memory import Memory

        with Memory.open(home, create=False) as memory:
            seen = memory.check()
        if as_json:
            say_json(asdict(seen))
        else:
            for problem in seen.problems:
                say_error(problem)
            say(f"{seen.documents} documents, {seen.chunks} passages, {len(seen.problems)} problems")
        if seen.problems:
            raise typer.Exit(1)


@cli.command()
def status(
    everything: Annotated[bool, typer.Option("--all", help="List every document.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show what the memory holds."""
    with reporting(as_json):
        from ragbot import config
        from ragbot.store import Store  # not Memory, which takes a quarter of a second longer to import

        folder = config.home_folder(home)
        settings, store = config.load(folder), Store.open(folder, create=False)
        with store.reading() as reader:
            documents, chunks, all_chunks, turns = reader.counts()
            space, listed = reader.active_space(), reader.documents()
        store.close()
        if as_json:
            counts = {"documents": documents, "passages": chunks, "retired_passages": all_chunks - chunks, "turns": turns}
            say_json({"home": str(folder), **counts, "embedder": space and asdict(space), "list": [asdict(d) for d in listed]})
            return
        say(f"{folder}: {documents} documents, {chunks} passages ({all_chunks - chunks} retired), {turns} turns")
        say(f"embedder: {space.model if space else f'{settings.embedder} (nothing embedded yet)'}")
        for stored in listed if everything else listed[:SHOWN]:
            whose = "" if stored.scope == EVERYONE else f"  [{stored.scope}]"
            say(f"  {stored.ingested_at:%Y-%m-%d %H:%M}  {stored.chunks:>5} passages  {stored.uri}{whose}")
        if len(listed) > SHOWN and not everything:
            note(f"  … and {len(listed) - SHOWN} more (--all)")


def _path(text: str) -> Path:
    if not text.strip():  # an unset variable of a script would mean the whole working folder
        raise InputError("the path is empty; name a file or a folder")
    return Path(text)


def _report(outcomes: list[Outcome], as_json: bool) -> None:
    counts: Counter[str] = Counter(outcome.status for outcome in outcomes)
    if as_json:
        say_json({"counts": {status: counts[status] for status in ORDER}, "documents": [asdict(o) for o in outcomes]})
    else:
        for outcome in outcomes:
            if outcome.status == "failed":
                say_error(outcome.reason)
            elif outcome.status == "skipped":
                note(f"skipped: {outcome.reason}")
            elif outcome.reason:
                note(f"{outcome.status}: {outcome.uri} ({outcome.reason})")
        added = sum(outcome.chunks.added for outcome in outcomes)
        embedded = sum(outcome.chunks.embedded for outcome in outcomes)
        retired = sum(outcome.chunks.retired for outcome in outcomes)
        say(", ".join(f"{counts[status]} {status}" for status in ORDER if counts[status] or status in ("added", "failed")))
        say(f"passages: {added} new ({embedded} embedded), {retired} retired")
    if counts["failed"]:
        raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[Callable[[int, int, Outcome], None] | None]:
    """A bar over the files, where somebody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("Reading", total=None)

        def advance(done: int, total: int, outcome: Outcome) -> None:
            bars.update(task, completed=done, total=total, description=f"{outcome.status:>9} {Path(outcome.uri).name[:40]}")

        yield advance


def main() -> None:
    """Run the command."""
    cli()


if __name__ == "__main__":
    main()
