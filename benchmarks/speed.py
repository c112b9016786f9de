"""How fast the embedded default is: loading, first words and writing, on a prompt of 1,500 tokens and in a chat.

    python benchmarks/speed.py [--out FILE]

The generator is asked with a prompt of about 1,500 tokens (what transformers' users call context), and a chat with the demo's
handbook is asked the questions of the demo. Loading is timed in a new process each time, with the converted model cached.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ingest import pipeline
from ragbot import Chat
from ragbot.models.generator import open_generator
from ragbot.types import Message

HANDBOOK = Path(__file__).parents[1] / "docs/demo/handbook"
QUESTIONS = (
    "When is the makerspace open on Saturday?",
    "Can I return a gift card?",
    "May I cut PVC on the laser?",
    "How long is lost property kept?",
    "What does a day pass cost?",
    "Who may use the lathe?",
)
CONTEXT, ROUNDS, WRITTEN = 1500, 5, 100
LOAD = """
import time; start = time.perf_counter()
from ragbot import Chat
with Chat.open({home!r}) as chat:
    chat.load()
    print(time.perf_counter() - start)
"""


def loading(home: Path) -> list[float]:
    """Seconds from the first import until a chat can answer, in processes of their own."""
    command = [sys.executable, "-c", LOAD.format(home=str(home))]
    return [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(ROUNDS + 1)][1:]


def writing() -> dict[str, float | int]:
    """First token and tokens a second, of a prompt of CONTEXT tokens; another prompt each time, so that none is cached."""
    generator, firsts, rates = open_generator("SmolLM2-135M-Instruct"), list[float](), list[float]()
    text = " ".join(file.read_text(encoding="utf-8") for file in sorted(HANDBOOK.glob("*.md")) if "zh" not in file.name)
    words, tokens = (text * 20).split(), 0
    for number in range(ROUNDS):
        low, prompt = number * 7, ""
        high = len(words)
        while high - low > 1:  # as many words as there is room for
            middle = (low + high) // 2
            prompt = " ".join(words[number * 7 : middle])
            low, high = (middle, high) if generator.count(prompt) <= CONTEXT else (low, middle)
        tokens = generator.count(prompt)
        start = time.perf_counter()
        stream = generator.stream([Message("user", f"{prompt}\n\nSay all of this again in your own words.")], WRITTEN)
        first = next(stream)
        firsts.append(time.perf_counter() - start)
        rest = generator.count(first + "".join(stream)) - generator.count(first)
        rates.append(rest / (time.perf_counter() - start - firsts[-1]))
    return {"prompt_tokens": tokens, "first_s": statistics.median(firsts), "tokens_per_s": statistics.median(rates)}


def chatting(home: Path) -> dict[str, float | int]:
    """First words of a chat and the whole answer, medians."""
    firsts, wholes = list[float](), list[float]()
    with Chat.open(home) as chat:
        chat.load()
        chat.ask("What is a day pass?")
        for question in QUESTIONS * 2:
            start = time.perf_counter()
            stream = chat.stream(question)
            next(stream)
            firsts.append(time.perf_counter() - start)
            list(stream)
            wholes.append(time.perf_counter() - start)
    return {"questions": len(firsts), "first_words_s": statistics.median(firsts), "answer_s": statistics.median(wholes)}


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with Chat.open(home) as chat:
            pipeline.sync(chat.memory, HANDBOOK)
        loads = loading(home)
        found = {
            "loading_s": {"median": statistics.median(loads), "worst": max(loads)},
            "writing": writing(),
            "chat": chatting(home),
        }
    print(json.dumps(found, indent=2))
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
