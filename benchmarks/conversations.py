"""Whether the memory is right after each message of conversations, and whether questions at their end are answered from it.

    python -m benchmarks.conversations [--part dev|held] [--limit N] [--each N] [--json] [--show]

`benchmarks/conversations/*.jsonl`: 300 conversations of people with the bot, in English and Chinese, of writers who had not
seen the code (`training/conversations` says what a line holds). The last quarter of each file is kept aside (`--part held`):
look at it once. The state is right if just the sentences that should be held are: no other one, and none that was replaced,
negated, taken back or forgotten. A question is right if its answer holds what it must and nothing that it must not, or is
refused where nothing that was told answers it. No generator words the answers.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from ragbot import Chat, Memory
from ragbot.temporal.dates import day_of
from training.conversations import load

HERE = Path(__file__).parent / "conversations"
ASIDE = 4
"""The last of so many parts of each file is kept aside."""


class Silent:
    """A generator that says nothing, so that the evidence speaks for itself."""

    model, window = "silent", 2048

    def count(self, text):
        return len(text) // 3

    def stream(self, messages, max_tokens):
        return iter(())


def conversations(part):
    for file in sorted(HERE.glob("*.jsonl")):
        found = load([file])
        cut = len(found) - len(found) // ASIDE
        yield from found[:cut] if part == "dev" else found[cut:]


def held(memory, scope):
    """The sentences that are held, by the memory."""
    return {hit.chunk.text.strip() for hit in memory.told(1000, scope=scope) if not hit.is_set_aside}


def answered(probe, turn):
    """Whether an answer is right."""
    said = turn.answer.lower()
    if any(text.lower() in said for text in probe.never):
        return False
    if not probe.says:
        return not turn.grounded
    return all(any(text.lower() in said for text in group) for group in probe.says)


def run(memory, one, show):
    """Each message with whether the state is right after it; each question with whether it is answered; what went wrong."""
    chat = Chat(memory, "s", one.id, Silent())
    states = []
    wrong = Counter()
    before = set()
    for said, due in zip(one.messages, one.states(), strict=True):
        chat.ask(said.text)
        found, due = held(memory, one.id), {text.strip() for text in due}
        # A message is judged by what it changes: the state that an earlier one left wrong is not held against it a second time.
        states.append((said.kind, found == due, (found ^ due) <= before))
        for name, texts in (("missing", due - found - before), ("too much", found - due - before)):
            wrong[name] += len(texts)
            if show and texts:
                print(f"{one.id} {said.kind}: {said.text}\n    {name}: {sorted(texts)}", file=sys.stderr)
        before = found ^ due
    questions = [(probe, turn, answered(probe, turn)) for probe in one.probes for turn in [chat.ask(probe.question)]]
    if show:
        for probe, turn, right in questions:
            if not right:
                print(f"{one.id} Q {probe.question} {probe.says} not {probe.never}\n    A {turn.answer}", file=sys.stderr)
    return states, questions, wrong


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("dev", "held"), default="dev")
    parser.add_argument("--limit", type=int, help="only so many conversations")
    parser.add_argument("--each", type=int, default=1, help="only every so-manieth conversation")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--show", action="store_true", help="print what went wrong, on standard error")
    given = parser.parse_args(argv)
    right, changes, asked, wrong, days = (defaultdict(Counter) for _ in range(5))
    with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
        for one in list(conversations(given.part))[:: given.each][: given.limit]:
            states, questions, mistakes = run(memory, one, given.show)
            for kind, is_right, change in states:
                right[one.language][is_right] += 1
                changes[kind][change] += 1
            for probe, _, is_right in questions:
                asked["refused when due" if not probe.says else "answered when due"][is_right] += 1
                asked[one.language][is_right] += 1
            wrong["sentences"].update(mistakes)
            for said in one.messages:
                for text, day in (said.days or {}).items():
                    found = day_of(text, said.on)
                    days["days"][found == day] += 1
    result = {
        "state right after a message": share(sum(right.values(), Counter())),
        **{f"state right, {language}": share(counts) for language, counts in right.items()},
        "message did what it should": share(sum(changes.values(), Counter())),
        **{f"did what it should, {kind}": share(counts) for kind, counts in sorted(changes.items())},
        **{f"questions, {name}": share(counts) for name, counts in asked.items()},
        "sentences wrong": dict(wrong["sentences"]),
        "days resolved": share(days["days"]),
    }
    if given.json:
        print(json.dumps(result, ensure_ascii=False))
        return
    for name, value in result.items():
        print(f"{name:36} {value}")


def share(counts):
    return {"of": sum(counts.values()), "right": round(counts[True] / max(1, sum(counts.values())), 3)}


if __name__ == "__main__":
    main()
