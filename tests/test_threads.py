"""Many threads on one memory: each recall sees all that was committed before it began, and nothing that was forgotten before."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ragbot import Document
from ragbot.index.columns import FOREVER, Filter
from ragbot.index.segment import Segment
from ragbot.index.view import View

READERS = 8
PLACES = 12
STEPS = 25


@pytest.fixture
def restless():
    """Threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


class Known:
    """What the writer has been told is done: versions by uri, and what must not be found any more."""

    def __init__(self):
        self._lock = threading.Lock()
        self._versions, self._gone = {}, set()
        self.over = threading.Event()

    def now(self):
        with self._lock:
            return dict(self._versions), set(self._gone)

    def has(self, uri, version):
        with self._lock:
            self._versions[uri] = version

    def leaves(self, uri):
        with self._lock:
            self._versions.pop(uri, None)

    def left(self, uri):
        with self._lock:
            self._gone.add(uri)


def document(uri, version):
    return Document(uri, f"Room {uri.removesuffix('.md')} opens at {version}.\n\nIts {version} keys hang in hall {uri[0]}.")


def write(memory, known):
    """Replace some documents again and again, and let others come and go."""
    try:
        for step in range(STEPS):
            uri = f"{step % PLACES}.md"
            memory.remember(document(uri, step))
            known.has(uri, step)
            passing = f"x{step}.md"
            memory.remember(document(passing, step))
            known.has(passing, step)
            if step % 3 == 2:
                known.leaves(passing)
                memory.retire(passing)
                known.left(passing)
            if step % 10 == 9:
                known.leaves(f"x{step - 9}.md")
                memory.forget(f"x{step - 9}.md")
                known.left(f"x{step - 9}.md")
    finally:
        known.over.set()


def read(memory, known):
    """Recall all there is until the writer is done; how often."""
    times = 0
    while not known.over.is_set() or not times:
        versions, gone = known.now()
        found = {}
        for hit in memory.recall("room opens keys hall", 1000):
            found.setdefault(hit.chunk.uri, set()).add(int(hit.chunk.text.split("opens at ")[-1].split(".")[0]))
        later, _ = known.now()
        for uri in versions.keys() & later.keys():
            assert uri in found, f"{uri} was committed before the recall began, and is missing"
            assert len(found[uri]) == 1, f"{uri} is found in the versions {found[uri]} at once"
            assert versions[uri] <= min(found[uri]), f"{uri} is found as it was in {found[uri]}, was in {versions[uri]} before"
        assert not gone & found.keys(), f"{gone & found.keys()} was gone before the recall began, and is found"
        times += 1
    return times


def compact(memory, known):
    while not known.over.is_set():
        memory.compact()


def test_readers_beside_a_writer_and_a_compactor_see_one_moment_each(memory, tiny, restless):
    memory.remember(document(f"{place}.md", 0) for place in range(PLACES))
    known = Known()
    with ThreadPoolExecutor(READERS + 2) as threads:
        readers = [threads.submit(read, memory, known) for _ in range(READERS)]
        others = [threads.submit(write, memory, known), threads.submit(compact, memory, known)]
        for one in others:
            one.result()
        assert sum(one.result() for one in readers) > READERS
    assert memory.check(deep=True).problems == ()


def test_recalls_search_side_by_side(memory, tiny, monkeypatch):
    memory.remember(document(f"{place}.md", 0) for place in range(PLACES))
    memory.recall("room")
    nearest, together = View.nearest, threading.Barrier(2)

    def both(self, *asked):
        together.wait(30)  # only passed where another thread searches at the same time
        return nearest(self, *asked)

    monkeypatch.setattr(View, "nearest", both)
    with ThreadPoolExecutor(2) as threads:
        for one in [threads.submit(memory.recall, "room") for _ in range(2)]:
            assert one.result()


def test_who_finds_nothing_new_waits_for_nobody_who_follows(memory):
    memory.remember(document("1.md", 1))
    memory.recall("room")
    with ThreadPoolExecutor(1) as threads, memory.retriever._follower._lock:
        assert threads.submit(memory.recall, "room").result(30)


def test_a_view_stays_what_it_was(memory, tiny):
    memory.remember(document(f"{place}.md", 0) for place in range(PLACES))
    memory.compact()
    memory.recall("room")
    view, query, day = memory.retriever.view, memory.embedder().encode_query("room"), iter(range(10))

    def seen():
        wanted = Filter(frozenset(["everyone"]), until=FOREVER - next(day))  # a filter that the view does not remember
        return view.nearest(query, 100, wanted), view.words({"room": 1.0}, wanted).best(100)

    before = seen()
    for change in (
        lambda: memory.remember(document("1.md", 1)),
        lambda: memory.retire("2.md"),
        lambda: memory.forget("3.md"),
        memory.refresh,
    ):
        change()
        memory.recall("room")
        assert memory.retriever.view is not view
        assert seen() == before


def test_a_view_is_put_in_force_when_all_is_hidden_in_it(memory, tiny, monkeypatch):
    memory.remember(document(f"{place}.md", 0) for place in range(PLACES))
    memory.compact()
    memory.recall("room")
    before, hiding, seen = memory.retriever.view, Segment.hiding, []

    def watched(self, *hidden):
        seen.append(memory.retriever.view is before)
        return hiding(self, *hidden)

    monkeypatch.setattr(Segment, "hiding", watched)
    memory.retire("2.md")
    assert "2.md" not in {hit.chunk.uri for hit in memory.recall("room", 100)}
    assert seen
    assert all(seen)
