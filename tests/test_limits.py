"""What no file may do to the run: hold too much text, answer what makes no sense, outlive whoever asked."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from waiting import stays, until

from ingest import parse_pool
from ingest.parse_pool import ParsePool, Request
from ingest.parsers import damage, read, worker
from ragbot.errors import BrokenError, ReadError
from ragbot.types import Document

ROOT = str(Path(worker.__file__).parents[2])


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(damage, "MAX_TEXT_CHARACTERS", 100)


@pytest.fixture
def child(monkeypatch):
    """Lets code stand for the process that reads; each time that one is started, the next code, or the last one."""
    real, codes = subprocess.Popen, []

    def start(command, **kwargs):
        code = codes.pop(0) if len(codes) > 1 else codes[0]
        return real([sys.executable, "-c", code] if code else command, **kwargs)

    monkeypatch.setattr(parse_pool.subprocess, "Popen", start)
    return lambda *given: codes.extend(given)


def texts(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return [folder / f"{name}.txt" for name in files]


def request(path):
    return Request(path, path.name, "everyone")


def is_running(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


# Text


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.py", "a.csv", "a.html", "a.json", "a.eml"])
def test_a_file_with_too_much_text_is_refused(tmp_path, short, name):
    path = tmp_path / name
    path.write_text({"a.json": '["{}"]', "a.eml": "From: a@b.c\n\n{}"}.get(name, "{}").format("word " * 21))
    with pytest.raises(BrokenError, match=f"^{name}: has more than 100 characters of text; split it$"):
        read(path, name)


def test_a_text_that_is_too_long_is_not_even_taken_in(tmp_path, short, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("字" * 134)  # 402 bytes: not so few letters, if each took four
    monkeypatch.setattr("ingest.parsers.plain.decode", lambda *_: pytest.fail("was decoded"))
    path.write_text("字" * 135)
    with pytest.raises(BrokenError, match="has more than 100 characters of text"):
        read(path, "a.txt")


def test_the_longest_text_is_read(tmp_path, short):
    path = tmp_path / "a.txt"
    path.write_text("🔧" * 100)
    assert len(read(path, "a.txt").text) == 100


def test_the_answer_to_the_longest_text_is_let_through(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "LONGEST_ANSWER", 1000 * 4 + 400)
    (path,) = texts(tmp_path, a="🔧" * 1000)
    with ParsePool(1) as many:
        assert many.read(request(path)).text == "🔧" * 1000


def test_names_that_are_no_unicode_come_back_as_they_are(tmp_path):
    (path,) = texts(tmp_path, a="hello there")
    with ParsePool(1) as many:
        assert many.read(Request(path, "\udcff实.txt", "everyone")).uri == "\udcff实.txt"


def test_no_more_text_is_held_ahead_than_a_share(tmp_path, monkeypatch):
    monkeypatch.setattr(parse_pool, "LETTERS_AHEAD", 30)
    begun = []
    with ParsePool(2) as many:
        monkeypatch.setattr(many, "read", lambda asked: Document(asked.uri, "ten signs."))
        found = filter(
            None, many.each(range(20), lambda number: begun.append(number) or Request(Path("a"), str(number), "everyone"))
        )
        first, _ = next(found)
        until(lambda: len(begun) >= 4, "some are held ahead")
        assert first == 0
        # The one that was taken, those held, and one for each thread.
        stays(lambda: len(begun) <= 1 + 3 + 2, "no more are held ahead", 0.2)
        assert [number for number, _ in found] == list(range(1, 20))


def test_what_is_waited_for_needs_no_room(monkeypatch):
    monkeypatch.setattr(parse_pool, "LETTERS_AHEAD", 1)
    with ParsePool(3) as many:

        def slow(asked):
            time.sleep(0.1 if asked.uri == "0" else 0)
            return Document(asked.uri, "ten signs.")

        monkeypatch.setattr(many, "read", slow)
        found = filter(None, many.each(range(12), lambda number: Request(Path("a"), str(number), "everyone")))
        assert [document.uri for _, document in found] == [str(number) for number in range(12)]


# Answers

ANSWERS = {
    "nothing": "",
    "words": "not json",
    "a list": "[1]",
    "a number": "7",
    "an unknown error": '{"error": "X", "message": "m"}',
    "an error without words": '{"error": "BrokenError", "message": 3}',
    "no document": '{"document": 3}',
    "half a document": '{"document": {"uri": "a.txt"}}',
    "depth": "[" * 100_000,
}


def said(**changed):
    document = {"uri": "a.txt", "text": "words", "title": "", "scope": "everyone", "metadata": {}, "pages": [], "lines": True}
    return json.dumps({"document": {**document, **changed}})


ANSWERS |= {
    "a text that is none": said(text=3),
    "half a character": said(text="\ud800"),
    "pages in the air": said(pages=[0, 1 << 70]),
    "pages upside down": said(pages=[3, 0]),
    "notes that are none": said(metadata={"a": 1}),
    "another document": said(uri="b.txt"),
    "another's document": said(scope="ana"),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_makes_no_sense_fails_its_file_alone(tmp_path, child, answer):
    a, b = texts(tmp_path, a="hello there", b="and here")
    child(f"import sys; sys.stdin.readline(); print({ANSWERS[answer]!r}, flush=True); sys.stdin.read()", "")
    with ParsePool(1) as many:
        got = [found for _, found in filter(None, many.each([a, b], request))]
        assert len(many._all) == 1
    assert isinstance(got[0], BrokenError) and "a.txt: its reader crashed (what it answered makes no sense)" in str(got[0])
    assert got[1].text == "and here"


def test_an_answer_without_end_is_cut_off(tmp_path, child, monkeypatch):
    monkeypatch.setattr(worker, "LONGEST_ANSWER", 1 << 20)
    (path,) = texts(tmp_path, a="hello there")
    child("import sys\nsys.stdin.readline()\nwhile True: sys.stdout.write('x' * 65536)")
    with ParsePool(1) as many, pytest.raises(BrokenError, match="makes no sense"):
        many.read(request(path))


def test_a_sound_answer_is_taken(tmp_path, child):
    (path,) = texts(tmp_path, a="hello there")
    child(f"import sys; sys.stdin.readline(); print({said(text='words')!r}, flush=True); sys.stdin.read()")
    with ParsePool(1) as many:
        assert many.read(request(path)) == Document("a.txt", "words", scope="everyone")


def test_messages_are_short(tmp_path, child):
    (path,) = texts(tmp_path, a="hello there")
    answer = json.dumps({"error": "ReadError", "message": "a.txt: " + "so " * 10_000})
    child(f"import sys; sys.stdin.readline(); print({answer!r}, flush=True); sys.stdin.read()")
    with ParsePool(1) as many, pytest.raises(ReadError) as caught:
        many.read(request(path))
    assert len(str(caught.value)) == 10_000


@pytest.mark.parametrize(("end", "told"), [("os._exit(3)", "exit 3"), ("os.kill(os.getpid(), 11)", "signal 11")])
def test_how_a_process_ended_is_told(tmp_path, child, end, told):
    (path,) = texts(tmp_path, a="hello there")
    child(f"import os, sys, time; sys.stdin.readline(); os.close(1); time.sleep(0.2); {end}")
    with ParsePool(1) as many, pytest.raises(BrokenError, match=rf"crashed \({told}\)"):
        many.read(request(path))


def test_what_takes_too_long_is_not_tried_again(tmp_path, child, monkeypatch):
    monkeypatch.setattr(parse_pool, "SILENCE", 1.0)
    first, second = texts(tmp_path, a="hello there", b="and here")
    line = said(text="words")
    child(f"import sys; sys.stdin.readline(); print({line!r}, flush=True); sys.stdin.readline(); sys.stdin.read()", "")
    with ParsePool(1) as many:
        assert many.read(request(first)).text == "words"
        with pytest.raises(BrokenError, match="takes too long"):
            many.read(request(second))
        assert many._all == []


# Ends


STOPPED = """
import signal, threading
from ingest.parse_pool import ParsePool
from ragbot.errors import ReadError

