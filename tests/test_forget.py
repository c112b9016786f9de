"""What is forgotten is in no file of the home: the bytes are looked at, not the library believed."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import bytes_of
from fakes import letter

from ragbot import Document
from ragbot.store.dialects import sqlite_residue


def sentences_of(document):
    return [line for paragraph in document.text.split("\n\n") for line in paragraph.split(". ")]


def left_of(document, *folders):
    """The sentences of a document that are still in a file, whole."""
    data = b"".join(bytes_of(folder) for folder in folders)
    return [line for line in sentences_of(document) if line.encode() in data]


def plant(home, words):
    """Write words into the unused part of a page of the database, where SQLite leaves copies of rows that it moves.

    Another process does it, as `bytes_of` says.
    """
    program = """
import sqlite3, sys
file, words = sys.argv[1], bytes.fromhex(sys.argv[2])
connection = sqlite3.connect(file)
connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
(root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'chunks'").fetchone()
with open(file, "r+b") as database:
    database.seek((root - 1) * 4096)
    page = database.read(4096)
    top = 8 + 2 * int.from_bytes(page[3:5], "big")
    assert page[0] == 13 and not any(page[top : top + len(words)])
    database.seek((root - 1) * 4096 + top)
    database.write(words)
"""
    subprocess.run([sys.executable, "-c", program, home / "ragbot.db", words.hex()], check=True)


def test_no_sentence_of_what_was_forgotten_is_left_in_a_file_or_a_backup(memory, home, tmp_path):
    chance = random.Random(18)  # of 40 tried, the one with which SQLite leaves a sentence
    letters = [letter(chance, number) for number in range(40)]
    for one in letters:
        memory.remember(one)
    chance.shuffle(letters)
    for number, gone in enumerate(letters[:20]):
        assert memory.forget(gone.uri).cleared
        assert left_of(gone, home) == []
        if number % 5 == 0:
            assert left_of(gone, memory.backup(tmp_path / f"backup{number}")) == []
    assert memory.check(deep=True).problems == ()
    assert all(left_of(one, home) == sentences_of(one) for one in letters[20:])


def test_a_copy_in_the_unused_part_of_a_page_is_erased_and_no_other_process_writes_it_back(memory, open_memory, home):
    memory.remember(Document("lab.md", "The lab opens at nine."))
    plant(home, b"The zyzzyva code is 77.")
    other = open_memory()
    assert other.around(other.recall("lab")[0].chunk) == []  # its connection has the page in memory now
    assert memory.store.scrub()
    assert b"zyzzyva" not in bytes_of(home)
    other.retire("lab.md")
    assert b"zyzzyva" not in bytes_of(home)
    assert memory.check(deep=True).problems == ()


def test_cleared_is_said_only_when_no_sample_is_found(memory, home, monkeypatch):
    memory.remember(Document("secret.md", "The zyzzyva code is 77."))
    memory.remember(Document("lab.md", "The lab opens at nine."))
    (home / "segments").mkdir(exist_ok=True)
    (home / "segments" / "left").write_bytes(b"...The zyzzyva code is 77....")
    monkeypatch.setattr("ragbot.index.manifest.sweep", lambda *_: None)
    assert not memory.forget("secret.md").cleared
    (home / "segments" / "left").unlink()
    memory.remember(Document("secret.md", "The zyzzyva code is 77."))
    assert memory.forget("secret.md").cleared


def test_what_no_pass_over_the_pages_finds_is_written_anew(memory, home, monkeypatch):
    memory.remember([Document("secret.md", "The zyzzyva code is 77."), Document("lab.md", "The lab opens at nine.")])
    plant(home, b"The zyzzyva code is 77.")
    program = home.parent / "lazy.py"
    text = Path(sqlite_residue.__file__).read_text(encoding="utf-8")
    program.write_text(text.replace("_INTERIOR, _LEAF = (2, 5), (10, 13)", "_INTERIOR, _LEAF = (), ()"), encoding="utf-8")
    monkeypatch.setattr(sqlite_residue, "__file__", str(program))
    assert memory.forget("secret.md").cleared
    assert b"zyzzyva" not in bytes_of(home)
    assert memory.recall("lab")


def test_a_copy_that_another_document_holds_is_no_residue(memory, home):
    same = "The zyzzyva code is 77, as everybody in the house knows by now."
    memory.remember([Document("one.md", same), Document("two.md", same)])
    assert memory.forget("one.md").cleared
    assert [hit.chunk.uri for hit in memory.recall("zyzzyva code")] == ["two.md"]


def test_a_killed_backup_leaves_nothing_that_keeps_the_next_from_the_folder(memory, tmp_path):
    memory.remember(Document("lab.md", "The lab opens at nine."))
    target = tmp_path / "backup"
    target.mkdir()
    for name in ("ragbot.db.aside", "ragbot.db.aside-journal"):
        (target / name).write_bytes(b"The zyzzyva code is 77.")
    memory.backup(target)
    assert b"zyzzyva" not in bytes_of(target)
    assert {path.name for path in target.iterdir()} == {"ragbot.db"}


def test_a_restored_backup_is_cleared_of_what_was_erased_before_it(memory, home, tmp_path):
    memory.remember(Document("lab.md", "The lab opens at nine."))
    copy = memory.backup(tmp_path / "backup")
    plant(copy, b"The zyzzyva code is 77.")
    memory.restore(copy)
    assert b"zyzzyva" not in bytes_of(home)


def test_a_damaged_page_is_named_and_nothing_is_written_to_it(memory, home):
    memory.remember(Document("lab.md", "The lab opens at nine."))
    data = bytearray(bytes_of(memory.backup(home / "copy")))
    at = next(at for at in range(4096, len(data), 4096) if data[at] == 13)
    data[at + 3 : at + 5] = b"\xff\xff"
    (home / "copy.db").write_bytes(data)
    command = [sys.executable, "-I", sqlite_residue.__file__]
    asked = f'{{"database": "{home / "copy.db"}", "beside": [], "samples": []}}\n'
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    assert "has a damaged page" in done.stdout
    assert (home / "copy.db").read_bytes() == bytes(data)


@pytest.mark.parametrize("samples", [[b"needle"], [b"needle", b"absent"], [b"nee"]])
def test_a_sample_is_found_across_the_blocks_of_a_file(tmp_path, monkeypatch, samples):
    monkeypatch.setattr(sqlite_residue, "BLOCK_BYTES", 16)
    (tmp_path / "a").write_bytes(b"x" * 13 + b"needle" + b"y" * 40)
    assert sqlite_residue.find([tmp_path / "a"], samples) == [0]
