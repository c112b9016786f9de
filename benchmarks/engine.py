"""The memory engine at size: what an update, a query, a filter, an opening cost. Vectors are given, so no model is timed.

    python benchmarks/engine.py CORPUS HOME --count 200000 [--scopes | --churn]
    python benchmarks/engine.py CORPUS HOME --flat HOME HOME --rounds 101      # homes that were filled so

CORPUS is what `benchmarks/corpus.py` made. HOME is filled through `Memory.remember` with documents of 100 passages, and
refreshed once; a HOME that was filled before is used as it is. Row i has the text and the vector i of CORPUS; passages beyond
the texts repeat them under other addresses, passages beyond the vectors get them by `corpus.spread`.
"""

import argparse
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import numpy as np
from corpus import machine, spread

import ragbot.runtime
from ragbot import Document, Memory
from ragbot.index import manifest as manifests
from ragbot.index.columns import Filter
from ragbot.types import EVERYONE, NewChunk

PER_DOCUMENT = 100
ONLY = Filter(frozenset([EVERYONE]))
SCOPES = {"s0.01": 0.0001, "s1": 0.01, "s50": 0.5}


class Given:
    """An embedder that looks vectors up: line i of the corpus is asked for as `#i text`."""

    model, revision, prefixes = "given", "given", ("", "")

    def __init__(self, vectors):
        self.vectors, self.dim = vectors, vectors.shape[1]

    def encode(self, texts, progress=None):
        rows = [int(text[1 : text.index(" ")]) for text in texts]
        if progress:
            progress(len(rows))
        return self.vectors[np.array(rows) % len(self.vectors)]

    def encode_query(self, text):
        raise NotImplementedError


def new_chunks_of(document):
    """One passage a line; the place of the first one's vector is in front of its text."""
    new_chunks, at = [], 0
    for line in document.text.split("\n"):
        end = at + len(line)
        digest = hashlib.sha256(line.encode()).hexdigest()
        text = line[line.index(" ") + 1 :]
        new_chunks.append(NewChunk(text=text, start=at, end=end, page=None, line=0, heading="", embedded=line, sha256=digest))
        at = end + 1
    return new_chunks


