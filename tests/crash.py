"""Kills the memory at the steps it takes, and compares what is left with what was acknowledged.

    python tests/crash.py [--rounds N | --sweep N|all --storms N] [--seed N] [--out FILE]

A sweep runs one write way (a new version, forget, refresh, a merge, another model, …) and kills it before one of its steps: an
SQL statement, a flush, a rename, a removal; N is how many of all those kills to try. Runs with one seed after
the other try different steps, until each was tried. A storm has two writers, one or both of which are killed at a step drawn
by chance (or run into a full disk, or a clock that jumps), and three readers.
After each, a judge compares the home with the log of what was acknowledged, and recall with brute force over the database.

This process only forks: what it forks imports nothing anew, and starts its own threads.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import faiss  # noqa: F401 (imported before the forks, used after them)
import numpy as np
from fakes import FakeEmbedder
from sqlalchemy import Engine, event

import ragbot.runtime
from ragbot import Document, Memory
from ragbot.errors import NotFoundError, RagbotError
from ragbot.index import compaction, hnsw
from ragbot.index.columns import Filter
from ragbot.maintenance import builder
from ragbot.store import rows

PARTS = 4
EVERYONE = Filter(frozenset(["everyone"]))
OTHER_MODEL = "other"


def texts_of(uri, version):
    """The passages of one version of a document; the first is the same in all of them."""
    tail = [f"# Part {n}\n\nWord{(version * 7 + n) % 50} of {uri} stands at {version}." for n in range(1, PARTS)]
    return [f"# Part 0\n\nAlways the same is the first of {uri}.", *tail]


def document(uri, version):
    return Document(uri, "\n\n".join(texts_of(uri, version)))


class Steps:
    """Counts what this process does to the disk, and dies before step `at`."""

    def __init__(self, at=0):
        self.count, self.at = 0, at
        for name in ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir"):
            self._watch(name)
        event.listen(Engine, "before_cursor_execute", lambda *_: self.step())
        event.listen(Engine, "after_cursor_execute", lambda _c, _k, statement, *_: self.step() if statement == "COMMIT" else None)

    def _watch(self, name):
        real = getattr(os, name)

        def watched(*args, **kwargs):
            self.step()
            return real(*args, **kwargs)

        setattr(os, name, watched)

    def step(self):
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


class Log:
    """What a transaction began and what was acknowledged, in a file that outlives it."""

    def __init__(self, file):
        self.file = file
        self.descriptor = os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def write(self, what, *operation):
        os.write(self.descriptor, (json.dumps([what, *operation]) + "\n").encode())

    @staticmethod
    def read(file):
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def do(memory, operation):
    way, *details = operation
    {
        "put": lambda uri, version: memory.remember(document(uri, version)),
        "many": lambda uris, version: memory.remember([document(uri, version) for uri in uris]),
        "retire": lambda uri, _: memory.retire(uri),
        "forget": lambda uri, _: _forget(memory, uri),
        "refresh": memory.refresh,
        "settle": memory.compact,
        "move": lambda: memory.refresh(OTHER_MODEL),
        "back": lambda: memory.refresh(back=True),
        "repair": lambda: _repair(memory),
        "restore": memory.restore,
    }[way](*details)


def _forget(memory, uri):
    with contextlib.suppress(NotFoundError):
        memory.forget(uri)


def _repair(memory):
    (memory.home / "manifest-1.json").write_text("{")
    assert memory.check(repair=True).problems == ()


def forked(work):
    """Run `work` in a process of its own; its id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: B036 (told through the exit status; nothing may go on into the parent's code)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def waited(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def small(with_graph):
    """Make segments of few passages, so that little is enough to seal and to merge."""
    compaction.SEAL_AT = 10  # the builder of the background is a process, and looks for more than that
    hnsw.FROM = 24 if with_graph else 10**9


# Judging


def expected(logs):
    """uri → the states that it may be in: versions, or None for not there."""
    may = {}
    for log in logs:
        of_log = {}
        for what, *operation in log:
            if operation[0] not in ("put", "many", "retire", "forget"):
                continue
            uris = operation[1] if operation[0] == "many" else [operation[1]]
            after = operation[2] if operation[0] in ("put", "many") else None
            for uri in uris:
                if what == "done":
                    of_log[uri] = [after]
                elif what == "start":  # until it is acknowledged it may have happened or not
                    of_log.setdefault(uri, [None]).append(after)
        for uri, states in of_log.items():
            may.setdefault(uri, []).extend(states)
    return may


def judge(home, logs, with_graph):
    small(with_graph)
    memory = Memory.open(home)
    wholes = whole_documents(memory)
    for uri, states in expected(logs).items():
        assert wholes.get(uri) in states, f"{uri} is at {wholes.get(uri)}, may be at {states}"
    if wholes.get("late.md"):
        assert wholes["0.md"] == wholes["late.md"], "half a restore"
    compare(memory, with_graph)
    again = Memory.open(home)
    again.compact()
    again._maintenance.drop_erased()
    problems = again.check(deep=True).problems
    assert problems == (), problems
    compare(again, with_graph)
    compare(memory, with_graph)
    again.close()
    memory.close()


def whole_documents(memory):
    """uri → its version; fails where a document is there in part, or of two versions."""
    wholes = {}
    with memory.store.reading() as snapshot:
        for stored in snapshot.documents():
            found = [chunk.text for chunk in snapshot.chunks_of("everyone", stored.uri)]
            version = int(found[-1].rstrip(".").split()[-1])
            assert found == texts_of(stored.uri, version), f"{stored.uri}: {found}"
            wholes[stored.uri] = version
    return wholes


def compare(memory, with_graph):
    """Recall against brute force over the database: meaning, words, and what must not be found."""
    with memory.store.reading() as snapshot:
        space = snapshot.active_space()
        if space is None:
            return
        passages = [p for p in snapshot.passages(space, snapshot.vector_ids(space).tolist()) if p.retired_at is None]
    ids = np.array([p.id for p in passages], np.int64)
    vectors = np.frombuffer(b"".join(p.vector for p in passages), np.float32).reshape(-1, space.dim)
    memory.recall("word1 stands")  # follows
    for word in ("word3", "word11", "always the same", "part"):
        query = memory.embedder().encode_query(word)
        scores = np.round(vectors @ query, 5)
        best = sorted(zip(-scores, ids, strict=True))[:10]
        found = memory.retriever.view.nearest(query, 10, EVERYONE)
        assert {id for id, _ in found} <= set(ids.tolist()), "a phantom"
        if with_graph:
            least = -best[-1][0] if best else 0
            assert sum(score >= least - 2e-5 for _, score in found) >= 0.8 * len(best), (word, found, best)
        else:
            assert [id for id, _ in found] == [id for _, id in best], (word, found, best)
    for word in ("word3", "word11", "stand"):
        held = {p.id for p in passages if word in [t.rstrip(".") for t in p.text.lower().replace("stands", "stand").split()]}
        assert {id for id, _ in memory.retriever.view.words({word: 1.0}, EVERYONE).best(1000)} == held, word


# Storms


def write(home, log, name, seed, at, fault):
    """Do things by chance until killed."""
    rng = random.Random(seed)
    small(rng.random() < 0.3)
    steps = Steps(at)
    if fault == "clock":
        real = rows.now
        rows.now = lambda: real() + rng.randint(-(10**12), 10**12)
    version = 1
    with Memory.open(home) as memory:
        for _ in range(14):
            version += 1
            uri = rng.choice([f"{name}/{n}.md" for n in range(6)] + ["both.md"])
            others = [["retire", uri, version], ["forget", uri, version], ["refresh"], ["settle"], ["move"], ["back"]]
            operation = rng.choice([["put", uri, version * 2 + (name == "ben")]] * 7 + others)
            log.write("start", *operation)
            if fault == "full" and rng.random() < 0.3:
                _in_full_disk(memory, operation, log, rng)
                continue
            try:
                do(memory, operation)
            except RagbotError as cause:  # the other transaction was in the way, or there is no way back
                log.write("failed", *operation, str(cause))
                continue
            log.write("done", *operation)
    assert steps.count


def _in_full_disk(memory, operation, log, rng):
    biggest = 0
    for folder, _, names in os.walk(memory.home):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # the builder's files come and go
                biggest = max(biggest, os.stat(os.path.join(folder, name)).st_size)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (rng.randint(4096, biggest + 20_000), before[1]))
    try:
        do(memory, operation)
    except (RagbotError, OSError) as cause:
        log.write("failed", *operation, str(cause))
    else:
        log.write("done", *operation)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def read(home, logs, until, seed):
    """Recall all the time: a document is whole, and as new as what was acknowledged before the question."""
    rng = random.Random(seed)
    memory = Memory.open(home)
    seen = 0
    while not until.exists() or not seen:
        name = rng.choice(["ana", "ben"])
        uri = f"{name}/{rng.randint(0, 5)}.md"
        before = Log.read(logs[name])
        hits = memory.recall("always the first word stands part", k=50, uris=[uri])
        after = Log.read(logs[name])
        found = {hit.chunk.text for hit in hits}
        versions = {int(text.rstrip(".").split()[-1]) for text in found if "stands at" in text}
        assert len(versions) <= 1, f"{uri} of two versions: {found}"
        version = versions.pop() if versions else None
        assert found == (set(texts_of(uri, version)) if version else set()), f"half of {uri}: {found}"
        known = expected([before]).get(uri, [None])
        begun = expected([after]).get(uri, [None])
        of_uri = [line for line in after if line[2:3] == [uri]]
        later = [line[3] if line[1] == "put" else None for line in of_uri]
        assert version in known or version in begun or version in later, f"stale: {uri} is {version}, may be {known} or {later}"
        if len(known) == 1 and len(before) == len(after):
            assert version == known[0], f"stale: {uri} is {version} for a snapshot, {known[0]} was acknowledged"
        seen += 1
    memory.close()


