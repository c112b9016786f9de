"""Writes the questions of SQuAD 2.0 about titles that no reader was trained on, over the passages of all titles.

python -m benchmarks.held_out DATA OUT        # DATA: the folder that `python -m training.answerability` takes
ragbot eval answers OUT --plain
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

from training.answerability.data import CALIBRATED, REPORTED


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args(argv)
    given.out.mkdir(parents=True)
    titles = {}
    for kind in ("corpus", "qa"):
        with gzip.open(given.folder / f"squad_style/squad2_cs224n_dev_{kind}.jsonl.gz", "rt", encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
        if kind == "corpus":
            titles = {one["id"]: one["title"] for one in records}
        else:
            held = CALIBRATED | REPORTED
            records = [one | {"category": titles[one["passage"]]} for one in records if titles[one["passage"]] in held]
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records)
        (given.out / f"{kind}.jsonl").write_text(text, encoding="utf-8")
        print(f"{given.out / kind}.jsonl: {len(records)} lines")


if __name__ == "__main__":
    main()