class Corpus:
    def __init__(self, folder, count):
        with (folder / "texts.jsonl").open(encoding="utf-8") as file:
            self.texts = [json.loads(line) for line in file]
        file = folder / "vectors.npy"
        real = np.load(file if file.exists() else folder / "vectors.partial.npy")
        self.real = len(real)
        self.vectors = spread(real, count)
        self.queries = [json.loads(line) for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
        self.query_vectors = np.load(folder / "queries.npy")

    def document(self, number, rows, scope=EVERYONE):
        lines = [f"#{row} {self.texts[row % len(self.texts)]}" for row in rows]
        return Document(f"{number}.txt", "\n".join(lines), scope=scope)


def owners(count):
    """Whose each passage is: by the rule of `rivals.py`, but for whole documents, which have one scope."""
    documents = count // PER_DOCUMENT
    order, at = np.random.default_rng(20).permutation(documents), 0
    owner = np.full(documents, EVERYONE, object)
    for name, share in SCOPES.items():
        some = max(1, round(share * documents))
        owner[order[at : at + some]] = name
        at += some
    return owner


def fill(memory, corpus, count, scopes):
    numbers = range(count // PER_DOCUMENT)
    owner = owners(count) if scopes else np.full(len(numbers), EVERYONE, object)
    began, done = time.monotonic(), 0
    documents = (corpus.document(n, range(n * PER_DOCUMENT, (n + 1) * PER_DOCUMENT), owner[n]) for n in numbers)
    for _ in memory.remember_each(documents):
        done += PER_DOCUMENT
        if done % 50_000 == 0:
            print(f"filled {done} of {count}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    filled = time.monotonic() - began
    memory.refresh()
    return filled, time.monotonic() - began - filled


def updates(memory, corpus, count):
    """Replace whole documents: 100 passages go, 100 come, in one durable transaction; then it must be found. Both in ms."""
    rng, stamp = np.random.default_rng(1), time.time_ns()
    for uri in rng.permutation([document.uri for document in memory.documents((EVERYONE,))]):
        # Texts are new to the home: the row numbers before them differ. Vectors are those of other rows.
        rows = rng.integers(0, count, PER_DOCUMENT)
        lines = [f"#{row} update of {stamp} says: {corpus.texts[row % len(corpus.texts)]}" for row in rows]
        document = Document(str(uri), "\n".join(lines))
        began = time.perf_counter()
        done = memory.remember(document)
        took = (time.perf_counter() - began) * 1000
        assert (done.added, done.retired) == (PER_DOCUMENT, PER_DOCUMENT), done
        began = time.perf_counter()
        follow(memory)
        found = {id for id, _ in memory.retriever.view.nearest(corpus.vectors[rows[0] % len(corpus.vectors)], 10, ONLY)}
        recalled = (time.perf_counter() - began) * 1000
        with memory.store.reading() as snapshot:
            assert any(chunk.uri == document.uri for chunk in snapshot.chunks(found, [EVERYONE]).values())
        yield took, recalled


def flat(corpus, homes, rounds):
    """Update homes of several sizes in turns, so that the machine's mood meets all alike."""
    with ExitStack() as opened:
        memories = {home: opened.enter_context(Memory.open(home, create=False)) for home in homes}
        sizes = {home: sum(document.chunks for document in memory.documents()) for home, memory in memories.items()}
        for memory in memories.values():
            follow(memory)
        running = {home: updates(memory, corpus, sizes[home]) for home, memory in memories.items()}
        seen = {home: [] for home in homes}
        for _ in range(rounds):
            for home, some in running.items():
                seen[home].append(next(some))
    result = {
        f"{sizes[home]}": {**spans([t for t, _ in some]), "then_found": spans([r for _, r in some])}
        for home, some in seen.items()
    }
    medians = [one["p50_ms"] for one in result.values()]
    return {"rounds": rounds, **result, "largest_to_smallest": round(max(medians) / min(medians), 2)}


def follow(memory):
    with memory.store.reading() as snapshot:
        space = snapshot.active_space()
    manifest = manifests.read(memory.home, space.id)
    with memory.store.reading() as snapshot:
        memory.retriever.view.follow(snapshot, manifest)


def live(memory, scopes):
    """Ids and vectors of what a search may find, from the database."""
    with memory.store.reading() as snapshot:
        space = snapshot.active_space()
        ids, parts = snapshot.vector_ids(space), []
        for at in range(0, len(ids), 10_000):
            wanted = [
                p for p in snapshot.passages(space, ids[at : at + 10_000].tolist()) if p.retired_at is None and p.scope in scopes
            ]
            parts.append((np.array([p.id for p in wanted], np.int64), [p.vector for p in wanted]))
    vectors = np.frombuffer(b"".join(b"".join(v) for _, v in parts), np.float32).reshape(-1, space.dim)
    return np.concatenate([ids for ids, _ in parts]), vectors


def exact(ids, vectors, queries, k):
    """The k best by brute force: ids (q, k), and their scores."""
    best = np.full((len(queries), k), -np.inf, np.float32)
    which = np.zeros((len(queries), k), np.int64)
    for at in range(0, len(ids), 50_000):
        scores = np.hstack([best, queries @ vectors[at : at + 50_000].T])
        of = np.hstack([which, np.broadcast_to(ids[at : at + 50_000], (len(queries), len(ids[at : at + 50_000])))])
        top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        best, which = np.take_along_axis(scores, top, 1), np.take_along_axis(of, top, 1)
    return which, best


def queries(memory, corpus, only, number, k=10):
    """Median and 95th percentile (ms) of dense search, and recall@k against brute force over the database."""
    ids, vectors = live(memory, only.scopes)
    asked = corpus.query_vectors[:number]
    truth, scores = exact(ids, vectors, asked, min(k, len(ids)))
    for vector in asked[:20]:
        memory.retriever.view.nearest(vector, k, only)
    took, right = [], []
    for vector, best in zip(asked, scores, strict=True):
        began = time.perf_counter()
        found = memory.retriever.view.nearest(vector, k, only)
        took.append((time.perf_counter() - began) * 1000)
        # By score: of equal passages any serves.
        right.append(sum(score >= best.min() - 2e-5 for _, score in found) / len(best))
    return {**spans(took), "recall": round(float(np.mean(right)), 4), "passages": len(ids)}


def hybrid(memory, corpus, number):
    took = []
    for text, vector in list(zip(corpus.queries, corpus.query_vectors, strict=True))[:number]:
        began = time.perf_counter()
        memory._ranked(text, vector, 100, ONLY)
        took.append((time.perf_counter() - began) * 1000)
    return spans(took[20:])


def spans(took):
    return {"p50_ms": round(statistics.median(took), 3), "p95_ms": round(float(np.percentile(took, 95)), 3)}


def churn(memory, corpus, count, number, rounds=20, share=0.05):
    """Replace 5 % of the documents 20 times, and compare what is found then with what a fresh build finds."""
    rng, row, recalls, took = np.random.default_rng(2), count, [], 0.0
    for _ in range(rounds):
        some = rng.choice(count // PER_DOCUMENT, round(share * count / PER_DOCUMENT), replace=False)
        began = time.monotonic()
        for document in some:
            memory.remember(corpus.document(document, range(row, row + PER_DOCUMENT)))
            row += PER_DOCUMENT
        took += time.monotonic() - began
        follow(memory)
        recalls.append(queries(memory, corpus, ONLY, number)["recall"])
        print(f"round {len(recalls)}: recall {recalls[-1]}, {sizes(memory)}", file=sys.stderr, flush=True)
    before = {**queries(memory, corpus, ONLY, number), "segments": sizes(memory)}
    memory.refresh()
    follow(memory)
    fresh = {**queries(memory, corpus, ONLY, number), "segments": sizes(memory)}
    return {"passages_per_s": round((row - count) / took), "recalls": recalls, "after": before, "fresh": fresh}


def sizes(memory):
    """Passages, ef and orphans of each segment."""
    return [
        (len(s), s.graph.ef if s.graph else 0, len(s.graph.orphans) if s.graph else 0) for s in memory.retriever.view.segments
    ]


OPEN = """
import json, sys, time
import numpy as np
import ragbot.runtime
from ragbot import Memory
import faiss
from ragbot.index import manifest as manifests
from ragbot.index.columns import Filter
home, query, text = sys.argv[1], np.load(sys.argv[2])[3], json.loads(open(sys.argv[3]).readlines()[3])
began = time.perf_counter()
memory = Memory.open(home, create=False)
manifest = manifests.read(memory.home, 1)
with memory.store.reading() as snapshot:
    memory.retriever.view.follow(snapshot, manifest)
    ranked = memory._ranked(text, query, 100, Filter(frozenset(["everyone"])))
    found = snapshot.chunks([hit.id for hit in ranked[:5]], ["everyone"])
assert len(found) == 5
print(time.perf_counter() - began)
"""


def opening(folder, home, runs=3):
    command = [sys.executable, "-c", OPEN, str(home), str(folder / "queries.npy"), str(folder / "queries.jsonl")]
    return [float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(runs)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("home", type=Path)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--scopes", action="store_true", help="give 0.01 %%, 1 %% and 50 %% of it to scopes of their own")
    parser.add_argument("--churn", action="store_true", help="only replace 5 %% of it 20 times, and look what is still found")
    parser.add_argument("--flat", type=Path, nargs="+", metavar="HOME", help="only update these homes and HOME in turns")
    options = parser.parse_args()
    corpus = Corpus(options.corpus, 50_000 if options.flat else options.count * 2 if options.churn else options.count)
    given = Given(corpus.vectors)
    ragbot.runtime.open_embedder = lambda name: given
    ragbot.memory.new_chunks_of = new_chunks_of
    if options.flat:
        print(json.dumps(flat(corpus, [options.home, *options.flat], options.rounds)))
        return
    result = {
        "command": " ".join(["engine.py CORPUS HOME", *sys.argv[3:]]),
        "machine": machine(),
        "count": options.count,
        "real_vectors": min(corpus.real, options.count),
    }
    fresh = not (options.home / "ragbot.db").exists()
    with Memory.open(options.home) as memory:
        if fresh:
            result["fill_s"], result["refresh_s"] = (round(s, 1) for s in fill(memory, corpus, options.count, options.scopes))
        follow(memory)
        if options.churn:
            print(json.dumps({**result, **churn(memory, corpus, options.count, options.queries)}))
            return
        result["segments"] = sizes(memory)
        result["dense"] = queries(memory, corpus, ONLY, options.queries)
        result["hybrid"] = hybrid(memory, corpus, options.queries)
        if options.scopes:
            everyone = Filter(frozenset([EVERYONE, *SCOPES]))
            result["scopes"] = {"all": queries(memory, corpus, everyone, options.queries)}
            for scope in SCOPES:
                result["scopes"][scope] = queries(memory, corpus, Filter(frozenset([scope])), options.queries)
        result["open_s"] = [round(s, 3) for s in opening(options.corpus, options.home)]
        took, recalled = zip(*islice(updates(memory, corpus, options.count), options.rounds), strict=True)
        result["update"] = {**spans(took), "then_found": spans(recalled)}
        result["peak_rss_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
