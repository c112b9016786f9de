"""ragbot and its rivals, one after the other in one run, on the same texts, vectors and questions.

    python benchmarks/compare.py engine CORPUS --out FILE [--counts 20000 200000] [--rivals chroma txtai ...]
    python benchmarks/compare.py ingest CORPUS --out FILE [--limit 1000] [--turns 3]

CORPUS is what `benchmarks/corpus.py` made. The rivals run in the environment that `make rivals` makes; what each does is told
in `rivals.py`, and one that is not installed is named and skipped. FILE gets one JSON object, with command, data and machine
first; it is written again after each part. The exit status is 1 if a part failed.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from corpus import machine

HERE = Path(__file__).parent
RIVALS = ("langchain", "chroma", "txtai", "llamaindex")


def run(python, *words):
    """The JSON object that a command prints last; what went wrong, if something did."""
    began = time.monotonic()
    done = subprocess.run([python, *map(str, words)], capture_output=True, text=True)
    took = {"whole_s": round(time.monotonic() - began, 1)}
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1:] or done.returncode, **took}
    return {**json.loads(done.stdout.strip().splitlines()[-1]), **took}


def engine(options, keep):
    for count in options.counts:
        with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
            keep(f"ragbot {count}", run(sys.executable, HERE / "engine.py", options.corpus, f"{folder}/home", "--count", count))
        for name in options.rivals:
            store = Path(tempfile.mkdtemp(dir=options.scratch))
            common = [options.corpus, "--store", store, "--budget", options.budget]
            found = run(options.python, HERE / "rivals.py", name, "engine", *common, "--count", count)
            keep(f"{name} {count}", found)
            if "skipped" not in found:
                keep(f"{name} {count} open", run(options.python, HERE / "rivals.py", name, "open", *common))
            shutil.rmtree(store)


def ingest(options, keep):
    """In turns, so that a change of the machine's mood meets all."""
    turns = {name: [] for name in ("ragbot", *options.rivals, "sentence-transformers", "ragbot embed")}
    for _ in range(options.turns):
        for name, seen in turns.items():
            limit = ["--limit", options.limit]
            with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
                if name.startswith("ragbot"):
                    embed = ["--embed"] if "embed" in name else []
                    done = run(sys.executable, HERE / "throughput.py", options.corpus, *limit, *embed)
                elif name == "sentence-transformers":
                    done = run(options.python, HERE / "rivals.py", name, "embed", options.corpus, *limit)
                else:
                    done = run(options.python, HERE / "rivals.py", name, "ingest", options.corpus, "--store", folder, *limit)
            seen.append(done.get("passages_per_s", done))
            numbers = [rate for rate in seen if isinstance(rate, float)]
            keep(name, {"passages_per_s": statistics.median(numbers) if numbers else None, "turns": seen})


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["engine", "ingest"])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--counts", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--rivals", nargs="*", choices=RIVALS, default=RIVALS)
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--budget", type=float, default=120)
    parser.add_argument("--python", default=str(HERE.parent / ".venv-rivals" / "bin" / "python"), help="the rivals' interpreter")
    parser.add_argument("--scratch", type=Path, help="where their stores lie meanwhile; else the system's temporary folder")
    options = parser.parse_args(argv)
    if not shutil.which(options.python):
        parser.error(f"{options.python}: there is no such interpreter; run `make rivals`, or give --python")
    asked = {"engine": ["counts", "rivals", "budget"], "ingest": ["limit", "turns", "rivals"]}[options.task]
    words = [f"--{name} {' '.join(map(str, np.atleast_1d(getattr(options, name))))}" for name in asked]
    failed = []
    result = {
        "command": f"compare.py {options.task} CORPUS --out FILE {' '.join(words)}",
        "data": data(options.corpus),
        "machine": machine(),
        "date": time.strftime("%F"),
    }

    def keep(name, found):
        result[name] = found
        failed.extend([name] if "failed" in json.dumps(found) else [])
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(name, json.dumps(found)[:300], flush=True)

    {"engine": engine, "ingest": ingest}[options.task](options, keep)
    return 1 if failed else 0


def data(corpus):
    with (corpus / "texts.jsonl").open(encoding="utf-8") as lines:
        texts = [json.loads(line) for line in lines]
    return f"{len(texts)} passages, {sum(map(len, texts)) / len(texts):.0f} characters on average (corpus.py)"


if __name__ == "__main__":
    sys.exit(main())
