"""Whether transformers writes what OpenVINO writes: the bundled generator, its GGUF file opened by both, greedy.

    python benchmarks/same_text.py [--limit N]

The prompts are those of chats with the demo's handbook. OpenVINO has the weights in 8 bits, transformers in 32, both made from
the file's 4: where two words are about as likely, either may be written.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from ingest import pipeline
from ragbot import Memory
from ragbot.answer import prompt, quote
from ragbot.models import bundled
from ragbot.models.generator import BundledGenerator, TransformersGenerator

DEMO = Path(__file__).parents[1] / "docs/demo"
TOKENS = 60


def portable():
    """The bundled weights on transformers."""
    file = bundled.generator_file()
    return TransformersGenerator(str(file.parent), gguf_file=file.name)


def prompts(limit):
    """What a chat shows the generator for the demo's questions."""
    rows = [line.split(" | ") for line in (DEMO / "QUESTIONS.md").read_text(encoding="utf-8").splitlines()]
    asked = [row[1] for row in rows if len(row) > 2 and row[0].strip("| ").isdigit()]
    generator = BundledGenerator()
    with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
        pipeline.sync(memory, DEMO / "handbook")
        for question in [line for line in asked if line.isascii()][:limit]:
            found = quote.select_sentences(question, memory.recall(question, 5), memory.embedder().encode)
            facts = [quote.render_quote(one) for one in quote.near_best(found)[:3]]
            yield prompt.build(question, facts, generator.count)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=40)
    shown = list(prompts(parser.parse_args().limit))
    here, there = BundledGenerator(), portable()
    same, alike = 0, 0.0
    for messages in shown:
        one, other = ("".join(generator.stream(messages, TOKENS)) for generator in (here, there))
        common = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
        same += one == other
        alike += common / max(1, len(one), len(other))
    print(json.dumps({"prompts": len(shown), "same": same, "same_from_the_start": round(alike / len(shown), 3)}))


if __name__ == "__main__":
    main()
