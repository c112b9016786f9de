"""What the checks of claims let through: true ones, and ones with one thing changed.

    python -m benchmarks.claims [DATA] [--part dev|held|all] [--threshold 0] [--json] [--show]

320 claims over short texts (`benchmarks/claims.jsonl`), in English and Chinese, written in other words than their evidence by
somebody who had not seen the code: `--part` takes every second text. The claims of the organisations that train nothing
(`training/organisations`, `FITTED` with `--part dev`, `REPORTED` with `--part held`), over the passage that they were written on.
For each: the share that the rules for single sentences let through (`ragbot.answer.lexical`), the share that the check of
freely worded claims does (`ragbot.answer.verify.carriers`), and the share to which the cross-encoder's head, which is not in
use, gives a logit of at least `--threshold`, with its AUC.

With DATA, the folder of public sets, human answers of MTRAG and ClapNQ too, over the passages that they stand on, every second
one with `--part`, as if a strong generator had written them (`ragbot.answer.compose`): the share of their sentences that
reach the person, and of the whole answers; and with one thing changed in one sentence by
`training/cross_encoder/corruptions.py`: the share of those changes that do not, by kind, and of the other sentences that do.
"""

import argparse
import gzip
import json
import random
import sys
import tempfile
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

from sklearn.metrics import roc_auc_score

from ragbot import Memory
from ragbot.answer.compose import Composed, written
from ragbot.answer.context import TurnVectors
from ragbot.answer.lexical import lexically_entailed
from ragbot.answer.quote import every_sentence
from ragbot.answer.verify import carriers
from ragbot.models.cross_encoder import CrossEncoder
from ragbot.text.sentences import sentences
from ragbot.types import EVERYONE, Chunk, Hit
from training import organisations
from training.cross_encoder.corruptions import KINDS, altered

HERE = Path(__file__).parent
LEAST_WORDS, MOST_ANSWERS = 5, 120
PARTS = {"dev": slice(0, None, 2), "held": slice(1, None, 2), "all": slice(None)}


def sources(passages):
    """The sentences of each (title, text), as an answer has them."""
    now = datetime.now(UTC)
    chunks = [
        Chunk(number, f"{number}.md", 0, text, 0, len(text), None, "", EVERYONE, now, now, title=title)
        for number, (title, text) in enumerate(passages, 1)
    ]
    return every_sentence([Hit(chunk, 0.0) for chunk in chunks])


def claims(part):
    """(group, claim, (title, text), whether it is supported) of the claims that were written for this."""
    rows = [json.loads(line) for line in (HERE / "claims.jsonl").read_text(encoding="utf-8").splitlines()]
    chosen = set(list(dict.fromkeys(row["evidence"] for row in rows))[PARTS[part]])
    for row in rows:
        if row["evidence"] in chosen:
            yield f"{row['language']} {row['kind']}", row["claim"], ("", row["evidence"]), row["label"] == "supported"
    names = {"dev": organisations.FITTED, "held": organisations.REPORTED, "all": organisations.FITTED | organisations.REPORTED}
    for one in organisations.read(names[part]):
        for claim in one.claims:
            heading, said = organisations.evidence(one, claim)
            yield f"organisations {claim.kind}", claim.text, (heading, " ".join(said)), claim.label == "supported"


def answers(data, part):
    """(set, human answer, the passages that it stands on)."""

    def records(file):
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    clapnq = {one["id"]: (one["title"], one["text"]) for one in records(data / "clapnq_dev/corpus.jsonl.gz")}
    corpus = {
        one["id"]: (one["title"], one["text"])
        for name in ("clapnq", "fiqa")
        for one in records(data / f"mtrag/corpus_{name}.jsonl.gz")
    }
    found = {
        "clapnq": [
            (one["answers"][0], [clapnq[id] for id in one["passage_ids"]])
            for one in records(data / "clapnq_dev/qa.jsonl")
            if one["answerable"]
        ],
        "mtrag": [
            (one["answers"][0], [corpus[id] for id in one["evidence"]])
            for one in records(data / "mtrag/tasks.jsonl.gz")
            if one["answerability"] == "ANSWERABLE" and one["evidence"] and all(id in corpus for id in one["evidence"])
        ],
    }
    rng = random.Random(0)
    for name, some in found.items():
        for answer, passages in rng.sample(some, min(2 * MOST_ANSWERS, len(some)))[PARTS[part]][:MOST_ANSWERS]:
            yield name, answer, passages


def through(answer, passages, vectors):
    """The sentences of an answer, and those of them that reach the person."""
    said = [one.text for one in written([answer]) if not one.leads]
    kept = "\n".join(claim.text for claim in Composed([answer], sources(passages), vectors, 1.0).claims())
    return said, [one for one in said if one in kept]


def of_answers(data, part, vectors):
    """What becomes of human answers, as they are and with one thing changed."""
    counts, rng = defaultdict(Counter), random.Random(1)
    for name, answer, passages in answers(data, part):
        said, kept = through(answer, passages, vectors)
        counts[f"{name} true"] += Counter(sentences=len(said), reach=len(kept), answers=1, whole=len(kept) == len(said))
        for kind in KINDS:
            at = rng.randrange(len(said)) if said else 0
            other = altered(said[at], kind, rng) if said and len(said[at].split()) >= LEAST_WORDS else None
            if not other or other == said[at]:
                continue
            _, kept_too = through(answer.replace(said[at], other, 1), passages, vectors)
            rest = [one for one in kept if one != said[at]]
            stay = sum(one in kept_too for one in rest)
            counts[f"{name} {kind}"] += Counter(changed=1, blocked=other not in kept_too, others=len(rest), stay=stay)
    return {name: dict(some) for name, some in counts.items()}


def of_claims(part, vectors, threshold, show):
    """What the three checks let through of single claims, by kind."""
    model, found = CrossEncoder(), defaultdict(list)
    for group, claim, passage, due in claims(part):
        rules = any(lexically_entailed(claim, passage[1][s.start : s.end]) for s in sentences(passage[1]))
        (evidence,) = sources([passage])
        checked, logit = bool(carriers(claim, evidence, vectors)), max(model.check(claim, [passage]))
        for name in (group, f"{group.split()[0]} {'supported' if due else 'false'}", f"{group.split()[0]} all"):
            found[name].append((due, rules, checked, logit))
        if show and checked != due:
            print(group, claim, sep="\t", file=sys.stderr)
    result = {}
    for name, some in found.items():
        due, rules, checked, logits = zip(*some, strict=True)
        result[name] = {"claims": len(some)}
        if len(set(due)) > 1:
            result[name]["AUC of the model"] = round(float(roc_auc_score(due, logits)), 3)
            continue
        by = {"single sentence": sum(rules), "checked": sum(checked), "model": sum(one >= threshold for one in logits)}
        result[name] |= {key: round(value / len(some), 3) for key, value in by.items()}
    return result


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--part", choices=PARTS, default="all")
    parser.add_argument("--threshold", type=float, default=0.0, help="the least logit of a supported claim (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--show", action="store_true", help="what was judged wrongly, on standard error")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
        vectors = TurnVectors(memory.encode_query, memory.encode, memory.calibration())
        result = of_claims(options.part, vectors, options.threshold, options.show)
        if options.data:
            result |= of_answers(options.data, options.part, vectors)
    if options.json:
        print(json.dumps(result))
    else:
        for name, figures in sorted(result.items()):
            print(f"{name:26}", *(f"{key} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
