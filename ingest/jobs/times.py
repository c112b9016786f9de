"""When: durations, cron lines as cron reads them, and what is due after a run that was or was not."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger  # type: ignore[import-untyped]
from apscheduler.triggers.combining import OrTrigger  # type: ignore[import-untyped]
from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]
from apscheduler.triggers.interval import IntervalTrigger  # type: ignore[import-untyped]

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST_S = 366 * UNITS["d"]
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
"""As cron numbers them; 7 is Sunday too."""
NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


def seconds(text: str) -> int:
    """The seconds of a duration such as "90s", "15m", "6h" or "1d". Raises ValueError for any other text."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", text.strip())
    if found is None:
        raise ValueError("it takes a number and s, m, h or d")
    length = int(found[1]) * UNITS[found[2]]
    if length > LONGEST_S:
        raise ValueError("it takes a year at most")
    return length


def in_words(length_s: float) -> str:
    """A duration in its largest whole unit, as `seconds` reads it."""
    whole = round(length_s)
    unit = next((unit for unit in "dhm" if whole and whole % UNITS[unit] == 0), "s")
    return f"{whole // UNITS[unit]}{unit}"


class Jittered(BaseTrigger):  # type: ignore[misc]
    """The times of a trigger, each later by chance. The next one counts from the trigger's own time: it does not add up."""

    def __init__(self, trigger: BaseTrigger, jitter_s: int) -> None:
        self._trigger, self._jitter_s = trigger, jitter_s

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The library's question: the time after the one before, if there was one."""
        due = next_after(self._trigger, previous_fire_time or now)
        return due and later(due, self._jitter_s)


def later(moment: datetime, jitter_s: int) -> datetime:
    """A moment, or by chance up to so much after it."""
    return moment + timedelta(seconds=random.uniform(0, jitter_s))


def every(length_s: int, start: datetime) -> BaseTrigger:
    """From `start` on, at every so many seconds."""
    return IntervalTrigger(seconds=length_s, start_date=start)


def cron(line: str, timezone: str | None = None) -> BaseTrigger:
    """The times of a cron line, in a time zone (else the machine's). Raises ValueError if it is none, or its time never comes.

    As in cron, 0 and 7 are Sunday, and where both the day of the month and the day of the week are restricted, one of them
    is enough; the library takes 0 for Monday, and would want both.
    """
    fields = NAMED.get(line.strip().lower(), line).split()
    if len(fields) != 5:
        raise ValueError("it takes five fields: minute, hour, day of the month, month, day of the week")
    minute, hour, day, month, weekday = fields
    zone = None if timezone is None else ZoneInfo(timezone)
    either = not day.startswith("*") and not weekday.startswith("*")
    days = [(day, "*"), ("*", weekdays(weekday))] if either else [(day, weekdays(weekday))]
    parts = [
        CronTrigger(minute=minute, hour=hour, day=of_month, month=month, day_of_week=of_week, timezone=zone)
        for of_month, of_week in days
    ]
    if not any(next_after(part, datetime.now().astimezone()) for part in parts):
        raise ValueError("its time never comes")
    return OrTrigger(parts) if either else parts[0]


def weekdays(field: str) -> str:
    """A cron line's days of the week by their names, one by one. Raises ValueError if they are none.

    A span may go round the end of the week.
    """
    chosen: set[int] = set()
    for part in field.lower().split(","):
        found = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/([1-9][0-9]?))?", part)
        if found is None or (found[1] == "*" and found[2]):
            raise ValueError(f"{part!r} is no day of the week")
        if found[1] == "*":
            first, last = 0, 6
        else:
            first = _weekday(found[1])
            # A step without an end goes to the end of the week, as in cron.
            last = _weekday(found[2]) if found[2] else 6 if found[3] else first
        last += 7 if last < first else 0
        chosen.update(day % 7 for day in range(first, last + 1, int(found[3] or 1)))
    return "*" if len(chosen) == 7 else ",".join(DAYS[day] for day in sorted(chosen))


def _weekday(name: str) -> int:
    if name in DAYS:
        return DAYS.index(name)
    if re.fullmatch("[0-7]", name):
        return int(name)
    raise ValueError(f"{name!r} is no day of the week")


def next_after(trigger: BaseTrigger, moment: datetime) -> datetime | None:
    """The first time of a trigger after a moment."""
    # In UTC: in the hour that comes twice, local times go back when something is added to them.
    found: datetime | None = trigger.get_next_fire_time(None, moment.astimezone(UTC) + timedelta(microseconds=1))
    return found
