"""How fast passages go in, embedding included: ragbot's own way from text to durable and searchable.

    python benchmarks/throughput.py CORPUS [--limit 1000] [--texts FILE]     # prints one JSON object
    python benchmarks/throughput.py CORPUS --embed                           # the embedder alone
    python benchmarks/throughput.py - --gigabytes 1                          # memory, with vectors by chance and made-up text

CORPUS is what `benchmarks/corpus.py` made, or any folder with a `texts.jsonl`.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from pathlib import Path
from unittest import mock

import numpy as np
from corpus import machine

import ragbot.runtime
from ragbot import Document, Memory
from ragbot.models import bundled
from ragbot.models.embedder import BundledEmbedder


def texts_of(options):
    with (options.texts or options.corpus / "texts.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line, _ in zip(file, range(options.limit), strict=False)]


def ingest(texts):
    with tempfile.TemporaryDirectory() as folder, Memory.open(Path(folder) / "home") as memory:
        memory.remember(Document("warm.md", "The model is loaded with this."))
        began = time.monotonic()
        done = memory.remember(Document(f"{n}.txt", text) for n, text in enumerate(texts))
        took = time.monotonic() - began
        assert memory.recall(texts[0], 3)
    return {"passages": done.added, "seconds": round(took, 2), "passages_per_s": round(done.added / took, 1)}


def embed(texts):
    embedder = BundledEmbedder(os.environ.get("RAGBOT_EMBEDDER") or bundled.EMBEDDER)
    embedder.encode(texts[:16])
    began = time.monotonic()
    embedder.encode(texts)
    took = time.monotonic() - began
    return {"passages": len(texts), "seconds": round(took, 2), "passages_per_s": round(len(texts) / took, 1)}


class ByChance:
    """An embedder that costs nothing, so that a gigabyte goes in within minutes."""

    model, revision, dim, prefixes = "chance", "chance", 384, ("", "")
    calibration = {}  # vectors by chance mean nothing: no text is measured
    centers = np.random.default_rng(0).standard_normal((1000, 384)).astype(np.float32)

    def encode(self, texts, progress=None):
        rng = np.random.default_rng(len(texts))
        made = self.centers[rng.integers(0, 1000, len(texts))] + 0.7 * rng.standard_normal((len(texts), 384), np.float32)
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    def encode_query(self, text):
        return self.encode([text])[0]

    def knows_word(self, word):
        return True  # what is measured has no slips


def made_up(size, seed):
    """Text of about `size` characters, with words as often as in a language (Zipf)."""
    rng = np.random.default_rng(seed)
    ranks = np.minimum(rng.zipf(1.3, size // 6), 200_000)
    sentences, at = [], 0
    while at < len(ranks):
        some = ranks[at : at + int(rng.integers(8, 25))]
        sentences.append(" ".join(f"w{rank:x}" for rank in some).capitalize() + ".")
        at += len(some)
    return "\n\n".join(" ".join(sentences[n : n + 6]) for n in range(0, len(sentences), 6))


def held():
    """kB that this process holds, and its children: without the pages of mapped files, which the system takes back at need."""
    own, children = 0, 0
    for file in Path("/proc").glob("[0-9]*/status"):
        try:
            status = dict(line.split(":", 1) for line in file.read_text().splitlines())
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(status["Pid"]) == os.getpid():
            own = int(status["RssAnon"].split()[0])
        elif int(status["PPid"]) == os.getpid():
            children += int(status.get("RssAnon", "0").split()[0])
    return own, children


def gigabytes(wanted):
    """Ingest documents of 100 kB each, and watch the memory that this process holds, alone and with the background builder."""
    most = {"ingesting": 0, "with_builder": 0}
    over = threading.Event()

    def watch():
        while not over.wait(0.2):
            own, builder = held()
            most["ingesting"] = max(most["ingesting"], own)
            most["with_builder"] = max(most["with_builder"], own + builder)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    with (
        mock.patch.object(ragbot.runtime, "open_embedder", lambda name: ByChance()),
        tempfile.TemporaryDirectory() as folder,
    ):
        began, size = time.monotonic(), 0
        with Memory.open(Path(folder) / "home") as memory:

            def documents():
                nonlocal size
                n = 0
                while size < wanted * 1e9:
                    text = made_up(100_000, n)
                    size += len(text)
                    n += 1
                    yield Document(f"{n}.txt", text)
                    if n % 500 == 0:
                        print(f"{size / 1e9:.2f} GB, {time.monotonic() - began:.0f} s, {most}", flush=True)

            memory.remember(documents())
            ingested = time.monotonic() - began
            result = {"gigabytes": round(size / 1e9, 4), "seconds": round(ingested), "peak_gb": gb(most)}
            print(json.dumps(result), flush=True)
            most.update(ingesting=0, with_builder=0)
            memory.compact(most=2**40)
            settled = time.monotonic() - began - ingested
            passages = sum(document.chunks for document in memory.documents())
    over.set()
    watcher.join()
    return {**result, "passages": passages, "then_merged_s": round(settled), "merging_peak_gb": gb(most)["ingesting"]}


def gb(kilobytes):
    return {name: round(value / 1e6, 2) for name, value in kilobytes.items()}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--embed", action="store_true")
    parser.add_argument("--gigabytes", type=float)
    options = parser.parse_args(argv)
    if options.gigabytes:
        result = gigabytes(options.gigabytes)
    else:
        result = (embed if options.embed else ingest)(texts_of(options))
    print(json.dumps({"machine": machine(), **result}))


if __name__ == "__main__":
    main()
