"""The four figures of delivery (DORA) and the value stream, from the promotions of an environment: pure arithmetic.

Deployment frequency, lead time for changes, change failure rate and time to restore as the State of DevOps reports
define them (https://dora.dev/guides/dora-metrics-four-keys/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from pipeline.model.release import Promotion, PromotionKind
from pipeline.model.status import PromotionState

_TRIED = frozenset({PromotionState.DEPLOYED, PromotionState.ROLLED_BACK, PromotionState.PARTIAL, PromotionState.FAILED})
"""Ends of promotions that changed the environment, or tried to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """A promotion forward, with the times (UTC) of the commits that it brought; none where git could not tell."""

    promotion: Promotion
    commits: tuple[datetime, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of the value stream: median seconds over so many releases."""

    name: str
    seconds: float
    releases: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Dora:
    """The figures of one environment over a period. Seconds are medians; None where nothing was there to measure."""

    environment: str
    since: datetime
    until: datetime
    deployments: int
    per_day: float
    lead_time: float | None
    changes: int
    """Commits that the lead time is measured on."""
    failures: int
    failure_rate: float | None
    """Of the deployments that were tried, the share that failed, was taken back, or was rolled back later."""
    restore: float | None
    restored: int
    stream: tuple[Step, ...] = ()


def measure(
    environment: str, delivered: Sequence[Delivered], *, since: datetime, until: datetime, stream: Sequence[Step] = ()
) -> Dora:
    """From all promotions of an environment, oldest first; those that ended within the period count."""
    ended = [item for item in delivered if _within(item.promotion, since, until)]
    forward = [item for item in ended if item.promotion.kind is PromotionKind.PROMOTE]
    live = [item for item in forward if item.promotion.state is PromotionState.DEPLOYED]
    tried = [item.promotion for item in forward if item.promotion.state in _TRIED]
    bad = failed(tuple(item.promotion for item in delivered))
    wrong = [promotion for promotion in tried if promotion.id in bad]
    times = [bad[promotion.id] for promotion in wrong if bad[promotion.id] is not None]
    leads = [
        (item.promotion.finished - commit).total_seconds()
        for item in live
        if item.promotion.finished is not None and item.promotion.id not in bad
        for commit in item.commits
    ]
    days = max((until - since) / timedelta(days=1), 1e-9)
    return Dora(
        environment=environment,
        since=since,
        until=until,
        deployments=len(live),
        per_day=len(live) / days,
        lead_time=median(leads) if leads else None,
        changes=len(leads),
        failures=len(wrong),
        failure_rate=len(wrong) / len(tried) if tried else None,
        restore=median([item for item in times if item is not None]) if times else None,
        restored=len(times),
        stream=tuple(stream),
    )


def failed(promotions: Sequence[Promotion]) -> Mapping[str, float | None]:
    """Promotions forward that went wrong (oldest first is how they are given), with the seconds until the environment
    was right again; None while it is not.

    What was rolled back by itself was right again at its own end. What was deployed and rolled back by somebody later
    was wrong from its deployment to the end of that rollback. What is partial or failed is wrong until the next
    deployment or rollback that came to a good end.
    """
    found: dict[str, float | None] = {}
    for index, promotion in enumerate(promotions):
        if promotion.kind is not PromotionKind.PROMOTE or promotion.finished is None:
            continue
        later = promotions[index + 1 :]
        match promotion.state:
            case PromotionState.ROLLED_BACK:
                found[promotion.id] = (promotion.finished - promotion.created).total_seconds()
            case PromotionState.PARTIAL | PromotionState.FAILED:
                found[promotion.id] = _until(promotion.finished, _next_good(later))
            case PromotionState.DEPLOYED:
                after = _next_good(later)
                if after is not None and after.kind is PromotionKind.ROLLBACK and after.replaces == promotion.release:
                    found[promotion.id] = _until(promotion.finished, after)
            case _:
                continue
    return found


def value_stream(journeys: Sequence[Mapping[str, datetime]], order: Sequence[str]) -> tuple[Step, ...]:
    """Median times between the stations of many releases, e.g. commit → run → dev → prod; a release that did not pass
    both stations of a step says nothing about it."""
    steps = []
    for first, second in pairwise(order):
        seconds = [
            (journey[second] - journey[first]).total_seconds()
            for journey in journeys
            if first in journey and second in journey
        ]
        if seconds:
            steps.append(Step(name=f"{first} → {second}", seconds=median(seconds), releases=len(seconds)))
    return tuple(steps)


def _within(promotion: Promotion, since: datetime, until: datetime) -> bool:
    return promotion.finished is not None and since <= promotion.finished < until


def _next_good(later: Sequence[Promotion]) -> Promotion | None:
    return next((item for item in later if item.state is PromotionState.DEPLOYED), None)


def _until(start: datetime, good: Promotion | None) -> float | None:
    return None if good is None or good.finished is None else (good.finished - start).total_seconds()
