"""What changed, what contradicts what, and what a person told: diff, affected, conflicts, digest, facts, promote, retract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ragbot.cli.terminal import Home, Json, note, one_line, progress, reporting, say, say_json
from ragbot.errors import InputError
from ragbot.temporal.dates import periods
from ragbot.types import EVERYONE, LOCAL

if TYPE_CHECKING:
    from ragbot.changes import Changed
    from ragbot.memory import Memory

Who = Annotated[str, typer.Option("--scope", metavar="NAME", help="Whose knowledge it is.")]
Whose = Annotated[str, typer.Option("--scope", metavar="NAME", help="Who told it.")]
MARKS = {"added": "new", "changed": "changed", "gone": "gone"}
MOST = 6
"""So many sentences of each document are shown."""


def time_of(text: str | None, option: str) -> datetime | None:
    """A time that somebody typed: ISO 8601, or a day in words ("monday", "last week", "2024-05", 上周一). Raises InputError."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as cause:
        found = periods(f"since {text.strip().title()}", datetime.now(UTC).date(), "past") or periods(
            text, datetime.now(UTC).date()
        )
        if len(found) != 1:
            raise InputError(
                f"{option} {text!r}: is no time; write it like 2026-05-01T09:00, or “monday”, “last week”"
            ) from cause
        return found[0].since
    return at.replace(tzinfo=at.tzinfo or UTC)


@contextmanager
def _opened(home: str | None, as_json: bool) -> Iterator[Memory]:
    """The memory of a home that is there; what goes wrong is reported."""
    with reporting(as_json):
        from ragbot.memory import Memory

        with Memory.open(home, create=False) as memory:
            yield memory


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    for command in (diff, affected, conflicts, digest, facts, unsupersede, promote, retract):
        cli.command()(command)


def diff(
    uri: Annotated[str, typer.Argument(help="The address of a document, or its name in citations.")],
    since: Annotated[str | None, typer.Option("--from", metavar="TIME", help="From when; else from the version before.")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Until when; else until now.")] = None,
    home: Home = None,
    scope: Who = EVERYONE,
    as_json: Json = False,
) -> None:
    """Show which sentences of a document came and went between two times."""
    with _opened(home, as_json) as memory:
        from ragbot import changes

        named = memory.uri_called(uri, scope=scope)
        found = changes.diff(memory, named, scope=scope, since=time_of(since, "--from"), until=time_of(until, "--to"))
        say_json(asdict(found)) if as_json else _changed(found, most=None)


def affected(
    uri: Annotated[str | None, typer.Argument(metavar="[URI]", help="Of which document; else of all.")] = None,
    home: Home = None,
    scope: Annotated[str, typer.Option("--scope", metavar="NAME", help="Whose answers.")] = LOCAL,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="The answers of all scopes: for who looks after the home.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List past answers that stand on words which have changed since, and for whom they were."""
    with _opened(home, as_json) as memory:
        from ragbot import changes

        found = changes.affected(memory, memory.uri_called(uri) if uri else None, scopes=None if everybody else [scope])
        if as_json:
            say_json([asdict(one) for one in found])
            return
        for one in found:
            say(f"{one.at:%Y-%m-%d %H:%M} UTC  {one_line(one.scope)}, session {one_line(one.session)}, turn {one.turn_id}")
            say(f"  Q {one_line(one.question)}\n  A {one_line(one.answer)}")
            say(f"  stood on {one_line(one.name)}: “{one_line(one.quote)}”, changed {one.changed_at:%Y-%m-%d %H:%M} UTC")
        if not found:
            note("no past answer stands on anything that has changed")


def conflicts(home: Home = None, scope: Who = EVERYONE, as_json: Json = False) -> None:
    """List sentences of different documents that say otherwise about the same; the one that leads first."""
    with _opened(home, as_json) as memory:
        from ragbot import changes

        with progress() as advance:
            found = changes.conflicts(memory, scopes={EVERYONE, scope}, progress=advance)
        if as_json:
            say_json([asdict(one) for one in found])
            return
        for one in found:
            for chunk, text in ((one.leads, one.says), (one.other, one.other_says)):
                say(f"{one_line(chunk.uri)} ({chunk.valid_from:%Y-%m-%d}): “{one_line(text)}”")
            say()
        if not found:
            note("no two documents were found that say otherwise about the same")


def digest(
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="Since when: a time, or “monday”, “last week”.")],
    home: Home = None,
    scope: Who = EVERYONE,
    as_json: Json = False,
) -> None:
    """Say what is new, changed and gone in the memory, document by document."""
    with _opened(home, as_json) as memory:
        from ragbot import changes

        begin = time_of(since, "--since")
        assert begin is not None
        found = changes.digest(memory, begin, scopes={EVERYONE, scope})
        if as_json:
            say_json([asdict(one) for one in found])
            return
        for one in found:
            _changed(one, most=MOST)
        counts = ", ".join(f"{sum(one.status == status for one in found)} {word}" for status, word in MARKS.items())
        note(f"since {begin:%Y-%m-%d %H:%M} UTC: {counts}")


