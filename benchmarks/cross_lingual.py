"""Questions in one language over documents in the other: is the passage found, and what is answered?

    python benchmarks/cross_lingual.py [--part dev|held|all] [--mixed] [--answers] [--json] [--show]

Sixty Chinese questions over the demo's English handbook and sixty English ones over a Chinese handbook
(`benchmarks/cross_lingual/`), written by somebody who had not seen the code. The demo's handbook has a Chinese page, which stands
in the way; with `--mixed` both handbooks lie in one home, and each answers much of what is asked of the other. `--part`
takes every second question (benchmarks/README.md says what was seen of them). A passage is right if it holds the quoted words.
With `--answers` each is asked of a chat too: right (the quoted words are in what it cites), wrong (others are), or refused. The
embedder is that of the settings (RAGBOT_EMBEDDER).
"""

import json
import sys
import time

from handbooks import HANDBOOKS, HERE, PARTS, cites, holds, home_with, options

from ragbot import Chat, Memory

OVER = {"zh_over_en": "en", "en_over_zh": "zh"}
"""The language of the handbook by the way that the questions go."""
DEPTHS = 1, 5


def read(part):
    """The questions by the way that they go."""
    found = {}
    for way in OVER:
        lines = (HERE / f"cross_lingual/{way}.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line]
        found[way] = rows[PARTS[part]]
    return found


def recalled(memory, rows):
    """The share of questions whose passage is among the first, by depth, and those that miss."""
    places, took = [], []
    for row in rows:
        began = time.perf_counter()
        hits = memory.recall(row["question"], max(DEPTHS))
        took.append(time.perf_counter() - began)
        places.append(next((at for at, hit in enumerate(hits) if holds(hit.chunk.text, row["quote"])), None))
    shares = {f"R@{k}": round(sum(at is not None and at < k for at in places) / len(rows), 3) for k in DEPTHS}
    missed = [row["question"] for row, at in zip(rows, places, strict=True) if at is None]
    return {**shares, "ms": round(1000 * sorted(took)[len(took) // 2], 1)}, missed


def answered(home, rows):
    """How many answers cite the quoted words, others, or nothing."""
    counts, said = {"right": 0, "wrong": 0, "refused": 0}, []
    for at, row in enumerate(rows):
        with Chat.open(home, session=f"{at}") as chat:
            turn = chat.ask(row["question"])
        kind = "refused" if not turn.grounded else "right" if cites(turn, row["quote"]) else "wrong"
        counts[kind] += 1
        said.append((kind, row["question"], turn.answer, round(turn.confidence, 2)))
    return counts, said


def main():
    parser = options(__doc__)
    parser.add_argument("--mixed", action="store_true", help="both handbooks in one home")
    parser.add_argument("--answers", action="store_true", help="ask a chat too")
    given = parser.parse_args()
    result: dict = {}
    for way, rows in read(given.part).items():
        with home_with(*(HANDBOOKS if given.mixed else [OVER[way]])) as home:
            with Memory.open(home) as memory:
                result["embedder"] = memory.embedder().model
                result[way], missed = recalled(memory, rows)
            if given.show:
                print(way, "missed:", *missed, sep="\n  ", file=sys.stderr)
            if given.answers:
                counts, said = answered(home, rows)
                result[way] |= counts
                if given.show:
                    print(*said, sep="\n", file=sys.stderr)
    print(json.dumps(result, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
