"""A home of its own for every test, memories over a fake embedder, and the bundled models loaded once."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from fakes import FakeEmbedder, FakeGenerator
from loaded import WORKER, BundledModels
from weblib import Site

import ragbot.runtime
from ragbot import Chat, Document, Memory
from ragbot.index import compaction, hnsw

# What is started in the background of a shell ignores Ctrl-C, and so does what it starts; a handler of Python's is not passed on.
signal.signal(signal.SIGINT, signal.default_int_handler)

LAB = "The lab opens at 9:30.\n\nOn Sunday the lab is closed.\n\nThe printer costs 5 cents a page."
MOST_WORKERS = 8
"""Each process that runs tests may load all bundled models, about 1.2 GB."""


def pytest_xdist_auto_num_workers(config):
    """As many processes as there are cores; none beside this one where a person runs a file or a test of their own."""
    chosen = config.args if config.args_source is config.ArgsSource.ARGS else []
    if len(chosen) == 1 and ".py" in chosen[0]:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)


def pytest_make_parametrize_id(config, val, argname):
    """Bytes are no name: archives and documents hold the time at which they were made, which differs between processes."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    """No setting of the person who runs the tests reaches them, nor what an earlier test did to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("RAGBOT_") and name != "RAGBOT_CACHE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RAGBOT_HOME", str(tmp_path / "home-by-default"))


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory):
    """A folder of this run that all processes see which run its tests."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if WORKER else own


@pytest.fixture(scope="session")
def bundled_models(shared_folder):
    """The bundled models of this process."""
    return BundledModels(shared_folder / "converting.lock")


@pytest.fixture(autouse=True)
def models_of_this_test(monkeypatch, request):
    """Memories and chats of a test marked `model` get the models that are loaded; others do without the answerability model.

    A test marked `loads_models` is about how they are opened: there they are.
    """
    ragbot.runtime.shared_runtime.cache_clear()
    if request.node.get_closest_marker("loads_models"):
        return
    if request.node.get_closest_marker("model"):
        request.getfixturevalue("bundled_models").replace_openers(monkeypatch)
    else:
        monkeypatch.setattr(ragbot.runtime, "open_answerability_model", lambda: None)
        monkeypatch.setattr(ragbot.runtime, "open_supersession_model", lambda: None)


@pytest.fixture
def embedders(monkeypatch):
    """The fake embedders that memories of this test open, by name."""
    opened = {}

    def open_embedder(name):
        return opened.setdefault(name, FakeEmbedder(name))

    monkeypatch.setattr(ragbot.runtime, "open_embedder", open_embedder)
    return opened


@pytest.fixture
def home(tmp_path):
    return tmp_path / "indexes"


@pytest.fixture
def open_memory(embedders, home):
    """Opens the home of this test, as often as wanted: each is like another process."""
    opened = []

    def open_(**kwargs):
        opened.append(Memory.open(home, **kwargs))
        return opened[-1]

    yield open_
    for memory in opened:
        memory.close()


@pytest.fixture
def memory(open_memory):
    return open_memory()


@pytest.fixture
def chat_of(open_memory):
    """A chat with a scripted generator."""

    def open_(*replies, session="ana", scope="ana"):
        return Chat(open_memory(), session, scope, FakeGenerator(*replies))

    return open_


@pytest.fixture
def generators(monkeypatch):
    """What the generator writes: nothing, so that the sources speak for themselves; tests put replies in."""
    replies = FakeGenerator()
    monkeypatch.setattr(ragbot.runtime, "open_generator", lambda name, timeout: replies)
    return replies


@pytest.fixture
def lab(memory, generators):
    """A memory that a server's tests ask: what it knows of a lab."""
    memory.remember(
        Document("lab.md", "The lab opens at 9:30.\n\nOn Sunday the lab is closed.\n\nThe printer costs 5 cents a page.")
    )
    return memory


@pytest.fixture
def server(lab):
    """A running server over it."""
    from serving import served

    with served(lab) as running:
        yield running


@pytest.fixture
def tiny(monkeypatch):
    """Segments of few passages, with graphs from 32 on."""
    monkeypatch.setattr(compaction, "SEAL_AT", 8)
    monkeypatch.setattr(hnsw, "FROM", 32)


@pytest.fixture
def reachable():
    """A folder into which another user may look."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(folder)


@pytest.fixture
def site():
    """A web server on the loopback interface."""
    made = Site()
    yield made
    made.close()


def bytes_of(home):
    """The content of every file in a folder, one after the other.

    Another process reads them: who closes a database file drops the locks that SQLite holds on it in the same process.
    """
    files = [file for file in sorted(home.rglob("*")) if file.is_file()]
    return subprocess.run(["cat", *files], stdout=subprocess.PIPE, check=True).stdout if files else b""


def statuses(outcomes):
    """What became of each document, by its uri."""
    return {outcome.uri: outcome.status for outcome in outcomes}


def put(folder, **texts):
    """Write Markdown files into a folder, by their names without the suffix."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text)
    return folder
