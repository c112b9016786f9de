"""The `ragbot eval` commands: retrieval, answers."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from ragbot.cli.terminal import Json, app, progress, reporting, say, say_error, say_json
from ragbot.errors import InputError
from ragbot.types import Part

if TYPE_CHECKING:
    from ragbot.evaluate.retrieval.comparison import Comparison
    from ragbot.evaluate.retrieval.runner import Plan
    from ragbot.evaluate.retrieval.runs import Run

cli = app("Measure how good the memory is, on sets of judged questions.")

PARTS: tuple[Part, ...] = get_args(Part)
SetName = Annotated[str | None, typer.Option("--set", metavar="NAME", help="Which, of several.", show_default=False)]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only so many questions.", show_default=False)]
Home = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="Keep the evaluation's own memory here.", show_default="a temporary folder"),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the run as JSON.", show_default=False)]
Plot = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw it, as PNG, SVG or PDF.", show_default=False)]
DEEPEST = 1000
"""The largest cutoff; one recall may give 10,000 passages."""


@cli.callback()
def eval_() -> None:
    """Measure how good the memory is, on sets of judged questions."""


@cli.command()
def retrieval(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the set lies: in BEIR's layout, or corpus and qa.")],
    name: SetName = None,
    parts: Annotated[str, typer.Option("--parts", metavar="LIST", help="Which parts of a recall.")] = "dense,lexical,fused",
    cutoffs: Annotated[str, typer.Option("--k", metavar="LIST", help="Up to which place recall and nDCG look.")] = "5,10",
    limit: Limit = None,
    home: Home = None,
    out: Out = None,
    plot: Plot = None,
    compare: Annotated[
        Path | None, typer.Option("--compare", metavar="RUN", help="Compare with a run that --out wrote.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask the questions of a set of a memory that holds its corpus, and say how much was found, how high, and how fast."""
    with reporting(as_json):
        from ragbot.evaluate.retrieval.runner import Plan

        plan = Plan(_parts(parts), _cutoffs(cutoffs), limit)
        for file in filter(None, (out, plot)):
            _need_writable(file)
        run, compared = _evaluated(folder, name, plan, home, plot, compare)
        if as_json:
            say_json(_document(run, compared))
        else:
            _say(run, compared)
        _draw(run, plot)
        if out:
            _write(out, json.dumps(_document(run, None), ensure_ascii=False, indent=1))


@cli.command()
def answers(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where the set lies: corpus and qa, or questions with passages.")
    ],
    name: SetName = None,
    plain: Annotated[bool, typer.Option("--plain", help="Ask the generator alone, too, with the same passages.")] = False,
    limit: Limit = None,
    home: Home = None,
    out: Out = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Ask the questions of a set of a chat over its corpus, and say how often it was right, and how often it refused."""
    with reporting(as_json):
        for file in filter(None, (out, plot)):
            _need_writable(file)
        from ragbot.evaluate.answers import figures, questions, report, runner
        from ragbot.evaluate.retrieval import plot as drawing
        from ragbot.memory import Memory

        if plot:
            drawing.need_drawable(plot)
        chosen = questions.read_answer_set(folder, name)
        systems: tuple[runner.System, ...] = ("ragbot", "plain") if plain else ("ragbot",)
        with _home(home) as place, Memory.open(place) as memory, progress() as told:
            run = runner.evaluate(memory, chosen, systems, limit, told)
        document = figures.as_json(run)
        if as_json:
            say_json(document)
        else:
            say(report.table(run))
        if plot:
            report.draw(run, plot)
        if out:
            _write(out, json.dumps(document, ensure_ascii=False, indent=1))


def _need_writable(file: Path) -> None:
    """Raise InputError where the file could not be written: before hours of work, not after."""
    try:
        there = file.exists()
        file.open("ab").close()
        if not there:
            file.unlink()
    except OSError as cause:
        raise InputError(f"{file}: cannot be written ({cause.strerror}); name a file in a folder that is there") from cause


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as cause:
        raise InputError(f"{file}: cannot be written ({cause.strerror}); name another file") from cause


def _evaluated(
    folder: Path, name: str | None, plan: Plan, home: Path | None, plot: Path | None, compare: Path | None
) -> tuple[Run, Comparison | None]:
    """The run. Whatever is wrong with the files is said before the work, not after it."""
    from ragbot.evaluate.retrieval import comparison, measures, runner, runs, sets
    from ragbot.evaluate.retrieval import plot as drawing
    from ragbot.memory import Memory

    measures.need_library()
    if plot:
        drawing.need_drawable(plot)
    before = runs.load(compare) if compare else None
    chosen = sets.read_set(folder, name)
    if before:
        comparison.need_comparable(before, chosen.name, chosen.digest, plan.parts)
    with _home(home) as place, Memory.open(place) as memory, progress() as told:
        run = runner.evaluate(memory, chosen, plan, told)
    return run, comparison.compare(before, run) if before else None


@contextmanager
def _home(given: Path | None) -> Iterator[Path]:
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="ragbot-eval-", ignore_cleanup_errors=True) as folder:
        try:
            yield Path(folder)
        except KeyboardInterrupt as cause:
            say_error("stopped; nothing is kept (with --home DIR, what was remembered is)")
            raise typer.Exit(130) from cause


def _parts(text: str) -> tuple[Part, ...]:
    named = _listed(text)
    if not named or not set(named) <= set(PARTS):
        raise InputError(f"--parts {text}: takes one or more of {','.join(PARTS)}")
    return tuple(part for part in PARTS if part in named)


def _cutoffs(text: str) -> tuple[int, ...]:
    named = _listed(text)
    if not named or not all(re.fullmatch("[0-9]{1,4}", one) and 1 <= int(one) <= DEEPEST for one in named):
        raise InputError(f"--k {text}: takes whole numbers from 1 to {DEEPEST}, with commas between")
    return tuple(sorted({int(one) for one in named}))


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",")]


def _draw(run: Run, plot: Path | None) -> None:
    if plot:
        from ragbot.evaluate.retrieval import plot as drawing

        drawing.draw(run, plot)


def _document(run: Run, compared: Comparison | None) -> dict[str, Any]:
    from ragbot.evaluate.retrieval import runs

    document = runs.as_json(run)
    if compared:
        before = {"at": compared.before.at, "model": compared.before.model, "version": compared.before.version}
        differences = [asdict(one) for one in compared.differences]
        document["compared"] = {"before": before, "questions": compared.questions, "differences": differences}
    return document


def _say(run: Run, compared: Comparison | None) -> None:
    from ragbot.evaluate import report

    say(report.table(run))
    if compared:
        say(f"\n{report.comparison(compared)}")
