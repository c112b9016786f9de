"""ParsePool in processes of their own: what hangs, crashes or eats memory fails alone."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from waiting import until

from ingest import parse_pool, pipeline
from ingest.parse_pool import ParsePool, Request
from ingest.parsers import worker
from ragbot.errors import BrokenError, EmptyError, ReadError

EVIL = """
import os, time
from ingest.parsers.characters import decode
from ingest.parsers.formats import Extract

def extract(source):
    text = decode(source.data)
    if "hang" in text:
        time.sleep(600)
    if "crash" in text:
        os.abort()
    if "spin" in text:
        while True:
            pass
    if "starve" in text:
        os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\\n" * 10_000)
        os.abort()
    if "killed" in text:
        os.kill(os.getpid(), 9)
    if "chat" in text:
        os.write(2, b"memory allocation tip: buy more\\n")
    if "eat" in text:
        held = b"x" * (worker_limit() + (1 << 20))
    if "print" in text:
        print("not an answer")
        os.write(1, b"nor this")
    if "trip" in text:
        raise RuntimeError("tripped over itself")
    return Extract(text)

def worker_limit():
    from ingest.parsers import worker
    return worker.MOST_BYTES
"""


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """Plain text files are read by a reader that does what they say."""
    code = tmp_path / "code" / "evil.py"
    code.parent.mkdir()
    code.write_text(EVIL)
    start = tmp_path / "code" / "sitecustomize.py"
    start.write_text("import sys, evil\nsys.modules['ingest.parsers.plain'] = evil\n")
    root = str(Path(worker.__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(code.parent), root]))
    monkeypatch.setattr(parse_pool, "SILENCE", 3.0)
    return tmp_path


def texts(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return [folder / f"{name}.txt" for name in files]


def read_all(paths):
    with ParsePool(2) as many:
        return {path.stem: got for path, got in filter(None, many.each(paths, lambda path: Request(path, path.name, "everyone")))}


def test_one_bad_file_fails_alone_and_with_its_reason(evil):
    paths = texts(evil, a="fine one", b="hang", c="crash", d="eat", e="trip", f="print", g="fine two")
    got = read_all(paths)
    assert [got[name].text for name in "afg"] == ["fine one", "print", "fine two"]
    said = {name: str(got[name]) for name in "bcde"}
    assert all(isinstance(got[name], BrokenError) for name in "bcde")
    assert "takes too long" in said["b"] and "crashed (signal 6)" in said["c"]
    assert "needs more than" in said["d"] and "tripped over itself" in said["e"]
    assert all(text.startswith(f"{name}.txt: ") for name, text in said.items())


@pytest.mark.parametrize("end", ["starve", "killed"])
def test_a_reader_that_dies_for_want_of_memory_is_said_to(evil, end):
    (got,) = read_all(texts(evil, a=end)).values()
    assert isinstance(got, BrokenError) and str(got) == "a.txt: needs more than 3 GB of memory to read; split it"


def test_what_was_said_of_an_earlier_file_does_not_explain_a_crash(evil):
    with ParsePool(1) as many:
        got = [found for _, found in many.each(texts(evil, a="chat", b="crash"), lambda path: Request(path, path.name, "all"))]
    assert got[0].text == "chat" and "its reader crashed (signal 6)" in str(got[1])


def test_the_processes_end_with_the_reading(evil):
    (path,) = texts(evil, a="hang")
    many = ParsePool(1)
    found = []
    items = many.each([path], lambda path: Request(path, path.name, "everyone"))
    thread = threading.Thread(target=lambda: found.extend(filter(None, items)))
    thread.start()
    process = until(lambda: many._all, "a process was started")[0]._process
    assert process.poll() is None
    many.__exit__()
    thread.join(20)
    assert process.poll() == -signal.SIGKILL and isinstance(found[0][1], ReadError)


def test_a_process_whose_asker_is_gone_ends(tmp_path):
    (path,) = texts(tmp_path, a="hello there")
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom ingest.parse_pool import ParsePool, Request\n"
        "many = ParsePool(1)\nmany.read(Request(Path(sys.argv[1]), 'a.txt', 'everyone'))\n"
        "print(many._all[0]._process.pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) as asker:
        pid = int(asker.stdout.readline())
        os.kill(pid, 0)
        asker.kill()
    until(lambda: not Path(f"/proc/{pid}").exists(), "the process has ended")


def test_files_are_read_by_a_process_with_many_descriptors(tmp_path):
    (path,) = texts(tmp_path, a="hello there")
    code = (
        "import os, resource, sys\nfrom pathlib import Path\nfrom ingest.parse_pool import ParsePool, Request\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (4096 if hard == resource.RLIM_INFINITY else min(hard, 4096), hard))\n"
        "held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]\n"
        "with ParsePool(1) as many:\n"
        "    print(held[-1] > 1023, many.read(Request(Path(sys.argv[1]), 'a.txt', 'everyone')).text)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("True hello there\n", "")


def test_answers_are_json_and_errors_keep_their_kind(tmp_path):
    (path,) = texts(tmp_path, a="")
    with ParsePool(1) as many, pytest.raises(EmptyError, match="0 bytes"):
        many.read(Request(path, "a.txt", "everyone"))
    with pytest.raises(EmptyError):
        worker.document_of(json.loads('{"error": "EmptyError", "message": "a: is empty"}'))


def test_a_process_is_replaced_after_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(parse_pool, "RENEWED", 2)
    started, real = [], parse_pool._Process
    monkeypatch.setattr(parse_pool, "_Process", lambda: started.append(real()) or started[-1])
    paths = texts(tmp_path, **{f"n{number}": f"Number {number}." for number in range(5)})
    with ParsePool(1) as many:
        got = [document.text for _, document in filter(None, many.each(paths, lambda path: Request(path, path.name, "everyone")))]
        assert len(started) == 3 and many._all == started[2:]
        assert all(process._process.returncode is not None for process in started[:2])
    assert got == [f"Number {number}." for number in range(5)]


def test_a_bad_file_takes_no_sync_down(evil, memory):
    folder = evil / "docs"
    folder.mkdir()
    texts(folder, a="The lab opens at nine.", b="crash", c="The hall is green.")
    outcomes = {outcome.uri.rsplit("/", 1)[-1]: outcome.status for outcome in pipeline.sync(memory, folder)}
    assert outcomes == {"a.txt": "added", "b.txt": "failed", "c.txt": "added"}
    assert memory.recall("hall green")[0].chunk.text == "The hall is green."
