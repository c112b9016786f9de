"""How many of the sentences of a complete answer a chat says, and how much else, by kind of question.

    python -m benchmarks.complete [--part fitted|reported] [--limit N] [--json] [--show]

`answers` of `training/organisations`: 16 questions an organisation, each in English and Chinese, with the sentences, items and
rows that a complete answer says. `FITTED` chose how likely a sentence must be said (`ragbot/answer/complete.py`), `REPORTED`
nothing.

Of the answers that were given: how many of the sentences that belong to them were said (recall), how many of those said belong
(precision), and how often all were, and nothing else (whole).
"""

import argparse
import json
import sys
from collections import defaultdict

from benchmarks.questions import asked
from training import organisations

PARTS = {"fitted": organisations.FITTED, "reported": organisations.REPORTED}


def counts(answer, turn):
    """Sentences asked for, of those said, all that were said, of those asked for."""
    said = [(cited.uri, cited.quote) for cited in turn.citations]
    held = [any(uri == cited and organisations.same(quote, wanted) for cited, quote in said) for uri, wanted in answer.quotes]
    right = [answer.says(uri, quote) for uri, quote in said]
    return len(held), sum(held), len(right), sum(right)


def figures(found):
    """Of the turns of a group, what the docstring of the module says."""
    given = [one for one in found if one]
    wanted, held, said, right = (sum(column) for column in zip(*given, strict=True)) if given else (0, 0, 0, 0)
    return {
        "questions": len(found),
        "refused": round(1 - len(given) / len(found), 3),
        "recall": round(held / max(1, wanted), 3),
        "precision": round(right / max(1, said), 3),
        "whole": round(sum(held == wanted and right == said for wanted, held, said, right in given) / len(found), 3),
    }


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, default="fitted")
    parser.add_argument("--limit", type=int, help="only so many organisations")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--show", action="store_true", help="print every question and answer, on standard error")
    given = parser.parse_args(argv)
    found = defaultdict(list)
    for one in organisations.read(PARTS[given.part])[: given.limit]:
        turns = (turn for _, turn in asked(one, [{"text": answer.question} for answer in one.answers]))
        for number, (answer, turn) in enumerate(zip(one.answers, turns, strict=True)):
            each = counts(answer, turn) if turn.grounded else None
            for group in (answer.kind, f"all, {organisations.LANGUAGES[number % 2]}", "all"):
                found[group].append(each)
            if given.show:
                print(f"{each} {answer.kind}: {answer.question}\n{turn.answer}\n", file=sys.stderr)
    result = {group: figures(some) for group, some in sorted(found.items())}
    if given.json:
        print(json.dumps(result, ensure_ascii=False))
        return
    for group, some in result.items():
        print(f"{group:20}", *(f"{name} {value:5}" for name, value in some.items()))


if __name__ == "__main__":
    main()
