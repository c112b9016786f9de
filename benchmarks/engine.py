"""The memory engine at size: what an update, a query, a filter, an opening cost. Vectors are given, so no model is timed.

    python benchmarks/engine.py CORPUS HOME --passages 200000 [--threads 16] [--scopes | --churn]
    python benchmarks/engine.py CORPUS HOME --flat HOME HOME --rounds 101      # homes that were filled so
    python benchmarks/engine.py --passages 2000 --threads 4                    # in miniature, of made-up passages

CORPUS is what `benchmarks/corpus.py` made; without it texts and vectors are made up (`corpus.synthetic`), without HOME it lies
in a temporary folder. HOME is filled through `Memory.remember` with documents of 100 passages, and
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
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from corpus import machine, spread, synthetic

import ragbot.runtime
import ragbot.text.documents
from ragbot import Document, Memory
from ragbot.index.columns import Filter
from ragbot.index.follower import Follower
from ragbot.search.candidates import Query, Search
from ragbot.search.query import term_weights, weighted_messages
from ragbot.text.chunks import tokens_of
from ragbot.types import EVERYONE, NewChunk

PER_DOCUMENT = 100
ONLY = Filter(frozenset([EVERYONE]))
QUESTIONS = 64
"""As many as the vectors of questions that a memory keeps: so many are asked in turn where no embedding is to be timed."""
SCOPES = {"s0.01": 0.0001, "s1": 0.01, "s50": 0.5}


class Given:
    """An embedder that looks vectors up: line i of the corpus is asked for as `#i text`."""

    model, revision, prefixes, calibration = "given", "given", ("", ""), {}

    def __init__(self, corpus):
        self.vectors, self.dim = corpus.vectors, corpus.vectors.shape[1]
        self._questions = dict(zip(corpus.queries, corpus.query_vectors, strict=True))

    def encode(self, texts, progress=None):
        rows = [int(text[1 : text.index(" ")]) for text in texts]
        if progress:
            progress(len(rows))
        return self.vectors[np.array(rows) % len(self.vectors)]

    def encode_query(self, text):
        return self._questions[text]

    def knows_word(self, word):
        return True  # what is measured has no slips


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
    """Texts, vectors, questions, and the vectors of these."""

    def __init__(self, folder, count):
        if folder is None:
            self.real = 0
            self.texts, self.vectors, self.queries, self.query_vectors = synthetic(count)
            return
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


class Index:
    """The index of a memory, followed as the memory follows it."""

    def __init__(self, memory):
        self._memory, self._follower = memory, Follower(memory.home, tokens_of)

    def view(self):
        """What a search that begins now sees."""
        with self._memory.store.reading() as snapshot:
            space = snapshot.active_space()
        with self._follower.level_with(self._memory.store.reading, space) as (_, view):
            return view


def updates(memory, corpus, count):
    """Replace whole documents: 100 passages go, 100 come, in one durable transaction; then it must be found. Both in ms."""
    rng, stamp, index = np.random.default_rng(1), time.time_ns(), Index(memory)
    index.view()
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
        found = {id for id, _ in index.view().nearest(corpus.vectors[rows[0] % len(corpus.vectors)], 10, ONLY)}
        recalled = (time.perf_counter() - began) * 1000
        with memory.store.reading() as snapshot:
            assert any(chunk.uri == document.uri for chunk in snapshot.chunks(found, [EVERYONE]).values())
        yield took, recalled


def flat(corpus, homes, rounds):
    """Update homes of several sizes in turns, so that the machine's mood meets all alike."""
    with ExitStack() as opened:
        memories = {home: opened.enter_context(Memory.open(home, create=False)) for home in homes}
        sizes = {home: sum(document.chunks for document in memory.documents()) for home, memory in memories.items()}
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
    view = Index(memory).view()
    for vector in asked[:20]:
        view.nearest(vector, k, only)
    took, right = [], []
    for vector, best in zip(asked, scores, strict=True):
        began = time.perf_counter()
        found = view.nearest(vector, k, only)
        took.append((time.perf_counter() - began) * 1000)
        # By score: of equal passages any serves.
        right.append(sum(score >= best.min() - 2e-5 for _, score in found) / len(best))
    return {**spans(took), "recall": round(float(np.mean(right)), 4), "passages": len(ids)}


