"""Whether transformers writes what OpenVINO writes: the bundled generator, its GGUF file opened by both, greedy.

    python benchmarks/same_text.py [--limit 40] [--tokens 60]

The prompts are those that chats with the demo's handbook give to the generator. OpenVINO has the weights in 8 bits, transformers
in 32, both made from the file's 4: where two words are about as likely, either may be written.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from ingest import pipeline
from ragbot import Chat, Memory
from ragbot.models import bundled
from ragbot.models.generator import BundledGenerator, TransformersGenerator

DEMO = Path(__file__).parents[1] / "docs/demo"


def portable():
    """The bundled weights on transformers."""
    file = bundled.generator_file()
    return TransformersGenerator(str(file.parent), gguf_file=file.name)


class Recorded:
    """The bundled generator, and what it was shown."""

    model, window = bundled.GENERATOR, BundledGenerator.window

    def __init__(self):
        self.generator, self.shown = BundledGenerator(), []

    def count(self, text):
        return self.generator.count(text)

    def stream(self, messages, max_tokens):
        self.shown.append(messages)
        return self.generator.stream(messages, max_tokens)


def prompts(limit):
    """What a chat shows the generator for the demo's questions, each asked in a session of its own."""
    rows = [line.split(" | ") for line in (DEMO / "QUESTIONS.md").read_text(encoding="utf-8").splitlines()]
    asked = [row[1] for row in rows if len(row) > 2 and row[0].strip("| ").isdigit()]
    generator = Recorded()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "ragbot.toml").write_text('reader = "none"\n', encoding="utf-8")
        with Memory.open(home) as memory:
            pipeline.sync(memory, DEMO / "handbook")
            for question in [line for line in asked if line.isascii()]:
                if len(generator.shown) < limit:
                    Chat(memory, question, "local", generator).ask(question)
    return generator.shown[:limit]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=40, help="how many prompts")
    parser.add_argument("--tokens", type=int, default=60, help="how much is written")
    options = parser.parse_args(argv)
    shown = prompts(options.limit)
    here, there = BundledGenerator(), portable()
    same, alike = 0, 0.0
    for messages in shown:
        one, other = ("".join(generator.stream(messages, options.tokens)) for generator in (here, there))
        common = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
        same += one == other
        alike += common / max(1, len(one), len(other))
    print(json.dumps({"prompts": len(shown), "same": same, "same_from_the_start": round(alike / len(shown), 3)}))


if __name__ == "__main__":
    main()
