"""Questions with slips in their spelling: how much of what the right spelling finds is found?

    python benchmarks/misspelt.py [--part dev|held|all] [--json] [--show]

English questions over the demo's handbook and Chinese ones over a Chinese handbook (`benchmarks/misspelt.jsonl`), each as it
should be written and as somebody typed it, made by somebody who had not seen the code. `--part` takes every second one of each
language. A passage is right if it holds the quoted words. Prints recall@5 of either spelling, and how much of the one the other
keeps. The embedder is that of the settings (RAGBOT_EMBEDDER).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ragbot import Memory
from ragbot.text.tokens import has_cjk

HERE = Path(__file__).parent
HANDBOOKS = {"en": HERE.parent / "docs/demo/handbook", "zh": HERE / "cross_lingual/handbook-zh"}
DEPTH = 5


def read(part):
    """The questions by their language."""
    rows = [json.loads(line) for line in (HERE / "misspelt.jsonl").read_text(encoding="utf-8").splitlines() if line]
    found = {language: [row for row in rows if has_cjk(row["question"]) == (language == "zh")] for language in HANDBOOKS}
    return {language: {"dev": of[::2], "held": of[1::2], "all": of}[part] for language, of in found.items()}


def holds(text, row):
    return "".join(row["quote"].split()) in "".join(text.split())


def recalled(memory, rows, spelling):
    """Which questions find their passage, and the milliseconds that each takes."""
    found, took = [], []
    for row in rows:
        memory.cool()  # a question that was corrected is the one that was asked before
        began = time.perf_counter()
        hits = memory.recall(row[spelling], DEPTH)
        took.append(1000 * (time.perf_counter() - began))
        found.append(any(holds(hit.chunk.text, row) for hit in hits))
    return found, took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("dev", "held", "all"), default="all")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--show", action="store_true", help="what was read as what, and what was missed, on standard error")
    options = parser.parse_args()
    result: dict = {}
    for language, rows in read(options.part).items():
        if not rows:
            continue
        with tempfile.TemporaryDirectory() as home:
            command = [sys.executable, "-m", "ingest.cli", "add", str(HANDBOOKS[language]), "--home", home, "--json"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            with Memory.open(home) as memory:
                result["embedder"] = memory.embedder().model
                (right, quick), (slips, took) = (recalled(memory, rows, spelling) for spelling in ("question", "misspelt"))
                for row, before, after in zip(rows, right, slips, strict=True) if options.show else ():
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
    print(json.dumps(result, indent=None if options.json else 1))


if __name__ == "__main__":
    main()
