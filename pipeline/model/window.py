"""Times of the week and of the year as people write them (`12-20..01-05`, `Mon-Thu 09:00-17:00`), in an IANA zone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

HORIZON: Final = 1500
"""So many days are looked at for an opening: every day of a year comes up in them, 29 February too."""

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WHOLE_DAY: Final = 24 * 60
_TIMES: Final = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_DATE: Final = re.compile(r"(?:([0-9]{4})-)?([0-9]{2})-([0-9]{2})")
_LEAP: Final = 2000
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """One line of a window: on these dates, on these days of the week, between these minutes of the day.

    What is None says nothing. Minutes that end before they begin go on into the next day.
    """

    dates: tuple[tuple[int, int, int], tuple[int, int, int]] | None = None
    """First and last (year, month, day); year 0 = every year."""
    days: frozenset[int] | None = None
    """Monday is 0."""
    minutes: tuple[int, int] | None = None

    def on(self, day: date) -> bool:
        """Whether it begins on that day."""
        if self.days is not None and day.weekday() not in self.days:
            return False
        if self.dates is None:
            return True
        first, last = self.dates
        if first[0]:
            return first <= (day.year, day.month, day.day) <= last
        today, start, end = (day.month, day.day), first[1:], last[1:]
        return start <= today <= end if start <= end else today >= start or today <= end

    def covers(self, local: datetime) -> bool:
        """Whether it holds at a time on the wall's clock."""
        if self.minutes is None:
            return self.on(local.date())
        minute = local.hour * 60 + local.minute
        start, end = self.minutes
        if start < end:
            return start <= minute < end and self.on(local.date())
        return (minute >= start and self.on(local.date())) or (minute < end and self.on(local.date() - _DAY))


@cache
def span(text: str) -> Span:
    """Dates, days of the week and times, each at most once; ValueError says what is wrong with anything else."""
    parts: dict[str, object] = {}
    for word in text.split():
        name, value = _part(word)
        if name in parts:
            raise ValueError(f"'{text}' has two {name} ('{word}' is the second)")
        parts[name] = value
    if not parts:
        raise ValueError("it is empty")
    return Span(**parts)  # type: ignore[arg-type]


def is_open(at: datetime, *, timezone: str, allow: Sequence[str], deny: Sequence[str]) -> bool:
    """Whether a moment is allowed (all are where nothing is written) and not denied."""
    local = at.astimezone(ZoneInfo(timezone))
    if any(span(text).covers(local) for text in deny):
        return False
    return not allow or any(span(text).covers(local) for text in allow)


def opening(after: datetime, *, timezone: str, allow: Sequence[str], deny: Sequence[str]) -> datetime | None:
    """The first moment (UTC) from `after` on at which it is open; None where that is not within HORIZON days."""
    return _first(after, timezone, tuple(allow), tuple(deny), wanted=True)


def closing(after: datetime, *, timezone: str, allow: Sequence[str], deny: Sequence[str]) -> datetime | None:
    """The first moment (UTC) from `after` on at which it is not open; None where it never closes."""
    return _first(after, timezone, tuple(allow), tuple(deny), wanted=False)


def _first(
    after: datetime, timezone: str, allow: tuple[str, ...], deny: tuple[str, ...], *, wanted: bool
) -> datetime | None:
    after = after.astimezone(UTC)
    if is_open(after, timezone=timezone, allow=allow, deny=deny) is wanted:
        return after
    zone = ZoneInfo(timezone)
    spans = [span(text) for text in (*allow, *deny)]
    minutes = {0, *(minute % _WHOLE_DAY for item in spans for minute in item.minutes or ())}
    today = after.astimezone(zone).date()
    for number in range(HORIZON):
        day = today + number * _DAY
        if wanted and allow and not _near(day, allow):
            continue
        # the day after too: a clock that is put back over midnight brings the end of a day again
        moments = sorted({*_changes(day, minutes, zone), *_changes(day + _DAY, minutes, zone)})
        for moment in moments:
            if moment > after and is_open(moment, timezone=timezone, allow=allow, deny=deny) is wanted:
                return moment
    return None


def _near(day: date, texts: tuple[str, ...]) -> bool:
    """Whether something may be allowed on that day."""
    return any(span(text).on(day) or span(text).on(day - _DAY) for text in texts)


def _changes(day: date, minutes: set[int], zone: ZoneInfo) -> Iterator[datetime]:
    """The moments (UTC) of a day at which something can change: those times of day, and where the clock is put."""
    for minute in minutes:
        wall = datetime.combine(day, time(minute // 60, minute % 60))
        for fold in (0, 1):
            moment = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
            if moment.astimezone(zone).replace(tzinfo=None, fold=0) == wall:  # else it is skipped on that day
                yield moment
    low = datetime.combine(day, time(), zone).astimezone(UTC) - timedelta(hours=3)
    high = low + timedelta(hours=30)
    before = low.astimezone(zone).utcoffset()
    if high.astimezone(zone).utcoffset() == before:
        return
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    if high.astimezone(zone).date() == day:
        yield high


def _part(word: str) -> tuple[str, object]:
    if match := _TIMES.fullmatch(word):
        hours = [int(text) for text in match.groups()]
        start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
        if max(hours[1], hours[3]) > 59 or start >= _WHOLE_DAY or end > _WHOLE_DAY or start == end:
            raise ValueError(f"'{word}' is not a time of day from and to")
        return "minutes", (start, end)
    if word[0].isdigit():
        first, dots, last = word.partition("..")
        start_day, end_day = _date(first), _date(last if dots else first)
        if bool(start_day[0]) is not bool(end_day[0]) or (start_day[0] and end_day < start_day):
            raise ValueError(f"'{word}' ends before it begins, or has a year on one side only")
        return "dates", (start_day, end_day)
    return "days", frozenset(day for item in word.split(",") for day in _days(item))


def _date(text: str) -> tuple[int, int, int]:
    match = _DATE.fullmatch(text)
    if not match:
        raise ValueError(f"'{text}' is not a date such as 12-20 or 2026-12-20")
    year, month, day = int(match[1] or 0), int(match[2]), int(match[3])
    try:
        date(year or _LEAP, month, day)
    except ValueError as error:
        raise ValueError(f"there is no day {text}") from error
    return year, month, day


def _days(text: str) -> Iterator[int]:
    first, dash, last = text.lower().partition("-")
    if first not in _DAYS or (dash and last not in _DAYS):
        raise ValueError(f"'{text}' is neither a date, days such as Mon-Fri, nor a time such as 09:00-17:00")
    start, end = _DAYS.index(first), _DAYS.index(last if dash else first)
    yield from ((start + number) % 7 for number in range((end - start) % 7 + 1))
