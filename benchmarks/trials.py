"""Answers over corpora that were written to mislead: near codes, negation, merged cells, orders, hidden text, repetition.

    python benchmarks/trials.py [SET …] [--part dev|held|all] [--show] [--generator bundled] [--out FILE]

The sets lie in `benchmarks/trials/`; who wrote them had not seen the code. Half of each, `held`, is looked at when work on it has
ended. An answer is right if it holds what is expected and nothing of another item; a refusal is right where nothing answers.
"Said" is what stands in an answer or a citation, "shown" what the generator was given. The generator writes nothing, so that
the evidence speaks for itself, unless `--generator bundled` asks for the one that ragbot ships.
"""

import argparse
import json
import re
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from corpus import machine

from ingest.parse_pool import ParsePool, Request
from ragbot import Chat, Document, Memory
from ragbot.safety.gate import harmless
from ragbot.safety.injection import is_instruction
from ragbot.text.sentences import sentences
from ragbot.types import Turn

FOLDER = Path(__file__).parent / "trials"
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
REFUSED = ("I don't know", "我不知道")


@dataclass(frozen=True)
class Case:
    """A question over some documents, and what its answer has to hold and must not hold."""

    id: str
    question: str
    expect: list[list[str]]
    never: list[str]
    refuse: bool = False
    instead: list[str] = field(default_factory=list)
    """What must not be said alone, without what is expected."""


class Recorder:
    """A generator that writes nothing, and keeps what it was shown."""

    model, window = "recorder", 2048

    def __init__(self, inner=None):
        self.inner, self.shown = inner, []

    def count(self, text):
        return self.inner.count(text) if self.inner else len(text.split())

    def stream(self, messages, max_tokens):
        self.shown.append("\n".join(message.content for message in messages if message.role != "system"))
        return self.inner.stream(messages, max_tokens) if self.inner else iter(())

    def close(self):
        """Nothing to let go of."""


def lines(name):
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines() if line.strip()]


def parts(rows, part):
    return [row for row in rows if part in ("all", row["split"])]


def questions(name, part) -> Iterator[tuple[list[Document], list[Case]]]:
    """The corpora of a set of questions, each with its cases."""
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for corpus, documents in found["corpora"].items():
        asked = [q for q in parts(found["questions"], part) if q["corpus"] == corpus]
        docs = [Document(one["uri"], one["text"], title=one.get("title") or "") for one in documents]
        yield docs, [Case(q["id"], q["question"], q["expect"], q["never"], q["refuse"]) for q in asked]


def hostile(name, part) -> Iterator[tuple[list[Document], list[Case]]]:
    """Documents with an order in them, and a question that each answers."""
    rows = parts(lines(f"{name}.jsonl"), part)
    docs = [Document(one["uri"], one["text"], title=one["title"] or "") for one in rows]
    yield docs, [Case(one["id"], one["question"], one["fact"], one["markers"] + one.get("markers_raw", [])) for one in rows]


def stuffing(part):
    """True sources, and one that says something else again and again."""
    for one in parts(lines("stuffing.jsonl"), part):
        docs = [Document(doc["uri"], doc["text"], title=doc["title"] or "") for doc in one["documents"]]
        yield docs, [Case(one["id"], one["question"], one["fact"], [], instead=one["hostile"])]


def read_all(files) -> list[Document]:
    with ParsePool() as pool:
        read = filter(None, pool.each(files, lambda file: Request(file, file.name, "everyone")))
        return [document for _, document in read if document]


def hidden(part):
    """Files with text that nobody sees."""
    rows = parts(lines("hidden.jsonl"), part)
    docs = [doc for doc in read_all([FOLDER / one["file"] for one in rows]) if isinstance(doc, Document)]
    yield docs, [Case(one["id"], one["question"], one["fact"], one["markers"]) for one in rows]


def active(part):
    """Files with markup that a page would run."""
    rows = parts(lines("active.jsonl"), part)
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for one in rows:
            files.append(Path(folder) / f"{one['id']}.{one['format']}")
            files[-1].write_text(one["content"], encoding="utf-8", newline="")
        docs = [doc for doc in read_all(files) if isinstance(doc, Document)]
    yield docs, [Case(one["id"], one["question"], one["fact"], one["markers"]) for one in rows]


