"""The `ragbot` command: ask, chat, recall, why, rate, correct."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragbot.cli import evaluate, knowledge, serve
from ragbot.cli.terminal import Home, Json, app, note, one_line, reporting, say, say_json, waiting
from ragbot.errors import InputError, NotFoundError
from ragbot.text import layout, storable
from ragbot.types import EVERYONE, LOCAL, Chunk, Done, Hit, Turn

if TYPE_CHECKING:
    from ragbot.chat import Chat
    from ragbot.memory import Memory

cli = app("Ask a memory that keeps learning. Fill it with `ingest add PATH`.")
cli.add_typer(evaluate.cli, name="eval")
knowledge.register(cli)
serve.register(cli)

Session = Annotated[str, typer.Option("--session", metavar="NAME", help="Which conversation this belongs to.")]
ChatScope = Annotated[str, typer.Option("--scope", metavar="NAME", help="Whose conversation this is; others never see it.")]
LOADING = "Loading the models (the first time converts them, about 25 s)…"


@cli.command()
def ask(
    question: Annotated[str, typer.Argument(help="What to ask, or to tell. “-” reads it from standard input.")],
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME", help="What held then (2024-05-01, “last week”).", show_default=False)
    ] = None,
    home: Home = None,
    session: Session = "default",
    scope: ChatScope = LOCAL,
    as_json: Json = False,
) -> None:
    """Ask one question, or tell one thing. The answer stands in its sources, or is "I don't know"."""
    with reporting(as_json):
        text, moment = _stdin() if question == "-" else question, knowledge.time_of(as_of, "--as-of")
        with _chat(home, session, scope) as chat:
            if as_json:
                say_json(_turn(chat.ask(text, as_of=moment)))
            else:
                _answer(chat, text, moment)


@cli.command()
def chat(home: Home = None, session: Session = "default", scope: ChatScope = LOCAL, as_json: Json = False) -> None:
    """Talk. Each line is a message; an empty line, Ctrl-D or Ctrl-C ends it. --json prints a list of turns at the end."""
    with reporting(as_json), _chat(home, session, scope) as talk:
        turns = []
        if sys.stdin is None:
            raise InputError("standard input is closed; there is nobody to talk to")
        if sys.stdin.isatty():
            note("Ask, or tell me something to remember. An empty line ends it.")
        while line := _next_line():
            if as_json:
                turns.append(_turn(talk.ask(line)))
            else:
                _answer(talk, line)
        if as_json:
            say_json(turns)


@cli.command()
def recall(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many passages.")] = 5,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME", help="What held then (ISO 8601, UTC).", show_default=False)
    ] = None,
    known_at: Annotated[
        str | None, typer.Option("--known-at", metavar="TIME", help="What was known then (ISO 8601, UTC).", show_default=False)
    ] = None,
    uri: Annotated[
        list[str] | None, typer.Option("--uri", help="Only of these addresses or names; * is anything.", show_default=False)
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Only of this kind: file, turn or correction.", show_default=False)
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Only what began to hold then or later.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Only what began to hold before then.", show_default=False)
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say of each why it is in its place.")] = False,
    home: Home = None,
    scope: ChatScope = LOCAL,
    as_json: Json = False,
) -> None:
    """Show the passages that fit a query best, and why they are there."""
    with reporting(as_json):
        from ragbot.memory import Memory

        with Memory.open(home, create=False) as memory, waiting(LOADING):
            hits = memory.recall(
                query,
                k,
                scopes=(EVERYONE, scope),
                as_of=_time(as_of),
                known_at=_time(known_at),
                kinds=kind or (),
                uris=_with_named(memory, uri or [], (EVERYONE, scope)),
                since=_time(since),
                until=_time(until),
            )
        if as_json:
            say_json([_hit(hit) for hit in hits])
            return
        for hit in hits:
            _say_hit(hit, explain)
        if not hits:
            note("nothing found")


def _say_hit(hit: Hit, explain: bool) -> None:
    say(f"{hit.score:.2f}  {one_line(place(hit.chunk))}")
    say(f"      {' '.join(hit.chunk.text.split())[:300]}")
    for reason in hit.why.split("\n") if explain else ():
        say(f"      · {one_line(reason)}")
    if hit.also:
        say(f"      the same in {one_line(', '.join(dict.fromkeys(map(place, hit.also))))}")


@cli.command()
def why(
    turn_id: Annotated[str | None, typer.Argument(metavar="[TURN]", help="Which turn; else the last one.")] = None,
    home: Home = None,
    session: Session = "default",
    scope: ChatScope = LOCAL,
    as_json: Json = False,
) -> None:
    """Show what an answer stands on: the quoted sentences, their passages, and what became of them since."""
    with reporting(as_json):
        from ragbot.chat import Chat
        from ragbot.search.explain import describe
        from ragbot.store.rows import micros

        with Chat.open(home, session=session, scope=scope, create=False) as talk, talk.memory.store.reading() as snapshot:
            found = snapshot.turn(turn_id) if turn_id else next(iter(snapshot.turns(scope, session, 1)), None)
            if found is None or found.scope != scope:
                raise NotFoundError(f"{turn_id or 'the last turn'}: no such turn in scope {scope!r} (session {session!r})")
            ids = [cited.chunk_id for cited in found.citations]
            then, now = (snapshot.chunks(ids, talk.scopes, at) for at in (micros(found.at), None))
            said, retrieved = snapshot.feedback(found.id), snapshot.turn_hits(found.id)
            current = snapshot.chunks([hit.chunk_id for hit in retrieved], talk.scopes)
        passages = {**then, **now}
        if as_json:
            chunks = {id: asdict(chunk) for id, chunk in passages.items()}
            feedback, hits = [asdict(one) for one in said], [asdict(one) for one in retrieved]
            say_json({**_turn(found), "passages": chunks, "feedback": feedback, "retrieved": hits})
            return
        say(f"{found.at:%Y-%m-%d %H:%M} UTC  {found.question}\n{found.answer}")
        _citations(found)
        for chunk in passages.values():
            state = "current" if chunk.id in now else f"no longer current since {chunk.retired_at:%Y-%m-%d %H:%M} UTC"
            say(f"\n{one_line(place(chunk))} ({state})\n{chunk.text}")
        if retrieved:
            say("\nRetrieved, best first:")
        for hit in retrieved:
            where = one_line(place(current[hit.chunk_id])) if hit.chunk_id in current else "a passage that is no longer current"
            reasons = describe(hit.features, current[hit.chunk_id], {}) if hit.chunk_id in current else ()
            say(f"  {hit.score:.2f}  {where}" + (f": {'; '.join(reasons)}" if reasons else ""))
        for words in said:
            say(f"\n{words.at:%Y-%m-%d %H:%M} UTC  {words.kind} {words.text}".rstrip())
        if not found.citations:
            note("This answer stands on no source.")


@cli.command()
def rate(
    turn_id: Annotated[str, typer.Argument(metavar="TURN", help="Which turn.")],
    up: Annotated[bool, typer.Option("--up/--down", help="Whether the answer was good.")],
    home: Home = None,
    scope: ChatScope = LOCAL,
    as_json: Json = False,
) -> None:
    """Say whether an answer was good."""
    with reporting(as_json):
        from ragbot.chat import Chat

        with Chat.open(home, scope=scope, create=False) as talk:
            talk.rate(turn_id, up=up)
        say_json({"turn": turn_id, "rated": "up" if up else "down"}) if as_json else note("Thank you.")


@cli.command()
def correct(
    turn_id: Annotated[str, typer.Argument(metavar="TURN", help="Which turn was wrong.")],
    text: Annotated[str, typer.Argument(help="What is right, as a full sentence.")],
    home: Home = None,
    scope: ChatScope = LOCAL,
    as_json: Json = False,
) -> None:
    """Say what is right instead; it answers from now on."""
    with reporting(as_json):
        from ragbot.chat import Chat

        with Chat.open(home, scope=scope, create=False) as talk, waiting(LOADING):
            correction = talk.correct(turn_id, text)
        say_json({"turn": turn_id, "uri": correction.uri}) if as_json else note(f"Remembered as {correction.uri}.")


def place(chunk: Chunk) -> str:
    """Where a chunk is, in words."""
    if chunk.kind == "turn":
        return f"you told me on {chunk.valid_from:%Y-%m-%d %H:%M} UTC"
    if chunk.page is not None:
        return f"{chunk.uri}, page {chunk.page}"
    return f"{chunk.uri}, line {chunk.line}" if chunk.line else chunk.uri


def _chat(home: Any, session: str, scope: str) -> Chat:  # noqa: ANN401 (as typer gives it)
    from ragbot.chat import Chat

    talk = Chat.open(home, session=session, scope=scope)
    with waiting(LOADING):
        talk.load()
    return talk


def _answer(talk: Chat, text: str, as_of: datetime | None = None) -> None:
    start, said = time.perf_counter(), ""
    for event in talk.events(text, as_of=as_of):
        if isinstance(event, Done):
            say()
            _citations(event.turn)
            note(f"{time.perf_counter() - start:.1f} s · turn {event.turn.id}")
        else:
            piece = layout.between(said, event.text) + event.text
            say(piece, newline=False)
            said += piece


def _citations(turn: Turn) -> None:
    for number, cited in enumerate(turn.citations, 1):
        age = f" (of {cited.valid_from.day} {cited.valid_from:%B %Y})" if cited.valid_from and cited.said_at is None else ""
        say(f"  [{number}] {one_line(cited.where)}{age}: “{' '.join(cited.quote.split())}”")


def _stdin() -> str:
    if sys.stdin is None:
        raise InputError("standard input is closed; give the question as an argument")
    return sys.stdin.read()


def _next_line() -> str:
    try:
        return input("> " if sys.stdin.isatty() else "").strip()
    except (EOFError, KeyboardInterrupt):
        note("")
        return ""


def _with_named(memory: Memory, patterns: list[str], scopes: Collection[str]) -> list[str]:
    """The patterns of addresses, and the addresses of the documents whose names in citations match one of them."""
    if not patterns:
        return []
    wanted = re.compile("|".join(".*".join(map(re.escape, re.split(r"\*+", storable(one)))) for one in patterns), re.DOTALL)
    return patterns + [one.uri for one in memory.documents(scopes) if wanted.fullmatch(one.metadata.get("name", ""))]


def _hit(hit: Hit) -> dict[str, Any]:
    also = [asdict(chunk) for chunk in hit.also]
    return {"chunk": asdict(hit.chunk), "score": hit.score, "why": hit.why, "features": asdict(hit.features), "also": also}


def _turn(turn: Turn) -> dict[str, Any]:
    return {**asdict(turn), "citations": [{**asdict(cited), "where": cited.where} for cited in turn.citations]}


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as cause:
        raise InputError(f"{text}: is no time; write it like 2026-05-01T09:00") from cause
    return at.replace(tzinfo=at.tzinfo or UTC)


def main() -> None:
    """Run the command."""
    cli()


if __name__ == "__main__":
    main()