def _changed(one: Changed, most: int | None) -> None:
    say(f"{MARKS[one.status]:8} {one_line(one.name)} ({one.at:%Y-%m-%d %H:%M} UTC)")
    for sign, texts in (("+", one.added), ("-", one.removed)):
        for text in texts[:most]:
            say(f"  {sign} {one_line(text)}")
        if most and len(texts) > most:
            say(f"  {sign} … and {len(texts) - most} more")


def facts(home: Home = None, scope: Whose = LOCAL, as_json: Json = False) -> None:
    """List what a person told, the newest first, with what it is about, and what later words set aside."""
    with _opened(home, as_json) as memory:
        found = memory.told(1000, scope=scope)
        if as_json:
            say_json([{**asdict(hit.chunk), "set_aside_by": [one.uri for one in hit.disputes]} for hit in found])
            return
        for hit in found:
            about = f" ({one_line(hit.chunk.heading)})" if hit.chunk.heading else ""
            state = f"   – set aside by {', '.join(one.uri for one in hit.disputes)}" if hit.is_set_aside else ""
            say(f"{hit.chunk.valid_from:%Y-%m-%d %H:%M}  {hit.chunk.uri}{about}: “{one_line(hit.chunk.text)}”{state}")
        if not found:
            note(f"{scope!r} has told nothing")


def unsupersede(
    uri: Annotated[str, typer.Argument(help="What was set aside: its address, as `ragbot facts` shows it.")],
    home: Home = None,
    scope: Whose = LOCAL,
    as_json: Json = False,
) -> None:
    """Let something that later words set aside hold again."""
    with _opened(home, as_json) as memory:
        from ragbot import changes

        undone = changes.unsupersede(memory, uri, scope=scope)
        say_json({"uri": uri, "held_again": undone}) if as_json else note(f"{uri} holds again.")


def promote(
    uri: Annotated[str, typer.Argument(help="A correction or something told: its address.")],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides it; it is recorded.")],
    home: Home = None,
    scope: Whose = LOCAL,
    as_json: Json = False,
) -> None:
    """Make a correction, or something that a person told, count for everyone."""
    with _opened(home, as_json) as memory:
        from ragbot import changes

        changes.promote(memory, uri, by=by, scope=scope)
        say_json({"uri": uri, "scope": EVERYONE, "by": by}) if as_json else note(f"{uri} counts for everyone now.")


def retract(
    uri: Annotated[str, typer.Argument(help="What was promoted: its address.")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Take back what `promote` made count for everyone; in its own scope it still counts."""
    with _opened(home, as_json) as memory:
        from ragbot import changes

        changes.retract(memory, uri)
        say_json({"uri": uri, "retracted": True}) if as_json else note(f"{uri} no longer counts for everyone.")