def hybrid(memory, corpus, number):
    """A whole search but for the embedding of the question and the snapshot: candidates, fusion, the passages, copies folded."""
    view, took = Index(memory).view(), []
    with memory.store.reading() as snapshot:
        for text, vector in list(zip(corpus.queries, corpus.query_vectors, strict=True))[:number]:
            began = time.perf_counter()
            asked = Query(text, vector, term_weights(weighted_messages(text, [])))
            hits = Search(view, asked, ONLY, None).hits(5, lambda ids: snapshot.chunks(ids, [EVERYONE]))
            took.append((time.perf_counter() - began) * 1000)
            assert len(hits) == 5
    return spans(took[20:])


def new_reader(memory, corpus):
    """The first search with a filter that was never used before, as of a new user (ms)."""
    view, took = Index(memory).view(), []
    for at, vector in enumerate(corpus.query_vectors[:100]):
        only = Filter(frozenset([EVERYONE, f"user{at}"]))
        began = time.perf_counter()
        view.nearest(vector, 10, only)
        took.append((time.perf_counter() - began) * 1000)
    return spans(took[5:])


def recalls(memory, questions, threads, seconds):
    """What each recall of so many threads took (ms), for so long."""
    until = time.monotonic() + seconds

    def ask(first):
        took = []
        for question in cycle(questions[first:] + questions[:first]):
            began = time.perf_counter()
            assert memory.recall(question)
            took.append((time.perf_counter() - began) * 1000)
            if time.monotonic() >= until:
                return took

    with ThreadPoolExecutor(threads) as pool:
        return [one for some in pool.map(ask, range(threads)) for one in some]


def in_threads(memory, corpus, threads, seconds, rounds=3):
    """Recalls a second of one thread and of many, in turns; and what one reader waits beside a writer who never rests."""
    questions = corpus.queries[: min(QUESTIONS, len(corpus.queries))]
    for question in questions:
        memory.recall(question)
    rates = {1: [], threads: []}
    for _ in range(rounds):
        for count, seen in rates.items():
            seen.append(len(recalls(memory, questions, count, seconds)) / seconds)
    # All of it before the first is written: afterwards a builder may be at work in the background.
    alone, over = recalls(memory, questions, 1, seconds * rounds), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write, memory, corpus, over)
        try:
            beside = recalls(memory, questions, 1, seconds * rounds)
        finally:
            over.set()
        written = writer.result()
    one, many = (statistics.median(seen) for seen in rates.values())
    return {
        "threads": threads,
        "recalls_per_s": {str(count): [round(rate, 1) for rate in seen] for count, seen in rates.items()},
        "many_to_one": round(many / one, 2),
        "alone": spans(alone),
        "beside_a_writer": {**spans(beside), "commits_per_s": round(written / seconds / rounds, 1)},
        "p99_ratio": round(spans(beside)["p99_ms"] / spans(alone)["p99_ms"], 2),
    }


def write(memory, corpus, over):
    """Commit updates of 100 passages until it is over. How many."""
    rng, stamp, done = np.random.default_rng(3), time.time_ns(), 0
    uris = [document.uri for document in memory.documents((EVERYONE,))]
    while not over.is_set():
        rows = rng.integers(0, len(corpus.vectors), PER_DOCUMENT)
        lines = [f"#{row} writer {stamp} {done} says: {corpus.texts[row % len(corpus.texts)]}" for row in rows]
        memory.remember(Document(str(rng.choice(uris)), "\n".join(lines)))
        done += 1
    return done


def spans(took):
    """Median, 95th and 99th percentile."""
    p95, p99 = np.percentile(took, [95, 99])
    return {"p50_ms": round(statistics.median(took), 3), "p95_ms": round(float(p95), 3), "p99_ms": round(float(p99), 3)}


