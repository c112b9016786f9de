"""Files into the memory, and both command lines as a person uses them."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes import FakeGenerator
from typer.testing import CliRunner

import ragbot.runtime
from ingest import pipeline, sources
from ingest.cli.main import cli as ingest_cli
from ingest.parse_pool import ParsePool
from ragbot import Document, Memory
from ragbot.cli.main import cli as ragbot_cli
from ragbot.errors import ReadError

ROOT = Path(__file__).parent.parent
RUN_AND_TELL = """
import runpy, sys
sys.argv = {argv!r}
try:
    runpy.run_module({module!r}, run_name="__main__")
finally:
    print("loaded", {{"torch", "transformers", "openvino", "sentence_transformers"}} & set(sys.modules))
"""


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "handbook"
    (folder / "sub").mkdir(parents=True)
    (folder / "hours.md").write_text("# Hours\n\nThe lab opens at 9:00.\n\n# Door\n\nThe door is green.")
    (folder / "sub" / "cards.txt").write_text("Gift cards cannot be returned.")
    return folder


@pytest.fixture
def run(embedders, home, monkeypatch):
    """Runs a command line: exit code, stdout, stderr."""
    monkeypatch.setattr(ragbot.runtime, "open_generator", lambda *_: FakeGenerator())

    def run_(line, *more, cli=ingest_cli, **kwargs):
        done = CliRunner().invoke(cli, [*line.split(), *map(str, more), "--home", str(home)], **kwargs)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    return run_


def statuses(outcomes):
    return {outcome.uri: outcome.status for outcome in outcomes}


# The pipeline


def test_add_and_add_again(memory, files, embedders):
    assert statuses(pipeline.add(memory, [files])) == {"handbook/hours.md": "added", "handbook/sub/cards.txt": "added"}
    count = len(embedders["multilingual-e5-small"].embedded)
    assert set(statuses(pipeline.add(memory, [files])).values()) == {"unchanged"}
    (files / "hours.md").write_text((files / "hours.md").read_text().replace("9:00", "9:30"))
    (outcome,) = [o for o in pipeline.add(memory, [files]) if o.status != "unchanged"]
    assert (outcome.status, outcome.chunks.embedded, outcome.chunks.kept) == ("updated", 1, 1)
    assert len(embedders["multilingual-e5-small"].embedded) == count + 1


def test_the_same_file_by_folder_by_name_and_from_elsewhere_is_one_document(memory, files, monkeypatch):
    pipeline.add(memory, [files])
    monkeypatch.chdir(files / "sub")
    assert statuses(pipeline.add(memory, [Path("../hours.md"), files])) == {
        "handbook/hours.md": "unchanged",
        "handbook/sub/cards.txt": "unchanged",
    }


def test_other_bytes_with_the_same_text_cost_nothing(memory, files, embedders):
    pipeline.add(memory, [files])
    count = len(embedders["multilingual-e5-small"].embedded)
    path = files / "hours.md"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert set(statuses(pipeline.add(memory, [files])).values()) == {"unchanged"}
    assert len(embedders["multilingual-e5-small"].embedded) == count
    assert memory.source_states("file")["handbook/hours.md"].values["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_one_failed_file_touches_no_other_and_hides_no_old_version(memory, files):
    pipeline.add(memory, [files])
    (files / "hours.md").write_bytes(b"")
    (files / "new.md").write_text("Parking is free.")
    (files / "song.mp3").write_bytes(b"ID3\x03" + b"\0" * 50)
    found = {o.uri: o for o in pipeline.add(memory, [files, files / "nope.md"])}
    assert found["handbook/hours.md"].status == "failed"
    assert "empty" in found["handbook/hours.md"].reason
    assert found["handbook/new.md"].status == "added"
    assert found["handbook/song.mp3"].status == "skipped"
    assert found["handbook/nope.md"].status == "failed"
    assert "does not exist" in found["handbook/nope.md"].reason
    assert "9:00" in memory.recall("lab opens")[0].chunk.text
    (named,) = pipeline.add(memory, [files / "song.mp3"])
    assert named.status == "failed"


def test_sync_retires_what_is_gone_and_forgets_nothing(memory, files):
    pipeline.sync(memory, files)
    memory.remember(Document("elsewhere.md", "Lab rats are elsewhere."))
    (files / "sub" / "cards.txt").unlink()
    assert statuses(pipeline.sync(memory, files))["handbook/sub/cards.txt"] == "retired"
    assert all("cards" not in hit.chunk.uri for hit in memory.recall("gift cards"))
    assert memory.document("elsewhere.md")


def test_a_folder_that_vanished_retires_nothing(memory, files, tmp_path):
    pipeline.sync(memory, files)
    files.rename(tmp_path / "away")
    with pytest.raises(ReadError, match="is not there; nothing was changed"):
        pipeline.sync(memory, files)
    files.mkdir()
    (outcome,) = pipeline.sync(memory, files)
    assert outcome.status == "failed"
    assert len(memory.documents()) == 2
    outcomes = pipeline.sync(memory, files, allow_empty=True)
    assert [o.status for o in outcomes] == ["retired", "retired"]
    assert memory.documents() == []


def test_the_home_and_hidden_files_are_not_documents(tmp_path, memory, home):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config.txt").write_text("secret words")
    (tmp_path / "a.txt").write_text("Some words.")
    (home / "notes.txt").write_text("Not these.")
    files, unread = sources.find([sources.Place(tmp_path)], home)
    assert [file.uri for file in files] == ["a.txt"]
    assert unread == []


def test_addresses(tmp_path):
    home = tmp_path / "project" / "indexes"
    assert sources.uri_of(tmp_path / "project" / "docs" / "a.md", home) == "docs/a.md"
    assert sources.uri_of(tmp_path / "other" / "a.md", home) == (tmp_path / "other" / "a.md").as_posix()


# The command lines


def test_ingest_from_add_to_forget(run, files):
    code, out, _ = run("add", files)
    assert (code, out.splitlines()) == (
        0,
        [
            "added     handbook/hours.md",
            "added     handbook/sub/cards.txt",
            "2 added, 0 failed",
            "passages: 3 new (3 embedded), 0 retired",
        ],
    )
    (files / "sub" / "cards.txt").rename(files / "sub" / "passes.txt")
    assert run("sync", files)[1].splitlines()[:2] == [
        "added     handbook/sub/passes.txt",
        "retired   handbook/sub/cards.txt  (no longer there)",
    ]
    (files / "sub" / "passes.txt").rename(files / "sub" / "cards.txt")
    run("sync", files)
    code, out, _ = run("status")
    assert code == 0
    assert "2 documents, 3 passages" in out
    assert "handbook/hours.md" in out
    assert run("check")[:2] == (0, "2 documents, 3 passages, 0 problems\n")
    assert run("forget", "handbook/hours.md")[0] == 0
    assert run("forget", files / "sub" / "cards.txt")[0] == 0
    assert json.loads(run("status --json")[1])["documents"] == 0
    code, _, err = run("forget nope.md")
    assert code == 1
    assert "nope.md: no such document" in err


def test_one_json_document_on_stdout(run, files):
    (files / "bad.pdf").write_bytes(b"%PDF-1.4 broken")
    code, out, err = run("add --json", files)
    report = json.loads(out)
    assert code == 1
    assert report["counts"]["added"] == 2
    assert report["counts"]["failed"] == 1
    assert [d["status"] for d in report["documents"]] == ["failed", "added", "added"]
    assert json.loads(run("recall --json lab", cli=ragbot_cli)[1])[0]["chunk"]["uri"] == "handbook/hours.md"
    turn = json.loads(run("ask --json", "When does the lab open?", cli=ragbot_cli)[1])
    assert turn["citations"][0]["where"] == "handbook/hours.md, line 3"
    why = json.loads(run("why --json", turn["id"], cli=ragbot_cli)[1])
    assert "The lab opens at 9:00." in str(why["passages"])
    assert json.loads(run("refresh --json")[1])["sealed"] == 3
    assert json.loads(run("check --json")[1])["problems"] == []
    code, out, _ = run("forget --json nope")
    assert code == 1
    assert "no such document" in json.loads(out)["error"]


def test_people_read_one_name_of_a_file_and_a_script_its_address(run, tmp_path):
    folder = tmp_path / "deep" / "boats"
    folder.mkdir(parents=True)
    (folder / "barge.md").write_text("The barge is green.")
    (folder / "bad.pdf").write_bytes(b"%PDF-1.4 broken")
    (folder / "song.mp3").write_bytes(b"ID3\x03" + b"\0" * 50)
    (folder / "out.md").symlink_to("/etc/hostname")
    _, out, err = run("sync", folder)
    (folder / "barge.md").unlink()
    _, later, more = run("sync", folder)
    told = out + err + later + more
    for name in (
        "added     boats/barge.md",
        "error: boats/bad.pdf:",
        "boats/song.mp3:",
        "boats/out.md:",
        "retired   boats/barge.md",
    ):
        assert name in told
    assert "deep" not in told
    report = json.loads(run("sync --json", folder)[1])["documents"]
    assert {one["uri"].split("/")[0] for one in report} == {"deep"}
    assert all(one["reason"].startswith(one["uri"]) for one in report)


def test_the_name_in_a_citation_stands_for_its_document(run, tmp_path):
    for folder in ("north", "south"):
        (tmp_path / folder / "boats").mkdir(parents=True)
        (tmp_path / folder / "boats" / "barge.md").write_text(f"The barge of the {folder} is green.")
    (tmp_path / "south" / "boats" / "ferry.md").write_text("The ferry of the south is blue.")
    for folder in ("north", "south"):
        run("add", tmp_path / folder / "boats")
    found = json.loads(run("recall --json ferry --uri boats/f*", cli=ragbot_cli)[1])
    assert [hit["chunk"]["uri"] for hit in found] == ["south/boats/ferry.md"]
    assert json.loads(run("recall --json ferry --uri boats/none*", cli=ragbot_cli)[1]) == []
    code, out, _ = run("forget boats/ferry.md")
    assert (code, out) == (0, "forgot south/boats/ferry.md; passages erased: 1\n")
    code, _, err = run("forget boats/barge.md")
    assert code == 2 and "2 documents are called so" in err and "north/boats/barge.md, south/boats/barge.md" in err
    assert json.loads(run("status --json")[1])["documents"] == 2


def test_what_only_the_own_local_scope_holds_is_pointed_out_and_no_other(run, memory):
    memory.remember(Document("correction:1", "It opens at ten.", scope="local"))
    memory.remember(Document("plan.md", "Ana leaves at ten.", scope="ana"))
    code, _, err = run("forget correction:1")
    assert code == 1 and "add --scope local" in err
    for scope in ((), ("--scope", "local")):
        code, _, err = run("forget plan.md", *scope)
        assert code == 1 and "no such document" in err and "ana" not in err
    assert run("forget correction:1 --scope local")[0] == 0
    code, _, err = run("forget correction:1")
    assert code == 1 and "--scope" not in err


@pytest.mark.parametrize("at", ["while it reads", "while it indexes", "before it begins"])
def test_ctrl_c_reports_what_was_done_until_then(run, files, memory, monkeypatch, at):
    (files / "scan.mp3").write_bytes(b"ID3\x03" + b"\0" * 50)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    def once_all_is_read(self, items, wanted):
        yield from each(self, items, wanted)
        interrupt()

    each = ParsePool.each
    where = {"while it reads": (ParsePool, "each", once_all_is_read), "while it indexes": (Memory, "compact", interrupt)}
    monkeypatch.setattr(*where.get(at, (sources, "find", interrupt)))
    code, out, err = run("sync --json", files)
    report = json.loads(out)
    assert (code, report["stopped"], "stopped; what was done until now is kept" in err) == (130, True, True)
    kept = {} if at == "before it begins" else {"handbook/hours.md": "added", "handbook/sub/cards.txt": "added"}
    assert {one["uri"]: one["status"] for one in report["documents"] if one["status"] == "added"} == kept
    assert [one.uri for one in memory.documents()] == list(kept)
    monkeypatch.undo()


def test_ctrl_c_names_what_was_kept_and_ends_with_the_counts(run, files, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Memory, "compact", interrupt)
    (files / "bad.pdf").write_bytes(b"%PDF-1.4 broken")
    code, out, err = run("add", files)
    assert code == 130 and "bad.pdf" in err
    assert out.splitlines() == [
        "added     handbook/hours.md",
        "added     handbook/sub/cards.txt",
        "2 added, 1 failed",
        "passages: 3 new (3 embedded), 0 retired",
    ]


def test_a_command_that_is_stopped_prints_a_document_too(run, files, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    run("add", files)
    monkeypatch.setattr(Memory, "check", interrupt)
    code, out, _ = run("check --json")
    assert (code, json.loads(out)) == (130, {"stopped": True})


def test_ragbot_from_ask_to_correct(run, files):
    run("add", files)
    code, out, err = run("ask", "When does the lab open?", cli=ragbot_cli)
    assert code == 0
    today = f"{datetime.now(UTC).day} {datetime.now(UTC):%B %Y}"
    assert out == f"The lab opens at 9:00.\n  [1] handbook/hours.md, line 3 (of {today}): “The lab opens at 9:00.”\n"
    turn = err.split()[-1]
    assert run("rate --up", turn, cli=ragbot_cli)[0] == 0
    assert run("correct", turn, "The lab opens at 9:30.", cli=ragbot_cli)[0] == 0
    assert "9:30" in run("ask", "When does the lab open?", cli=ragbot_cli)[1]
    code, out, _ = run("why", turn, cli=ragbot_cli)
    assert code == 0
    assert "(current)" in out
    assert "correction The lab opens at 9:30." in out
    assert run("why nope", cli=ragbot_cli)[0] == 1
    assert run("recall --as-of 2020-01-01 lab", cli=ragbot_cli) == (0, "", "nothing found\n")
    assert run("recall --as-of yesterday lab", cli=ragbot_cli)[0] == 2


def test_chat_line_by_line(run, files):
    run("add", files)
    code, out, _ = run("chat", cli=ragbot_cli, input="When does the lab open?\n我的工号是4471。\n\n")
    assert code == 0
    assert "The lab opens at 9:00." in out
    assert "好的，我记住了。" in out
    turns = json.loads(run("chat --json", cli=ragbot_cli, input="What colour is the door?\n")[1])
    assert turns[0]["answer"] == "The door is green."


@pytest.mark.parametrize("command", ["status", "check", "forget x", "refresh"])
def test_reading_commands_make_no_home(run, home, command):
    code, _, err = run(command)
    assert code == 1
    assert "no memory here" in err
    assert not home.exists()


def test_wrong_use_is_2(run, home, files):
    assert run("add")[0] == 2
    home.mkdir()
    (home / "ragbot.toml").write_text("modle = 1")
    code, _, err = run("add", files)
    assert code == 2
    assert "unknown setting 'modle'" in err
    assert err.count("\n") == 1


def test_every_command_is_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, cli in (("ingest", ingest_cli), ("ragbot", ragbot_cli)):
        for command in cli.registered_commands:
            assert f"{name} {command.callback.__name__}" in readme


@pytest.mark.parametrize(
    "line",
    [
        "ragbot.cli --help",
        "ingest.cli --help",
        "ingest.cli add --help",
        "ingest.cli status --home {home}",
        "ingest.cli add {file} --home {home}",
    ],
)
def test_these_ways_load_no_model_library(memory, files, home, line):
    pipeline.add(memory, [files])
    module, *rest = line.format(home=home, file=files).split()
    code = RUN_AND_TELL.format(argv=["x", *rest], module=module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "loaded set()", done.stdout + done.stderr


# What a review found


def test_sync_touches_only_what_came_from_files_of_the_folder(memory, tmp_path, home):
    (tmp_path / "a.txt").write_text("Apples here.")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "b.txt").write_text("Bananas here.")
    pipeline.add(memory, [tmp_path / "a.txt", tmp_path / "docs"])
    for uri in ("https://example.org/x", "docs/by-api", "lab.md"):
        memory.remember(Document(uri, "Told by the API."))
    (tmp_path / "docs" / "b.txt").unlink()
    (tmp_path / "docs" / "c.txt").write_text("Cherries here.")
    assert statuses(pipeline.sync(memory, tmp_path / "docs")) == {"docs/c.txt": "added", "docs/b.txt": "retired"}
    (tmp_path / "a.txt").unlink()
    assert statuses(pipeline.sync(memory, tmp_path))["a.txt"] == "retired"
    assert {stored.uri for stored in memory.documents()} == {"https://example.org/x", "docs/by-api", "lab.md", "docs/c.txt"}


def test_sync_leaves_what_another_process_ingested_meanwhile(memory, open_memory, tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("Room A is blue.")
    other, came = open_memory(), []

    def progress(_done, _total, _outcome):
        if not came:
            (folder / "new.md").write_text("The new room is green.")
            came.extend(pipeline.add(other, [folder / "new.md"]))

    assert [outcome.status for outcome in pipeline.sync(memory, folder, progress=progress)] == ["added"]
    assert [outcome.status for outcome in came] == ["added"]
    assert memory.document(came[0].uri) is not None


@pytest.mark.usefixtures("embedders")
def test_sync_of_a_folder_above_the_home(tmp_path):
    room = tmp_path / "above" / "room"
    with Memory.open(room / "indexes") as memory:
        (room / "a.txt").write_text("Apples here.")
        assert statuses(pipeline.sync(memory, room.parent)) == {"a.txt": "added"}
        (room / "a.txt").unlink()
        assert statuses(pipeline.sync(memory, room.parent, allow_empty=True)) == {"a.txt": "retired"}


def test_a_folder_that_cannot_be_listed_retires_nothing_even_if_empty_is_allowed(memory, files, monkeypatch):
    pipeline.sync(memory, files)

    def walk(folder, onerror, **_kwargs):
        onerror(PermissionError(13, "Permission denied", str(folder)))
        return iter(())

    monkeypatch.setattr(sources.os, "walk", walk)
    outcomes = pipeline.sync(memory, files, allow_empty=True)
    assert [(o.status, "Permission denied" in o.reason) for o in outcomes] == [("failed", True)]
    assert len(memory.documents()) == 2


def test_a_file_that_cannot_be_looked_at_is_named_and_stops_no_other(memory, files, monkeypatch):
    stat = sources.os.stat

    def refused(path, **kwargs):
        if str(path).endswith("cards.txt"):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **kwargs)

    monkeypatch.setattr(sources.os, "stat", refused)
    found = statuses(pipeline.sync(memory, files))
    assert found == {"handbook/sub/cards.txt": "failed", "handbook/hours.md": "added"}


def test_file_names_of_any_kind(memory, files):
    names = [b"caf\xe9.txt", "中文 文件.txt".encode(), b"two\nlines.txt", b"quote'\".txt"]
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(files), name))).write_text("Words in a file.")
    assert sorted(statuses(pipeline.sync(memory, files)).values()) == ["added"] * 6
    assert set(statuses(pipeline.sync(memory, files)).values()) == {"unchanged"}


def test_a_damaged_page_is_one_line(run, files, home):
    run("add", files)
    path = home / "ragbot.db"
    content = bytearray(path.read_bytes())
    for at in range(4096 * 3, len(content), 4096):
        content[at : at + 64] = b"\xff" * 64
    path.write_bytes(content)
    for command in ("check", "status", "forget x"):
        code, _, err = run(command)
        assert code == 1
        assert "damaged" in err
        assert err.count("\n") == 1


def test_the_name_of_a_file_can_neither_forge_a_line_nor_steer_the_terminal(run, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "a\nerror: b.pdf: all is well \x1b[31m.txt").write_text("Words in a file.")
    (folder / "a\nerror: c.pdf").write_bytes(b"%PDF-1.7\nnothing more")
    _, out, err = run("sync", folder)
    assert [line[:6] for line in err.splitlines()] == ["error:"] and "a\\nerror: c.pdf" in err
    for text in (run("status")[1], run("recall words", cli=ragbot_cli)[1]):
        assert "a\\nerror: b.pdf: all is well \\x1b[31m" in text and "\x1b" not in out + text


def test_json_is_text_whatever_a_file_is_called(run, tmp_path):
    code, out, _ = run("add --json", os.fsdecode(os.fsencode(tmp_path) + b"/no\xff.md"))
    assert code == 1 and "does not exist" in json.loads(out)["documents"][0]["reason"]


@pytest.mark.parametrize("command", ["add", "sync"])
def test_an_empty_path_is_not_the_working_folder(run, home, command):
    code, _, err = run(command, "")
    assert code == 2
    assert "the path is empty" in err
    assert not home.exists()


def test_a_failed_file_says_that_its_old_version_answers(memory, files):
    pipeline.add(memory, [files])
    (files / "hours.md").write_bytes(b"")
    (outcome,) = [o for o in pipeline.sync(memory, files) if o.status == "failed"]
    assert "still answers" in outcome.reason


def test_a_home_without_a_name_and_a_backup_that_is_none(run, files, tmp_path, home):
    assert CliRunner().invoke(ingest_cli, ["status", "--home", ""]).exit_code == 2
    assert run("restore", tmp_path / "nothing")[0] == 1
    assert not home.exists()
    run("add", files)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "ragbot.db").touch()
    code, _, told = run("restore --replace", tmp_path / "empty")
    assert (code, "no memory here" in told) == (1, True)
    assert "opens at 9:00" in run("recall lab", cli=ragbot_cli)[1]


def test_what_cannot_be_read_is_told_as_json_too(run, files, home, monkeypatch):
    run("add", files)

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device", str(home / "segments"))

    monkeypatch.setattr(pipeline.Memory, "refresh", full)
    code, said, _ = run("refresh --json")
    assert (code, json.loads(said)) == (1, {"error": f"{home / 'segments'}: cannot be read or written (No space left on device)"})
