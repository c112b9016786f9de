"""Several processes on one home, and a process killed in the middle. Real processes, fake embedder."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from waiting import until

from ragbot import Document
from ragbot.index.compaction import SEAL_AT

HERE = Path(__file__).parent
WRITER = """
import sys
sys.path.insert(0, {tests!r})
import ragbot.runtime
from fakes import FakeEmbedder
ragbot.runtime.open_embedder = FakeEmbedder
from ragbot import Document, Memory
name, count = sys.argv[1], int(sys.argv[2])
with Memory.open({home!r}) as memory:
    for n in range(count):
        text = f"# One\\n\\nProcess {{name}} wrote {{n}}.\\n\\n# Two\\n\\nAlso {{name}} wrote {{n}}."
        memory.remember(Document(f"{{name}}/{{n % 20}}.md", text))
        print(n, flush=True)
"""


def start(home, name, count):
    code = WRITER.format(tests=str(HERE), home=str(home))
    return subprocess.Popen([sys.executable, "-c", code, name, str(count)], stdout=subprocess.PIPE, text=True, cwd=HERE.parent)


def test_another_process_is_heard_at_once(memory, home):
    memory.remember(Document("a.md", "Nothing yet."))
    process = start(home, "ben", 3)
    for line in process.stdout:
        found = [hit.chunk.text for hit in memory.recall(f"process ben wrote {int(line)}", k=20)]
        assert any(f"Process ben wrote {int(line)}." in text for text in found)
    assert process.wait(60) == 0
    process.stdout.close()


def test_two_writers_on_a_new_home_lose_nothing(open_memory, home):
    writers = [start(home, name, 25) for name in ("ana", "ben")]
    assert [process.wait(120) for process in writers] == [0, 0]
    for process in writers:
        process.stdout.close()
    memory = open_memory()
    assert len(memory.documents()) == 40
    newest = {n % 20: n for n in range(25)}
    for name in ("ana", "ben"):
        for place, n in newest.items():
            with memory.store.reading() as snapshot:
                texts = [chunk.text for chunk in snapshot.chunks_of("everyone", f"{name}/{place}.md")]
            assert texts == [f"# One\n\nProcess {name} wrote {n}.", f"# Two\n\nAlso {name} wrote {n}."]
    assert memory.check().problems == ()


def test_killed_in_the_middle_nothing_acknowledged_is_lost_and_nothing_is_half_there(open_memory, home):
    acknowledged = 0
    for round_ in range(4):
        process = start(home, f"w{round_}", 100_000)
        lines = [int(process.stdout.readline()) for _ in range(1 + 5 * round_)]
        os.kill(process.pid, signal.SIGKILL)
        lines += [int(line) for line in process.stdout if line.strip().isdigit()]
        process.stdout.close()
        process.wait(30)
        last = lines[-1]
        acknowledged += len(lines)
        memory = open_memory()
        with memory.store.reading() as snapshot:
            kept = {stored.uri: snapshot.chunks_of("everyone", stored.uri) for stored in snapshot.documents()}
        for n in range(max(0, last - 19), last + 1):
            one, two = kept[f"w{round_}/{n % 20}.md"]
            wrote = int(one.text.split()[-1].rstrip("."))
            assert wrote >= n  # the one after the last acknowledged may have been committed, whole
            assert two.text.endswith(f"wrote {wrote}.")
        assert memory.check().problems == ()
    assert acknowledged > 10


def test_a_long_tail_is_sealed_in_the_background(memory, home):
    lines = "\n\n".join(f"# Room {n}\n\nRoom {n} is for team {n % 7}." for n in range(SEAL_AT + 100))
    memory.remember(Document("rooms.md", lines))
    manifest = home / "manifest-1.json"
    until(lambda: memory.recall("room 17", 3) and manifest.exists(), "it is sealed, and is found meanwhile")
    covered = json.loads(manifest.read_text())["covered"]
    assert covered == SEAL_AT + 100
    assert "Room 17 is" in memory.recall("room 17", 3)[0].chunk.text
    memory.close()
    assert memory.check().problems == ()


def test_a_builder_that_is_killed_loses_nothing_and_the_next_goes_on(memory, home):
    lines = "\n\n".join(f"# Room {n}\n\nRoom {n} is for team {n % 7}." for n in range(2 * SEAL_AT))
    memory.remember(Document("rooms.md", lines))
    memory.close()
    written = lambda pattern: lambda: list(home.glob(pattern))  # noqa: E731
    for sign in (lambda: True, written("segments/*"), written("segments/*/*"), written("manifest-1.json")):
        builder = subprocess.Popen([sys.executable, "-m", "ragbot.maintenance.builder", str(home)], cwd=HERE.parent)
        until(lambda sign=sign, builder=builder: sign() or builder.poll() is not None, "it has come so far")
        builder.kill()
        builder.wait()
        assert "Room 17 is" in memory.recall("room 17", 3)[0].chunk.text
    assert (
        subprocess.run([sys.executable, "-m", "ragbot.maintenance.builder", str(home)], cwd=HERE.parent, timeout=60).returncode
        == 0
    )
    assert json.loads((home / "manifest-1.json").read_text())["covered"] == 2 * SEAL_AT
    memory.compact()
    # Killed between a manifest and the sweep after it, a builder leaves files that nothing names until the next sweep.
    memory._maintenance.drop_erased()
    assert memory.check(deep=True).problems == ()
