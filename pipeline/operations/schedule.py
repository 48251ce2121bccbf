"""When the schedules of a pipeline file come due, in their own time zones, over changes of the clock too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from pipeline.model.definition import ScheduleTrigger, Triggers

_WINDOWS = (timedelta(hours=1), timedelta(days=2), timedelta(days=1500))
"""How far is looked back for the latest time, so that a schedule of every minute is not counted through for years."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """A schedule with the next times at which it starts a run, each with the offset of its zone."""

    trigger: ScheduleTrigger
    times: tuple[datetime, ...]


def next_due(triggers: Triggers | None, now: datetime, *, count: int = 3) -> Sequence[Due]:
    """The next times of each schedule after `now`; none for one that never comes (30 February).

    A time that a change of the clock leaves out comes with the first moment behind the gap; one that it repeats comes
    once, the first time, unless the schedule names hours or minutes by `*`: those follow the clock of the wall.
    """
    return [Due(trigger=item, times=_times(item, now, count)) for item in (triggers.schedule if triggers else ())]


def last_due(trigger: ScheduleTrigger, *, after: datetime, now: datetime) -> datetime | None:
    """The latest time after `after`, and not later than `now`, at which the schedule came due."""
    from cronsim import CronSim, CronSimError

    for window in _WINDOWS:
        start = max(after, now - window)
        try:
            coming = CronSim(trigger.cron, start.astimezone(ZoneInfo(trigger.timezone)))
            times = list(takewhile(lambda time: time <= now, coming))
        except CronSimError:
            return None
        if times:
            return times[-1].astimezone(UTC)
        if start == after:
            return None
    return None


def _times(trigger: ScheduleTrigger, now: datetime, count: int) -> tuple[datetime, ...]:
    from cronsim import CronSim, CronSimError

    try:
        return tuple(islice(CronSim(trigger.cron, now.astimezone(ZoneInfo(trigger.timezone))), count))
    except CronSimError:
        return ()
