"""Questions that customers ask in words of their own: are they answered, and are the near misses refused?

    python benchmarks/customers.py [--part dev|held|all] [--json] [--show]

Forty English questions over the demo's handbook and forty Chinese ones over a Chinese handbook (`benchmarks/customers.jsonl`),
written by somebody who had not seen the code: of each, twenty are answered there, in other words, and twenty are not, twelve of
them near misses. `--part` takes every second one of each kind. An answer is right if it cites the quoted words. The settings are
the default ones, or those of the environment.
"""

import json
import sys

from handbooks import HANDBOOKS, HERE, PARTS, cites, home_with, options

from ragbot import Chat
from ragbot.text.tokens import has_cjk

DUE, OTHER = "answered there", "not answered there"


def read(part):
    """The questions by language and by whether the handbook answers them."""
    rows = [json.loads(line) for line in (HERE / "customers.jsonl").read_text(encoding="utf-8").splitlines()]
    found = {
        language: {
            kind: [row for row in rows if has_cjk(row["question"]) == (language == "zh") and row["answerable"] == (kind == DUE)]
            for kind in (DUE, OTHER)
        }
        for language in HANDBOOKS
    }
    return {language: {kind: some[PARTS[part]] for kind, some in of.items()} for language, of in found.items()}


def ask(home, row, session):
    with Chat.open(home, session=session) as chat:
        turn = chat.ask(row["question"])
    kind = "refused" if not turn.grounded else "right" if row["answerable"] and cites(turn, row["quote"]) else "wrong"
    return kind, turn


def main():
    given = options(__doc__).parse_args()
    result: dict = {}
    for language, of in read(given.part).items():
        with home_with(language) as home:
            for kind, rows in of.items():
                counts = {"right": 0, "wrong": 0, "refused": 0} if kind == DUE else {"wrong": 0, "refused": 0}
                for at, row in enumerate(rows):
                    became, turn = ask(home, row, f"{kind} {at}")
                    counts[became] += 1
                    if given.show:
                        print(language, kind, became, row["question"], turn.answer, sep=" | ", file=sys.stderr)
                result.setdefault(language, {})[kind] = counts
    print(json.dumps(result, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
