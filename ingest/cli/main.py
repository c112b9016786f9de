"""The `ingest` command: add, sync, forget, refresh, check, backup, restore, status."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ingest.cli import jobs
from ragbot.cli.terminal import Home, Json, Scope, app, note, one_line, progress, reporting, say, say_error, say_json, waiting
from ragbot.errors import BusyError, InputError, NotFoundError, ReadError
from ragbot.text import storable
from ragbot.types import EVERYONE, LOCAL

if TYPE_CHECKING:
    from ingest.pipeline import Outcome
    from ragbot.memory import Memory

cli = app("Fill a ragbot memory with documents, and keep it in step with them.")
cli.add_typer(jobs.cli, name="jobs")

Password = Annotated[
    str | None, typer.Option("--password", envvar="RAGBOT_PASSWORD", help="For encrypted files.", show_default=False)
]
Private = Annotated[bool, typer.Option("--allow-private", help="Fetch from private and local addresses too.")]
FollowLinks = Annotated[bool, typer.Option("--follow-links", help="Read what links to outside of a folder lead to.")]
SHOWN = 20
ORDER = ("added", "updated", "unchanged", "retired", "skipped", "failed")


@cli.command()
def add(
    given: Annotated[list[str], typer.Argument(metavar="SOURCE…", help="Files, folders, patterns ('docs/**/*.md'), URLs.")],
    home: Home = None,
    scope: Scope = EVERYONE,
    password: Password = None,
    private: Private = False,
    follow_links: FollowLinks = False,
    as_json: Json = False,
) -> None:
    """Add files, folders, web pages and feeds. What has not changed costs nothing; what has costs what changed."""
    with reporting(as_json), _reported(as_json) as outcomes:
        from ingest import pipeline
        from ragbot.memory import Memory

        named = [_source(one) for one in given]
        with Memory.open(home) as memory, _files() as told:
            outcomes += pipeline.add(
                memory, named, scope=scope, password=password, private=private, follow_links=follow_links, progress=told
            )
            _settle(memory)


@cli.command()
def sync(
    given: Annotated[list[str], typer.Argument(metavar="SOURCE…", help="Folders, files, patterns, URLs of pages or feeds.")],
    home: Home = None,
    scope: Scope = EVERYONE,
    password: Password = None,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Retire what is gone even if a folder is empty or cannot be listed in full.")
    ] = False,
    private: Private = False,
    follow_links: FollowLinks = False,
    as_json: Json = False,
) -> None:
    """Bring the memory in step with sources: new is added, changed updated, gone retired."""
    with reporting(as_json), _reported(as_json) as outcomes:
        from ingest import pipeline
        from ragbot.memory import Memory

        named = [_source(one) for one in given]
        with Memory.open(home) as memory, _files() as told:
            for source in named:
                try:
                    outcomes += pipeline.sync(
                        memory,
                        source,
                        scope=scope,
                        password=password,
                        allow_empty=allow_empty,
                        private=private,
                        follow_links=follow_links,
                        progress=told,
                    )
                except (ReadError, InputError, OSError) as cause:  # the other sources are worth having
                    outcomes.append(pipeline.Outcome(str(source), "failed", str(cause)))
            _settle(memory)


@cli.command()
def watch(
    given: Annotated[list[str], typer.Argument(metavar="FOLDER…", help="Folders.")],
    home: Home = None,
    scope: Scope = EVERYONE,
    password: Password = None,
    follow_links: FollowLinks = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line, for each document.")] = False,
) -> None:
    """Sync folders, then take over every change in them until Ctrl-C: a saved file is searchable a moment later."""
    with reporting(as_json):
        from ingest import watch
        from ragbot.memory import Memory

        def report(outcome: Outcome) -> None:
            if as_json:
                say_json(asdict(outcome), indent=None)
            else:
                say(f"{datetime.now():%H:%M:%S}  {outcome.status:<9} {one_line(_line(outcome))}")

        folders = [_path(one) for one in given]
        with _ended_by_signal(), Memory.open(home) as memory:
            note("reading what is there…")
            watch.watch(
                memory,
                folders,
                report,
                scope=scope,
                password=password,
                follow_links=follow_links,
                ready=lambda: note(f"watching {', '.join(map(str, folders))}; Ctrl-C ends it"),
            )


@cli.command()
def forget(
    given: Annotated[
        str,
        typer.Argument(
            metavar="URI", help="The document's address, as `ingest status` lists it, its path, or the name in citations."
        ),
    ],
    home: Home = None,
    scope: Scope = EVERYONE,
    as_json: Json = False,
) -> None:
    """Erase a document, every version of it, and everything derived from it. This cannot be undone."""
    with reporting(as_json):
        from ragbot.memory import Memory

        with Memory.open(home, create=False) as memory:
            uri = _address(memory, given, scope)
            if uri is None and scope != LOCAL and _address(memory, given, LOCAL):
                raise NotFoundError(f"{given}: no such document in scope {scope!r}, but in {LOCAL!r}; add --scope {LOCAL}")
            uri = uri or given
            done = memory.forget(uri, scope=scope)
        if as_json:
            say_json({"uri": uri, "scope": scope, "erased": done.chunks, "cleared": done.cleared})
            return
        say(f"forgot {uri}; passages erased: {done.chunks}")
        if not done.cleared:
            note("another process is still at work: the files are cleared of it at the next forget or refresh")


@cli.command()
def refresh(
    model: Annotated[
        str | None, typer.Option("--model", help="Re-embed everything with this model (name, id or folder).", show_default=False)
    ] = None,
    back: Annotated[bool, typer.Option("--back", help="Go back to the embedding model before this one.")] = False,
    merge: Annotated[
        bool, typer.Option("--merge", help="Only seal what is new and merge small segments, whatever their size.")
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Rebuild the index; with --model, move to another embedding model while the old one answers."""
    with reporting(as_json):
        from ragbot.memory import Memory

        if back + merge + (model is not None) > 1:
            raise InputError("--back, --model and --merge exclude each other; give one of them")
        with Memory.open(home, create=False) as memory, progress() as told:
            if merge:
                memory.compact(sys.maxsize)
                say_json({"merged": True}) if as_json else say("merged")
                return
            done = memory.refresh(model, back=back, progress=told)
        if as_json:
            say_json(asdict(done))
        else:
            say(f"{done.sealed} passages sealed, {done.embedded} embedded, model {done.space.model}")


