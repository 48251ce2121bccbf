"""Windows: what people write, the hours that the clock is put forward and back, and the first moment that is open."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model.window import closing, is_open, opening, span

MINUTE = timedelta(minutes=1)


def at(text: str, zone: str = "Europe/Paris", fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


@pytest.mark.parametrize(
    ("text", "when", "covered"),
    [
        pytest.param("Mon-Thu 09:00-17:00", "2026-11-26T09:00", True, id="first minute"),
        pytest.param("Mon-Thu 09:00-17:00", "2026-11-26T16:59", True, id="last minute"),
        pytest.param("Mon-Thu 09:00-17:00", "2026-11-26T17:00", False, id="the end is outside"),
        pytest.param("Mon-Thu 09:00-17:00", "2026-11-27T10:00", False, id="another day"),
        pytest.param("Fri-Mon", "2026-11-29T00:00", True, id="days over the week's end"),
        pytest.param("mon,WED", "2026-11-25T23:59", True, id="a list, in any case"),
        pytest.param("Mon-Tue,Fri", "2026-11-26T12:00", False, id="ranges and days"),
        pytest.param("22:00-04:00", "2026-11-26T03:59", True, id="over midnight"),
        pytest.param("Fri 22:00-04:00", "2026-11-28T02:00", True, id="the night belongs to its evening"),
        pytest.param("Fri 22:00-04:00", "2026-11-27T02:00", False, id="not to its morning"),
        pytest.param("20:00-24:00", "2026-11-27T23:59", True, id="until midnight"),
        pytest.param("12-20..01-05", "2026-12-20T00:00", True, id="dates over the new year: first"),
        pytest.param("12-20..01-05", "2027-01-05T23:59", True, id="last"),
        pytest.param("12-20..01-05", "2027-01-06T00:00", False, id="behind"),
        pytest.param("12-20..01-05", "2026-12-19T23:59", False, id="before"),
        pytest.param("12-24", "2027-12-24T12:00", True, id="one day of every year"),
        pytest.param("2026-12-24", "2027-12-24T12:00", False, id="one day of one year"),
        pytest.param("2026-12-20..2027-01-05", "2027-01-01T12:00", True, id="dates with years"),
        pytest.param("02-29", "2028-02-29T12:00", True, id="a leap day"),
        pytest.param("12-01..12-24 Mon-Fri 18:00-20:00", "2026-12-01T18:30", True, id="all three"),
        pytest.param("12-01..12-24 Mon-Fri 18:00-20:00", "2026-12-05T18:30", False, id="all three must hold"),
    ],
)
def test_what_is_covered(text: str, when: str, covered: bool) -> None:
    assert span(text).covers(datetime.fromisoformat(when)) is covered


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "it is empty", id="empty"),
        pytest.param("Mon-Thu 9:00-17:00", "'9:00-17:00' is not a date such as 12-20 or 2026-12-20", id="one digit"),
        pytest.param("Mon Tue", "'Mon Tue' has two days ('Tue' is the second)", id="twice"),
        pytest.param("10:00-10:00", "'10:00-10:00' is not a time of day from and to", id="no time at all"),
        pytest.param("10:00-24:30", "'10:00-24:30' is not a time of day from and to", id="behind midnight"),
        pytest.param("10:60-12:00", "'10:60-12:00' is not a time of day from and to", id="minute 60"),
        pytest.param("11-31", "there is no day 11-31", id="no such day"),
        pytest.param("2027-02-29", "there is no day 2027-02-29", id="no leap year"),
        pytest.param(
            "2027-01-05..2026-12-20",
            "'2027-01-05..2026-12-20' ends before it begins, or has a year on one side only",
            id="backwards",
        ),
        pytest.param(
            "2026-12-20..01-05",
            "'2026-12-20..01-05' ends before it begins, or has a year on one side only",
            id="half a year",
        ),
        pytest.param(
            "weekdays",
            "'weekdays' is neither a date, days such as Mon-Fri, nor a time such as 09:00-17:00",
            id="words",
        ),
    ],
)
def test_what_is_no_window(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        span(text)


@pytest.mark.parametrize(
    ("allow", "deny", "after", "opens"),
    [
        pytest.param(["Mon-Thu 09:00-17:00"], [], at("2026-11-27T12:00"), at("2026-11-30T09:00"), id="after-the-week"),
        pytest.param(["Mon-Thu 09:00-17:00"], [], at("2026-11-26T12:00"), at("2026-11-26T12:00"), id="open-already"),
        pytest.param(["Mon-Thu 09:00-17:00"], ["12-20..01-05"], at("2026-12-21T10:00"), at("2027-01-06T09:00"),
                     id="deny-wins"),
        pytest.param([], ["12-20..01-05"], at("2026-12-25T10:00"), at("2027-01-06T00:00"), id="deny-alone"),
        pytest.param(["02-29"], [], at("2026-11-27T12:00"), at("2028-02-29T00:00"), id="years-away"),
        pytest.param(["2020-01-01"], [], at("2026-11-27T12:00"), None, id="never-again"),
        pytest.param(["09:00-12:00"], ["08:00-13:00"], at("2026-11-27T12:00"), None, id="never"),
        pytest.param(["02:15-02:45"], [], at("2026-03-28T12:00"), at("2026-03-30T02:15"), id="skipped-in-spring"),
        pytest.param(["02:15-03:30"], [], at("2026-03-29T00:00"), at("2026-03-29T03:00"), id="cut-short-in-spring"),
        pytest.param(["02:15-02:45"], [], at("2026-10-25T02:50"), at("2026-10-25T02:15", fold=1), id="twice-in-autumn"),
    ],
)  # fmt: skip
def test_when_it_opens(allow: list[str], deny: list[str], after: datetime, opens: datetime | None) -> None:
    assert opening(after, timezone="Europe/Paris", allow=allow, deny=deny) == (opens and opens.astimezone(UTC))


def test_when_it_closes() -> None:
    rule = {"timezone": "Europe/Paris", "allow": ("Mon-Thu 09:00-17:00",), "deny": ("Wed 12:00-13:00",)}
    assert closing(at("2026-11-25T10:00"), **rule) == at("2026-11-25T12:00")
    assert closing(at("2026-11-25T13:00"), **rule) == at("2026-11-25T17:00")
    assert closing(at("2026-11-25T13:00"), timezone="UTC", allow=(), deny=()) is None


CHANGES = (
    ("Europe/Paris", datetime(2026, 3, 28, 12, tzinfo=UTC)),
    ("Europe/Paris", datetime(2026, 10, 24, 12, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 7, 18, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 10, 31, 18, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2026, 4, 23, 12, tzinfo=UTC)),  # the clock is put forward at midnight
    ("Asia/Beirut", datetime(2026, 10, 24, 12, tzinfo=UTC)),  # and back at midnight, into the day before
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 6, tzinfo=UTC)),  # by half an hour
    ("Asia/Kathmandu", datetime(2026, 6, 1, 12, tzinfo=UTC)),
)
"""Zones, each with a moment a few hours before its clock is put."""

CLOCK = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from((0, 15, 30, 59)))
TIMES = st.tuples(CLOCK, CLOCK).filter(lambda pair: pair[0] != pair[1]).map("-".join)
WORDS = st.sampled_from(("", "Sat", "Sun", "Fri-Mon", "Mon,Wed", "03-29", "10-25..10-26", "2026-11-01"))
SPANS = st.builds(lambda words, times: f"{words} {times}".strip(), WORDS, TIMES)


@given(
    change=st.sampled_from(CHANGES),
    allow=st.lists(SPANS, max_size=2),
    deny=st.lists(SPANS, max_size=2),
    minutes=st.integers(0, 30 * 60),
)
@settings(max_examples=60, deadline=None)
def test_the_opening_is_open_and_nothing_before_it_is(
    change: tuple[str, datetime], allow: list[str], deny: list[str], minutes: int
) -> None:
    zone, start = change
    after = start + minutes * MINUTE
    rule = {"timezone": zone, "allow": allow, "deny": deny}
    tried = (after + number * MINUTE for number in range(24 * 60))
    searched = next((moment for moment in tried if is_open(moment, **rule)), None)
    found = opening(after, **rule)
    if searched is not None:
        assert found == searched
    else:
        assert found is None or found >= after + timedelta(days=1)
    if found is not None:
        assert is_open(found, **rule)
