"""What could not be read is not read again for nothing."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from test_parsers import locked_pdf, pdf

from ingest import failed_files, pipeline, sources
from ingest.parse_pool import ParsePool
from ragbot.types import SourceState


def statuses(outcomes):
    return {outcome.uri: outcome.status for outcome in outcomes}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """One good file; files count as settled at once."""
    monkeypatch.setattr(sources, "_FRESH_NS", -(10**18))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("The lab opens at nine.")
    return tmp_path / "docs"


def looked_at(monkeypatch):
    """The files that are given to a reader from now on."""
    asked, read = [], ParsePool.read
    monkeypatch.setattr(ParsePool, "read", lambda self, request: asked.append(request.uri) or read(self, request))
    return asked


def test_what_could_not_be_read_is_read_again_when_it_changes_or_is_named(memory, folder, monkeypatch):
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7\nnothing more")
    (folder / "film.bin").write_bytes(bytes(range(256)) * 9)
    (folder / "blank.txt").write_bytes(b"")
    first = pipeline.sync(memory, folder)
    assert {o.uri: o.status for o in first} == {
        "docs/a.md": "added",
        "docs/bad.pdf": "failed",
        "docs/film.bin": "skipped",
        "docs/blank.txt": "skipped",
    }
    asked = looked_at(monkeypatch)
    assert {(o.uri, o.reason) for o in pipeline.sync(memory, folder)} == {(o.uri, o.reason) for o in first}
    assert asked == []
    assert statuses(pipeline.add(memory, [folder / "bad.pdf"])) == {"docs/bad.pdf": "failed"}
    (folder / "film.bin").write_text("The film is about robots.")
    assert statuses(pipeline.sync(memory, folder))["docs/film.bin"] == "added"
    assert asked == ["docs/bad.pdf", "docs/film.bin"]
    assert memory.source_states("failed").keys() == {"docs/bad.pdf", "docs/blank.txt"}


def test_a_verdict_stands_for_a_day_and_for_one_reader(memory, folder, monkeypatch):
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7\nnothing more")
    pipeline.sync(memory, folder)
    asked = looked_at(monkeypatch)
    (failed,) = memory.source_states("failed").values()
    memory.set_source_states([replace(failed, at=datetime(2001, 1, 1, tzinfo=UTC))])
    pipeline.sync(memory, folder)
    assert asked == ["docs/bad.pdf"]
    monkeypatch.setattr(failed_files.parsers, "PARSER_VERSION", "next")
    pipeline.sync(memory, folder)
    assert asked.count("docs/bad.pdf") == 2


def test_an_encrypted_file_is_tried_each_time(memory, folder):
    (folder / "secret.pdf").write_bytes(locked_pdf(pdf("The safe is behind the picture."), "sesame", "RC4-128"))
    assert statuses(pipeline.sync(memory, folder))["docs/secret.pdf"] == "failed"
    assert statuses(pipeline.sync(memory, folder, password="sesame"))["docs/secret.pdf"] == "added"


def test_a_file_that_was_good_and_is_empty_now_has_failed(memory, folder):
    (folder / "b.md").write_text("The hall is green.")
    pipeline.sync(memory, folder)
    (folder / "a.md").write_bytes(b"")
    (folder / "b.md").write_bytes(bytes(range(256)) * 9)
    outcomes = [o for o in pipeline.sync(memory, folder) if o.status == "failed"]
    assert [o.uri for o in outcomes] == ["docs/a.md", "docs/b.md"]
    assert all("still answers" in o.reason for o in outcomes) and len(memory.recall("lab hall", k=5)) == 2


def test_what_is_forgotten_leaves_no_verdict(memory, folder):
    pipeline.sync(memory, folder)
    (folder / "a.md").write_bytes(b"")
    pipeline.sync(memory, folder)
    memory.set_source_states([SourceState("everyone", "other", "failed", {})])
    memory.forget("docs/a.md")
    assert memory.source_states("failed").keys() == {"other"} and memory.source_states("file") == {}