told = threading.Event()

def wanted(_):
    assert told.wait(20)
    raise ReadError("was told to end")

try:
    with ParsePool(1, told.set) as many:
        threading.Timer(0.1, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
        next(filter(None, many.each([1, 2], wanted)))
except KeyboardInterrupt:
    print(told.is_set())
"""


def test_stop_is_called_before_the_threads_are_waited_for():
    """In a process of its own: a real Ctrl-C must not reach the one that runs the tests."""
    done = subprocess.run([sys.executable, "-c", STOPPED], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)


def test_stop_is_for_accidents_only(tmp_path):
    told = threading.Event()
    with ParsePool(1, told.set) as many:
        assert list(filter(None, many.each([1], lambda _: None))) == [(1, None)]
    assert not told.is_set()


ASKER = """
import sys
from pathlib import Path
from ingest.parse_pool import ParsePool, Request
many = ParsePool(1)
many.read(Request(Path(sys.argv[1]), "a.txt", "everyone"))
print(many._all[0]._process.pid, flush=True)
many.read(Request(Path(sys.argv[2]), "b.txt", "everyone"))
"""
BUSY = """
import re, signal, sys, types
from ingest.parsers.formats import Extract
signal.alarm = lambda seconds, real=signal.alarm: real(min(seconds, 2))

def extract(source):
    if source.name == "b.txt":
        open(source.data.decode(), "w").close()
        {work}
    return Extract("words")

sys.modules["ingest.parsers.plain"] = types.SimpleNamespace(extract=extract)
"""


@pytest.mark.parametrize(
    "work",
    ["while True: pass", r're.fullmatch("(x+x+)+y", "x" * 60)'],
    ids=["our own", "one that lets no thread of ours run"],
)
def test_a_process_ends_in_the_middle_of_a_file_when_its_asker_is_gone(tmp_path, work):
    first, second = texts(tmp_path, a="hello there", b=str(tmp_path / "begun"))
    (tmp_path / "sitecustomize.py").write_text(BUSY.format(work=work))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), ROOT])}
    command = [sys.executable, "-c", ASKER, first, second]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as asker:
        pid = int(asker.stdout.readline())
        until((tmp_path / "begun").exists, "the file is begun")
        assert is_running(pid)
        asker.kill()
    until(lambda: not is_running(pid), "the process has ended")


@pytest.mark.parametrize("limit", ["-t 1800", "-d 2000000"])
def test_limits_that_were_set_already_are_kept(tmp_path, limit):
    (path,) = texts(tmp_path, a="hello there")
    said = {"path": str(path), "uri": "a.txt", "scope": "everyone", "password": None, "suffix": None}
    command = ["bash", "-c", f"ulimit {limit}; exec {sys.executable} -m {worker.__name__}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        process.stdin.write(json.dumps(said) + "\n")
        process.stdin.flush()
        assert worker.document_of(json.loads(process.stdout.readline())).text == "hello there"
