"""Questions with slips in their spelling: how much of what the right spelling finds is found?

    python benchmarks/misspelt.py [--part dev|held|all] [--json] [--show]

English questions over the demo's handbook and Chinese ones over a Chinese handbook (`benchmarks/misspelt.jsonl`), each as it
should be written and as somebody typed it, made by somebody who had not seen the code. `--part` takes every second one of each
language. A passage is right if it holds the quoted words. Prints recall@5 of either spelling, and how much of the one the other
keeps. The embedder is that of the settings (RAGBOT_EMBEDDER).
"""

import json
import sys
import time

from handbooks import HANDBOOKS, HERE, PARTS, holds, home_with, options

from ragbot import Memory
from ragbot.text.tokens import has_cjk

DEPTH = 5


def read(part):
    """The questions by their language."""
    rows = [json.loads(line) for line in (HERE / "misspelt.jsonl").read_text(encoding="utf-8").splitlines() if line]
    found = {language: [row for row in rows if has_cjk(row["question"]) == (language == "zh")] for language in HANDBOOKS}
    return {language: of[PARTS[part]] for language, of in found.items()}


def recalled(memory, rows, spelling):
    """Which questions find their passage, and the milliseconds that each takes."""
    found, took = [], []
    for row in rows:
        memory.cool()  # a question that was corrected is the one that was asked before
        began = time.perf_counter()
        hits = memory.recall(row[spelling], DEPTH)
        took.append(1000 * (time.perf_counter() - began))
        found.append(any(holds(hit.chunk.text, row["quote"]) for hit in hits))
    return found, took


def main():
    given = options(__doc__).parse_args()
    result: dict = {}
    for language, rows in read(given.part).items():
        if not rows:
            continue
        with home_with(language) as home, Memory.open(home) as memory:
            result["embedder"] = memory.embedder().model
            (right, quick), (slips, took) = (recalled(memory, rows, spelling) for spelling in ("question", "misspelt"))
            for row, before, after in zip(rows, right, slips, strict=True) if given.show else ():
                mark = f"{'found' if after else 'missed' if before else 'never found'}"
                unasked = dict(memory.corrected(row["question"]))
                print(mark, row["misspelt"], dict(memory.corrected(row["misspelt"])), unasked or "", file=sys.stderr)
        result[language] = {
            "questions": len(rows),
            "right R@5": round(sum(right) / len(rows), 3),
            "misspelt R@5": round(sum(slips) / len(rows), 3),
            "kept": round(sum(slips) / max(1, sum(right)), 3),
            "ms": [round(sorted(of)[len(of) // 2], 1) for of in (quick, took)],
        }
    print(json.dumps(result, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
