"""`make demo-service`, `demo-tutor`, `demo-companion`: one of the three personas talks over its own small corpus."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from rich.console import Console

from ingest import pipeline
from ragbot import Chat, RagbotError

HERE = Path(__file__).parent / "personas"
ROOM = Path(__file__).parents[2] / ".demo"

console = Console(highlight=False, soft_wrap=True)


def main(name: str) -> None:
    """Say each line of the persona's `talk.txt`, and show what comes back."""
    room = ROOM / name
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    (home := room / "indexes").mkdir()
    (home / "ragbot.toml").write_text(f'persona = "{name}"\n', encoding="utf-8")
    (folder,) = (folder for folder in (HERE / name).iterdir() if folder.is_dir())
    corpus = shutil.copytree(folder, room / folder.name)
    with Chat.open(home, session="demo") as chat:
        pipeline.sync(chat.memory, corpus)
        console.rule(f"{name}: it has read {corpus.name}/, and this is said to it (all of it fictional)")
        for line in (HERE / name / "talk.txt").read_text(encoding="utf-8").splitlines():
            console.print(f"\nyou  {line}", style="bold", markup=False)
            turn = chat.ask(line)
            console.print(f"bot  {turn.answer}", markup=False)
            for citation in turn.citations:
                console.print(f"       {citation.where}: “{citation.quote}”", style="dim", markup=False)
    console.print(f"\nGo on yourself:  . .venv/bin/activate; ragbot chat --home .demo/{name}/indexes", markup=False)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except RagbotError as cause:
        sys.exit(f"error: {cause}")
