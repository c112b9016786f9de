"""What there is to ingest on the disk: names and patterns, links, and files that have no end or are of no use."""

import os
import shutil
import signal
import socket
import threading
from pathlib import Path

import pytest
from conftest import put, statuses
from waiting import until

from ingest import parse_pool, pipeline, sources, watch
from ingest.jobs import definitions, running
from ingest.parse_pool import ParsePool
from ingest.parsers import opening

# Names that look like patterns


def test_a_folder_with_brackets_in_its_name_that_is_gone_is_given_up_if_told_so(memory, tmp_path):
    folder = put(tmp_path / "kb [old]", a="About a.", b="About b.")
    put(tmp_path / "kb o", c="Matched by that name, were it a pattern.")
    pipeline.sync(memory, folder)
    shutil.rmtree(folder)
    assert statuses(pipeline.sync(memory, folder, allow_empty=True)) == {"kb [old]/a.md": "retired", "kb [old]/b.md": "retired"}


def test_a_file_with_brackets_in_its_name_that_is_gone_is_retired(memory, tmp_path):
    put(tmp_path / "docs", **{"gym [2]": "The gym opens at six.", "gym 2": "Matched by that name, were it a pattern."})
    pipeline.sync(memory, tmp_path / "docs" / "gym [2].md")
    (tmp_path / "docs" / "gym [2].md").unlink()
    assert statuses(pipeline.sync(memory, tmp_path / "docs" / "gym [2].md")) == {"docs/gym [2].md": "retired"}
    told = {o.uri: o for o in pipeline.sync(memory, tmp_path / "docs" / "gym [2].md")}
    assert told["docs/gym [2].md"].status == "skipped" and "is retired already" in told["docs/gym [2].md"].reason
    assert told["docs/gym 2.md"].status == "added", "nothing is called so any more: it is a pattern"
    (tmp_path / "docs" / "gym 2.md").rename(tmp_path / "docs" / "other.md")
    pipeline.sync(memory, tmp_path / "docs")
    (alone,) = pipeline.sync(memory, tmp_path / "docs" / "gym [2].md")
    assert alone.status == "skipped"
    (tmp_path / "docs" / "other.md").rename(tmp_path / "docs" / "gym 2.md")
    (again,) = pipeline.add(memory, [tmp_path / "docs" / "gym [2].md"])
    assert again.uri == "docs/gym 2.md", "nothing is called so any more: it is a pattern"


def test_a_known_file_with_brackets_in_its_name_that_is_gone_is_no_pattern_to_add(memory, tmp_path):
    put(tmp_path / "docs", **{"gym [2]": "The gym opens at six.", "gym 2": "Matched by that name, were it a pattern."})
    pipeline.add(memory, [tmp_path / "docs" / "gym [2].md"])
    (tmp_path / "docs" / "gym [2].md").unlink()
    (outcome,) = pipeline.add(memory, [tmp_path / "docs" / "gym [2].md"])
    assert (outcome.status, "does not exist" in outcome.reason) == ("failed", True)


def test_a_change_below_a_folder_with_brackets_is_taken_over(memory, tmp_path):
    folder = put(tmp_path / "kb [old]", a="About a.")
    pipeline.sync(memory, folder)
    (folder / "a.md").unlink()
    put(folder, b="About b.")
    assert statuses(pipeline.update(memory, [folder / "a.md", folder / "b.md"], [folder])) == {
        "kb [old]/a.md": "retired",
        "kb [old]/b.md": "added",
    }


# Links


@pytest.fixture
def outside(tmp_path):
    """A folder beside the one that is ingested."""
    return put(tmp_path / "private", secret="The safe is behind the picture.", other="The key is under the mat.")