@cli.command()
def check(
    deep: Annotated[bool, typer.Option("--deep", help="Compare every vector and word, and look for every passage.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Rebuild the index where it disagrees.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Compare the index with the truth, and name each disagreement. Without --repair it changes nothing."""
    with reporting(as_json):
        from ragbot.memory import Memory

        with Memory.open(home, create=False) as memory, progress() as told:
            checked = 0

            def count(more: int) -> None:
                nonlocal checked
                checked += more
                if told:
                    told("comparing", checked, checked)

            seen = memory.check(deep=deep, repair=repair, progress=count)
        if as_json:
            say_json(asdict(seen))
        else:
            for problem in seen.repaired:
                note(f"was wrong: {problem}")
            for problem in seen.problems:
                say_error(problem)
            mended = f"; the index was rebuilt ({len(seen.repaired)} problems before)" if seen.repaired else ""
            say(f"{seen.documents} documents, {seen.chunks} passages, {len(seen.problems)} problems{mended}")
        if seen.problems:
            raise typer.Exit(1)


@cli.command()
def backup(
    folder: Annotated[str, typer.Argument(help="A new folder; it is a home of its own then.")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Copy everything that was remembered into a folder, as of one moment. Others may go on meanwhile."""
    with reporting(as_json):
        from ragbot.memory import Memory

        with Memory.open(home, create=False) as memory, waiting("Copying…"):
            made = memory.backup(_path(folder))
        say_json({"backup": str(made)}) if as_json else say(f"copied to {made}; `ingest restore {made}` brings it back")


@cli.command()
def restore(
    folder: Annotated[str, typer.Argument(help="A folder that `ingest backup` made.")],
    home: Home = None,
    replace: Annotated[bool, typer.Option("--replace", help="Give up what the home holds now.")] = False,
    as_json: Json = False,
) -> None:
    """Bring a backup back into a home. What the home held is replaced as a whole, or not at all."""
    with reporting(as_json):
        from ragbot.memory import Memory
        from ragbot.store import Store

        source = _path(folder)
        Store.open(source, create=False).close()  # before a home is made for it
        with Memory.open(home) as memory, waiting("Copying…"):
            if memory.documents() and not replace:
                raise InputError(f"{memory.home}: holds documents; --replace gives them up for the backup's")
            memory.restore(source)
            documents = len(memory.documents())
        say_json({"restored": folder, "documents": documents}) if as_json else say(
            f"restored {documents} documents from {folder}"
        )


@cli.command()
def status(
    everything: Annotated[bool, typer.Option("--all", help="List every document.")] = False,
    freshness: Annotated[
        bool, typer.Option("--freshness", help="How old documents are, how soon changes were searchable, what failed.")
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show what the memory holds."""
    with reporting(as_json):
        if freshness:
            _freshness(home, as_json)
            return
        from ragbot import settings
        from ragbot.store import Store  # not Memory, which takes a quarter of a second longer to import

        folder = settings.home_folder(home)
        chosen, store = settings.load(folder), Store.open(folder, create=False)
        with store.reading() as reader:
            documents, chunks, all_chunks, turns = reader.counts()
            space, listed = reader.active_space(), reader.documents()
        store.close()
        if as_json:
            counts = {"documents": documents, "passages": chunks, "retired_passages": all_chunks - chunks, "turns": turns}
            say_json({"home": str(folder), **counts, "embedder": space and asdict(space), "list": [asdict(d) for d in listed]})
            return
        say(f"{folder}: {documents} documents, {chunks} passages ({all_chunks - chunks} retired), {turns} turns")
        say(f"embedder: {space.model if space else f'{chosen.embedder} (nothing embedded yet)'}")
        for stored in listed if everything else listed[:SHOWN]:
            whose = "" if stored.scope == EVERYONE else f"  [{stored.scope}]"
            say(f"  {stored.recorded_at:%Y-%m-%d %H:%M}  {stored.chunks:>5} passages  {one_line(stored.uri)}{whose}")
        if len(listed) > SHOWN and not everything:
            note(f"  … and {len(listed) - SHOWN} more (--all)")


def _freshness(home: str | None, as_json: bool) -> None:
    from ragbot import changes
    from ragbot.memory import Memory

    with Memory.open(home, create=False) as memory:
        found = changes.freshness(memory)
    if as_json:
        say_json(asdict(found))
        return
    say("{} documents; age in days: median {:.0f}, 90 % {:.0f}, 99 % {:.0f}".format(found.documents, *found.age_days))
    if found.recent:
        told = "searchable after a change, of {} in the last {} days: median {:.1f} s, 90 % {:.1f} s, 99 % {:.1f} s"
        say(told.format(found.recent, changes.RECENT, *found.visible_s))
    for name, since in found.oldest:
        say(f"  unchanged since {since:%Y-%m-%d}  {one_line(name)}")
    for uri, why in found.failed:
        say(f"  failed  {one_line(uri)}: {one_line(why)}")


def _address(memory: Memory, given: str, scope: str) -> str | None:
    """The uri of the document that its address, its path or the name in citations stands for; None if there is none.

    Raises InputError if several are called so.
    """
    from ingest.sources import uri_of

    with memory.store.reading() as snapshot:
        for uri in map(storable, (given, uri_of(Path(given), memory.home))):
            if snapshot.document(storable(scope), uri):
                return uri
        called = [one.uri for one in snapshot.documents([storable(scope)]) if one.metadata.get("name") == storable(given)]
    if len(called) > 1:
        raise InputError(f"{given}: {len(called)} documents are called so; give the address of one: {', '.join(called[:SHOWN])}")
    return called[0] if called else None


def _settle(memory: Memory) -> None:
    """Leave an index behind that the next process opens quickly."""
    with waiting("Indexing…"):
        try:
            memory.compact()
        except (BusyError, OSError) as cause:  # all of it is remembered; the next builder goes on
            note(f"the index was not brought up to date ({cause})")


@contextmanager
def _ended_by_signal() -> Iterator[None]:
    """End at Ctrl-C, and as a success at the signal by which systemd and Kubernetes end a service."""
    asked = False

    def end(*_: object) -> None:
        nonlocal asked
        asked = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt as cause:
        note("it watches no more; what was done until now is kept")
        if not asked:
            raise typer.Exit(130) from cause
    finally:
        signal.signal(signal.SIGTERM, before)


def _source(text: str) -> str | Path:
    from ingest.remote import is_url

    return text if is_url(text) else _path(text)


def _path(text: str) -> Path:
    if not text.strip():  # an unset variable of a script would mean the whole working folder
        raise InputError("the path is empty; name a file or a folder")
    return Path(text)


@contextmanager
def _reported(as_json: bool) -> Iterator[list[Outcome]]:
    """Report the outcomes that the list is given, at the end or at Ctrl-C."""
    outcomes: list[Outcome] = []
    try:
        yield outcomes
    except KeyboardInterrupt as cause:
        from ingest.pipeline import Stopped

        outcomes += cause.outcomes if isinstance(cause, Stopped) else ()
        _report(outcomes, as_json, stopped=True)
        say_error("stopped; what was done until now is kept")
        raise typer.Exit(130) from cause
    _report(outcomes, as_json)


def _report(outcomes: list[Outcome], as_json: bool, *, stopped: bool = False) -> None:
    counts: Counter[str] = Counter(outcome.status for outcome in outcomes)
    if as_json:
        document = {"counts": {status: counts[status] for status in ORDER}, "documents": [asdict(o) for o in outcomes]}
        say_json({**document, "stopped": True} if stopped else document)
    else:
        for outcome in outcomes:
            _, reason = outcome.for_people()
            if outcome.status == "failed":
                say_error(reason)
            elif outcome.status == "skipped":
                note(f"skipped: {reason}")
        changed = [outcome for outcome in outcomes if outcome.status in ("added", "updated", "retired")]
        for outcome in changed[:SHOWN]:
            say(f"{outcome.status:<9} {one_line(_line(outcome))}")
        if len(changed) > SHOWN:
            note(f"… and {len(changed) - SHOWN} more (--json lists all)")
        added = sum(outcome.chunks.added for outcome in outcomes)
        embedded = sum(outcome.chunks.embedded for outcome in outcomes)
        retired = sum(outcome.chunks.retired for outcome in outcomes)
        say(", ".join(f"{counts[status]} {status}" for status in ORDER if counts[status] or status in ("added", "failed")))
        say(f"passages: {added} new ({embedded} embedded), {retired} retired")
    if counts["failed"] and not stopped:
        raise typer.Exit(1)


def _line(outcome: Outcome) -> str:
    name, reason = outcome.for_people()
    return f"{name}  ({reason})" if reason else name


@contextmanager
def _files() -> Iterator[Callable[[int, int, Outcome], None] | None]:
    """A bar over the files, where somebody looks."""
    with progress() as told:
        if told is None:
            yield None
        else:
            yield lambda done, total, outcome: told(f"{outcome.status:>9} {Path(outcome.uri).name[:40]}", done, total)


def main() -> None:
    """Run the command."""
    cli()


if __name__ == "__main__":
    main()