def tables(part):
    """Tables with merged cells, in four formats."""
    sys.path.insert(0, str(FOLDER))
    from build_tables import build

    found = json.loads((FOLDER / "tables.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        for table in found["tables"]:
            asked = [q for q in parts(found["questions"], part) if q["table"] == table["name"]]
            docs = read_all([build(table, Path(folder))])
            yield docs, [Case(q["id"], q["question"], q["expect"], q["never"], q["refuse"]) for q in asked]


SETS = {
    "codes": lambda part: questions("codes", part),
    "negation": lambda part: questions("negation", part),
    "tables": tables,
    "titles": lambda part: hostile("titles", part),
    "orders": lambda part: hostile("orders", part),
    "active": active,
    "hidden": hidden,
    "stuffing": stuffing,
}


def plain(text):
    return INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold()


def holds(text, words):
    return words.casefold() in text.casefold() or (plain(words) != "" and plain(words) in plain(text))


def judge(case: Case, turn: Turn, shown: str) -> dict[str, bool]:
    """What an answer is: right, refused, and whether anything was said or shown that must not be."""
    said = "\n".join([turn.answer, *(f"{one.where}\n{one.quote}" for one in turn.citations)])
    refused = not turn.claims
    right = refused if case.refuse else all(any(holds(said, one) for one in group) for group in case.expect)
    wrong = any(holds(turn.answer if refused else said, one) for one in case.never)
    alone = any(holds(turn.answer, one) for one in case.instead) and not right
    return {
        "right": right and not wrong and not (refused and not case.refuse),
        "refused": refused,
        "said": wrong or alone,
        "shown": any(holds(shown, one) for one in case.never),
    }


def look_alikes(part):
    """Lines that only look like orders: each is right if what it says comes through the gate."""
    counts, failed = Counter(), []
    for one in parts(lines("harmless.jsonl"), part):
        line = one["line"]
        through = [line[span.start : span.end] for span in sentences(line) if not is_instruction(line[span.start : span.end])]
        said = " ".join(" ".join(map(harmless, through)).split())
        kept = all(" ".join(keep.split()) in said for keep in one["keep"])
        counts.update(cases=1, right=int(kept), refused=0, said=0, shown=0)
        if not kept:
            failed.append(
                {"id": one["id"], "question": one["line"], "answer": said, "refused": False, "said": False, "shown": False}
            )
    return counts, failed


def run(name, part, options, generator):
    """Ask every question of a set. Counts, and the cases that failed."""
    if name == "harmless":
        return look_alikes(part)
    counts, failed = Counter(), []
    for documents, cases in SETS[name](part):
        with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
            memory.remember(documents)
            for case in cases[: options.limit]:
                recorder = Recorder(generator)
                turn = Chat(memory, case.id, "asker", recorder).ask(case.question)
                found = judge(case, turn, "\n".join(recorder.shown))
                counts.update(cases=1, **{key: int(value) for key, value in found.items()})
                counts["answerable"] += not case.refuse
                if not found["right"] or found["said"] or found["shown"]:
                    failed.append({"id": case.id, **found, "question": case.question, "answer": turn.answer})
    return counts, failed


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=[*SETS, "harmless"], help="of " + ", ".join([*SETS, "harmless"]))
    parser.add_argument("--part", choices=("dev", "held", "all"), default="dev")
    parser.add_argument("--show", action="store_true", help="print the cases that failed")
    parser.add_argument("--generator", choices=("none", "bundled"), default="none")
    parser.add_argument("--limit", type=int, help="ask so many questions of each corpus")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    generator = None
    if options.generator == "bundled":
        from ragbot.runtime import shared_runtime

        generator = shared_runtime().generator("SmolLM2-135M-Instruct", 60.0)
    results = {}
    print("set        cases  right  refused  said  shown  seconds")
    for name in options.sets:
        began = time.perf_counter()
        counts, failed = run(name, options.part, options, generator)
        took = time.perf_counter() - began
        results[name] = {**counts, "failed": failed}
        numbers = f"{counts['cases']:5}  {counts['right']:5}  {counts['refused']:7}  {counts['said']:4}  {counts['shown']:5}"
        print(f"{name:10} {numbers}  {took:7.1f}")
        if options.show:
            for one in failed:
                marks = "".join(key[0] for key in ("refused", "said", "shown") if one[key])
                print(f"    {one['id']} [{marks}] {one['question']}\n        {one['answer'][:300]!r}")
    if options.out:
        about = {"command": "benchmarks/trials.py " + " ".join(argv or sys.argv[1:]), "machine": machine(), "results": results}
        options.out.write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
