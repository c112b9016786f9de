"""What the check of claims lets through: true ones, and ones with one thing changed.

    python -m benchmarks.claims [DATA] [--part dev|held|all] [--json] [--show]

320 claims over short texts (`benchmarks/claims.jsonl`), in English and Chinese, written in other words than their evidence by
somebody who had not seen the code: `--part` takes every second text. With DATA, the folder of public sets, the sentences of
human answers of MTRAG and ClapNQ too, over the passages that they stand on: as they are ("true"), and with one thing changed by
`training/cross_encoder/corruptions.py`, by kind of change. For each: the share that the rules over words let through
(`ragbot.answer.lexical`), sentence by sentence of the evidence.
"""

import argparse
import gzip
import json
import random
import sys
from collections import defaultdict
from pathlib import Path

from ragbot.answer.lexical import lexically_entailed
from ragbot.text.sentences import sentences
from training.cross_encoder.corruptions import KINDS, altered

HERE = Path(__file__).parent
LEAST_WORDS, MOST_CLAIMS = 5, 150


def written(part):
    """(group, claim, evidence, whether it is supported) of the claims that were written for this."""
    rows = [json.loads(line) for line in (HERE / "claims.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = list(dict.fromkeys(row["evidence"] for row in rows))
    chosen = set({"dev": texts[::2], "held": texts[1::2], "all": texts}[part])
    for row in rows:
        if row["evidence"] in chosen:
            yield f"{row['language']} {row['kind']}", row["claim"], row["evidence"], row["label"] == "supported"


def answers(data):
    """(set, sentence of a human answer, the passages that it stands on)."""

    def records(file):
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    clapnq = {one["id"]: one["text"] for one in records(data / "clapnq_dev/corpus.jsonl.gz")}
    for one in records(data / "clapnq_dev/qa.jsonl"):
        if one["answerable"]:
            yield "clapnq", one["answers"][0], [clapnq[id] for id in one["passage_ids"]]
    corpus = {one["id"]: one["text"] for name in ("clapnq", "fiqa") for one in records(data / f"mtrag/corpus_{name}.jsonl.gz")}
    for one in records(data / "mtrag/tasks.jsonl.gz"):
        if one["answerability"] == "ANSWERABLE" and all(id in corpus for id in one["evidence"]) and one["evidence"]:
            yield "mtrag", one["answers"][0], [corpus[id] for id in one["evidence"]]


def public(data):
    """The claims of the public sets: true ones, and changed ones."""
    rng = random.Random(0)
    by_set = defaultdict(list)
    for name, answer, passages in answers(data):
        for span in sentences(answer):
            if len(answer[span.start : span.end].split()) >= LEAST_WORDS:
                by_set[name].append((answer[span.start : span.end], passages))
    for name, some in by_set.items():
        for claim, passages in rng.sample(some, min(MOST_CLAIMS, len(some))):
            yield f"{name} true", claim, passages, True
            for kind in KINDS:
                if (other := altered(claim, kind, rng)) and other != claim:
                    yield f"{name} {kind}", other, passages, False


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--part", choices=("dev", "held", "all"), default="all")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--show", action="store_true", help="what was judged wrongly, on standard error")
    options = parser.parse_args(argv)
    counts = defaultdict(list)
    for group, claim, evidence, due in [*written(options.part), *(public(options.data) if options.data else ())]:
        pieces = [evidence] if isinstance(evidence, str) else evidence
        passed = any(lexically_entailed(claim, text[s.start : s.end]) for text in pieces for s in sentences(text))
        for name in (group, f"{group.split()[0]} {'supported' if due else 'false'}"):
            counts[name].append(passed)
        if options.show and passed != due:
            print(group, claim, sep="\t", file=sys.stderr)
    result = {name: {"claims": len(some), "passed": round(sum(some) / len(some), 3)} for name, some in sorted(counts.items())}
    if options.json:
        print(json.dumps(result))
    else:
        for name, figures in result.items():
            print(f"{name:22}", *(f"{key} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
