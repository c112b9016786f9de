"""How the server does under load: who waits how long, what it takes, and what one key can tell of another.

    python -m benchmarks.doors [--parts start load fair added leak connections] [--seconds N] [--json] [--out FILE]

`start`: from the command to the first answer, embedded default. `load`: 50 clients at once on loopback, stub generator: recalls
and chats; each client checks that it gets its own answers. `fair`: 8 clients at once with the embedded default. `added`: what
HTTP adds to `Chat.ask`. `leak`: two keys; pairs of questions, about what only the other key's scope holds and about what nobody's
holds: nothing of it in any answer, and how well times tell one from the other (AUC; .5: not at all). `connections`: 10,000 open
connections, heads that never end, bodies of 100 MB.
"""

import argparse
import asyncio
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from ragbot import Chat, Document, Memory
from ragbot.server.config import ServerConfig
from ragbot.server.keys import Keyring
from ragbot.server.listening import listen
from ragbot.server.run import server_of

PARTS = ("start", "load", "fair", "added", "leak", "connections")
ROOT = Path(__file__).parent.parent
HANDBOOK = ROOT / "docs" / "demo" / "handbook"
QUESTIONS = (
    "When is the makerspace open on Saturday?",
    "May I cut PVC on the laser?",
    "Can I bring my dog to the café?",
    "What is the most an employee may spend on a hotel night when travelling for work?",
    "Can I return a gift card?",
    "中文服务台什么时候有人值班？",
    "How do I book a workshop?",
    "What must I wear at the lathe?",
)


def log(text):
    print(text, file=sys.stderr, flush=True)


def resident_mb(pid):
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.split("VmRSS:")[1].split()[0]) // 1024


def quantile(values, share):
    return round(float(np.quantile(values, share)) * 1000, 1)


PACE_S = 5.0
"""How long a client waits from one question to the next."""


class Stub:
    """A generator that writes nothing at once: the sources speak for themselves."""

    model, window = "stub", 2048

    def count(self, text):
        return len(text.split())

    def close(self):
        pass

    def stream(self, messages, max_tokens):
        return iter(())


