"""What is left of forgotten documents: every byte of the home is searched after each, and every byte of backups made between.

    python benchmarks/forgetting.py --rounds 2000 [--seed 0] [--out FILE]
    python benchmarks/forgetting.py --rounds 0 --passages 200000 [--forget 20]      # how long one takes in a large home

A round remembers, replaces or forgets documents of up to ten kilobytes, whose sentences occur nowhere else, talks about them,
refreshes now and then, and makes a backup every fifty rounds. After each forget, each sentence of the document is looked for in
the bytes of every file. Vectors are made up, so that no model is timed.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import engine
from corpus import machine

import ragbot.runtime
import ragbot.text.documents
from ragbot import Chat, Document, Memory

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from fakes import FakeEmbedder, FakeGenerator, letter

BACKUP_EVERY, REFRESH_EVERY = 50, 97
SIZES = (2, (4, 20, 60, 160))
"""The least sentences of a document, and what the most is drawn from."""


def left_of(texts, folder):
    """How many sentences of some texts stand in a file of a folder.

    Another process reads: who closes a database file drops the locks that SQLite holds on it in the same process.
    """
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    data = subprocess.run(["cat", *files], stdout=subprocess.PIPE, check=True).stdout
    sentences = {line for text in texts for paragraph in text.split("\n\n") for line in paragraph.split(". ") if len(line) > 12}
    return sum(line.encode() in data for line in sentences)


def rounds(home, count, seed):
    """Random rounds. What was found, and how long a forget took."""
    chance, kept, done = random.Random(seed), {}, {"forgets": 0, "not_cleared": 0, "left": 0, "left_in_backups": 0, "backups": 0}
    took, gone = [], []
    with Memory.open(home) as memory:
        chat = Chat(memory, "talk", "ana", FakeGenerator())
        for number in range(count):
            kept[number] = [letter(chance, number, *SIZES)]
            memory.remember(kept[number][0])
            if chance.random() < 0.3:
                again = Document(kept[number][0].uri, letter(chance, f"{number}b", *SIZES).text)
                memory.remember(again)
                kept[number].append(again)
            if chance.random() < 0.3:
                chat.ask(f"What is {' '.join(kept[number][-1].text.split()[:4])}?")
            if len(kept) > chance.choice([1, 5, 40]):
                some = chance.choice(list(kept))
                texts = [one.text for one in kept.pop(some)]
                began = time.perf_counter()
                cleared = memory.forget(f"letters/{some}.md").cleared
                took.append(time.perf_counter() - began)
                gone += texts
                done["forgets"] += 1
                done["not_cleared"] += not cleared
                done["left"] += left_of(texts, home)
            if number % BACKUP_EVERY == BACKUP_EVERY - 1:
                with tempfile.TemporaryDirectory() as folder:
                    done["left_in_backups"] += left_of(gone, memory.backup(Path(folder) / "backup"))
                    done["backups"] += 1
                gone = gone[-200:]
            if number % REFRESH_EVERY == REFRESH_EVERY - 1:
                memory.refresh()
        problems = memory.check(deep=True).problems
    return {**done, "rounds": count, "problems": list(problems), "forget_ms": milliseconds(took)}


def large(home, count, forget):
    """How long a forget takes in a home of so many passages, of a document of one passage and of a hundred."""
    corpus = engine.Corpus(None, count)
    ragbot.runtime.open_embedder = lambda name: engine.Given(corpus)
    ragbot.text.documents.new_chunks_of = engine.new_chunks_of
    found = {"passages": count}
    with Memory.open(home) as memory:
        engine.fill(memory, corpus, count, False)
        found["database_mb"] = round((home / "ragbot.db").stat().st_size / 1e6)
        for size in (1, engine.PER_DOCUMENT):
            took = []
            for number in range(forget):
                memory.remember(document := own_document(corpus, size, number))
                began = time.perf_counter()
                assert memory.forget(document.uri).cleared
                took.append(time.perf_counter() - began)
            found[f"forget_{size}_ms"] = milliseconds(took)
    return found


def own_document(corpus, size, number):
    """A document of so many passages that no other one holds: their words are those of others, backwards."""
    texts = [corpus.texts[row][::-1] for row in range(number, number + size)]
    return Document(f"own{size}-{number}", "\n".join(f"#{row} {text}" for row, text in enumerate(texts)))


def milliseconds(took):
    return {name: round(1000 * of(took), 1) for name, of in (("median", statistics.median), ("max", max))} if took else {}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--passages", type=int, default=0, help="also time forgetting in a home of so many")
    parser.add_argument("--forget", type=int, default=20)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    result = {"command": "forgetting.py " + " ".join(argv if argv is not None else sys.argv[1:]), "machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        if options.rounds:
            ragbot.runtime.open_embedder = lambda name: FakeEmbedder(name, 384)
            ragbot.runtime.open_answerability_model = lambda: None
            result["rounds"] = rounds(Path(folder) / "small", options.rounds, options.seed)
        if options.passages:
            result["large"] = large(Path(folder) / "large", options.passages, options.forget)
    print(json.dumps(result))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
