"""What two processes, or an interruption, do to each other in the worst order: the order is made by hand here."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from fakes import FakeEmbedder
from filelock import FileLock
from test_index import READ_ONLY, ROOT, found, memory_view, room

import ragbot.memory
import ragbot.runtime
from ragbot import Document, Memory
from ragbot.errors import BusyError, HomeError
from ragbot.index import compaction, segment_files
from ragbot.index import manifest as manifests
from ragbot.index import passages as passages_in_memory
from ragbot.index.columns import Filter
from ragbot.maintenance.builder import command
from ragbot.maintenance.refresh import Maintenance
from ragbot.store import Snapshot
from ragbot.store.dialects import sqlite
from ragbot.text.chunks import tokens_of

EVERYONE = Filter(frozenset(["everyone"]))


def rows_of(memory):
    """How many rows this process has of each passage that anyone may see."""
    return Counter(id for id, _ in memory.retriever.view.nearest(memory.embedder().encode_query("room"), 1000, EVERYONE))


# Readers


def test_what_was_forgotten_does_not_come_back_when_the_index_is_made_anew(memory, open_memory, tiny):
    observer = open_memory()
    for n in range(5):
        memory.remember(Document(f"{n}.md", f"Room {n} opens at {n}."))
    memory.remember(Document("secret.md", "The secret word is xylophone."))
    assert observer.recall("secret word xylophone", 1)[0].chunk.uri == "secret.md"
    memory.forget("secret.md")
    assert len(observer.recall("secret word xylophone", 1)) == 1
    memory.refresh()
    assert len(observer.recall("secret word xylophone", 1)) == 1
    assert observer.retriever.view.words({"xylophon": 1.0}, EVERYONE).best(5) == []


def test_no_bit_of_a_manifest_is_believed_that_was_flipped(memory, home, tiny):
    memory.remember(room(n) for n in range(40))
    memory.refresh()
    file = home / "manifest-1.json"
    content, good = file.read_bytes(), manifests.read(home, 1)
    for at in range(len(content)):
        for bit in range(8):
            file.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
            assert manifests.read(home, 1) in (None, good), (at, bit)
    file.write_bytes(content)
    assert good
    assert manifests.read(home, 1) == good


def test_a_reader_that_is_interrupted_while_it_catches_up_begins_anew(memory, open_memory, home, tiny, monkeypatch):
    monkeypatch.setattr(passages_in_memory, "BLOCK", 4)
    memory.remember(Document(f"{n}.md", f"Room {n} is for team {n % 7}.") for n in range(4))
    observer = open_memory()
    observer.recall("room")
    memory.remember(Document(f"{n}.md", f"Room {n} is for team {n % 7}.") for n in range(4, 12))
    passages, calls = Snapshot.passages, []

    def cut(self, *args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return passages(self, *args)

    monkeypatch.setattr(Snapshot, "passages", cut)
    with pytest.raises(KeyboardInterrupt):
        observer.recall("room")
    observer.recall("room")
    assert set(rows_of(observer).values()) == {1}
    assert len(rows_of(observer)) == 12
    assert observer.recall("room 7 team", 12) == open_memory().recall("room 7 team", 12)


def test_a_reader_interrupted_while_it_hides_shows_nothing_retired(memory, open_memory, home, tiny, monkeypatch):
    memory.remember(Document(f"{n}.md", f"Room {n} is for team {n % 7}.") for n in range(12))
    compactor = compaction.Compactor(home, memory.store, tokens_of)
    compactor._follow()
    names = compactor._written(compactor._view.unsealed, lambda: False)
    memory.retire("3.md")
    observer = open_memory()
    observer.recall("room")
    compactor._publish(names, lambda: False, all_in=True)
    with monkeypatch.context() as patched:
        patched.setattr(Snapshot, "retired_after", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            observer.recall("room 3")
    assert observer.recall("room 3", 1) == open_memory().recall("room 3", 1)
    assert 4 not in rows_of(observer)


def test_a_segment_that_was_replaced_is_not_taken_for_damaged(memory, open_memory, tiny, monkeypatch, caplog):
    memory.remember(room(3 * n) for n in range(60))
    memory.refresh()
    observer, read, done = open_memory(), manifests.read, []

    def replaced(home, space):
        got = read(home, space)
        if not done:
            done.append(True)
            memory.remember(room(900))
            memory.refresh()
        return got

    monkeypatch.setattr(manifests, "read", replaced)
    assert len(found(observer)) == 61
    assert sum(map(len, observer.retriever.view.unsealed)) == 0
    assert "unusable" not in caplog.text


def test_a_move_while_a_query_is_encoded_loads_nothing_of_it_into_memory(memory, open_memory, tiny, monkeypatch):
    memory.remember(room(3 * n) for n in range(60))
    memory.refresh()
    observer = open_memory()
    assert len(found(observer)) == 60
    encode, passages, done, loaded = FakeEmbedder.encode_query, Snapshot.passages, [], []

    def moved(self, text):
        if not done:
            done.append(True)
            memory.refresh("other")
        return encode(self, text)

    monkeypatch.setattr(FakeEmbedder, "encode_query", moved)
    observer._spaces._query_vector.cache_clear()  # or the question would not be encoded again
    refresh, memory.refresh = memory.refresh, lambda model: (refresh(model), loaded.clear())
    monkeypatch.setattr(Snapshot, "passages", lambda self, space, ids: (loaded.extend(ids), passages(self, space, ids))[1])
    assert len(found(observer)) == 60
    assert observer.retriever.view.space.model == "other"
    assert loaded == []


def test_readers_tell_who_builds_of_a_damaged_segment(memory, open_memory, home, tiny):
    memory.remember(room(3 * n) for n in range(60))
    memory.refresh()
    (name,) = memory_view(memory).sealed
    vectors = home / "segments" / name / "vectors"
    content = bytearray(vectors.read_bytes())
    content[len(content) // 2] ^= 4
    vectors.write_bytes(content)
    assert len(found(open_memory())) == 60
    memory.compact()
    assert memory.check(deep=True).problems == ()
    assert open_memory().retriever.view.damaged == ()


def test_a_home_that_may_not_be_written_follows_who_may(embedders, reachable):
    home = reachable / "home"
    with Memory.open(home) as memory:
        memory.remember(room(0))
        memory.refresh()
    for path in (*home.rglob("*"), home):
        path.chmod(0o555 if path.is_dir() else 0o444)
    code = READ_ONLY.format(tests=str(ROOT / "tests"), home=str(home))
    code += '    input()\n    print(memory.recall("zebra")[0].chunk.text, memory.check().problems)\n'
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout.readline() == "0.md ()\n"
    for path in (*home.rglob("*"), home):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with Memory.open(home) as memory:
        memory.remember(Document("zebra.md", "A zebra has stripes."))
        memory.refresh()
        said, _ = process.communicate("\n", timeout=60)
    assert said.splitlines()[-1] == "A zebra has stripes. ()"


def test_writers_that_wait_keep_nobody_of_their_process_from_reading(embedders, home, monkeypatch):
    monkeypatch.setattr(sqlite, "WAIT_S", 1.5)
    with Memory.open(home) as memory:
        memory.remember(room(0))
        memory.recall("room")
        ends = Counter()

        def write(n):
            try:
                memory.remember(room(n))
            except BusyError:
                ends["busy"] += 1

        with sqlite3.connect(home / "ragbot.db", isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            threads = [threading.Thread(target=write, args=(n,)) for n in range(1, 25)]
            for thread in threads:
                thread.start()
            time.sleep(0.3)
            assert memory.recall("room")
            assert ends["busy"] == 0  # it was answered while all of them waited
            for thread in threads:
                thread.join()
            other.execute("ROLLBACK")
        assert ends == {"busy": 24}


# Moving to another model


def test_a_move_beside_a_writer_seals_once_and_ends(memory, open_memory, tiny, monkeypatch):
    memory.remember(room(3 * n) for n in range(60))
    other, sealed_anew, tries = open_memory(), Maintenance._rebuilt, []

    def beside(self, space):
        done = sealed_anew(self, space)
        tries.append(space)
        other.remember(Document(f"new{len(tries)}.md", f"New thing {len(tries)} came."))
        return done

    monkeypatch.setattr(Maintenance, "_rebuilt", beside)
    done = memory.refresh("other")
    assert (done.space.model, done.embedded, done.sealed, len(tries)) == ("other", 61, 60, 1)
    assert open_memory().recall("new thing", 1)[0].chunk.uri == "new1.md"


def test_a_new_index_is_kept_until_its_space_answers(memory, open_memory, home, tiny, monkeypatch):
    memory.remember(room(3 * n) for n in range(60))
    other, sealed_anew = open_memory(), Maintenance._rebuilt

    def beside(self, space):
        done = sealed_anew(self, space)
        other.forget("9.md")
        return done

    with monkeypatch.context() as patched:
        patched.setattr(Maintenance, "_rebuilt", beside)
        space = memory.refresh("other").space
    assert manifests.read(home, space.id) is not None
    observer = open_memory()
    assert len(found(observer)) == 59
    assert observer.retriever.view.unsealed == ()
    assert memory.check(deep=True).problems == ()


def test_an_index_that_lacks_a_passage_does_not_take_over(memory, open_memory, tiny, monkeypatch):
    memory.remember(room(3 * n) for n in range(60))
    memory.refresh()
    write = segment_files.write

    def lossy(folder, parts, keep, **options):
        keep = [mask.copy() for mask in keep]
        keep[0][7] = False
        return write(folder, parts, keep, **options)

    with monkeypatch.context() as patched:
        patched.setattr(segment_files, "write", lossy)
        with pytest.raises(HomeError, match="not sound"):
            memory.refresh("other")
    observer = open_memory()
    assert len(found(observer)) == 60
    assert observer.retriever.view.space.model != "other"
    assert memory.refresh("other").space.model == "other"
    assert len(found(observer)) == 60


def test_vectors_never_get_into_the_space_of_another_model(open_memory, embedders, home, tmp_path, tiny, monkeypatch):
    monkeypatch.setattr(ragbot.runtime, "open_embedder", lambda name: FakeEmbedder(name, 64 if name == "small" else 256))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "ragbot.toml").write_text('embedder = "small"\n')
    with Memory.open(tmp_path / "other") as small:
        small.remember(room(30))
        small.backup(tmp_path / "backup")
    memory, encode, done = open_memory(), FakeEmbedder.encode, []
    memory.remember(room(60))

    def restored(self, texts, progress=None):
        made = encode(self, texts, progress)
        if not done:
            done.append(True)
            open_memory().restore(tmp_path / "backup")
        return made

    monkeypatch.setattr(FakeEmbedder, "encode", restored)
    memory.remember(room(90))
    assert found(memory) == found(open_memory()) == ["30.md", "90.md"]
    assert memory.check(deep=True).problems == ()


def test_of_two_moves_at_once_none_takes_over_without_its_index(memory, open_memory, home, tiny, monkeypatch):
    memory.remember(room(3 * n) for n in range(60))
    other, need_sound, done = open_memory(), Maintenance._need_sound, []

    def beside(self, space):
        need_sound(self, space)
        if not done:
            done.append(True)
            other.refresh("third")

    monkeypatch.setattr(Maintenance, "_need_sound", beside)
    with pytest.raises(BusyError, match="another process moves it"):
        memory.refresh("second")
    observer = open_memory()
    assert len(found(observer)) == 60
    assert observer.retriever.view.space.model == "third"
    assert observer.retriever.view.unsealed == ()


def test_forgetting_loads_nothing_of_a_move_that_was_cut_off(memory, tiny, monkeypatch):
    memory.remember(room(3 * n) for n in range(60))
    memory.refresh()
    with monkeypatch.context() as patched:
        patched.setattr(Maintenance, "_rebuilt", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            memory.refresh("other")
    memory.recall("room")
    passages, loaded = Snapshot.passages, []
    monkeypatch.setattr(Snapshot, "passages", lambda self, space, ids: (loaded.extend(ids), passages(self, space, ids))[1])
    memory.forget("30.md")
    assert loaded == []
    assert memory.refresh("other").embedded == 0


# Forgetting, checking, building


def test_many_forget_at_once(memory, open_memory, tiny):
    memory.remember(room(n) for n in range(90))
    memory.refresh()
    ends = Counter()

    def forget(own, part):
        for n in part:
            try:
                assert own.forget(f"{n}.md", scope=("everyone", "ana", "ben")[n % 3]).chunks == 1
                ends["done"] += 1
            except BaseException as cause:
                ends[repr(cause)] += 1

    threads = [threading.Thread(target=forget, args=(open_memory(), range(start, 60, 3))) for start in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == {"done": 60}
    assert memory.check(deep=True).problems == ()


def test_forgetting_beside_a_long_build_says_what_is_left(memory, home, tiny, monkeypatch):
    memory.remember(room(3 * n) for n in range(60))
    memory.refresh()
    building = compaction.building
    with monkeypatch.context() as patched, FileLock(home / compaction.LOCK):
        patched.setattr(compaction, "building", lambda home, *_: building(home, wait_s=0.2))
        assert not memory.forget("30.md").cleared
        assert "30.md" not in found(memory)
    memory.refresh()
    assert memory.check(deep=True).problems == ()


def test_nothing_of_a_scope_that_was_forgotten_is_in_the_index(memory, home, tiny):
    memory.remember(room(3 * n) for n in range(60))
    memory.remember(Document("own.md", "A private thing.", scope="zaphod"))
    memory.refresh()
    files = [file for file in (home / "segments").rglob("*") if file.is_file()]
    assert any(b"zaphod" in file.read_bytes() for file in files)
    memory.forget("own.md", scope="zaphod")
    files = [file for file in (home / "segments").rglob("*") if file.is_file()]
    assert files
    assert not any(b"zaphod" in file.read_bytes() for file in files)
    assert memory.check(deep=True).problems == ()


def test_a_check_beside_a_builder_finds_nothing_wrong(memory, open_memory, home, tiny, monkeypatch):
    memory.remember(room(3 * n) for n in range(60))
    builder, put_words, begun = open_memory(), segment_files._put_words, threading.Event()

    def slow(*args):
        begun.set()
        time.sleep(0.5)
        return put_words(*args)

    monkeypatch.setattr(segment_files, "_put_words", slow)
    thread = threading.Thread(target=builder.compact)
    thread.start()
    assert begun.wait(10)
    assert memory._maintenance._checked(False, lambda _: None).problems  # one look is not enough
    assert memory.check().problems == ()
    thread.join()


def test_a_check_beside_a_long_build_tells_what_it_saw(memory, home, tiny, monkeypatch):
    memory.remember(room(3 * n) for n in range(60))
    memory.refresh()
    (home / "segments" / ".0.aside").mkdir()
    building = compaction.building
    monkeypatch.setattr(compaction, "building", lambda home, *_: building(home, wait_s=0.2))
    with FileLock(home / compaction.LOCK):
        assert memory.check().problems == ()
        (name,) = memory_view(memory).sealed
        (home / "segments" / name / "vectors").write_bytes(b"x")
        assert len(memory.check().problems) == 1


def test_who_asked_before_the_clock_was_set_back_is_not_waited_for(memory, home, tiny):
    memory.remember(room(0))
    (home / compaction.ASKED).touch()
    assert compaction.asked_aside(home)
    later = time.time() + 3600
    os.utime(home / compaction.ASKED, (later, later))
    assert not compaction.asked_aside(home)


def test_a_backup_takes_the_settings_along(memory, home, tmp_path):
    memory.remember(room(0))
    (home / "ragbot.toml").write_text("passages = 7\n")
    copy = memory.backup(tmp_path / "backup")
    with Memory.open(copy) as other:
        assert other.settings == replace(memory.settings, passages=7)
    (tmp_path / "file").write_text("x")
    with pytest.raises(HomeError, match="name another"):
        memory.backup(tmp_path / "file")
    shutil.rmtree(copy)


def test_a_backup_that_was_cut_off_is_none(memory, open_memory, home, tmp_path, monkeypatch):
    memory.remember(room(3 * n) for n in range(20))

    def cut(_database, target):
        target.write_bytes((home / "ragbot.db").read_bytes()[:8192])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sqlite.SQLite, "copy_to", cut)
        with pytest.raises(KeyboardInterrupt):
            memory.backup(tmp_path / "cut")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "ragbot.db").touch()
    for source in ("cut", "empty"):
        with pytest.raises(HomeError, match="no memory here"):
            memory.restore(tmp_path / source)
    assert len(found(open_memory())) == 20


def test_forgetting_reaches_a_segment_whose_list_of_ids_is_damaged(memory, home, tiny):
    memory.remember(room(3 * n) for n in range(40))
    memory.refresh()
    secret = memory.embedder().encode([room(30).text])[0].tobytes()
    (name,) = memory_view(memory).sealed
    ids = home / "segments" / name / "ids"
    content = bytearray(ids.read_bytes())
    at = np.frombuffer(bytes(content), np.int64).tolist().index(11)
    content[8 * at + 1] ^= 4
    ids.write_bytes(content)
    memory.forget("30.md")
    assert not any(secret in file.read_bytes() for file in home.rglob("*") if file.is_file())
    assert memory.check(deep=True).problems == ()


# Places


def test_a_home_may_have_any_name(embedders, tmp_path):
    for name in ("a?b", "we%41ird", "a#b c"):
        with Memory.open(tmp_path / name) as memory:
            memory.remember(room(0))
        assert (tmp_path / name / "ragbot.db").stat().st_size > 0
        with Memory.open(tmp_path / name, create=False) as memory:
            assert found(memory) == ["0.md"]
    assert {"a#b c", "a?b", "we%41ird"} >= {path.name for path in tmp_path.iterdir()}


def test_a_home_stays_where_it_is_when_the_process_goes_elsewhere(embedders, tmp_path, tiny, monkeypatch):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with Memory.open("indexes") as memory:
        memory.remember(room(3 * n) for n in range(40))
        monkeypatch.chdir(tmp_path / "there")
        memory.compact()
    assert list((tmp_path / "there").iterdir()) == []
    assert (tmp_path / "here" / "indexes" / "manifest-1.json").exists()


def test_nothing_is_acknowledged_that_goes_into_a_removed_home(memory, home):
    memory.remember(room(0))
    shutil.rmtree(home)
    for write in (lambda: memory.remember(room(3)), lambda: memory.recall("room"), memory.check):
        with pytest.raises(HomeError, match="removed or replaced"):
            write()


def test_the_builder_runs_nothing_of_the_working_folder(memory, home, tmp_path):
    (tmp_path / "numpy.py").write_text("raise SystemExit('not this one')")
    memory.remember(Document("rooms.md", "\n\n".join(f"# Room {n}\n\nRoom {n} is blue." for n in range(compaction.SEAL_AT))))
    memory.close()
    done = subprocess.run([*command(), str(home)], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert manifests.read(home, 1).covered == compaction.SEAL_AT


def test_names_with_broken_characters_are_found_again(memory):
    memory.remember(Document("d/\udcff.md", "The zebra has stripes.", scope="an\udcffa", metadata={"by": "\udcff"}))
    assert memory.recall("zebra", scopes=["an\udcffa"], uris=["d/\udcff.md"])
    assert memory.recall("zebra", scopes="an\udcffa")
    assert memory.document("d/\udcff.md", scope="an\udcffa")
    assert memory.forget("d/\udcff.md", scope="an\udcffa").chunks == 1
