"""What the check of claims lets through: true ones, and ones with one thing changed.

    python -m benchmarks.claims [DATA] [--part dev|held|all] [--threshold 0] [--json] [--show]

320 claims over short texts (`benchmarks/claims.jsonl`), in English and Chinese, written in other words than their evidence by
somebody who had not seen the code: `--part` takes every second text. The claims of the organisations that train nothing
(`training/organisations`, `FITTED` with `--part dev`, `REPORTED` with `--part held`), over the passage that they were written on.
With DATA, the folder of public sets, the sentences of human answers of MTRAG and ClapNQ too, over the passages that they stand
on: as they are ("true"), and with one thing changed by `training/cross_encoder/corruptions.py`, by kind of change.
For each: the share that the rules over words let through (`ragbot.answer.lexical`, sentence by sentence of the evidence), and
the share to which the cross-encoder gives a logit of at least `--threshold`. For all of a set: the AUC of the logit, true claims
against false ones.
"""

import argparse
import gzip
import json
import random
import sys
from collections import defaultdict
from pathlib import Path

from sklearn.metrics import roc_auc_score

from ragbot.answer.lexical import lexically_entailed
from ragbot.models.cross_encoder import CrossEncoder
from ragbot.text.sentences import sentences
from training import organisations
from training.cross_encoder.corruptions import KINDS, altered

HERE = Path(__file__).parent
LEAST_WORDS, MOST_CLAIMS = 5, 150
PARTS = {"dev": slice(0, None, 2), "held": slice(1, None, 2), "all": slice(None)}


def written(part):
    """(group, claim, evidence, whether it is supported) of the claims that were written for this."""
    rows = [json.loads(line) for line in (HERE / "claims.jsonl").read_text(encoding="utf-8").splitlines()]
    chosen = set(list(dict.fromkeys(row["evidence"] for row in rows))[PARTS[part]])
    for row in rows:
        if row["evidence"] in chosen:
            yield f"{row['language']} {row['kind']}", row["claim"], [("", row["evidence"])], row["label"] == "supported"


def of_organisations(part):
    """The same of the organisations that train nothing."""
    names = {"dev": organisations.FITTED, "held": organisations.REPORTED, "all": organisations.FITTED | organisations.REPORTED}
    for one in organisations.read(names[part]):
        for claim in one.claims:
            heading, said = organisations.evidence(one, claim)
            yield f"organisations {claim.kind}", claim.text, [(heading, " ".join(said))], claim.label == "supported"


def answers(data):
    """(set, sentence of a human answer, the passages that it stands on)."""

    def records(file):
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    clapnq = {one["id"]: (one["title"], one["text"]) for one in records(data / "clapnq_dev/corpus.jsonl.gz")}
    for one in records(data / "clapnq_dev/qa.jsonl"):
        if one["answerable"]:
            yield "clapnq", one["answers"][0], [clapnq[id] for id in one["passage_ids"]]
    corpus = {
        one["id"]: (one["title"], one["text"])
        for name in ("clapnq", "fiqa")
        for one in records(data / f"mtrag/corpus_{name}.jsonl.gz")
    }
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
    parser.add_argument("--part", choices=PARTS, default="all")
    parser.add_argument("--threshold", type=float, default=0.0, help="the least logit of a supported claim (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--show", action="store_true", help="what was judged wrongly, on standard error")
    options = parser.parse_args(argv)
    model, found = CrossEncoder(), defaultdict(list)
    claims = [*written(options.part), *of_organisations(options.part), *(public(options.data) if options.data else ())]
    for group, claim, evidence, due in claims:
        rules = any(lexically_entailed(claim, text[s.start : s.end]) for _, text in evidence for s in sentences(text))
        logit = max(model.check(claim, evidence))
        for name in (group, f"{group.split()[0]} {'supported' if due else 'false'}", f"{group.split()[0]} all"):
            found[name].append((due, rules, logit))
        if options.show and (logit >= options.threshold) != due:
            print(group, f"{logit:.1f}", claim, sep="\t", file=sys.stderr)
    result = {}
    for name, some in sorted(found.items()):
        due, rules, logits = zip(*some, strict=True)
        result[name] = {"claims": len(some)}
        if len(set(due)) > 1:
            result[name]["AUC"] = round(float(roc_auc_score(due, logits)), 3)
            continue
        by_model = sum(one >= options.threshold for one in logits)
        result[name] |= {"rules": sum(rules), "model": by_model}
        result[name] |= {key: round(result[name][key] / len(some), 3) for key in ("rules", "model")}
    if options.json:
        print(json.dumps(result))
    else:
        for name, figures in result.items():
            print(f"{name:26}", *(f"{key} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
