"""Times that texts name in words."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ragbot.answer.times import asks_before, moment_asked
from ragbot.temporal.dates import day_of, periods
from training.conversations import load

TALKS = Path(__file__).parent.parent / "benchmarks" / "conversations"
TODAY = date(2026, 11, 30)  # a Monday


def test_days_that_people_named_are_found():
    """Sentences of writers who had not seen the rules, with the day that each means."""
    named = [
        (text, said.on, day)
        for one in load(sorted(TALKS.glob("*.jsonl")))
        for said in one.messages
        for text, day in (said.days or {}).items()
    ]
    right = [day_of(text, on) == day for text, on, day in named]
    assert len(named) > 90
    assert sum(right) >= 0.85 * len(right)


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("before May", "2026-05-01", "2026-06-01"),
        ("in 2023", "2023-01-01", "2024-01-01"),
        ("last week", "2026-11-23", "2026-11-30"),
        ("on 3.5.2024", "2024-05-03", "2024-05-04"),
        ("two years ago", "2024-11-30", "2024-12-01"),
        ("last quarter", "2026-07-01", "2026-10-01"),
        ("上周一", "2026-11-23", "2026-11-24"),
        ("去年五月", "2025-05-01", "2025-06-01"),
        ("三天前", "2026-11-27", "2026-11-28"),
        ("2024年5月3日", "2024-05-03", "2024-05-04"),
        ("前年", "2024-01-01", "2025-01-01"),
    ],
)
def test_a_time_is_a_period(text, begin, end):
    (found,) = periods(text, TODAY, "past")
    assert (found.begin.isoformat(), found.end.isoformat(), text[found.start : found.stop] in text) == (begin, end, True)


@pytest.mark.parametrize(
    "text",
    [
        "What may I bring?",
        "Room 2019 is free.",
        "They march to the sea.",
        "三个月的押金",
        "31 February",
        "The sun is out.",
        "2,014 people",
    ],
)
def test_what_is_no_time_is_none(text):
    assert periods(text, TODAY) == []


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("What did the policy say before May?", "2026-04-30"),
        ("What was the fee last year?", "2025-12-31"),
        ("What was the fee as of 1 May 2024?", "2024-05-01"),
        ("五月之前的费用是多少？", "2026-04-30"),
        ("去年的费用是多少？", "2025-12-31"),
    ],
)
def test_a_question_may_be_about_another_moment(text, moment):
    found = moment_asked(text, datetime(2026, 11, 30, 12, tzinfo=UTC))
    assert found is not None and found[0].date().isoformat() == moment


@pytest.mark.parametrize(
    "text",
    [
        "What has changed since May?",
        "Is it open tomorrow?",
        "When is it open on Monday?",
        "Where did she work from 2004 to 2005?",
    ],
)
def test_others_are_not(text):
    assert moment_asked(text, datetime(2026, 11, 30, 12, tzinfo=UTC)) is None


def test_what_was_before_is_seen():
    assert asks_before("What was the fee before?") and asks_before("以前的费用是多少？")
    assert not asks_before("What must I do before the first visit?")
