"""When schedules come due: in their own zone, over both changes of the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model.definition import ScheduleTrigger, Triggers
from pipeline.operations.schedule import last_due, next_due

WINTER = datetime(2026, 3, 27, 12, tzinfo=UTC)
"""Before Europe's clocks go forward, in the night to 29 March 2026."""
SUMMER = datetime(2026, 10, 23, 12, tzinfo=UTC)
"""Before they go back, in the night to 25 October 2026."""


@pytest.mark.parametrize(
    ("cron", "zone", "now", "times"),
    [
        pytest.param(
            "0 3 * * 1-5",
            "Europe/Paris",
            WINTER,
            ["2026-03-30T03:00:00+02:00", "2026-03-31T03:00:00+02:00", "2026-04-01T03:00:00+02:00"],
            id="working days keep their hour of the wall",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Paris",
            WINTER,
            ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
            id="left out: comes behind the gap",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Paris",
            SUMMER,
            ["2026-10-24T02:30:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
            id="repeated: comes once",
        ),
        pytest.param(
            "0 * * * *",
            "Europe/Paris",
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            ["2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00", "2026-10-25T04:00:00+01:00"],
            id="every hour: none is lost",
        ),
        pytest.param(
            "0 12 29 2 *",
            "UTC",
            WINTER,
            ["2028-02-29T12:00:00+00:00", "2032-02-29T12:00:00+00:00", "2036-02-29T12:00:00+00:00"],
            id="leap days",
        ),
        pytest.param("0 0 30 2 *", "UTC", WINTER, [], id="never"),
        pytest.param(
            "0 9 * * *",
            "Asia/Kolkata",
            WINTER,
            ["2026-03-28T09:00:00+05:30", "2026-03-29T09:00:00+05:30", "2026-03-30T09:00:00+05:30"],
            id="half an hour",
        ),
    ],
)
def test_next_times(cron: str, zone: str, now: datetime, times: list[str]) -> None:
    [due] = next_due(Triggers(schedule=(ScheduleTrigger(cron=cron, timezone=zone),)), now)
    assert [time.isoformat() for time in due.times] == times


def test_without_schedules_nothing_comes() -> None:
    assert next_due(None, WINTER) == []
    assert next_due(Triggers(), WINTER) == []


@settings(deadline=None, max_examples=60)
@given(
    cron=st.sampled_from(["* * * * *", "*/7 * * * *", "30 2 * * *", "0 3 * * 1-5", "0 12 29 2 *", "0 0 31 2 *"]),
    zone=st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu"]),
    after=st.datetimes(datetime(2026, 3, 1), datetime(2026, 11, 30), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
    down=st.timedeltas(timedelta(0), timedelta(days=1.5)),
)
def test_what_was_missed_is_made_up_for_with_the_latest(cron: str, zone: str, after: datetime, down: timedelta) -> None:
    trigger = ScheduleTrigger(cron=cron, timezone=zone)
    latest, time = None, after
    while times := next_due(Triggers(schedule=(trigger,)), time, count=1)[0].times:
        time = times[0]
        if time > after + down:
            break
        latest = time
    assert last_due(trigger, after=after, now=after + down) == latest
