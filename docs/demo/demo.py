"""`make demo`: a handbook is ingested, asked, changed and asked again. Works without a network."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ingest import pipeline
from ragbot import Chat, RagbotError
from ragbot.types import Citation, Done

HERE = Path(__file__).parent
ROOM = HERE.parents[1] / ".demo"
HANDBOOK = ROOM / "handbook"
HOME = ROOM / "indexes"
QUESTIONS = (
    "When is the makerspace open on Saturday?",
    "And on Sunday?",
    "Can I return a gift card?",
    "May I cut PVC on the laser?",
    "Can I bring my dog to the café?",
)
NEXT = """\
Next, try (the demo's memory stays in .demo/indexes):
  . .venv/bin/activate; export RAGBOT_HOME=.demo/indexes
  ragbot chat
  ragbot ask "How long is lost property kept?"
  ragbot ask "我一次能借几本中文书？"
  ragbot ask "My badge number is 4471."
  ragbot ask "What is my badge number?" --session tomorrow
  ragbot why                          # what the last answer stands on
  ragbot recall "hotel" --json        # the passages themselves
  ingest add YOUR_FILES               # PDF, DOCX, HTML, Markdown, text
  ingest status; ingest check
"""

console = Console(highlight=False, soft_wrap=True)


def main() -> None:
    """Run the demo from a clean start."""
    shutil.rmtree(ROOM, ignore_errors=True)
    shutil.copytree(HERE / "handbook", HANDBOOK)
    with Chat.open(HOME, session="demo") as chat:
        load(chat)
        console.rule("The handbook of Larkfield Makerspace (fictional) is ingested")
        step(chat)
        for question in QUESTIONS:
            ask(chat, question)
        console.rule("opening-hours.md gets a new version, gift-cards.txt is deleted")
        shutil.copy(HERE / "updates" / "opening-hours.md", HANDBOOK)
        (HANDBOOK / "gift-cards.txt").unlink()
        step(chat)
        for question in QUESTIONS:
            ask(chat, question)
    console.rule()
    console.print(NEXT, markup=False)


def load(chat: Chat) -> None:
    """Load the models, with the time that it takes."""
    start = time.perf_counter()
    with console.status("Loading the models (the first time converts them, about 25 s)…"):
        chat.load()
    console.print(f"Models loaded in {time.perf_counter() - start:.1f} s.")


def step(chat: Chat) -> None:
    """Bring the memory in step with the folder, under a progress bar."""
    columns = (TextColumn("Ingesting"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    start = time.perf_counter()
    with Progress(*columns, console=console) as bars:
        task = bars.add_task("", total=None)
        outcomes = pipeline.sync(
            chat.memory,
            HANDBOOK,
            progress=lambda done, total, outcome: bars.update(task, completed=done, total=total, description=outcome.uri),
        )
    for outcome in outcomes:
        done = outcome.chunks
        if outcome.status != "unchanged":
            console.print(
                f"  {outcome.status:9} {outcome.uri}  ({done.added} passages new, {done.kept} kept, {done.retired} retired)"
            )
    console.print(f"  {sum(o.status == 'unchanged' for o in outcomes)} unchanged, {time.perf_counter() - start:.1f} s\n")


def ask(chat: Chat, question: str) -> None:
    """Ask one question; show the answer as it comes, its citations, and the times."""
    console.print(f"[bold]Q  {question}[/bold]")
    start = time.perf_counter()
    first = 0.0
    console.print("A  ", end="")
    citations: tuple[Citation, ...] = ()
    for event in chat.events(question):
        if isinstance(event, Done):
            citations = event.turn.citations
        else:
            console.print(event.text if not first else f" {event.text}", end="", markup=False)
            first = first or time.perf_counter() - start
    console.print()
    for cited in citations:
        console.print(f"     {cited.where}: “{' '.join(cited.quote.split())}”", markup=False, style="cyan")
    console.print(f"     {time.perf_counter() - start:.1f} s, first words after {first:.1f} s\n", style="dim")


if __name__ == "__main__":
    try:
        main()
    except RagbotError as cause:
        sys.exit(f"error: {cause}")
