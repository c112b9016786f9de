"""From when until when a document holds: by what it says of itself, else by its file, and which of these it was.

In order of trust: front matter, the properties of the file (or the date of a web page), a line of the text that says since when
it holds, the time of the file or the one that the server gave.
"""

from __future__ import annotations

import email.utils
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from ragbot.temporal.dates import periods
from ragbot.types import Document

DATED_BY = "dated_by"
"""The key, in the metadata, of what a document's time was taken from."""
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE)
_FROM = ("valid_from", "effective_date", "effective", "updated", "last_updated", "last_modified", "lastmod", "modified", "date")
_TO = ("valid_to", "valid_until", "expires", "expiry", "expiry_date")
_SINCE = re.compile(
    r"\b(?:valid (?:from|since)|effective(?: date| from| as of)?|in (?:force|effect) (?:from|since|as of)|applies from"
    r"|last (?:updated|revised|modified|changed)"
    r"|(?:updated|revised|version of|status|stand|as of|published)(?: on)?)\b[\s:]*(?:on )?$"
    r"|(?:生效日期|施行日期|更新(?:日期|时间|于)|最后(?:更新|修改)(?:日期|时间|于)?|修订(?:日期|于)|发布(?:日期|于)|自|从)[\s:：]*$",
    re.IGNORECASE,
)
_IN_FORCE_ZH = re.compile(r"^\s*(?:起|开始)?(?:生效|施行|实施|执行)")
_UNTIL = re.compile(
    r"(?:^|\n)\W*(?:valid (?:until|till|to|through)|in (?:force|effect) until|applies until)\b[\s:]*(?:on )?$"
    r"|(?:^|\n)\W*(?:有效期至|有效期到|有效至)[\s:：]*$",
    re.IGNORECASE,
)
"""At the beginning of a line that says nothing else: what only mentions when something runs out must not hide a document."""
FIRST, LAST, BEFORE = 1500, 500, 40
"""So many characters at the beginning and at the end of a text, and before a date in them, are looked at."""


def dated(document: Document, path: Path | None, last_modified: str, known_from: datetime | None) -> Document:
    """The document with its time. `known_from` is when the version that is known began: a newer one is never dated before it."""
    today = datetime.now(UTC).date()
    since, by = next(_times(document, path, last_modified, today), (None, ""))
    until = _front_matter(document.text, _TO, today) or _said(document.text, _UNTIL, today)
    if since and known_from and since <= known_from:
        since, by = None, ""
    valid_to = datetime.combine(until + timedelta(1), time(), UTC) if until else None
    if valid_to and valid_to <= (since or datetime.now(UTC)) and (since is None or by.startswith("time")):
        since = None  # what ran out before it came here began at some earlier time, which nobody knows
        valid_from = valid_to - timedelta(1) if valid_to <= datetime.now(UTC) else None
    else:
        valid_from = since
    if valid_from is None and valid_to is None:
        return document
    metadata = {**document.metadata, **({DATED_BY: by} if by else {})}
    return replace(document, valid_from=valid_from, valid_to=valid_to, metadata=metadata)


def _times(document: Document, path: Path | None, last_modified: str, today: date) -> Iterator[tuple[datetime, str]]:
    """Since when it holds, by each source that says so, the most trusted first; with the name of the source."""
    named = [
        (_front_matter(document.text, _FROM, today), "front matter"),
        (_iso(document.metadata.get("page_date", "")), "its properties"),
        (_said(document.text, _SINCE, today), "its text"),
    ]
    for day, by in named:
        if day and (by != "its properties" or day <= today):
            yield datetime.combine(day, time(), UTC), by
    if path is not None:
        yield datetime.fromtimestamp(min(os.stat(path).st_mtime, datetime.now(UTC).timestamp()), UTC), "time of the file"
    if last_modified:
        try:
            at = email.utils.parsedate_to_datetime(last_modified)
        except ValueError:
            return
        yield min(at if at.tzinfo else at.replace(tzinfo=UTC), datetime.now(UTC)), "time of the page"


def _front_matter(text: str, keys: tuple[str, ...], today: date) -> date | None:
    front = _FRONT_MATTER.match(text)
    if front is None:
        return None
    lines = (line.partition(":") for line in front[1].splitlines())
    said = {key.strip().lower().replace("-", "_"): value.strip().strip("'\"") for key, _, value in lines}
    for key in keys:
        if key in said and (day := _iso(said[key][:10]) or _first_day(said[key], today)):
            return day
    return None


def _iso(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _first_day(text: str, today: date) -> date | None:
    return next((one.begin for one in periods(text, today, "past") if one.kind in ("day", "month")), None)


def _said(text: str, pattern: re.Pattern[str], today: date) -> date | None:
    """The day that follows such words at the beginning or the end of a text, with its year."""
    for part in (text[:FIRST], text[FIRST:][-LAST:]):
        for one in periods(part, today, "past"):
            words, before = part[one.start : one.stop], part[max(0, one.start - BEFORE) : one.start]
            found = pattern.search(before)
            bare = found and found[0].strip() in ("自", "从")
            if pattern is _UNTIL and part[one.stop :].partition("\n")[0].strip(" .。\r"):
                continue
            if found and re.search(r"\d{4}", words) and (not bare or _IN_FORCE_ZH.search(part[one.stop :])):
                return one.end - timedelta(1) if pattern is _UNTIL else one.begin
    return None
