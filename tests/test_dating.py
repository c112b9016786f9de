"""From when until when a file holds, and by what."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from ingest import pipeline
from ingest.dating import DATED_BY, dated
from ragbot import Document, Memory

TEXT = "The lab opens at 9:00."


def day(document):
    return document.valid_from and document.valid_from.date().isoformat()


@pytest.mark.parametrize(
    ("text", "metadata", "began", "by"),
    [
        ("---\ntitle: Lab\ndate: 2024-05-01\n---\n" + TEXT, {"page_date": "2023-01-01"}, "2024-05-01", "front matter"),
        (TEXT, {"page_date": "2023-01-01"}, "2023-01-01", "its properties"),
        ("Last updated: 3 March 2025\n\n" + TEXT, {}, "2025-03-03", "its text"),
        ("本规定自2024年7月1日起施行。实验室九点开门。", {}, "2024-07-01", "its text"),
        ("更新日期：2025年3月8日\n实验室九点开门。", {}, "2025-03-08", "its text"),
    ],
)
def test_it_says_so_itself(text, metadata, began, by):
    found = dated(Document("lab.md", text, metadata=metadata), None, "", None)
    assert (day(found), found.metadata[DATED_BY]) == (began, by)


def test_a_day_in_passing_dates_nothing():
    found = dated(Document("lab.md", "The lab was founded on 3 March 1985 by Ana."), None, "", None)
    assert found.valid_from is None


def test_until_when_it_holds():
    found = dated(Document("fees.md", "Prices\n\nValid until 31 December 2024.\n\nA day costs 5."), None, "", None)
    assert found.valid_to == datetime(2025, 1, 1, tzinfo=UTC) and found.valid_from < found.valid_to


@pytest.mark.parametrize("text", ["The voucher expires on 1 May 2024. We open at 9.", "报名截止日期：2024年5月1日。九点开门。"])
def test_what_only_mentions_an_end_hides_no_document(text):
    assert dated(Document("fees.md", text), None, "", None).valid_to is None


def test_else_the_file_or_the_server_says_it(tmp_path):
    file = tmp_path / "lab.txt"
    file.write_text(TEXT)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    found = dated(Document("lab.txt", TEXT), file, "", None)
    assert (day(found), found.metadata[DATED_BY]) == ("2023-11-14", "time of the file")
    served = dated(Document("u", TEXT), None, "Wed, 01 May 2024 10:00:00 GMT", None)
    assert (day(served), served.metadata[DATED_BY]) == ("2024-05-01", "time of the page")
    assert dated(Document("u", TEXT), None, "no date", None).valid_from is None


def test_a_new_version_never_begins_before_the_one_it_replaces(tmp_path, embedders):
    file = tmp_path / "lab.txt"
    file.write_text(TEXT)
    with Memory.open(tmp_path / "home") as memory:
        pipeline.add(memory, [file])
        before = datetime.now(UTC)
        file.write_text("The lab opens at 10:00.")
        os.utime(file, (1_700_000_000, 1_700_000_000))  # as after unpacking an archive
        pipeline.add(memory, [file])
        (hit,) = memory.recall("lab opens")
        assert hit.chunk.text == "The lab opens at 10:00." and hit.chunk.valid_from >= before - timedelta(seconds=1)
        assert [hit.chunk.text for hit in memory.recall("lab opens", as_of=before)] == [TEXT]