def build(home, until, at):
    """Seal and merge all the time, until killed."""
    small(with_graph=False)
    while not until.exists():
        if (home / "ragbot.db").exists():
            Memory.open(home).close()  # who makes a home may have made no more of it yet
            break
        time.sleep(0.01)
    Steps(at)
    while not until.exists():
        builder.build(home)
        time.sleep(0.05)


def storm(folder, seed):
    rng = random.Random(seed)
    home, until = folder / "home", folder / "until"
    logs = {name: folder / f"{name}.log" for name in ("ana", "ben")}
    fault = rng.choice(["kill"] * 6 + ["full", "full", "clock", "clock"])
    for _ in range(2):  # the second time on what the first one left
        until.unlink(missing_ok=True)
        writers = []
        for name in logs:
            at = int(10 ** rng.uniform(1.3, 3.3)) if fault == "kill" and rng.random() < 0.8 else 0
            log, own = Log(logs[name]), rng.random()
            writers.append(forked(lambda log=log, name=name, own=own, at=at: write(home, log, name, own, at, fault)))
        readers = [forked(lambda n=n: _read_when_there(home, logs, until, n)) for n in range(3)]
        at = int(10 ** rng.uniform(1.3, 3.3)) if rng.random() < 0.5 else 0
        builder = forked(lambda at=at: build(home, until, at))
        codes = [waited(pid) for pid in writers]
        until.touch()
        read_codes = [waited(pid) for pid in readers]
        assert waited(builder) in (0, -signal.SIGKILL), "the builder failed"
        assert set(codes) <= {0, -signal.SIGKILL}, f"a transaction failed: {codes}"
        assert read_codes == [0, 0, 0], "a snapshot failed"
    all_logs = [Log.read(file) for file in logs.values()]
    assert waited(forked(lambda: judge(home, all_logs, rng.random() < 0.3))) == 0, "the judge failed"
    return fault


