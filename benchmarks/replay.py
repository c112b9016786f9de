"""A real stream of edited pages through `ingest sync`, date by date: what an edit costs, and whether anything stale is found.

    python benchmarks/replay.py FOLDER [--langs en zh]     # prints one JSON object; progress on standard error

FOLDER holds `versions.jsonl.gz` ({"page", "lang", "date", "text"}: a page is in force from its date until its next version)
and `pairs.jsonl.gz` ({"page", "lang", "from", "to", "removed": […], "added": […]}, paragraphs).
"""

import argparse
import gzip
import json
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from corpus import machine

from ingest import pipeline
from ragbot import Memory
from ragbot.text.chunks import CJK_WEIGHT, MAX_PASSAGE_CHARACTERS

K = 1_000


def rows(file):
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--langs", nargs="+", default=["en", "zh"])
    options = parser.parse_args(argv)
    versions = defaultdict(list)
    for row in rows(options.folder / "versions.jsonl.gz"):
        if row["lang"] in options.langs:
            versions[row["date"]].append(row)
    pairs = {(row["page"], row["to"]): row for row in rows(options.folder / "pairs.jsonl.gz")}
    with tempfile.TemporaryDirectory() as aside, Memory.open(Path(aside) / "home") as memory:
        dates = [replay(memory, Path(aside) / "docs", date, versions[date], pairs) for date in sorted(versions)]
    found = {"command": " ".join(["benchmarks/replay.py", options.folder.name, "--langs", *options.langs]), "machine": machine()}
    edits = [one for one in dates if one["paragraphs_added"]]
    total = {key: sum(one[key] for one in edits) for key in ("paragraphs_added", "paragraphs_changed", "embedded_of_edited")}
    total["embedded_per_added_paragraph"] = round(total["embedded_of_edited"] / total["paragraphs_added"], 3)
    print(json.dumps({**found, "dates": dates, "all_edits": total}, indent=1))


def replay(memory, docs, date, versions, pairs):
    for row in versions:
        path = docs / row["page"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(row["text"], encoding="utf-8")
    began = time.monotonic()
    outcomes = pipeline.sync(memory, docs)
    took = time.monotonic() - began
    again = pipeline.sync(memory, docs)
    edited = [pairs[row["page"], date] for row in versions if (row["page"], date) in pairs]
    of_edited = {f"docs/{pair['page']}" for pair in edited}
    text = {row["page"]: {line.strip() for line in row["text"].split("\n")} for row in versions}
    stale, missing, removed, added = [], [], 0, 0
    for pair in edited:
        uri, current = f"docs/{pair['page']}", text[pair["page"]]
        for paragraph in pair["removed"]:
            if words(paragraph) and paragraph.strip() not in current:
                removed += 1
                stale += [(uri, paragraph)] * is_found(memory, paragraph, uri)
        for paragraph in pair["added"]:
            if words(paragraph) and paragraph.strip() in current:
                added += 1
                missing += [(uri, paragraph)] * (not is_found(memory, paragraph, uri))
    for problem in (*(("stale", *one) for one in stale), *(("missing", *one) for one in missing)):
        print(problem, file=sys.stderr)
    return {
        "date": date,
        "pages": len(versions),
        "seconds": round(took, 2),
        "embedded": sum(outcome.chunks.embedded for outcome in outcomes),
        "embedded_of_edited": sum(outcome.chunks.embedded for outcome in outcomes if outcome.uri in of_edited),
        "paragraphs_added": sum(len(pair["added"]) for pair in edited),
        "paragraphs_changed": sum(max(len(pair["added"]), len(pair["removed"])) for pair in edited),
        "removed_asked": removed,
        "removed_but_found": len(stale),
        "added_asked": added,
        "added_but_not_found": len(missing),
        "embedded_when_replayed": sum(outcome.chunks.embedded for outcome in again),
        "statuses_when_replayed": sorted({outcome.status for outcome in again}),
    }


def words(paragraph):
    return any(char.isalnum() for char in paragraph)


def is_found(memory, paragraph, uri):
    """Whether the passages of the page that recall gives, and copies of them, hold the paragraph as a line of its own.

    A line that is longer than a passage is in several.
    """
    hits = memory.recall(paragraph[:2000], K, uris=[uri])
    chunks = sorted((chunk for hit in hits for chunk in (hit.chunk, *hit.also)), key=lambda chunk: chunk.ord)
    if len(paragraph) > MAX_PASSAGE_CHARACTERS // CJK_WEIGHT:
        return "".join(paragraph.split()) in "".join("".join(chunk.text.split()) for chunk in chunks)
    return any(paragraph.strip() in {line.strip() for line in chunk.text.split("\n")} for chunk in chunks)


if __name__ == "__main__":
    main()