LINKS = {
    "to a file": lambda docs, outside: (docs / "l.md").symlink_to(outside / "secret.md"),
    "by a relative path": lambda docs, _: (docs / "l.md").symlink_to("../private/secret.md"),
    "by a detour": lambda docs, _: (docs / "l.md").symlink_to("sub/../../private/secret.md"),
    "by another link": lambda docs, outside: (
        (docs / ".hop").symlink_to(outside / "secret.md"),
        (docs / "l.md").symlink_to(docs / ".hop"),
    ),
    "through a linked folder": lambda docs, outside: (
        (docs / ".hop").symlink_to(outside),
        (docs / "l.md").symlink_to(docs / ".hop" / "secret.md"),
    ),
    "to a folder": lambda docs, outside: (docs / "l.md").symlink_to(outside),
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_that_leads_out_of_its_folder_is_passed_over_with_a_reason_unless_told_otherwise(memory, tmp_path, outside, kind):
    docs = put(tmp_path / "docs" / "sub", a="About a.").parent
    LINKS[kind](docs, outside)
    for way in (pipeline.sync, lambda memory, docs: pipeline.add(memory, [docs])):
        found = {o.uri: o for o in way(memory, docs)}
        assert found["docs/l.md"].status == "skipped" and "--follow-links" in found["docs/l.md"].reason
        assert found.keys() == {"docs/sub/a.md", "docs/l.md"}
    assert [one.uri for one in memory.documents()] == ["docs/sub/a.md"]
    followed = statuses(pipeline.sync(memory, docs, follow_links=True))
    linked = {"docs/l.md/secret.md", "docs/l.md/other.md"} if kind == "to a folder" else {"docs/l.md"}
    assert {uri for uri, status in followed.items() if status == "added"} == linked


@pytest.mark.parametrize("pattern", ["docs/*.md", "docs/**/*.md", "docs/*", "docs/*/secret.md", "docs/**"])
def test_a_pattern_does_not_lead_out_of_its_folder_either(memory, tmp_path, outside, pattern):
    docs = put(tmp_path / "docs" / "sub", a="About a.").parent
    put(docs, b="About b.")
    (docs / "l.md").symlink_to(outside / "secret.md")
    (docs / "way").symlink_to(outside)
    pipeline.sync(memory, tmp_path / pattern)
    assert {one.uri for one in memory.documents()} <= {"docs/sub/a.md", "docs/b.md"}


def test_links_that_go_round_in_circles_end(memory, tmp_path):
    docs = put(tmp_path / "docs" / "sub", a="About a.").parent
    for name in ("up", "down"):
        (docs / name).symlink_to(docs)
        (docs / "sub" / name).symlink_to(docs / "sub")
    assert statuses(pipeline.sync(memory, docs / "**" / "*.md")) == {"docs/sub/a.md": "added"}
    assert statuses(pipeline.sync(memory, docs, follow_links=True)) == {"docs/sub/a.md": "unchanged"}


def test_a_link_that_stays_in_its_folder_is_read(memory, tmp_path):
    docs = put(tmp_path / "docs" / "sub", a="About a.").parent
    (docs / "l.md").symlink_to("sub/a.md")
    assert statuses(pipeline.sync(memory, docs)) == {"docs/l.md": "added", "docs/sub/a.md": "added"}


def test_a_link_that_is_named_is_read(memory, tmp_path, outside):
    docs = put(tmp_path / "docs", a="About a.")
    (docs / "l.md").symlink_to(outside / "secret.md")
    (tmp_path / "way").symlink_to(outside)
    assert statuses(pipeline.add(memory, [docs / "l.md"])) == {"docs/l.md": "added"}
    assert statuses(pipeline.sync(memory, tmp_path / "way")) == {"way/other.md": "added", "way/secret.md": "added"}


@pytest.mark.parametrize("pattern", ["docs", "docs/**/*.md"])
def test_what_was_read_through_a_link_before_is_passed_over_and_still_answers(memory, tmp_path, outside, pattern):
    docs = put(tmp_path / "docs", a="About a.")
    (docs / "l.md").symlink_to(outside / "secret.md")
    (docs / "way").symlink_to(put(tmp_path / "more", far="It is far."))
    pipeline.sync(memory, docs, follow_links=True)
    found = {o.uri: o for o in pipeline.sync(memory, tmp_path / pattern)}
    for uri in ("docs/l.md", "docs/way/far.md"):
        assert found[uri].status == "skipped"
        for said in ("leads out", "still answers", "--follow-links", f"`ingest forget {uri}`"):
            assert said in found[uri].reason
    assert not [o for o in found.values() if o.status == "failed"]
    assert {"docs/l.md", "docs/way/far.md"} < {one.uri for one in memory.documents()}
    assert set(statuses(pipeline.sync(memory, docs, follow_links=True)).values()) == {"unchanged"}


def test_a_file_that_becomes_a_link_before_it_is_opened_is_refused(memory, tmp_path, outside, monkeypatch):
    docs = put(tmp_path / "docs", a="About a.")
    real = opening.os.open

    def swapped(path, *args):
        if str(path).endswith("a.md"):
            os.replace(tmp_path / "swap", path)
        return real(path, *args)

    (tmp_path / "swap").symlink_to(outside / "secret.md")
    monkeypatch.setattr(opening.os, "open", swapped)
    (outcome,) = pipeline.sync(memory, docs)
    assert outcome.status == "failed" and memory.documents() == []


@pytest.mark.parametrize("what", ["the file", "its folder"])
def test_what_becomes_a_link_while_it_is_read_is_not_believed(memory, tmp_path, outside, monkeypatch, what):
    docs = put(tmp_path / "docs" / "sub", secret="About a.").parent
    read = ParsePool.read

    def swapped(self, request):
        place, target = (docs / "sub" / "secret.md", outside / "secret.md") if what == "the file" else (docs / "sub", outside)
        place.rename(tmp_path / "aside")
        place.symlink_to(target)
        return read(self, request)

    monkeypatch.setattr(ParsePool, "read", swapped)
    (outcome,) = pipeline.sync(memory, docs)
    assert outcome.status == "failed" and "was replaced while it was read" in outcome.reason and memory.documents() == []


def test_what_is_changed_in_a_watched_folder_must_not_lead_out_of_it(memory, tmp_path, outside):
    docs = put(tmp_path / "docs" / "sub", a="About a.").parent
    link = docs / "sub" / "l.md"
    link.symlink_to(outside / "secret.md")
    inner = docs / "sub" / "inner.md"
    inner.symlink_to("a.md")
    assert statuses(pipeline.update(memory, [link, inner], [docs])) == {"docs/sub/l.md": "skipped", "docs/sub/inner.md": "added"}
    assert statuses(pipeline.update(memory, [link], [docs], follow_links=True)) == {"docs/sub/l.md": "added"}


def test_watch_and_jobs_follow_links_only_if_told_so(memory, tmp_path, outside, monkeypatch):
    docs = put(tmp_path / "docs", a="About a.")
    (docs / "l.md").symlink_to(outside / "secret.md")
    monkeypatch.setattr(watch.watchfiles, "watch", lambda *_, **__: iter([set()]))
    for follow, known in ((False, {"docs/a.md"}), (True, {"docs/a.md", "docs/l.md"})):
        watch.watch(memory, [docs], lambda _: None, follow_links=follow)
        assert {one.uri for one in memory.documents()} == known
        (memory.home / "ragbot.toml").write_text(
            f'[jobs.nightly]\ndo = "sync"\nsources = ["docs"]\nfollow_links = {str(follow).lower()}\n'
        )
        command = running._command(definitions.load(memory.home)["nightly"], None)
        assert ("--follow-links" in command) is follow


# Files without end, and files that are of no use


def sparse(path, size):
    with path.open("wb") as file:
        file.truncate(size)
    return path


def counted(monkeypatch):
    """How many bytes are read in this process of files that are ingested."""
    read = []

    class Counting(opening.FileIO):
        def read(self, size=-1):
            piece = super().read(size)
            read.append(len(piece or b""))
            return piece

    monkeypatch.setattr(opening, "FileIO", Counting)
    return read


@pytest.mark.parametrize(
    ("name", "size", "start", "status", "reason"),
    [
        ("a.txt", 4 << 40, b"", "failed", "is larger than the 80 MB up to which plain text is read; split it"),
        ("a.md", 81 << 20, b"# A", "failed", "is larger than the 80 MB up to which Markdown is read; split it"),
        ("a.pdf", 4 << 40, b"%PDF-1.7", "failed", "is larger than the 1,000 MB up to which PDF is read; split it"),
        ("README", 4 << 40, b"About " * 90_000, "failed", "is larger than the 80 MB up to which plain text is read; split it"),
        ("film.mp4", 10 << 30, b"\0\0\0 ftypisom", "skipped", "an MP4 or HEIC file is not read; convert it to one of"),
        ("disk.img", 4 << 40, b"", "skipped", "binary data of no known type is not read"),
        ("all.zip", 4 << 40, b"PK\x03\x04", "skipped", "a zip archive is not read"),
        ("film.mov", 40 << 20, b"\0\0\0 ftypqt  ", "skipped", "an MP4 or HEIC file is not read"),
    ],
)
def test_what_is_too_large_or_of_no_use_is_refused_unread(memory, tmp_path, monkeypatch, name, size, start, status, reason):
    docs = put(tmp_path / "docs", b="About b.")
    with sparse(docs / name, size).open("r+b") as file:
        file.write(start)
    read = counted(monkeypatch)
    found = {o.uri: o for o in pipeline.sync(memory, docs)}
    assert (found[f"docs/{name}"].status, found["docs/b.md"].status) == (status, "added")
    assert f"docs/{name}: {reason}" in found[f"docs/{name}"].reason
    assert sum(read) < 200_000
    assert statuses(pipeline.sync(memory, docs)) == {f"docs/{name}": status, "docs/b.md": "unchanged"}


def test_an_archive_without_a_suffix_is_read_by_its_parser_alone(memory, tmp_path, monkeypatch):
    docs = put(tmp_path / "docs", b="About b.")
    shutil.make_archive(str(tmp_path / "made"), "zip", docs)
    (tmp_path / "made.zip").rename(docs / "bundle")
    read = counted(monkeypatch)
    assert statuses(pipeline.sync(memory, docs)) == {"docs/b.md": "added", "docs/bundle": "skipped"}
    assert sum(read) < 100


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize("make", [os.mkfifo, make_socket])
def test_a_pipe_or_socket_hangs_nothing(memory, tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    put(Path("docs"), a="About a.")
    make(Path("docs") / "p.md")
    assert statuses(pipeline.sync(memory, Path("docs"))) == {"docs/a.md": "added"}
    (named,) = pipeline.add(memory, [Path("docs") / "p.md"])
    assert named.status == "failed" and "is neither a file nor a folder" in named.reason


def test_a_file_that_becomes_a_pipe_before_it_is_opened_hangs_nothing(memory, tmp_path, monkeypatch):
    docs = put(tmp_path / "docs", a="About a.")
    real = opening.os.open

    def swapped(path, *args):
        if str(path).endswith("a.md"):
            os.unlink(path)
            os.mkfifo(path)
        return real(path, *args)

    monkeypatch.setattr(opening.os, "open", swapped)
    (outcome,) = pipeline.sync(memory, docs)
    assert outcome.status == "skipped" and "is neither a file nor a folder" in outcome.reason


@pytest.mark.skipif(not Path("/proc/self/mounts").exists(), reason="there is no /proc")
def test_a_file_that_the_system_makes_as_it_is_read_is_refused(memory):
    (outcome,) = pipeline.add(memory, [Path("/proc/self/mounts")])
    assert outcome.status == "failed" and "is made by the system as it is read" in outcome.reason


def test_a_file_that_grows_without_end_is_given_up(memory, tmp_path, monkeypatch):
    docs = put(tmp_path / "docs", a="About a.")

    class Growing(opening.FileIO):
        def read(self, size=-1):
            return b"a" * size

    monkeypatch.setattr(opening, "FileIO", Growing)
    monkeypatch.setattr(opening, "MAX_TEXT_BYTES", 10 << 20)
    (outcome,) = pipeline.sync(memory, docs)
    assert outcome.status == "failed" and "grows while it is read" in outcome.reason
    monkeypatch.setattr(opening, "MAX_SECONDS", 0.0)
    (outcome,) = pipeline.sync(memory, docs)
    assert outcome.status == "failed" and "takes more than 0 s to read" in outcome.reason


# What was read is kept


@pytest.fixture
def endless(monkeypatch):
    """Reading b.md takes until the test lets it go on."""
    gate, read = threading.Event(), ParsePool.read

    def waits(self, request):
        if request.uri.endswith("b.md"):
            assert gate.wait(60)
        return read(self, request)

    monkeypatch.setattr(ParsePool, "read", waits)
    yield gate
    gate.set()


def test_what_was_read_is_searchable_while_another_file_takes_long(memory, open_memory, tmp_path, monkeypatch, endless):
    monkeypatch.setattr(pipeline, "SECONDS", 0.2)
    monkeypatch.setattr(parse_pool, "IDLE_S", 0.1)
    monkeypatch.setattr(parse_pool, "OVERDUE_S", 0.5)
    docs = put(tmp_path / "docs", **dict.fromkeys("abcdefgh", "About this."))
    run = threading.Thread(target=pipeline.sync, args=(memory, docs))
    run.start()
    until(lambda: len(memory.documents()) == 7, "all but the one that takes long are remembered")
    endless.set()
    run.join(30)
    assert len(memory.documents()) == 8


def test_a_whole_folder_does_not_wait_for_one_file(monkeypatch):
    monkeypatch.setattr(parse_pool, "IDLE_S", 0.05)
    monkeypatch.setattr(parse_pool, "OVERDUE_S", 0.2)
    gate = threading.Event()
    with ParsePool(2) as pool:
        found = filter(None, pool.each(range(200), lambda number: None if number or gate.wait(60) else None))
        first = [number for number, _ in (next(found) for _ in range(199))]
        assert first == list(range(1, 200))
        gate.set()
        assert [number for number, _ in found] == [0]


def test_ctrl_c_keeps_what_was_read(memory, tmp_path, endless):
    docs = put(tmp_path / "docs", **dict.fromkeys("abcd", "About this."))
    counted, read = [], parse_pool.ParsePool._one

    def one(self, *args):
        document = read(self, *args)
        counted.append(document)
        return document

    def interrupt():
        until(lambda: len(counted) == 3, "the others are read")
        threading.Timer(0.5, endless.set).start()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ParsePool, "_one", one)
        threading.Thread(target=interrupt).start()
        pipeline.sync(memory, docs)
    assert [one.uri for one in memory.documents()] == ["docs/a.md", "docs/c.md", "docs/d.md"]


def test_ctrl_c_while_a_file_is_told_keeps_what_was_read(memory, tmp_path):
    docs = put(tmp_path / "docs", **dict.fromkeys("abcd", "About this."))
    (docs / "a0.mp3").write_bytes(b"ID3\x03" + b"\0" * 50)

    def progress(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.sync(memory, docs, progress=progress)
    assert "docs/a.md" in [one.uri for one in memory.documents()]


def test_ctrl_c_ends_a_digest(tmp_path):
    path = sparse(tmp_path / "a.pdf", 1 << 29)
    with opening.opened(path) as file, pytest.raises(sources.ReadError, match="reading was stopped"):
        opening.digest(file, "a.pdf", ".pdf", lambda: True)


# Names for people


def test_a_document_knows_its_name_from_the_folder_on_that_was_named(memory, tmp_path, monkeypatch):
    docs = put(tmp_path / "deep" / "handbook" / "sub", hours="It opens at nine.").parent
    put(tmp_path / "deep", lone="It is green.")
    pipeline.sync(memory, docs)
    pipeline.add(memory, [tmp_path / "deep" / "lone.md"])
    names = {one.uri: one.metadata["name"] for one in memory.documents()}
    assert names == {"deep/handbook/sub/hours.md": "handbook/sub/hours.md", "deep/lone.md": "lone.md"}
    put(docs / "sub", more="It closes at ten.")
    monkeypatch.chdir(docs)
    pipeline.sync(memory, Path("."))
    pipeline.update(memory, [docs / "sub" / "new.md"], [docs])
    assert memory.document("deep/handbook/sub/more.md").metadata["name"] == "handbook/sub/more.md"
    pipeline.sync(memory, docs / "**" / "*.md")
    assert memory.document("deep/handbook/sub/hours.md").metadata["name"] == "handbook/sub/hours.md"
