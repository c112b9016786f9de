"""Trains the cross-encoder that comes with ragbot, in three steps.

    python -m training.cross_encoder prepare SETS DATA           # rows in tokens, one file of 34 MB
    python -m training.cross_encoder train                       # about 100 minutes on 2 cores with bfloat16, minutes on a GPU
    python -m training.cross_encoder export                      # the file in the package

`train` goes on from its last checkpoint. On a machine without network and packages it needs PyTorch and transformers only
(`training/gpu.sh`): it leaves its weights in files of at most 16 MB, which `export --weights FOLDER` reads.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ragbot.errors import RagbotError
from training.cross_encoder import packed
from training.cross_encoder.network import LAYERS, CrossEncoder
from training.cross_encoder.trainer import STEP, Trainer

PART = 12_000_000
"""The most bytes of a file of weights, before compression."""
Said = dict[str, Any]


def prepare(given: argparse.Namespace) -> Said:
    """Write the rows in tokens."""
    from training.cross_encoder import rows

    found = rows.read(given.sets, given.data, given.seed, given.share)
    return {"rows": len(found), "tokens": packed.pack(found, given.packed, given.seed)}


def train(given: argparse.Namespace) -> Said:
    """Train, and write the weights in parts."""
    torch.manual_seed(given.seed)
    began = time.perf_counter()
    rows = packed.load(given.packed)
    network = CrossEncoder(rows.body, given.layers)
    if given.start:
        _take(network, given.start)
    run = Trainer(rows, network, given.work, given.seed, lambda text: print(text, flush=True))
    steps = run.train(given.epochs, given.rate, given.step, given.minutes)
    parts, size = [dict[str, Any]()], 0
    for name, value in network.trained().items():
        one = value.half().cpu().numpy()
        if size + one.nbytes > PART:
            parts.append({})
            size = 0
        parts[-1][name] = one
        size += one.nbytes
    given.weights.mkdir(parents=True, exist_ok=True)
    for at, part in enumerate(parts):
        np.savez_compressed(given.weights / f"part-{at}.npz", **part)
    said = {"rows": len(rows.task), "tokens": len(rows.ids), "layers": given.layers, "seed": given.seed, "epochs": given.epochs}
    said |= {"rate": given.rate, "tokens_of_a_step": given.step, "steps": steps, "device": str(run.device)}
    said["minutes"] = round((time.perf_counter() - began) / 60, 1)
    (given.weights / "training.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    return said


def _take(network: CrossEncoder, folder: Path) -> None:
    """Take over the weights that a training left in a folder."""
    for file in sorted(folder.glob("part-*.npz")):
        with np.load(file) as part:
            network.load_state_dict({name: torch.from_numpy(part[name]).float() for name in part.files}, strict=False)


def export(given: argparse.Namespace) -> Said:
    """Write the weights in 8 bits."""
    from ragbot.models.bundled.e5 import E5
    from ragbot.models.cross_encoder import WEIGHTS
    from training.cross_encoder import export as files

    trained = json.loads((given.weights / "training.json").read_text(encoding="utf-8"))
    rows, body = packed.load(given.packed), E5().weights()
    network = CrossEncoder(rows.body, trained["layers"])
    _take(network, given.weights)
    out = given.out or WEIGHTS
    files.export(network, body, rows, range(LAYERS - trained["layers"], LAYERS), out)
    (out.parent / "training.json").write_text(json.dumps(trained, indent=1) + "\n", encoding="utf-8")
    return {"file": out.name, "MB": round(out.stat().st_size / 1e6, 1)}


def main() -> int:
    """Do one of the steps, and say how it goes."""
    parser = argparse.ArgumentParser(
        prog="python -m training.cross_encoder", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(required=True, metavar="STEP")
    for name, step in (("prepare", prepare), ("train", train), ("export", export)):
        one = steps.add_parser(name, help=step.__doc__)
        one.set_defaults(run=step)
        one.add_argument("--packed", type=Path, default=Path(".training/packed"), help="where the rows in tokens are")
        if name == "prepare":
            one.add_argument("sets", type=Path, metavar="SETS", help="the folder of sets that may train, <set>.jsonl.gz")
            one.add_argument("data", type=Path, metavar="DATA", help="the folder that holds squad_style")
            one.add_argument("--share", type=float, default=1.0, help="how much of the public sets is taken (default: 1.0, all)")
        else:
            one.add_argument("--weights", type=Path, default=Path(".training/weights"), help="where the trained weights are")
        if name == "train":
            one.add_argument("--work", type=Path, default=Path(".training/work"), help="where the checkpoint is kept")
            one.add_argument(
                "--start", type=Path, help="the weights to go on from (a folder of parts; default: those of the body)"
            )
            one.add_argument("--epochs", type=int, default=1)
            one.add_argument("--rate", type=float, default=1e-4, help="the highest learning rate (default: 1e-4)")
            one.add_argument("--tokens", type=int, dest="step", default=STEP, help=f"tokens of a step (default: {STEP})")
            one.add_argument("--minutes", type=float, default=float("inf"), help="when to have ended (default: whenever)")
            one.add_argument("--layers", type=int, default=8, help="how many upper layers are trained (default: 8)")
        one.add_argument("--seed", type=int, default=1)
        if name == "export":
            one.add_argument("--out", type=Path, help="the file that is written (default: the one in the package)")
    given = parser.parse_args()
    try:
        said = given.run(given)
    except (RagbotError, OSError) as cause:
        print(f"error: {cause}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    print(json.dumps(said, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
