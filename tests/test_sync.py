"""Sources on the disk and in the web, kept in step; folders that are watched."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import put, statuses
from waiting import until

from ingest import pipeline, sources, watch
from ingest.parse_pool import ParsePool
from ingest.parsers import opening
from ragbot import Document
from ragbot.errors import BusyError, ReadError
from ragbot.search.fold import folded
from ragbot.types import SourceNote


def age(*paths):
    """As if they had been saved an hour ago."""
    for path in paths:
        os.utime(path, (time.time() - 3600,) * 2)


@pytest.fixture
def old(monkeypatch):
    """Files count as settled at once."""
    monkeypatch.setattr(sources, "_FRESH_NS", -(10**18))


# Unchanged, by size and times


def test_an_unchanged_file_is_not_opened(memory, tmp_path, old, monkeypatch):
    folder = put(tmp_path / "docs", a="The lab opens at nine.", b="The hall is green.")
    pipeline.sync(memory, folder)
    monkeypatch.setattr(opening, "opened", lambda *_: pytest.fail("was opened"))
    monkeypatch.setattr(ParsePool, "_take", lambda *_, **__: pytest.fail("was read"))
    assert statuses(pipeline.sync(memory, folder)) == {"docs/a.md": "unchanged", "docs/b.md": "unchanged"}


def test_a_change_of_the_same_size_in_the_same_second_is_seen(memory, tmp_path):
    folder = put(tmp_path / "docs", a="The lab opens at 9:00.")
    pipeline.sync(memory, folder)
    times = (folder / "a.md").stat()
    (folder / "a.md").write_text("The lab opens at 8:00.")
    os.utime(folder / "a.md", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert statuses(pipeline.sync(memory, folder)) == {"docs/a.md": "updated"}


def test_a_touched_file_is_compared_once(memory, tmp_path, old, monkeypatch):
    folder = put(tmp_path / "docs", a="The lab opens at nine.")
    pipeline.sync(memory, folder)
    age(folder / "a.md")
    assert statuses(pipeline.sync(memory, folder)) == {"docs/a.md": "unchanged"}
    monkeypatch.setattr(opening, "opened", lambda *_: pytest.fail("was opened"))
    assert statuses(pipeline.sync(memory, folder)) == {"docs/a.md": "unchanged"}


def test_a_new_reader_reads_again(memory, tmp_path, old, monkeypatch, embedders):
    folder = put(tmp_path / "docs", a="The lab opens at nine.")
    pipeline.sync(memory, folder)
    monkeypatch.setattr(pipeline.parsers, "PARSER_VERSION", "next")
    read = []
    monkeypatch.setattr(
        ParsePool, "read", lambda self, request, real=ParsePool.read: (read.append(request.uri), real(self, request))[1]
    )
    assert statuses(pipeline.sync(memory, folder)) == {"docs/a.md": "unchanged"} and read == ["docs/a.md"]
    assert statuses(pipeline.sync(memory, folder)) == {"docs/a.md": "unchanged"} and read == ["docs/a.md"]


# Patterns and single files


def test_a_pattern_is_synced_like_a_folder(memory, tmp_path):
    put(tmp_path / "docs", a="About a.", b="About b.")
    put(tmp_path / "docs" / "deep" / "er", c="About c.")
    (tmp_path / "docs" / "n.txt").write_text("About n.")
    pattern = tmp_path / "docs" / "**" / "*.md"
    assert statuses(pipeline.sync(memory, pattern)) == {
        "docs/a.md": "added",
        "docs/b.md": "added",
        "docs/deep/er/c.md": "added",
    }
    pipeline.add(memory, [tmp_path / "docs" / "n.txt"])
    (tmp_path / "docs" / "n.txt").unlink()
    (tmp_path / "docs" / "deep" / "er" / "c.md").unlink()
    (tmp_path / "docs" / "a.md").unlink()
    assert statuses(pipeline.sync(memory, pattern)) == {
        "docs/b.md": "unchanged",
        "docs/a.md": "retired",
        "docs/deep/er/c.md": "retired",
    }
    assert memory.document("docs/n.txt"), "what the pattern does not cover is not its business"


@pytest.mark.parametrize(
    ("pattern", "uri", "covered"),
    [
        ("docs/*.md", "docs/a.md", True),
        ("docs/*.md", "docs/deep/a.md", False),
        ("docs/*", "docs/deep/er/a.md", True),
        ("docs/**/*.md", "docs/a.md", True),
        ("docs/**/*.md", "docs/deep/er/a.md", True),
        ("docs/**", "docs/deep/er/a.md", True),
        ("docs/?.md", "docs/a.md", True),
        ("docs/?.md", "docs/ab.md", False),
        ("docs/[ab].md", "docs/a.md", True),
        ("docs/[!ab].md", "docs/a.md", False),
        ("docs/a+b*.md", "docs/a+b1.md", True),
    ],
)
def test_what_a_pattern_covers(tmp_path, pattern, uri, covered):
    assert sources.covers(sources.Place(tmp_path / pattern, is_pattern=True), uri, tmp_path / "indexes") is covered


def test_a_name_with_the_signs_of_a_pattern_is_a_name(memory, tmp_path):
    (tmp_path / "a[1].md").write_text("About one.")
    assert statuses(pipeline.add(memory, [tmp_path / "a[1].md"])) == {"a[1].md": "added"}


def test_a_pattern_that_matches_nothing_is_named(memory, tmp_path):
    put(tmp_path / "docs", a="About a.")
    (outcome,) = pipeline.add(memory, [tmp_path / "docs" / "*.pdf"])
    assert outcome.status == "failed" and "matches nothing" in outcome.reason


def test_what_is_in_a_folder_that_a_pattern_matches_is_retired(memory, tmp_path):
    put(tmp_path / "docs" / "deep", a="About a.", b="About b.")
    pattern = tmp_path / "docs" / "*"
    pipeline.sync(memory, pattern)
    (tmp_path / "docs" / "deep" / "a.md").unlink()
    assert statuses(pipeline.sync(memory, pattern)) == {"docs/deep/a.md": "retired", "docs/deep/b.md": "unchanged"}


def test_a_pattern_that_matches_the_home_does_not_read_it(memory, tmp_path):
    put(tmp_path, a="About a.")
    (memory.home / "ragbot.toml").write_text("passages = 5\n")
    for pattern in ("*", "**/*", "**/*.toml"):
        found = statuses(pipeline.sync(memory, tmp_path / pattern)) if pattern != "**/*.toml" else {}
        assert set(found) <= {"a.md"}
    (outcome,) = pipeline.add(memory, [memory.home / "ragbot.toml"])
    assert outcome.status == "added", "named, it is meant"


def test_two_names_that_cannot_be_told_apart_are_named(memory, tmp_path):
    folder = put(tmp_path / "docs", a="About a.")
    for name in (b"no\xe9.md", b"no\xe8.md"):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_text("About no.")
    outcomes = pipeline.sync(memory, folder)
    assert sorted(o.status for o in outcomes) == ["added", "added", "failed"]
    assert any("cannot be told apart" in o.reason for o in outcomes)


def test_a_file_that_changes_while_it_is_read_is_read_again(memory, tmp_path, old, monkeypatch):
    folder = put(tmp_path / "docs", a="Main says nine.")
    read = ParsePool.read

    def switched(self, request):
        request.path.write_text("Other branch says ten.")
        document = read(self, request)
        request.path.write_text("Main says nine.")
        return document

    monkeypatch.setattr(ParsePool, "read", switched)
    pipeline.sync(memory, folder)
    assert found(memory, "who says what", "ten")
    monkeypatch.setattr(ParsePool, "read", read)
    assert statuses(pipeline.sync(memory, folder)) == {"docs/a.md": "updated"} and found(memory, "who says what", "nine")


def on_another_device(memory, uri):
    """Has the store say that a file lay on another device when it was read."""
    known = memory.source_states("file")[uri]
    memory.set_source_states([replace(known, values={**known.values, "device": "another"})])


def test_what_another_process_noted_meanwhile_stays(memory, tmp_path, old):
    folder = put(tmp_path / "docs", a="It opens at nine.")
    pipeline.sync(memory, folder)
    stale = memory.source_states("file")["docs/a.md"]
    (folder / "a.md").write_text("It opens at ten.")
    pipeline.sync(memory, folder)
    memory.note([SourceNote(stale, replace(stale, values={**stale.values, "stamp": "later"}))])
    (folder / "a.md").write_text("It opens at nine.")
    assert statuses(pipeline.sync(memory, folder)) == {"docs/a.md": "updated"}


def test_a_single_file_is_retired_when_it_is_gone(memory, tmp_path):
    put(tmp_path / "docs", a="About a.", b="About b.")
    pipeline.sync(memory, tmp_path / "docs" / "a.md")
    (tmp_path / "docs" / "a.md").unlink()
    assert statuses(pipeline.sync(memory, tmp_path / "docs" / "a.md")) == {"docs/a.md": "retired"}
    with pytest.raises(ReadError, match="is not there; nothing was changed"):
        pipeline.sync(memory, tmp_path / "docs" / "never.md")


def test_a_mount_below_the_folder_that_vanished_retires_nothing(memory, tmp_path, monkeypatch):
    put(tmp_path / "docs", a="About a.")
    put(tmp_path / "docs" / "mount", b="About b.", c="About c.")
    pipeline.sync(memory, tmp_path / "docs")
    for file in (tmp_path / "docs" / "mount").iterdir():
        file.unlink()
    for uri in ("docs/mount/b.md", "docs/mount/c.md"):
        on_another_device(memory, uri)
    outcomes = pipeline.sync(memory, tmp_path / "docs")
    assert statuses(outcomes) == {"docs/a.md": "unchanged", "docs/mount": "failed"}
    assert "its documents (2) were kept (--allow-empty retires them)" in outcomes[-1].reason
    assert set(statuses(pipeline.sync(memory, tmp_path / "docs", allow_empty=True)).values()) == {"unchanged", "retired"}


def test_a_drive_whose_mount_point_vanished_with_it_retires_nothing(memory, tmp_path):
    put(tmp_path / "media" / "drive", a="About a.")
    put(tmp_path / "media", b="About b.")
    pipeline.sync(memory, tmp_path / "media")
    on_another_device(memory, "media/drive/a.md")
    shutil.rmtree(tmp_path / "media" / "drive")
    assert statuses(pipeline.sync(memory, tmp_path / "media")) == {"media/b.md": "unchanged", "media": "failed"}
    assert statuses(pipeline.sync(memory, tmp_path / "media", allow_empty=True))["media/drive/a.md"] == "retired"


def test_a_device_that_has_another_number_after_a_restart_is_the_same(memory, tmp_path, old):
    put(tmp_path / "docs" / "deep", a="About a.")
    put(tmp_path / "docs", b="About b.")
    pipeline.sync(memory, tmp_path / "docs")
    on_another_device(memory, "docs/deep/a.md")
    pipeline.sync(memory, tmp_path / "docs")
    (tmp_path / "docs" / "deep" / "a.md").unlink()
    assert statuses(pipeline.sync(memory, tmp_path / "docs"))["docs/deep/a.md"] == "retired"


def test_a_link_whose_target_vanished_is_kept_and_named(memory, tmp_path):
    put(tmp_path / "private", a="About a.")
    put(tmp_path / "docs", b="About b.")
    (tmp_path / "docs" / "a.md").symlink_to(tmp_path / "private" / "a.md")
    pipeline.sync(memory, tmp_path / "docs", follow_links=True)
    (tmp_path / "private").rename(tmp_path / "elsewhere")
    assert statuses(pipeline.sync(memory, tmp_path / "docs", follow_links=True)) == {
        "docs/b.md": "unchanged",
        "docs/a.md": "failed",
    }
    (tmp_path / "docs" / "a.md").unlink()
    assert statuses(pipeline.sync(memory, tmp_path / "docs", follow_links=True)) == {
        "docs/b.md": "unchanged",
        "docs/a.md": "retired",
    }


def test_a_source_that_is_gone_is_given_up_if_told_so(memory, tmp_path):
    put(tmp_path / "docs", a="About a.", b="About b.")
    pipeline.sync(memory, tmp_path / "docs")
    shutil.rmtree(tmp_path / "docs")
    assert set(statuses(pipeline.sync(memory, tmp_path / "docs", allow_empty=True)).values()) == {"retired"}
    with pytest.raises(ReadError, match="is not there"):
        pipeline.sync(memory, tmp_path / "never", allow_empty=True)


@pytest.mark.parametrize("source", ["docs", "docs/*.md", "gone"])
def test_that_the_documents_of_what_is_empty_still_answer_is_said(memory, tmp_path, source):
    put(tmp_path / "docs", a="About a.", b="About b.")
    pipeline.sync(memory, tmp_path / "docs")
    for file in (tmp_path / "docs").iterdir():
        file.unlink()
    if source == "gone":
        (tmp_path / "docs").rmdir()
        with pytest.raises(ReadError, match=r"is not there.*its documents \(2\) still answer \(--allow-empty retires them\)"):
            pipeline.sync(memory, tmp_path / "docs")
        return
    (outcome,) = pipeline.sync(memory, tmp_path / source)
    assert outcome.status == "failed" and "its documents (2) still answer (--allow-empty retires them)" in outcome.reason
    put(tmp_path / "other")
    (outcome,) = pipeline.sync(memory, tmp_path / "other")
    assert "still answer" not in outcome.reason


@pytest.mark.parametrize("allow_empty", [False, True])
def test_what_nobody_may_look_at_is_not_retired(memory, tmp_path, monkeypatch, allow_empty):
    """A folder that may be listed and not entered, or a dead mount."""
    put(tmp_path / "docs" / "sub", b="About b.")
    put(tmp_path / "docs", a="About a.")
    pipeline.sync(memory, tmp_path / "docs")
    stat = os.stat

    def refused(path, **kwargs):
        if str(path).endswith("b.md"):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **kwargs)

    monkeypatch.setattr(os, "stat", refused)
    found = pipeline.sync(memory, tmp_path / "docs", allow_empty=allow_empty)
    assert {(o.uri, o.status) for o in found} == {("docs/a.md", "unchanged"), ("docs/sub/b.md", "failed")}
    assert len(memory.documents()) == 2


# Watching


@contextmanager
def watching_of(memory, folders):
    """Folders that are watched in a thread; gives what is reported."""
    reported, ready, stop = [], threading.Event(), threading.Event()
    real = watch.watchfiles.watch
    patch = pytest.MonkeyPatch()
    patch.setattr(watch.watchfiles, "watch", lambda *args, **kwargs: real(*args, stop_event=stop, **kwargs))
    thread = threading.Thread(target=watch.watch, args=(memory, folders, reported.append), kwargs={"ready": ready.set})
    thread.start()
    try:
        assert ready.wait(30)
        yield reported
    finally:
        stop.set()
        thread.join(30)
        patch.undo()
        assert not thread.is_alive()


@pytest.fixture
def watched(memory, tmp_path):
    """A folder that is watched until the test ends; and what was reported."""
    folder = put(tmp_path / "docs", a="The lab opens at nine.")
    with watching_of(memory, [folder]) as reported:
        yield folder, reported


def soon(condition):
    return until(condition, "what was changed is taken over")


def found(memory, query, text):
    return any(text in hit.chunk.text for hit in memory.recall(query))


def test_a_saved_file_is_searchable_and_a_deleted_one_is_not(memory, watched):
    folder, reported = watched
    put(folder, b="The kiln is fired on Thursday.")
    assert soon(lambda: found(memory, "kiln fired", "Thursday"))
    put(folder, b="The kiln is fired on Friday.")
    assert soon(lambda: found(memory, "kiln fired", "Friday") and not found(memory, "kiln fired", "Thursday"))
    (folder / "b.md").unlink()
    assert soon(lambda: not found(memory, "kiln fired", "Friday"))
    assert soon(lambda: [o.status for o in reported] == ["added", "added", "updated", "retired"])


def test_folders_come_and_go_whole(memory, watched, tmp_path):
    folder, _ = watched
    put(tmp_path / "aside" / "sub", c="Robots sleep at night.", d="Robots eat oil.")
    (tmp_path / "aside").rename(folder / "new")
    assert soon(lambda: found(memory, "robots sleep", "sleep") and found(memory, "robots eat", "oil"))
    (folder / "new").rename(tmp_path / "away")
    assert soon(lambda: not found(memory, "robots sleep", "sleep") and not found(memory, "robots eat", "oil"))


def test_hidden_files_and_the_home_are_not_watched(memory, watched):
    folder, reported = watched
    put(folder, **{".hidden": "Secret words.", "~$lock": "More secret words."})
    put(folder, z="The last word.")
    assert soon(lambda: found(memory, "last word", "last"))
    assert soon(lambda: {o.uri for o in reported} == {"docs/a.md", "docs/z.md"}), "searchable first, reported then"
    assert not found(memory, "secret words", "ecret")


def test_a_watched_folder_that_vanishes_retires_nothing(memory, watched, tmp_path):
    folder, reported = watched
    folder.rename(tmp_path / "unplugged")
    assert soon(lambda: "is waited for" in reported[-1].reason)
    assert found(memory, "lab opens", "nine")


def test_a_folder_that_was_empty_for_a_moment_is_caught_up_with(memory, watched, monkeypatch):
    folder, _ = watched
    real, kept = watch._Work._not_lost, []

    def not_lost(work):
        kept.append(set(work.changed) - set(real(work)))
        return real(work)

    monkeypatch.setattr(watch._Work, "_not_lost", not_lost)
    (folder / "a.md").unlink()
    assert soon(lambda: sum(folder / "a.md" in paths for paths in kept) > 1), "it is seen, and seen again"
    assert found(memory, "lab opens", "nine"), "so looks a mount that has vanished"
    put(folder, b="The hall is green.")
    assert soon(lambda: found(memory, "hall", "green") and not found(memory, "lab opens", "nine"))


def test_a_folder_that_comes_back_is_watched_again(memory, watched, tmp_path):
    folder, reported = watched
    folder.rename(tmp_path / "away")
    assert soon(lambda: "is waited for" in reported[-1].reason)
    put(folder, c="The cellar is cold.")
    assert soon(lambda: found(memory, "cellar", "cold"))
    put(folder, d="The door is blue.")
    assert soon(lambda: found(memory, "door", "blue"))


def test_a_folder_that_comes_back_does_not_wait_for_another(memory, tmp_path):
    first, second = put(tmp_path / "first", a="The lab opens at nine."), put(tmp_path / "second", b="The hall is green.")
    with watching_of(memory, [first, second]) as reported:
        first.rename(tmp_path / "away1")
        second.rename(tmp_path / "away2")
        assert soon(lambda: [o.reason.endswith("it is waited for") for o in reported].count(True) == 2)
        put(second, c="The cellar is cold.")
        assert soon(lambda: found(memory, "cellar", "cold"))
        put(second, d="The door is blue.")
        assert soon(lambda: found(memory, "door", "blue"))
        put(first, e="The kiln is hot.")
        assert soon(lambda: found(memory, "kiln", "hot"))
        assert [o.reason for o in reported if "trying again" in o.reason] == []
        assert [o.reason.endswith("it is waited for") for o in reported].count(True) == 2


def test_links_are_as_in_a_sync(memory, watched, tmp_path):
    folder, reported = watched
    put(tmp_path / "elsewhere", s="A secret of elsewhere.")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "s.md").symlink_to(tmp_path / "elsewhere" / "s.md")
    (folder / "n.md").symlink_to(folder / "a.md")
    assert soon(lambda: memory.document("docs/n.md"))
    put(folder, b="The hall is green.")
    assert soon(lambda: "docs/b.md" in {o.uri for o in reported})
    assert {o.uri: o.status for o in reported} == {
        "docs/a.md": "added",
        "docs/b.md": "added",
        "docs/n.md": "added",
        "docs/s.md": "skipped",
    }


def test_what_prevents_all_work_is_said_once_and_tried_again(memory, watched, monkeypatch):
    folder, reported = watched
    real, calls = pipeline.update, []

    def busy(*args, **kwargs):
        calls.append(args)
        if len(calls) < 4:
            raise BusyError("the home is busy")
        return real(*args, **kwargs)

    monkeypatch.setattr(pipeline, "update", busy)
    put(folder, b="The hall is green.")
    assert soon(lambda: found(memory, "hall", "green"))
    assert [o.reason for o in reported if o.status == "failed"] == ["the home is busy; trying again"]


def test_only_folders_are_watched(memory, tmp_path):
    with pytest.raises(ReadError, match="is not a folder"):
        watch.watch(memory, [tmp_path / "nope"], print)


def test_ctrl_c_in_the_first_sync_tells_what_it_took_over(memory, tmp_path, monkeypatch):
    put(tmp_path / "docs", a="About a.")
    told, each = [], ParsePool.each

    def interrupted(self, items, wanted):
        yield from each(self, items, wanted)
        raise KeyboardInterrupt

    monkeypatch.setattr(ParsePool, "each", interrupted)
    with pytest.raises(KeyboardInterrupt):
        watch.watch(memory, [tmp_path / "docs"], told.append)
    assert statuses(told) == {"docs/a.md": "added"}


@pytest.mark.model
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_watch_is_a_command_that_ctrl_c_ends(tmp_path, number, code):
    put(tmp_path / "docs", a="The lab opens at nine.")
    command = [sys.executable, "-m", "ingest.cli", "watch", "docs", "--home", "home", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr:
                if line.startswith("watching"):
                    break
            put(tmp_path / "docs", b="The hall is green.")
            lines = [process.stdout.readline() for _ in range(2)]
            process.send_signal(number)
            assert process.wait(30) == code
            assert process.stderr.read() == "it watches no more; what was done until now is kept\n"
            assert process.stdout.read() == ""
        finally:
            process.kill()
    assert [part for line in lines for part in ("docs/a.md", "docs/b.md", '"added"') if part in line] == [
        "docs/a.md",
        '"added"',
        "docs/b.md",
        '"added"',
    ]


# Duplicates


def fold(*texts, most=10, heading=""):
    return [(kept, list(also)) for kept, also in folded(((text, heading, text) for text in texts), most)]


def test_copies_are_one_hit():
    assert fold("The lab opens at 9:00.", "the *lab* opens at 9:00", "Lab opens at 9:00!") == [
        ("The lab opens at 9:00.", ["the *lab* opens at 9:00", "Lab opens at 9:00!"])
    ]


def test_what_a_better_hit_holds_is_no_hit_of_its_own():
    whole = "Bring your badge. The lab opens at nine in the morning on every day of the week."
    part = "The lab opens at nine in the morning on every day of the week."
    assert fold(whole, part) == [(whole, [part])]
    assert fold(part, whole) == [(part, []), (whole, [])], "it says more"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The lab opens at 9:00.", "The lab opens at 9:30."),
        ("Gift cards can be returned.", "Gift cards cannot be returned."),
        ("We close on Monday.", "We close on Tuesday."),
        ("实验室周一开放。", "实验室周二开放。"),
    ],
)
def test_one_other_word_is_another_thing(one, other):
    assert fold(one, other) == [(one, []), (other, [])]


def test_the_same_words_under_another_heading_are_another_thing():
    assert len(folded([("a", "Monday", "Open from 9 to 17"), ("b", "Tuesday", "Open from 9 to 17")], 5)) == 2


def test_copies_do_not_crowd_a_recall_and_each_can_be_cited(memory):
    copies = [Document(f"copy{n}.md", "# Lab\n\nThe lab opens at nine.", title="Lab") for n in range(300)]
    memory.remember(
        [*copies, Document("hall.md", "The lab hall opens at ten."), Document("roof.md", "The lab roof opens at noon.")]
    )
    hits = memory.recall("when does the lab open", k=3)
    assert {hit.chunk.text.split()[-1] for hit in hits} == {"nine.", "ten.", "noon."}
    (crowd,) = [hit for hit in hits if "nine" in hit.chunk.text]
    assert {chunk.uri for chunk in (crowd.chunk, *crowd.also)} == {copy.uri for copy in copies}
    assert [hit.chunk.uri for hit in memory.recall("lab", uris=["copy7.md"])] == ["copy7.md"]


# Pages and feeds


def html(title, *paragraphs):
    body = "".join(f"<p>{text}</p>" for text in paragraphs)
    return f"<html><head><title>{title}</title></head><body>{body}</body></html>"


def sync(memory, url):
    return {outcome.uri: outcome.status for outcome in pipeline.sync(memory, url, private=True)}


def test_a_page_is_added_left_alone_updated_and_retired(memory, site):
    url = site.put("/hours", html("Hours", "The lab opens at nine."), content_type="text/html", etag='"1"')
    assert sync(memory, url) == {url: "added"}
    assert memory.recall("lab opens")[0].chunk.uri == url
    site.pages["/hours"] = lambda asked: asked.answer(
        *((304, {}, b"") if asked.headers.get("If-None-Match") == '"1"' else (500, {}, b""))
    )
    assert sync(memory, url) == {url: "unchanged"}
    site.put("/hours", html("Hours", "The lab opens at ten."), content_type="text/html", etag='"2"')
    assert sync(memory, url) == {url: "updated"} and "ten" in memory.recall("lab opens")[0].chunk.text
    site.put("/hours", "busy", status=503)
    (outcome,) = pipeline.sync(memory, url, private=True)
    assert outcome.status == "failed" and "still answers" in outcome.reason and memory.document(url)
    site.put("/hours", "gone", status=410)
    assert sync(memory, url) == {url: "retired"} and memory.document(url) is None
    assert sync(memory, url) == {url: "failed"}


def test_a_page_without_validators_is_compared_by_its_content(memory, site, embedders):
    url = site.put("/a.txt", "The lab opens at nine.", content_type="text/plain")
    assert sync(memory, url) == {url: "added"} and sync(memory, url) == {url: "unchanged"}


def feed(*entries):
    items = "".join(
        f"<item><title>{title}</title><link>{link}</link><guid>{link}</guid><description>{text}</description></item>"
        for title, link, text in entries
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>News</title>{items}</channel></rss>'


def test_a_feed_brings_its_entries_and_keeps_what_left_it(memory, site):
    long = "The kiln is fired on Thursday. " * 30
    page = site.put("/page", html("Robots", "Robots sleep at night."), content_type="text/html")
    url = site.put("/feed", feed(("Kiln", site.url + "/kiln", long), ("Robots", page, "short")), etag='"f1"')
    assert sync(memory, url) == {site.url + "/kiln": "added", page: "added"}
    assert "Thursday" in memory.recall("kiln fired")[0].chunk.text and memory.recall("robots sleep")[0].chunk.uri == page
    assert "/kiln" not in site.paths(), "the feed gave all of it"
    site.pages["/feed"] = lambda asked: asked.answer(
        *((304, {}, b"") if asked.headers.get("If-None-Match") == '"f1"' else (500, {}, b""))
    )
    assert sync(memory, url) == {page: "unchanged"}
    site.put("/feed", feed(("Glaze", site.url + "/glaze", "Glaze is in the cupboard. " * 30)), etag='"f2"')
    assert sync(memory, url) == {site.url + "/glaze": "added"}
    assert memory.document(page) and memory.document(site.url + "/kiln")


def test_a_feed_of_which_something_failed_is_asked_again(memory, site):
    url = site.put("/feed", feed(("Lost", site.url + "/lost", "short")), etag='"f1"')
    assert sync(memory, url) == {site.url + "/lost": "failed"}
    site.put("/lost", html("Lost", "It was found in the cupboard."), content_type="text/html")
    assert sync(memory, url) == {site.url + "/lost": "added"}


def test_a_private_address_is_refused_unless_allowed(memory, site):
    url = site.put("/", "The lab opens at nine.", content_type="text/plain")
    (outcome,) = pipeline.add(memory, [url])
    assert outcome.status == "failed" and "--allow-private" in outcome.reason and not site.asked
    assert [o.status for o in pipeline.add(memory, [url], private=True)] == ["added"]


def test_a_password_in_an_address_is_used_and_never_shown(memory, site):
    def guarded(asked):
        ok = asked.headers.get("Authorization") == "Basic YW5hOnNlc2FtZQ=="
        asked.answer(*((200, {"Content-Type": "text/plain"}, b"The vault opens at nine.") if ok else (401, {}, b"no")))

    site.pages["/vault"] = guarded
    url = site.url.replace("http://", "http://ana:sesame@") + "/vault"
    (outcome,) = pipeline.sync(memory, url, private=True)
    assert (outcome.status, outcome.uri) == ("added", site.url + "/vault")
    (outcome,) = pipeline.sync(memory, url.replace("sesame", "wrong"), private=True)
    assert outcome.status == "failed" and "wrong" not in outcome.uri + outcome.reason
