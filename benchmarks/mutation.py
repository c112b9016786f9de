"""Mutation tests: changes one operator, constant or call of the code at a time, and asks whether a test notices.

    python benchmarks/mutation.py [--minutes 20] [--sample 40] [--out FILE]      # or: make mutate

What is changed, and by which tests it is to be noticed, stands in pyproject.toml ([tool.mutmut]). `--sample` mutants of each
file are tried that were not tried before, drawn with `--seed`; without it all of them. Verdicts are kept in `mutants/`, so the
next run goes on where this one ended; a function that was edited is tried again. The result holds for each file how many mutants
were killed and survived, and each survivor with its change: either a test is missing, or the change means nothing.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from corpus import machine

MUTANTS = Path("mutants")
SPINNER = tuple("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
VERDICTS = {None: "not_tried", 0: "survived", 1: "killed", 3: "killed", 5: "no_tests", 33: "no_tests", 34: "skipped"}
"""Of mutmut's exit codes; others are a crash or a time-out, which count as noticed."""


def mutmut(*words, seconds=None):
    """Run mutmut in the working folder, interrupted after so many seconds: it keeps its verdicts."""
    # What a test starts as a process of its own is to import the changed code too.
    environment = os.environ | {"PYTHONPATH": str(MUTANTS.absolute())}
    command = [shutil.which("mutmut", path=Path(sys.executable).parent) or "mutmut", *words]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            said = process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            said = process.communicate()[0]
        return "\n".join(line for line in said.splitlines() if line[:1] not in SPINNER)


def verdicts():
    """By file, by mutant: what became of it."""
    found = {}
    for file in sorted(MUTANTS.rglob("*.py.meta")):
        codes = json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"]
        if codes:
            name = file.relative_to(MUTANTS).as_posix().removesuffix(".meta")
            found[name] = {mutant: VERDICTS.get(code, "timeout") for mutant, code in codes.items()}
    return found


def chosen(found, sample, seed):
    """Mutants that were not tried, at most `sample` of each file."""
    names = []
    for mutants in found.values():
        left = [name for name, verdict in mutants.items() if verdict == "not_tried"]
        names += left if sample is None else random.Random(seed).sample(left, min(sample, len(left)))
    return names


def change(name):
    """The lines that a mutant takes out and puts in."""
    lines = mutmut("show", name).splitlines()
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def summary(found):
    """By file: how many mutants there are, and what became of them."""
    return {file: {"mutants": len(mutants), **Counter(sorted(mutants.values()))} for file, mutants in found.items()}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", nargs="*", default=[], metavar="FILE", help="only these of the files that are changed")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    began = time.monotonic()
    MUTANTS.mkdir(exist_ok=True)  # a path that is missing when Python starts is not looked at again
    said = mutmut("run", "--max-children", str(options.processes), "no.such.mutant")  # makes them, and maps tests to functions
    found = verdicts()
    if not found or "nothing matches" not in said:
        sys.exit(f"mutmut made no mutants, or the tests fail without one: {said[-4000:]}")
    left = options.minutes * 60 - (time.monotonic() - began)
    names = chosen(
        {file: some for file, some in found.items() if not options.files or file in options.files}, options.sample, options.seed
    )
    if names and left > 0:
        mutmut("run", "--max-children", str(options.processes), *names, seconds=left)
    found = verdicts()
    survivors = [name for mutants in found.values() for name, verdict in mutants.items() if verdict == "survived"]
    result = {
        "command": " ".join(["benchmarks/mutation.py", *(sys.argv[1:] if argv is None else argv)]),
        "machine": machine(),
        "date": time.strftime("%F"),
        "mutmut": importlib.metadata.version("mutmut"),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "files": summary(found),
        "survivors": {name: change(name) for name in survivors},
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
