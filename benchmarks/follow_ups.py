"""What questions that lean on the turns before find: as typed, with the turns, completed by the model, rewritten by a person.

    python -m benchmarks.follow_ups [MTRAG] [--part dev|held|all] [--set clapnq] [--limit N] [--home DIR] [--json] [--show]

Follow-ups of the organisations that train nothing (`training/organisations`: `FITTED` with `--part dev`, `REPORTED` with `--part
held`), in English and Chinese, over the documents of all of them in one memory: is the passage with the quoted sentence among the
first five? With the folder of MTRAG, its questions that follow others, over its corpus (in `--home`, kept). Printed is recall@5,
and the milliseconds that completing a question takes (median).
"""

import argparse
import gzip
import json
import statistics
import tempfile
import time
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from ragbot import Document, Memory
from ragbot.models.cross_encoder import CrossEncoder
from ragbot.text.tokens import has_cjk
from training import organisations

PARTS = {
    "dev": organisations.FITTED,
    "held": organisations.REPORTED,
    "all": organisations.FITTED | organisations.REPORTED,
}


def recalls(memory, group, follow_up, relevant, model, found, took, show):
    """Ask in every way, and note what part of what is relevant is among the first five."""
    question, history, rewritten = follow_up
    began = time.perf_counter()
    needed = model.needed([text for _, text in history], question)
    took.append(1000 * (time.perf_counter() - began))
    completed = " ".join((question, *needed))
    ways = {
        "as typed": (question, ()),
        "with the turns": (question, history),
        "completed": (completed, ()),
        "completed, with the turns": (completed, history),
        "rewritten by a person": (rewritten, ()),
        "rewritten, with the turns": (rewritten, history),
    }
    for way, (text, said) in ways.items():
        found[group][way].append(relevant(memory.recall(text, 5, history=said)))
    if show:
        print(f"{question} | {' · '.join(needed)} | {rewritten}")


def of_organisations(part, model, found, took, show):
    """The follow-ups of organisations that train nothing."""
    every = organisations.read(PARTS[part])
    with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
        memory.remember([replace(each, uri=f"{one.name}/{each.uri}") for one in every for each in one.documents])
        for one in every:
            for each in one.follow_ups:

                def relevant(hits, one=one, each=each):
                    uri = f"{one.name}/{each.document}"
                    return any(hit.chunk.uri == uri and organisations.holds(hit.chunk.text, each.quote) for hit in hits)

                history = [(("user", "assistant")[at % 2], text) for at, text in enumerate(each.turns)]
                language = "Chinese" if has_cjk(each.question) else "English"
                follow_up = each.question, history, each.stand_alone
                recalls(memory, language, follow_up, relevant, model, found, took, show)


def of_mtrag(folder, name, home, limit, model, found, took, show):
    """The questions of MTRAG that follow others."""

    def lines(file):
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as opened:
            yield from opened

    relevant = defaultdict(set)
    for line in lines(folder / f"qrels_{name}.tsv"):
        query, document, grade = line.split()
        if grade.isdigit() and int(grade):
            relevant[query].add(document)
    asked = [one for one in map(json.loads, lines(folder / f"queries_{name}.jsonl")) if one["history"] and one["id"] in relevant]
    with nullcontext(home) if home else tempfile.TemporaryDirectory() as at, Memory.open(at) as memory:
        corpus = map(json.loads, lines(folder / f"corpus_{name}.jsonl.gz"))
        memory.remember(Document(one["id"], one["text"], one["title"]) for one in corpus)
        for one in asked[:limit]:
            due = relevant[one["id"]]
            history = [("user" if said["role"] == "user" else "assistant", said["text"]) for said in one["history"]]

            def share(hits, due=due):
                return len({hit.chunk.uri for hit in hits} & due) / len(due)

            recalls(memory, f"MTRAG {name}", (one["text"], history, one["rewrite"]), share, model, found, took, show)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mtrag", type=Path, nargs="?")
    parser.add_argument("--part", choices=PARTS, default="all")
    parser.add_argument("--set", default="clapnq", help="a set of MTRAG (default: clapnq)")
    parser.add_argument("--limit", type=int, help="only so many questions of MTRAG")
    parser.add_argument("--home", type=Path, help="keep MTRAG's memory here")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--show", action="store_true", help="print each question, the words that are taken over, and the rewritten one"
    )
    given = parser.parse_args(argv)
    model, found, took = CrossEncoder(), defaultdict(lambda: defaultdict(list)), []
    of_organisations(given.part, model, found, took, given.show)
    if given.mtrag:
        of_mtrag(given.mtrag, given.set, given.home, given.limit, model, found, took, given.show)
    result = {
        group: {"questions": len(ways["as typed"]), **{way: round(statistics.mean(some), 3) for way, some in ways.items()}}
        for group, ways in found.items()
    }
    result["ms"] = round(statistics.median(took), 1)
    if given.json:
        print(json.dumps(result))
        return
    for group, figures in result.items():
        print(group, figures if group == "ms" else "")
        for way, figure in figures.items() if group != "ms" else ():
            print(f"  {way:28}{figure}")


if __name__ == "__main__":
    main()