def _read_when_there(home, logs, until, seed):
    while not (home / "ragbot.db").exists():
        if until.exists():
            return
        time.sleep(0.01)
    read(home, logs, until, seed)


# Sweeps

WAYS = {
    "first document": ["put", "new.md", 5],
    "new version": ["put", "0.md", 9],
    "several documents": ["many", ["0.md", "1.md", "new.md"], 9],
    "retire": ["retire", "1.md", 0],
    "forget": ["forget", "2.md", 0],
    "refresh": ["refresh"],
    "seal and merge": ["settle"],
    "another model": ["move"],
    "back to the model": ["back"],
    "repair": ["repair"],
    "restore": ["restore", "backup"],
}


def prepare(home, log, way):
    small(False)
    with Memory.open(home) as memory:
        for n in range(8):
            for operation in (["put", f"{n}.md", 2], ["put", f"{n}.md", 3]):
                log.write("start", *operation)
                do(memory, operation)
                log.write("done", *operation)
            if n in (3, 5):
                memory.compact()
        memory._builder.close()
        if way == "back to the model":
            memory.refresh(OTHER_MODEL)
        if way == "restore":
            memory.backup(home.parent / "backup")
            for operation in (["put", "0.md", 7], ["put", "late.md", 7]):
                do(memory, operation)
            memory.compact()


