"""The world's time apart from the record's: what held when, what was known when, and what only begins or ends later."""

from datetime import UTC, datetime, timedelta

import pytest

from ragbot import Document
from ragbot.errors import InputError

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def texts(memory, query="lab opens", **kwargs):
    return [hit.chunk.text for hit in memory.recall(query, **kwargs)]


def test_what_begins_later_does_not_answer_before_it(memory):
    memory.remember(Document("lab.md", "The lab opens at 9:00."))
    memory.remember(Document("lab.md", "The lab opens at 8:00.", valid_from=NOW + 30 * DAY))
    assert texts(memory) == ["The lab opens at 9:00."]
    assert texts(memory, as_of=NOW + 31 * DAY) == ["The lab opens at 8:00."]


def test_a_new_document_of_a_day_to_come_waits_for_it(memory):
    memory.remember(Document("fees.md", "The lab opens for a fee of 5.", valid_from=NOW + DAY))
    assert texts(memory) == []
    assert texts(memory, as_of=NOW + 2 * DAY) == ["The lab opens for a fee of 5."]


def test_what_has_run_out_no_longer_answers_and_is_there_for_its_time(memory):
    summer = Document("summer.md", "The lab opens at 7:00.", valid_from=NOW - 90 * DAY, valid_to=NOW - DAY)
    memory.remember([summer, Document("badge.md", "Badges of the lab are blue.")])
    assert texts(memory) == ["Badges of the lab are blue."]
    assert "The lab opens at 7:00." in texts(memory, as_of=NOW - 30 * DAY)
    memory.refresh()
    assert texts(memory) == ["Badges of the lab are blue."]
    assert memory.check(deep=True).problems == ()


def test_what_runs_out_later_answers_until_then(memory):
    memory.remember(Document("summer.md", "The lab opens at 7:00.", valid_to=NOW + DAY))
    assert texts(memory) == ["The lab opens at 7:00."]
    assert texts(memory, as_of=NOW + 2 * DAY) == []


def test_a_document_that_ends_at_another_time_is_another_version(memory):
    memory.remember(Document("summer.md", "The lab opens at 7:00."))
    assert memory.remember(Document("summer.md", "The lab opens at 7:00.", valid_to=NOW - DAY, valid_from=NOW - 2 * DAY)).added
    assert texts(memory) == []


def test_what_was_known_stands_apart_from_what_was_so(memory):
    memory.remember(Document("lab.md", "The lab opens at 9:00.", valid_from=NOW - 60 * DAY))
    known = datetime.now(UTC)
    memory.remember(Document("lab.md", "The lab opens at 10:00.", valid_from=NOW - 30 * DAY))
    then = NOW - 20 * DAY
    assert texts(memory, as_of=then) == ["The lab opens at 10:00."], "it was so then, as is known by now"
    assert texts(memory, as_of=then, known_at=known) == ["The lab opens at 9:00."], "nobody knew that then"
    assert texts(memory, known_at=known) == ["The lab opens at 9:00."]
    memory.compact()
    assert texts(memory, as_of=then, known_at=known) == ["The lab opens at 9:00."]


@pytest.mark.parametrize("sealed", [False, True])
def test_what_waits_for_its_successor_goes_with_the_document(memory, sealed):
    memory.remember(Document("lab.md", "The lab opens at 9:00."))
    memory.remember(Document("lab.md", "The lab opens at 8:00.", valid_from=NOW + 30 * DAY))
    if sealed:
        memory.refresh()
    assert texts(memory) == ["The lab opens at 9:00."]
    memory.remember(Document("lab.md", "The lab opens at 7:30."))
    assert texts(memory) == ["The lab opens at 7:30."]
    memory.retire("lab.md")
    assert texts(memory) == [] == texts(memory, as_of=NOW + DAY)
    assert memory.check(deep=True).problems == ()


def test_a_document_cannot_end_before_it_begins(memory):
    with pytest.raises(InputError, match="valid_to is not after its valid_from"):
        memory.remember(Document("lab.md", "The lab opens.", valid_from=NOW, valid_to=NOW - DAY))


def test_a_correction_does_not_reach_back(memory):
    memory.remember(Document("lab.md", "The lab opens at 9:00.", valid_from=NOW - 60 * DAY))
    cited = [hit for hit in memory.recall("lab opens")][0].chunk
    from ragbot.types import Citation

    words = Citation(cited.id, cited.uri, cited.start, cited.end, cited.text)
    memory.remember(Document("correction:t", "It opens at 10:00.", "lab opens", "correction"), disputes=[words])
    now, before = memory.recall("lab opens"), memory.recall("lab opens", as_of=NOW - DAY)
    assert [hit.is_set_aside for hit in now if hit.chunk.uri == "lab.md"] == [True]
    assert [hit.is_set_aside for hit in before if hit.chunk.uri == "lab.md"] == [False]
    assert now[-1].chunk.uri == "lab.md", "what is set aside comes last"
