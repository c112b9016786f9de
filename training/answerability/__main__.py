"""`python -m training.answerability DATA`: trains the reader that comes with ragbot, and writes it to a file."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from ragbot.errors import RagbotError
from training.answerability import data, trainer

PARTS = "squad_style, doc2dial_val and timeqa_human"


def main() -> int:
    """Train, and say how it goes."""
    parser = argparse.ArgumentParser(prog="python -m training.answerability", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DATA", help=f"the folder that holds {PARTS}")
    parser.add_argument("--work", type=Path, default=Path(".training"), help="where checkpoints are kept (default: .training)")
    parser.add_argument("--out", type=Path, default=Path("reader"), help="the folder that is written (default: reader)")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument(
        "--from", type=Path, dest="start", metavar="READER", help="a reader that was trained before, to go on from"
    )
    parser.add_argument(
        "--epochs", type=int, choices=range(1, 101), metavar="N", default=4, help="how often all is learnt (default: 4)"
    )
    parser.add_argument("--rate", type=float, default=8e-4, help="the highest learning rate (default: 8e-4)")
    given = parser.parse_args()
    start = time.perf_counter()
    try:
        asked = data.read(given.folder, given.seed)
        run = trainer.Trainer(given.work, given.seed, lambda text: print(text, flush=True), given.start)  # noqa: T201
        run.train(asked, given.epochs, given.rate)
        run.export(given.out)
        squad = list(data.squad(given.folder / "squad_style"))
        held = {"chosen on": data.CALIBRATED, "not chosen on": data.REPORTED}
        found = {
            "data": PARTS,
            "rows": len(asked),
            "seed": given.seed,
            "epochs": given.epochs,
            "rate": given.rate,
            "from": given.start and given.start.name,
            "device": str(run.device),
            "minutes": round((time.perf_counter() - start) / 60, 1),
            "auc": {name: run.auc([one for one in squad if one.title in titles]) for name, titles in held.items()},
        }
        (given.out / "training.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    except RagbotError as cause:
        print(f"error: {cause}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)  # noqa: T201
        return 130
    print(json.dumps(found, indent=1))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