@contextmanager
def command(home, *arguments):
    """`ragbot serve` as a process of its own: (process, address)."""
    started = subprocess.Popen(
        [sys.executable, "-m", "ragbot.cli", "serve", "--home", str(home), "--port", "0", "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield started, json.loads(started.stdout.readline())["address"]
    finally:
        started.terminate()
        started.wait()


def handbook_home(folder):
    """A home with the demo's handbook, and a key to it."""
    home = Path(folder) / "indexes"
    subprocess.run(
        [sys.executable, "-m", "ingest.cli", "add", "--home", str(home), str(HANDBOOK)], check=True, capture_output=True
    )
    return home


def keys_to(home, count):
    with Memory.open(home) as memory:
        keyring = Keyring(memory.store, {})
        return [keyring.add(f"person{number}", roles=("read", "tell"))[1] for number in range(count)]


def headers(key):
    return {"Authorization": f"Bearer {key}"}


def chat(question):
    return {"model": "ragbot", "messages": [{"role": "user", "content": question}]}


def start(seconds):
    """From the command to the first answer, three times after one to warm the file cache; what it takes idle and in use."""
    with tempfile.TemporaryDirectory() as folder:
        home = handbook_home(folder)
        (key,) = keys_to(home, 1)
        times, idle, used = [], 0, 0
        for attempt in range(4):
            began = time.perf_counter()
            with command(home) as (process, address):
                answered = httpx.post(
                    f"{address}/v1/chat/completions", json=chat(QUESTIONS[0]), headers=headers(key), timeout=120
                )
                assert "09:00 to 18:00" in answered.text
                times.append(time.perf_counter() - began)
                if attempt == 3:
                    used = resident_mb(process.pid)
        with command(home) as (process, address):
            while httpx.get(f"{address}/ready").status_code != 200:
                time.sleep(0.1)
            time.sleep(2)
            idle = resident_mb(process.pid)
    return {"first_answer_s": round(statistics.median(times[1:]), 2), "idle_mb": idle, "after_one_answer_mb": used}


@contextmanager
def in_process(memory, **config):
    """A server in a thread of this process, whose models may be stubs."""
    from ragbot.server.app import create_app

    config = ServerConfig(port=0, requests_per_minute=10_000_000, **config)
    listening = listen(config)
    server = server_of(gate := create_app(memory, config), config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield gate, f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


SERVE_STUB = """
import sys
import benchmarks.doors as doors
import ragbot.runtime
ragbot.runtime.open_generator = lambda name, timeout: doors.Stub()
ragbot.runtime.open_answerability_model = lambda: None
sys.argv = ["ragbot", *sys.argv[1:]]
from ragbot.cli.main import main
main()
"""


@contextmanager
def stub_command(home):
    """`ragbot serve` with the bundled embedder and no other model, as a process of its own."""
    (home / "ragbot.toml").write_text("[server]\nrequests_per_minute = 10000000\nanswers_at_once = 2\n", encoding="utf-8")
    started = subprocess.Popen(
        [sys.executable, "-c", SERVE_STUB, "serve", "--home", str(home), "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    try:
        yield started, json.loads(started.stdout.readline())["address"]
    finally:
        started.terminate()
        started.wait()


def load(seconds):
    """50 clients for some time, each with a fact of its own, and a request every five seconds; one in 25 is a chat."""
    clients = 50
    with tempfile.TemporaryDirectory() as folder:
        home = handbook_home(folder)
        keys = keys_to(home, clients)
        with Memory.open(home) as memory:
            memory.remember(
                Document(f"fact{number}.md", f"The locker code of person {number} is {4000 + number}.", scope=f"person{number}")
                for number in range(clients)
            )
        with stub_command(home) as (process, address):
            while httpx.get(f"{address}/ready").status_code != 200:
                time.sleep(0.1)
            result = asyncio.run(_load(address, keys, seconds, process.pid))
    return result


async def _load(address, keys, seconds, pid):
    recalls, chats, errors, mixed, memory = [], [], [], [], []

    async def request(number, at, http):
        recall = at % 25 != number % 25
        path = "/v1/memory/recall" if recall else "/v1/chat/completions"
        query = {"query": f"locker code {secrets.token_hex(2)}", "k": 3}
        body = query if recall else chat(f"What is the locker code of person {number}?")
        began = time.perf_counter()
        found = await http.post(f"{address}{path}", json=body, headers=headers(keys[number]))
        others = [str(4000 + other) for other in range(len(keys)) if other != number]
        if found.status_code != 200:
            errors.append(found.text[:200])
        elif str(4000 + number) not in found.text or any(f"is {other}." in found.text for other in others):
            mixed.append(found.text[:200])
        return recalls if recall else chats, time.perf_counter() - began

    async def client(number, http):
        await request(number, number + 1, http)  # the first one of a key costs a slow hash
        await asyncio.sleep(PACE_S * (1 + number / len(keys)))
        at = 0
        while time.perf_counter() < until:
            at += 1
            kind, took = await request(number, at, http)
            kind.append(took)
            await asyncio.sleep(max(0.0, PACE_S - took))

    async def watch():
        while time.perf_counter() < until:
            memory.append(resident_mb(pid))
            await asyncio.sleep(1)

    until = time.perf_counter() + seconds
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=None)) as http:
        await asyncio.gather(watch(), *(client(number, http) for number in range(len(keys))))
    third = len(memory) // 3
    return {
        "seconds": seconds,
        "requests": len(recalls) + len(chats),
        "errors": len(errors),
        "mixed_up": len(mixed),
        "first_error": (errors or mixed or [""])[0],
        "recall_ms": {"p50": quantile(recalls, 0.5), "p99": quantile(recalls, 0.99)},
        "chat_ms": {"p50": quantile(chats, 0.5), "p99": quantile(chats, 0.99)},
        "memory_mb": {"second_third": max(memory[third : 2 * third]), "last_third": max(memory[2 * third :])},
    }


def fair(seconds):
    """8 clients with the embedded default, each asking as soon as it is answered."""
    with tempfile.TemporaryDirectory() as folder:
        home = handbook_home(folder)
        keys = keys_to(home, 8)
        with command(home) as (process, address):
            while httpx.get(f"{address}/ready").status_code != 200:
                time.sleep(0.1)
            idle = resident_mb(process.pid)
            waits = [[] for _ in keys]
            until, most = time.perf_counter() + seconds, [0]

            def client(number):
                at = number
                with httpx.Client(timeout=300, headers=headers(keys[number])) as http:
                    while time.perf_counter() < until:
                        began = time.perf_counter()
                        done = http.post(f"{address}/v1/chat/completions", json=chat(QUESTIONS[at % len(QUESTIONS)]))
                        assert done.status_code == 200, done.text
                        waits[number].append(time.perf_counter() - began)
                        most[0] = max(most[0], resident_mb(process.pid))
                        at += 1

            threads = [threading.Thread(target=client, args=(number,)) for number in range(len(keys))]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
    means = [statistics.mean(one) for one in waits]
    return {
        "answers": [len(one) for one in waits],
        "median_s": round(statistics.median(means), 2),
        "slowest_by_median": round(max(means) / statistics.median(means), 2),
        "idle_mb": idle,
        "most_mb": most[0],
    }


def added(seconds):
    """The same question through HTTP and by `Chat.ask`, in turns; no model but a stub: only the door is measured."""
    import ragbot.runtime

    ragbot.runtime.open_generator = lambda name, timeout: Stub()
    ragbot.runtime.open_answerability_model = lambda: None
    with tempfile.TemporaryDirectory() as folder, Memory.open(Path(folder) / "indexes") as memory:
        memory.remember(Document("lab.md", "The lab opens at 9:30. On Sunday the lab is closed."))
        with in_process(memory) as (gate, address), httpx.Client(base_url=address) as http:
            key = headers(gate.parts.keyring.add("ana", roles=("read",))[1])
            talk = Chat(memory, "direct", "ana", tells=False)
            direct, over_http, least = [], [], []
            for number in range(300):
                question = "When does the lab open?"
                for turn in (0, 1) if number % 2 else (1, 0):
                    began = time.perf_counter()
                    if turn:
                        assert http.post("/v1/chat/completions", json=chat(question), headers=key).status_code == 200
                        over_http.append(time.perf_counter() - began)
                    else:
                        talk.ask(question, history=())
                        direct.append(time.perf_counter() - began)
                began = time.perf_counter()
                http.get("/v1/models", headers=key)
                least.append(time.perf_counter() - began)
    return {
        "ask_ms_p50": quantile(direct[30:], 0.5),
        "http_ms_p50": quantile(over_http[30:], 0.5),
        "added_ms_p50": round(quantile(over_http[30:], 0.5) - quantile(direct[30:], 0.5), 1),
        "models_ms_p50": quantile(least[30:], 0.5),
    }


def leak(seconds, pairs=1000):
    """What one key can tell of the other's scope, by words and by time."""
    import ragbot.runtime

    ragbot.runtime.open_generator = lambda name, timeout: Stub()
    ragbot.runtime.open_answerability_model = lambda: None
    rng = np.random.default_rng(7)
    syllables = ("bar", "kel", "mon", "tis", "vor", "an", "el", "ing", "ud", "ra", "lo", "mi")
    names = ["".join(rng.choice(syllables, 4)) for _ in range(2 * pairs)]
    held, nobody = names[:pairs], names[pairs:]
    found, times = 0, {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder, Memory.open(Path(folder) / "indexes") as memory:
        memory.remember(Document("lab.md", "The lab opens at 9:30. On Sunday the lab is closed."))
        memory.remember(Document(f"{name}.md", f"The password of {name} is {name[::-1]}7.", scope="ben") for name in held)
        memory.compact()
        with in_process(memory) as (gate, address), httpx.Client(base_url=address) as http:
            key = headers(gate.parts.keyring.add("ana", roles=("read", "tell", "write"))[1])
            for at in range(pairs):
                pair = [(True, held[at]), (False, nobody[at])]
                for is_held, name in pair if at % 2 else reversed(pair):
                    for call in _probes(http, key, name):
                        began = time.perf_counter()
                        answer = call()
                        times[is_held].append(time.perf_counter() - began)
                        found += f"{name[::-1]}7" in answer.text or answer.status_code >= 500
    both = np.array(times[True] + times[False])
    ranks = both.argsort().argsort()[: len(times[True])] + 1
    count = len(times[True])
    auc = (ranks.sum() - count * (count + 1) / 2) / (count * len(times[False]))
    return {
        "pairs": pairs,
        "requests": len(both),
        "leaks": int(found),
        "time_auc": round(float(auc), 3),
        "median_ms": {"held": quantile(times[True], 0.5), "nobody": quantile(times[False], 0.5)},
    }


def _probes(http, key, name):
    return (
        lambda: http.post("/v1/memory/recall", json={"query": f"password of {name}"}, headers=key),
        lambda: http.get("/v1/memory/document", params={"uri": f"{name}.md"}, headers=key),
        lambda: http.get("/v1/memory/documents", params={"uri": f"{name}*"}, headers=key),
    )


def connections(seconds):
    """What 10,000 open connections, heads without end and bodies of 100 MB cost."""
    import resource
    import socket

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(20_000, hard), hard))
    wanted = min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
    with tempfile.TemporaryDirectory() as folder:
        home = handbook_home(folder)
        (key,) = keys_to(home, 1)
        with stub_command(home) as (process, address):
            while httpx.get(f"{address}/ready").status_code != 200:
                time.sleep(0.1)
            where, before = ("127.0.0.1", int(address.rpartition(":")[2])), resident_mb(process.pid)
            held, refused, most = [], 0, before
            for number in range(wanted):
                try:
                    one = socket.create_connection(where, timeout=5)
                    one.sendall(b"GET /health HTTP/1.1\r\nX-A: ")
                    held.append(one)
                except OSError:
                    refused += 1
                if number % 500 == 0:
                    most = max(most, resident_mb(process.pid))
            time.sleep(11)  # longer than a head may take
            alive = httpx.get(f"{address}/health", timeout=20).status_code
            for one in held:
                one.close()
            big = httpx.post(f"{address}/v1/memory/recall", content=b"x" * 100_000_000, headers=headers(key), timeout=60)
            most = max(most, resident_mb(process.pid))
    return {"opened": len(held), "not_let_in": refused, "health_after": alive, "body_of_100_mb": big.status_code,
            "memory_mb": {"before": before, "most": most}}  # fmt: skip


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=float, default=120, help="how long load and fair take, each")
    parser.add_argument("--pairs", type=int, default=1000, help="of questions, for leak")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--out", type=Path, help="write it to this file too")
    given = parser.parse_args(words)
    found = {"cores": os.cpu_count()}
    for name in given.parts:
        log(f"{name} …")
        part = globals()[name]
        found[name] = part(given.seconds, given.pairs) if name == "leak" else part(given.seconds)
        log(f"  {json.dumps(found[name], ensure_ascii=False)}")
    text = json.dumps(found, ensure_ascii=False, indent=1)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text if given.json else "\n".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in found.items()))


if __name__ == "__main__":
    main()
