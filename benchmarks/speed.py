"""How fast the embedded default is: loading, first words and writing, on a prompt of 1,500 tokens and in a chat.

    python benchmarks/speed.py [--rounds 5] [--context 1500] [--written 100] [--questions 12] [--out FILE]

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
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

from corpus import machine

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
LOAD = """
import time; start = time.perf_counter()
from ragbot import Chat
with Chat.open({home!r}) as chat:
    chat.load()
    print(time.perf_counter() - start)
"""


def loading(home: Path, rounds: int) -> list[float]:
    """Seconds from the first import until a chat can answer, in processes of their own; the models were converted before."""
    command = [sys.executable, "-c", LOAD.format(home=str(home))]
    return [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(rounds)]


def writing(rounds: int, context: int, written: int) -> dict[str, float | int]:
    """First token and tokens a second, of a prompt of `context` tokens; another prompt each time, so that none is cached."""
    generator, firsts, rates = open_generator("SmolLM2-135M-Instruct"), list[float](), list[float]()
    text = " ".join(file.read_text(encoding="utf-8") for file in sorted(HANDBOOK.glob("*.md")) if "zh" not in file.name)
    words, tokens = (text * 20).split(), 0
    for number in range(rounds):
        low = number * 7
        high = len(words)
        while high - low > 1:  # as many words as there is room for
            middle = (low + high) // 2
            fits = generator.count(" ".join(words[number * 7 : middle])) <= context
            low, high = (middle, high) if fits else (low, middle)
        prompt = " ".join(words[number * 7 : low])
        tokens = generator.count(prompt)
        start = time.perf_counter()
        stream = generator.stream([Message("user", f"{prompt}\n\nSay all of this again in your own words.")], written)
        first = next(stream)
        firsts.append(time.perf_counter() - start)
        rest = generator.count(first + "".join(stream)) - generator.count(first)
        rates.append(rest / (time.perf_counter() - start - firsts[-1]))
    return {"prompt_tokens": tokens, "first_s": statistics.median(firsts), "tokens_per_s": statistics.median(rates)}


def chatting(home: Path, questions: int) -> dict[str, float | int]:
    """First words of a chat and the whole answer, medians."""
    firsts, wholes = list[float](), list[float]()
    with Chat.open(home) as chat:
        chat.load()
        chat.ask("What is a day pass?")
        for question in islice(cycle(QUESTIONS), questions):
            start = time.perf_counter()
            stream = chat.stream(question)
            next(stream)
            firsts.append(time.perf_counter() - start)
            list(stream)
            wholes.append(time.perf_counter() - start)
    return {"questions": len(firsts), "first_words_s": statistics.median(firsts), "answer_s": statistics.median(wholes)}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often it is loaded, and how many prompts are read")
    parser.add_argument("--context", type=int, default=1500, help="the tokens of a prompt")
    parser.add_argument("--written", type=int, default=100, help="the tokens that are written after it")
    parser.add_argument("--questions", type=int, default=12, help="how many the chat is asked")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with Chat.open(home) as chat:
            pipeline.sync(chat.memory, HANDBOOK)
        chat_found = chatting(home, given.questions)  # first: it converts the models, where they were not
        loads = loading(home, given.rounds)
        found = {
            "command": f"benchmarks/speed.py --rounds {given.rounds} --context {given.context} --questions {given.questions}",
            "machine": machine(),
            "loading_s": {"median": statistics.median(loads), "worst": max(loads)},
            "writing": writing(given.rounds, given.context, given.written),
            "chat": chat_found,
        }
    print(json.dumps(found, indent=2))
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
