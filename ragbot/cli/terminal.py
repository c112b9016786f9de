"""How both command lines speak: results on stdout, all else on stderr, errors in one line."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from typing import Annotated, Any

import typer

from ragbot.errors import ConfigError, InputError, RagbotError

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
REDRAWN = 0.1
"""Seconds between two moves of a progress bar."""


def _need_name(home: str | None) -> str | None:
    if home is not None and not home.strip():  # an unset variable of a script would mean the working folder
        raise typer.BadParameter("is empty; name a folder, or leave it out")
    return home


Home = Annotated[
    str | None,
    typer.Option(
        "--home",
        metavar="DIR",
        callback=_need_name,
        help="Where the memory lies (else RAGBOT_HOME, else indexes/).",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Scope = Annotated[str, typer.Option("--scope", metavar="NAME", help="Whose knowledge it is.")]


def app(summary: str) -> typer.Typer:
    """A command line with the project's ways."""
    return typer.Typer(
        help=summary,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


@contextmanager
def reporting(as_json: bool) -> Iterator[None]:
    """Turn what went wrong into one line and an exit status: 1 failed, 2 wrong use, 130 stopped."""
    try:
        yield
    except RagbotError as cause:
        say_json({"error": str(cause)}) if as_json else say_error(str(cause))
        raise typer.Exit(2 if isinstance(cause, InputError | ConfigError) else 1) from cause
    except KeyboardInterrupt as cause:
        if as_json:
            say_json({"stopped": True})
        say_error("stopped; what was done until now is kept")
        raise typer.Exit(130) from cause
    except BrokenPipeError as cause:  # the reader of a pipe has gone: nothing more to say to it
        sys.stdout = None
        raise typer.Exit(0) from cause
    except OSError as cause:
        text = f"{f'{cause.filename}: ' if cause.filename else ''}cannot be read or written ({cause.strerror or cause})"
        say_json({"error": text}) if as_json else say_error(text)
        raise typer.Exit(1) from cause


def say(text: str = "", *, newline: bool = True) -> None:
    """Print a result."""
    typer.echo(_CONTROLS.sub(_escaped, text), nl=newline)


def note(text: str) -> None:
    """Print a remark that is no result."""
    typer.secho(one_line(text), err=True, dim=True)


def say_error(text: str) -> None:
    """Print what went wrong."""
    typer.secho(f"error: {one_line(text)}", err=True, fg="red")


def say_json(document: Any, *, indent: int | None = 2) -> None:  # noqa: ANN401 (whatever json takes)
    """Print the one JSON document of a command, or of a line."""
    text = json.dumps(document, ensure_ascii=False, indent=indent, default=_as_json)
    typer.echo(text.encode("utf-8", "backslashreplace").decode())  # a file name may hold what is no character


def _as_json(value: object) -> str:
    """Times as ISO 8601, all else as text."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def one_line(text: str) -> str:
    """A text of others, such as the name of a file, that can neither break a line nor steer a terminal."""
    return _CONTROLS.sub(_escaped, text).replace("\n", "\\n")


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def waiting(text: str) -> AbstractContextManager[object]:
    """Show that something takes a while, where somebody looks."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(text)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar, where somebody looks: what is being done, how much of how much, how fast, and how long yet."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),  # it may be the name of a file
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task, shown = bars.add_task("Looking", total=None, rate=""), 0.0

        def advance(what: str, done: int, total: int) -> None:
            nonlocal shown
            if done < total and time.monotonic() - shown < REDRAWN:  # of many that come at once, one: the rate is told by them
                return
            shown, speed = time.monotonic(), bars.tasks[task].speed
            rate = f"{speed:.{0 if speed >= 10 else 1}f}/s" if speed else ""
            bars.update(task, completed=done, total=total, description=one_line(what), rate=rate)

        yield advance
