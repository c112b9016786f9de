"""Times that a text names in words ("last May", "下周二", "2024-05-01"), as periods, seen from a given day.

dateparser reads what is found; what it cannot read or reads otherwise than people mean it (weekdays, Chinese weeks) is done here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from ragbot.text.tokens import has_cjk, simplified

Lean = Literal["past", "future"]
"""Where a time lies whose year or week is not said."""

_MONTHS = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?"
    "|dec(?:ember)?"
)
_MONTH_NUMBERS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = "mon(?:day)?|tues?(?:day)?|wed(?:nesday)?|thu(?:rs?(?:day)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?"
_DAY_NUMBERS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NUMBER = r"\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_NUMBER_ZH = "[一二两三四五六七八九十]{1,3}|\\d{1,3}|半"
_WHICH_ZH = "上上|上|这|本|下下|下"
_FOUND = re.compile(
    rf"""(?P<day>\b\d{{4}}-\d\d-\d\d\b
    |\b\d{{1,2}}(?:st|nd|rd|th)?\ (?:of\ )?(?:{_MONTHS})\b\.?(?:,?\ \d{{4}}\b)?
    |\b(?:{_MONTHS})\.?\ \d{{1,2}}(?:st|nd|rd|th)?\b(?!:|\.\d|\ ?[ap]m\b)(?:,?\ \d{{4}}\b)?
    |\b\d{{1,2}}\.\d{{1,2}}\.(?:\d{{4}}|\d\d)\b)
    |(?P<month>\b\d{{4}}-\d\d\b(?!-)|\b(?:(?:last|this|next)\ )?(?:{_MONTHS})(?:\ (?:of\ )?\d{{4}})?\b)
    |(?P<named>\bthe\ day\ (?:before\ yesterday|after\ tomorrow)
    |\b(?:day\ after\ tomorrow|today|tonight|yesterday|tomorrow|last\ night)\b)
    |(?P<unit>\b(?:last|this|next|past|previous|coming)\ (?:week|month|quarter|year)\b)
    |(?P<ago>\b(?:(?:{_NUMBER})\ (?:days?|weeks?|fortnights?|months?|years?)\ (?:ago|from\ now)
      |in\ (?:exactly\ |about\ )?(?:{_NUMBER})\ (?:days?|weeks?|months?|years?)(?:'\ time)?)\b)
    |(?P<weekday>\b(?:(?:last|this|next|coming)\ )?(?:{_DAYS})\b(?:\ (?:of\ )?(?:next|last|this)\ week\b)?)
    |(?P<year>(?<![\d.,/-])(?:19|20)\d\d(?!\w|[.,/:-]\d|\s?(?:euros?|dollars?|kg|km|m|年)\b))
    |(?P<zh_day>\d{{4}}年\d{{1,2}}月\d{{1,2}}[日号]|(?:[去今明前]年)?\d{{1,2}}月\d{{1,2}}[日号])
    |(?P<zh_month>\d{{4}}年\d{{1,2}}月(?:份)?|[去今明前]年(?:的)?(?:\d{{1,2}}|[一二三四五六七八九十]{{1,2}})月(?:份)?
      |(?<![\d个])(?:\d{{1,2}}|(?<!个)[一二三四五六七八九十]{{1,2}})月(?:份)?(?![\d初])|(?:{_WHICH_ZH})个?月)
    |(?P<zh_year>\d{{4}}年|[去今明前]年)
    |(?P<zh_named>大前天|前天|昨[天晚]|今[天晚早]|明[天早晚]|大后天|后天)
    |(?P<zh_weekday>(?:{_WHICH_ZH})?个?(?:周|星期|礼拜)[一二三四五六日天末])
    |(?P<zh_week>(?:{_WHICH_ZH})个?(?:周|星期|礼拜))
    |(?P<zh_ago>(?:{_NUMBER_ZH})(?:天|周|个?星期|个?礼拜|个?月|年)(?:之?[前后]|以[前后]))""",
    re.IGNORECASE | re.VERBOSE,
)
_TIME_FOLLOWS = re.compile(
    r"\b(?:in|of|before|after|since|until|till|by|from|to|between|last|this|next|early|late|mid|end of|during|and|or|year|around"
    r"|spring|summer|autumn|winter|fall)\s$",
    re.IGNORECASE,
)
"""What stands before a number that is a year, and before "may" and "march" where they are months."""
_PAST = re.compile(
    r"\b(?:since|was|were|had|did|joined|died|came|went|arrived|left|finished|happened|gained|lost|voted|saw|ate)\b"
    r"(?!.*\b(?:is|are|will|starts?|due)\b)|自从",
    re.IGNORECASE,
)
"""What a sentence holds that tells of something that is over."""
_RELATIVE = re.compile(r"(?!\d{4}\b|.*\b\d{4}$)[^\d]*|.*(?:ago|now|time|in .*|[前后])", re.IGNORECASE)
"""A day that is another one tomorrow."""
_MONTH_WORDS = re.compile(r"(?:may|march|mar|sun|sat|wed)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Period:
    """A time that a text names: the days from `begin` up to, not including, `end`; and where in the text it stands."""

    begin: date
    end: date
    start: int
    stop: int
    kind: str
    """day, month, year, week."""

    @property
    def since(self) -> datetime:
        """Its first moment, in UTC."""
        return datetime.combine(self.begin, time(), UTC)

    @property
    def until(self) -> datetime:
        """The first moment after it, in UTC."""
        return datetime.combine(self.end, time(), UTC)


def day_in_words(day: date, *, chinese: bool) -> str:
    """A day as it is said."""
    return f"{day.year}年{day.month}月{day.day}日" if chinese else f"{day.day} {day:%B %Y}"


def periods(text: str, today: date, lean: Lean = "future") -> list[Period]:
    """The times that a text names, in order. Where the year or the week is not said, `lean` says on which side of today it is."""
    text = simplified(text)
    return list(_periods(text, today, lean))


def _periods(text: str, today: date, lean: Lean) -> Iterator[Period]:
    for found in _FOUND.finditer(text):
        kind, words = str(found.lastgroup), found[0]
        ambiguous = kind == "year" or (_MONTH_WORDS.fullmatch(words) and not has_cjk(words))
        if ambiguous and not (_TIME_FOLLOWS.search(text[: found.start()]) and not words[:1].islower()):
            continue
        try:
            span = _span(kind, words.lower(), today, lean)
        except (ValueError, OverflowError):  # 31 February
            continue
        if span:
            begin, end, size = span
            yield Period(begin, end, *found.span(), size)


def _span(kind: str, words: str, today: date, lean: Lean) -> tuple[date, date, str] | None:
    """First day, day after the last, and the kind of period."""
    kind = kind.removeprefix("zh_") if has_cjk(words) else kind
    if kind in ("weekday", "week"):
        return _weekday(words, today, lean)
    if kind == "unit":
        which, _, unit = words.partition(" ")
        return _unit(unit, {"last": -1, "past": -1, "previous": -1, "next": 1, "coming": 1}.get(which, 0), today)
    if kind == "month":
        return _month(words, today, lean)
    if kind == "year":
        year = {"去": -1, "今": 0, "明": 1, "前": -2}.get(words[0])
        number = today.year + year if year is not None else int(words[:4])
        return date(number, 1, 1), date(number + 1, 1, 1), "year"
    if kind in ("named", "ago") and has_cjk(words):
        return _chinese(words, today)
    at = _chinese_day(words, today, lean) if has_cjk(words) else _parsed(_plain(words), today, lean)
    return (at, at + timedelta(1), "day") if at else None


def day_of(text: str, on: date) -> date | None:
    """The day that a sentence said on a day names in words that count from there ("tomorrow"); None where it names none."""
    relative = [one for one in periods(text, on, "past" if _PAST.search(text) else "future") if one.kind == "day"]
    return next((one.begin for one in relative if _RELATIVE.fullmatch(simplified(text[one.start : one.stop]))), None)


def _parsed(words: str, today: date, lean: Lean) -> date | None:
    """What dateparser makes of a day."""
    import dateparser

    settings = {"RELATIVE_BASE": datetime.combine(today, time()), "PREFER_DATES_FROM": lean, "DATE_ORDER": "DMY"}
    found = dateparser.parse(words, languages=["zh" if has_cjk(words) else "en"], settings=settings)
    return found.date() if found else None


def _chinese_day(words: str, today: date, lean: Lean) -> date:
    """5月3日, 去年5月3日, 2024年5月3日."""
    *year, month, day = re.findall(r"\d+|[去今明前](?=年)", words)
    if year:
        away = {"去": -1, "今": 0, "明": 1, "前": -2}.get(year[0])
        return date(int(year[0]) if away is None else today.year + away, int(month), int(day))
    at = date(today.year, int(month), int(day))
    late, early = lean == "past" and at > today, lean == "future" and at < today
    return at.replace(year=at.year - late + early)


def _plain(words: str) -> str:
    """A day in words that dateparser reads."""
    words = re.sub(r"(\d)(?:st|nd|rd|th)\b|\b(?:exactly|about|of|time)\b", r"\1", words).replace("'", "")
    return words.replace("last night", "yesterday").replace("tonight", "today").removeprefix("the ")


def _unit(unit: str, away: int, today: date) -> tuple[date, date, str]:
    """The week, month, quarter or year that is so many away from this one."""
    if unit == "week":
        begin = today - timedelta(today.weekday() - 7 * away)
        return begin, begin + timedelta(7), "week"
    if unit == "year":
        return date(today.year + away, 1, 1), date(today.year + away + 1, 1, 1), "year"
    long = 3 if unit == "quarter" else 1
    first = today.year * 12 + (today.month - 1) // long * long + away * long
    return _first_of(first), _first_of(first + long), "month"


def _first_of(months: int) -> date:
    """The first day of a month that is counted from the year 0."""
    return date(months // 12, months % 12 + 1, 1)


def _month(words: str, today: date, lean: Lean) -> tuple[date, date, str] | None:
    if has_cjk(words):
        if not re.search(r"[\d一二三四五六七八九十]+月", words):
            return _unit("month", {"上上": -2, "上": -1, "下": 1, "下下": 2}.get(words.rstrip("份月个"), 0), today)
        number = _number(re.search(r"([\d一二三四五六七八九十]+)月", words)[1])  # type: ignore[index]
        said = re.match(r"(\d{4})年|([去今明前])年", words)
        year = int(said[1]) if said and said[1] else today.year + {"去": -1, "明": 1, "前": -2}.get(said[2], 0) if said else None
        which = ""
    elif words[:4].isdigit():
        number, year, which = int(words[5:7]), int(words[:4]), ""
    else:
        which = words.split()[0] if words.split()[0] in ("last", "this", "next") else ""
        number = _MONTH_NUMBERS.index(words.removeprefix(which).strip()[:3]) + 1
        said = re.search(r"\d{4}", words)
        year = int(said[0]) if said else None
    if not 1 <= number <= 12:
        return None
    if year is None:
        year = today.year
        if which == "last" or (not which and lean == "past"):
            year -= (number, 1) >= (today.month, 1) if which else number > today.month
        elif which == "next" or not which:
            year += number <= today.month if which else number < today.month
    first = year * 12 + number - 1
    return _first_of(first), _first_of(first + 1), "month"


def _weekday(words: str, today: date, lean: Lean) -> tuple[date, date, str] | None:
    """A day of the week, or a Chinese week."""
    if has_cjk(words):
        which = next((one for one in ("上上", "下下", "上", "下", "这", "本") if words.startswith(one)), "")
        away = {"上上": -2, "上": -1, "下": 1, "下下": 2}.get(which, 0)
        name = words[-1]
        if name not in "一二三四五六日天末" or words[-2:] in ("星期", "礼拜"):
            return _unit("week", away, today)
        number = 5 if name == "末" else "一二三四五六日".index(name.replace("天", "日"))
    else:
        parts = words.split()
        which = next((one for one in ("last", "next", "this") if one in parts), "")
        name = next(one for one in parts if one[:3] in _DAY_NUMBERS)
        number, away = _DAY_NUMBERS.index(name[:3]), {"last": -1, "next": 1}.get(which, 0)
        if which == "last" and "week" not in parts:
            at = today - timedelta((today.weekday() - number - 1) % 7 + 1)
            return at, at + timedelta(1), "day"
    if which:
        at = today + timedelta(7 * away + number - today.weekday())
    elif lean == "past":
        at = today - timedelta((today.weekday() - number) % 7)
    else:
        at = today + timedelta((number - today.weekday() - 1) % 7 + 1)
    return at, at + timedelta(2 if name == "末" else 1), "day"


def _chinese(words: str, today: date) -> tuple[date, date, str] | None:
    """今天, 后天, 三天后, 两周前."""
    named = {"大前": -3, "前天": -2, "昨": -1, "今": 0, "明": 1, "大后": 3, "后天": 2}
    away = next((days for name, days in named.items() if words.startswith(name)), None)
    if away is not None:
        at = today + timedelta(away)
        return at, at + timedelta(1), "day"
    said = re.match(r"([一二两三四五六七八九十]+|\d+|半)(天|周|个?星期|个?礼拜|个?月|年)", words)
    if said is None:
        return None
    sign = -1 if "前" in words[said.end() :] else 1
    if said[1] == "半":
        return (
            None if said[2] == "天" else _months_away(today, sign * (6 if said[2] == "年" else 0), sign * 15 * (said[2] != "年"))
        )
    many = sign * _number(said[1])
    unit = said[2].removeprefix("个")
    if unit == "天":
        return _months_away(today, 0, many)
    if unit in ("月", "年"):
        return _months_away(today, many * (12 if unit == "年" else 1), 0)
    return _months_away(today, 0, 7 * many)


def _months_away(today: date, months: int, days: int) -> tuple[date, date, str]:
    first = _first_of(today.year * 12 + today.month - 1 + months)
    last = (_first_of(first.year * 12 + first.month) - timedelta(1)).day
    at = first.replace(day=min(today.day, last)) + timedelta(days)
    return at, at + timedelta(1), "day"


def _number(words: str) -> int:
    """A whole number below 100, in digits or Chinese."""
    if words.isdigit():
        return int(words)
    tens, has_ten, ones = words.rpartition("十")
    digit = {one: at for at, one in enumerate("零一二三四五六七八九")} | {"两": 2, "": 0}
    return (digit[tens] or 1) * 10 + digit[ones] if has_ten else digit[words]
