"""How many questions a chat answers rightly and completely, by kind of question, scored by a program.

    python -m benchmarks.questions [--part dev|held] [--limit N] [--json] [--show]

`benchmarks/questions/*.json`: 18 questions over the four documents of each of sixteen organisations of `training/organisations`
that train nothing, written by somebody who had not seen the code, each of another kind, with the parts that a complete answer
holds (one wording of each) and what only a wrong one does. `--part held` asks those of `REPORTED`: look at them once, at the end.

right: every part, and nothing of a wrong answer; incomplete: some of the parts; wrong: none, or something of a wrong answer;
refused: no answer though the documents have one. What the documents do not answer is right if it is refused, and else wrong.
"""

import argparse
import json
import re
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from ragbot import Chat, Memory
from training import organisations

HERE = Path(__file__).parent / "questions"
PARTS = {"dev": organisations.FITTED, "held": organisations.REPORTED}
VERDICTS = ("right", "incomplete", "wrong", "refused")


def letters(text):
    return re.sub(r"[\W_]+", "", text.lower())


def verdict(question, turn):
    """One of VERDICTS for a turn that answers a question of the files."""
    if not question["answerable"]:
        return "wrong" if turn.grounded else "right"
    if not turn.grounded:
        return "refused"
    said = letters(turn.answer)
    held = [any(letters(wording) in said for wording in part) for part in question["must"]]
    if any(letters(wrong) in said for wrong in question["must_not"]) or not any(held):
        return "wrong"
    return "right" if all(held) else "incomplete"


def asked(one, questions):
    """Each question with what a chat over the documents of an organisation says, every one in a session of its own."""
    with tempfile.TemporaryDirectory() as home:
        with Memory.open(home) as memory:
            memory.remember(one.documents)
        for number, question in enumerate(questions):
            with Chat.open(home, session=f"q{number}") as chat:
                turns = question.get("history", [])
                history = [(("user", "assistant")[at % 2], text) for at, text in enumerate(turns)]
                yield question, chat.ask(question["text"], history=history)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, default="dev")
    parser.add_argument("--limit", type=int, help="only so many organisations")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--show", action="store_true", help="print every question, its verdict and the answer, on standard error")
    given = parser.parse_args(argv)
    found = defaultdict(Counter)
    for one in organisations.read(PARTS[given.part])[: given.limit]:
        questions = json.loads((HERE / f"{one.name}.json").read_text(encoding="utf-8"))["questions"]
        for question, turn in asked(one, questions):
            said = verdict(question, turn)
            for group in (question["kind"], f"all, {question['language']}", "all"):
                found[group][said] += 1
            if given.show:
                print(f"{said:10} {question['kind']:16} {question['text']}\n           {turn.answer}", file=sys.stderr)
    result = {group: {name: counts[name] for name in VERDICTS} for group, counts in sorted(found.items())}
    if given.json:
        print(json.dumps(result, ensure_ascii=False))
        return
    for group, counts in result.items():
        print(f"{group:18}", *(f"{name} {count:3}" for name, count in counts.items()))


if __name__ == "__main__":
    main()
