"""Questions that customers ask in words of their own: are they answered, and are the near misses refused?

    python benchmarks/customers.py [--part dev|held|all] [--json] [--show]

Forty English questions over the demo's handbook and forty Chinese ones over a Chinese handbook (`benchmarks/customers.jsonl`),
written by somebody who had not seen the code: of each, twenty are answered there, in other words, and twenty are not, twelve of
them near misses. `--part` takes every second one of each kind. An answer is right if it cites the quoted words. The settings are
the default ones, or those of the environment.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from ragbot import Chat
from ragbot.text.tokens import has_cjk

HERE = Path(__file__).parent
HANDBOOKS = {"en": HERE.parent / "docs/demo/handbook", "zh": HERE / "cross_lingual/handbook-zh"}
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
    way = {"dev": slice(0, None, 2), "held": slice(1, None, 2), "all": slice(None)}[part]
    return {language: {kind: some[way] for kind, some in of.items()} for language, of in found.items()}


def cites(turn, row):
    quote = "".join(row["quote"].split())
    said = ["".join(citation.quote.split()) for citation in turn.citations]
    return any(quote in one or one in quote for one in said)


def ask(home, row, session):
    with Chat.open(home, session=session) as chat:
        turn = chat.ask(row["question"])
    kind = "refused" if not turn.grounded else "right" if row["answerable"] and cites(turn, row) else "wrong"
    return kind, turn


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("dev", "held", "all"), default="all")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--show", action="store_true", help="what was said, on standard error")
    options = parser.parse_args()
    result: dict = {}
    for language, of in read(options.part).items():
        with tempfile.TemporaryDirectory() as home:
            command = [sys.executable, "-m", "ingest.cli", "add", str(HANDBOOKS[language]), "--home", home, "--json"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            for kind, rows in of.items():
                counts = {"right": 0, "wrong": 0, "refused": 0} if kind == DUE else {"wrong": 0, "refused": 0}
                for at, row in enumerate(rows):
                    became, turn = ask(home, row, f"{kind} {at}")
                    counts[became] += 1
                    if options.show:
                        print(language, kind, became, row["question"], turn.answer, sep=" | ", file=sys.stderr)
                result.setdefault(language, {})[kind] = counts
    print(json.dumps(result, indent=None if options.json else 1))


if __name__ == "__main__":
    main()