def sweep(folder, way, at):
    """Kill `way` before its step `at`; 0: count them. How many steps it has."""
    base = folder / "base"
    log_file = folder / "base.log"
    if not base.exists():
        assert waited(forked(lambda: prepare(base, Log(log_file), way))) == 0
    home, counted, copied = folder / "home", folder / "counted", folder / "log"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(base, home)
    shutil.copy(log_file, copied)
    operation = [*WAYS[way][:1], str(folder / "backup")] if way == "restore" else WAYS[way]

    def work():
        small(at % 2 == 1)
        log = Log(copied)
        with Memory.open(home) as memory:
            memory.embedder()
            steps = Steps(at)
            log.write("start", *operation)
            do(memory, operation)
            log.write("done", *operation)
            counted.write_text(str(steps.count))

    code = waited(forked(work))
    assert code in ((0,) if not at else (0, -signal.SIGKILL)), f"{way} failed"
    logs = [Log.read(copied)]
    if way == "restore" and code != 0:  # all as it was, or all as the backup has it
        logs = [[*logs[0], ["start", "many", ["0.md", "late.md"], 7]]]
    assert whether(lambda: judge(home, logs, at % 2 == 1)), "the judge failed"
    return int(counted.read_text())


def whether(work):
    return waited(forked(work)) == 0


def chosen(way, steps, kills, seed):
    """The steps before which run number `seed` kills a way: its share of `kills`, and other ones than the runs before it.

    Every way has an order of its steps, by chance and always the same; each run goes on where the last one ended, and begins
    again at the end. All ways together get `kills` in a run, each as many as any other, or one more. None: every step.
    """
    if kills is None:
        return list(range(1, steps + 1))
    number, among = list(WAYS).index(way), len(WAYS)
    first, end = ((run * kills + number) // among for run in (seed, seed + 1))
    order = random.Random(way).sample(range(1, steps + 1), steps)
    return sorted({order[n % steps] for n in range(first, end)})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sweep_help = "how many kills over all write ways, or all of them (default: 60)"
    parser.add_argument("--sweep", type=lambda n: None if n == "all" else int(n), default=60, metavar="N", help=sweep_help)
    parser.add_argument("--storms", type=int, default=40)
    parser.add_argument("--rounds", type=int, help="two thirds of so many as kills, the others as storms")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.rounds:
        options.storms = options.rounds // 3
        options.sweep = options.rounds - options.storms
    ragbot.runtime.open_embedder = FakeEmbedder
    began, result = time.monotonic(), {"seed": options.seed, "kills": {}, "storms": {}}
    failed = 0
    with tempfile.TemporaryDirectory() as made:
        for way in WAYS if options.sweep != 0 else ():
            folder = Path(made) / hashlib.sha256(way.encode()).hexdigest()[:8]
            folder.mkdir()
            counts = []
            if not attempt(f"{way}, not killed", lambda f=folder, w=way, c=counts: c.append(sweep(f, w, 0))):
                failed += 1
                continue
            (steps,) = counts
            tried = chosen(way, steps, options.sweep, options.seed)
            for at in tried:
                failed += not attempt(f"{way}, step {at} of {steps}", lambda f=folder, w=way, a=at: sweep(f, w, a))
            result["kills"][way] = {"steps": steps, "tried": len(tried)}
            print(f"{way}: {len(tried)} of {steps} steps, {time.monotonic() - began:.0f} s", flush=True)
        for n in range(options.storms):
            folder = Path(made) / f"storm-{n}"
            folder.mkdir()
            seed = f"{options.seed}-{n}"
            kinds = []
            failed += not attempt(f"storm {seed}", lambda f=folder, s=seed, k=kinds: k.append(storm(f, s)))
            for kind in kinds:
                result["storms"][kind] = result["storms"].get(kind, 0) + 1
            shutil.rmtree(folder, ignore_errors=True)
            if n % 10 == 9:
                print(f"storms: {n + 1}, {time.monotonic() - began:.0f} s", flush=True)
    result |= {"failed": failed, "seconds": round(time.monotonic() - began)}
    print(json.dumps(result))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.exit(failed > 0)


def attempt(name, work):
    try:
        work()
        return True
    except AssertionError as cause:
        print(f"FAILED {name}: {cause}", flush=True)
        return False


if __name__ == "__main__":
    main()
