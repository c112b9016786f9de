"""Several processes on one home, and a process killed in the middle. Real processes, fake embedder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ragbot import Document

HERE = Path(__file__).parent
WRITER = """
import sys
sys.path.insert(0, {tests!r})
import ragbot.spaces
from fakes import FakeEmbedder
ragbot.spaces.open_embedder = FakeEmbedder
from ragbot import Document, Memory
name, count = sys.argv[1], int(sys.argv[2])
with Memory.open({home!r}) as memory:
    for n in range(count):
        text = f"# One\\n\\nWriter {{name}} wrote {{n}}.\\n\\n# Two\\n\\nAlso {{name}} wrote {{n}}."
        memory.remember(Document(f"{{name}}/{{n % 20}}.md", text))
        print(n, flush=True)
"""


def start(home, name, count):
    code = WRITER.format(tests=str(HERE), home=str(home))
    return subprocess.Popen([sys.executable, "-c", code, name, str(count)], stdout=subprocess.PIPE, text=True, cwd=HERE.parent)


def test_another_process_is_heard_at_once(memory, home):
    memory.remember(Document("a.md", "Nothing yet."))
    writer = start(home, "ben", 3)
    for line in writer.stdout:
        found = [hit.chunk.text for hit in memory.recall(f"writer ben wrote {int(line)}", k=20)]
        assert any(f"Writer ben wrote {int(line)}." in text for text in found)
    assert writer.wait(60) == 0
    writer.stdout.close()


def test_two_writers_on_a_new_home_lose_nothing(open_memory, home):
    writers = [start(home, name, 25) for name in ("ana", "ben")]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    for writer in writers:
        writer.stdout.close()
    memory = open_memory()
    assert len(memory.documents()) == 40
    newest = {n % 20: n for n in range(25)}
    for name in ("ana", "ben"):
        for place, n in newest.items():
            with memory.store.reading() as reader:
                texts = [chunk.text for chunk in reader.chunks_of("everyone", f"{name}/{place}.md")]
            assert texts == [f"# One\n\nWriter {name} wrote {n}.", f"# Two\n\nAlso {name} wrote {n}."]
    assert memory.check().problems == ()


def test_killed_in_the_middle_nothing_acknowledged_is_lost_and_nothing_is_half_there(open_memory, home):
    acknowledged = 0
    for round_ in range(4):
        writer = start(home, f"w{round_}", 100_000)
        lines = [int(writer.stdout.readline())]
        time.sleep(0.15 * round_)
        os.kill(writer.pid, signal.SIGKILL)
        lines += [int(line) for line in writer.stdout if line.strip().isdigit()]
        writer.stdout.close()
        writer.wait(30)
        last = lines[-1]
        acknowledged += len(lines)
        memory = open_memory()
        with memory.store.reading() as reader:
            kept = {stored.uri: reader.chunks_of("everyone", stored.uri) for stored in reader.documents()}
        for n in range(max(0, last - 19), last + 1):
            one, two = kept[f"w{round_}/{n % 20}.md"]
            wrote = int(one.text.split()[-1].rstrip("."))
            assert wrote >= n  # the one after the last acknowledged may have been committed, whole
            assert two.text.endswith(f"wrote {wrote}.")
        assert memory.check().problems == ()
    assert acknowledged > 10