def churn(memory, corpus, count, number, rounds=20, share=0.05):
    """Replace 5 % of the documents 20 times, and compare what is found then with what a fresh build finds."""
    rng, row, found, took = np.random.default_rng(2), count, [], 0.0
    for _ in range(rounds):
        some = rng.choice(count // PER_DOCUMENT, round(share * count / PER_DOCUMENT), replace=False)
        began = time.monotonic()
        for document in some:
            memory.remember(corpus.document(document, range(row, row + PER_DOCUMENT)))
            row += PER_DOCUMENT
        took += time.monotonic() - began
        found.append(queries(memory, corpus, ONLY, number)["recall"])
        print(f"round {len(found)}: recall {found[-1]}, {sizes(memory)}", file=sys.stderr, flush=True)
    before = {**queries(memory, corpus, ONLY, number), "segments": sizes(memory)}
    memory.refresh()
    fresh = {**queries(memory, corpus, ONLY, number), "segments": sizes(memory)}
    return {"passages_per_s": round((row - count) / took), "recalls": found, "after": before, "fresh": fresh}


def sizes(memory):
    """Passages, ef and orphans of each segment."""
    segments = Index(memory).view().segments
    return [(len(s), s.graph.ef if s.graph else 0, len(s.graph.orphans) if s.graph else 0) for s in segments]


OPEN = """
import sys, time
import numpy as np
import ragbot.runtime
from ragbot import Memory
import faiss
home, text, vector = sys.argv[1], sys.argv[2], np.array(sys.argv[3].split(","), np.float32)
class Given:
    model, revision, prefixes, dim, calibration = "given", "given", ("", ""), len(vector), {}
    def encode_query(self, text):
        return vector
    def knows_word(self, word):
        return True
ragbot.runtime.open_embedder = lambda name: Given()
began = time.perf_counter()
memory = Memory.open(home, create=False)
assert len(memory.recall(text)) == 5
print(time.perf_counter() - began)
"""


def opening(corpus, home, runs=3):
    """Seconds from the opening of a home to the first answer, in processes of their own that have imported all they need."""
    vector = ",".join(map(str, corpus.query_vectors[3].tolist()))
    command = [sys.executable, "-c", OPEN, str(home), corpus.queries[3], vector]
    return [float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(runs)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="?")
    parser.add_argument("home", type=Path, nargs="?")
    parser.add_argument("--passages", "--count", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--threads", type=int, default=0, help="recall in so many threads too, and beside a writer")
    parser.add_argument("--seconds", type=float, default=5, help="how long each part of --threads lasts")
    parser.add_argument("--scopes", action="store_true", help="give 0.01 %%, 1 %% and 50 %% of it to scopes of their own")
    parser.add_argument("--churn", action="store_true", help="only replace 5 %% of it 20 times, and look what is still found")
    parser.add_argument("--flat", type=Path, nargs="+", metavar="HOME", help="only update these homes and HOME in turns")
    return parser.parse_args()


def measured(memory, corpus, options):
    result = {"segments": sizes(memory), "dense": queries(memory, corpus, ONLY, options.queries)}
    result["hybrid"] = hybrid(memory, corpus, options.queries)
    result["new_reader"] = new_reader(memory, corpus)
    if options.scopes:
        everyone = Filter(frozenset([EVERYONE, *SCOPES]))
        result["scopes"] = {"all": queries(memory, corpus, everyone, options.queries)}
        for scope in SCOPES:
            result["scopes"][scope] = queries(memory, corpus, Filter(frozenset([scope])), options.queries)
    result["open_s"] = [round(s, 3) for s in opening(corpus, memory.home)]
    took, recalled = zip(*islice(updates(memory, corpus, options.passages), options.rounds), strict=True)
    result["update"] = {**spans(took), "then_found": spans(recalled)}
    if options.threads:
        result["in_threads"] = in_threads(memory, corpus, options.threads, options.seconds)
    return result


def main():
    options = arguments()
    count = options.passages
    corpus = Corpus(options.corpus, 50_000 if options.flat else count * 2 if options.churn else count)
    given = Given(corpus)
    ragbot.runtime.open_embedder = lambda name: given
    ragbot.text.documents.new_chunks_of = new_chunks_of
    if options.flat:
        print(json.dumps(flat(corpus, [options.home, *options.flat], options.rounds)))
        return
    words = [word for word in sys.argv[1:] if Path(word) not in (options.corpus, options.home)]
    command = " ".join(["engine.py", *(["CORPUS HOME"] if options.corpus else []), *words])
    result = {"command": command, "machine": machine(), "count": count, "real_vectors": min(corpus.real, count)}
    with tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(folder) / "home"
        fresh = not (home / "ragbot.db").exists()
        with Memory.open(home) as memory:
            if fresh:
                result["fill_s"], result["refresh_s"] = (round(s, 1) for s in fill(memory, corpus, count, options.scopes))
            result |= churn(memory, corpus, count, options.queries) if options.churn else measured(memory, corpus, options)
        result["peak_rss_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
