"""The times in which a release was live and verified, from the promotions of its repository."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from pipeline.model.gate_facts import LiveInterval
from pipeline.model.release import LedgerEntry, Promotion, PromotionKind
from pipeline.model.status import PromotionState

_TAKES_OVER = frozenset({PromotionState.DEPLOYED, PromotionState.PARTIAL})
"""Ends of a promotion after which what was live before is not alone any more."""


def live_intervals(
    release: str, promotions: Sequence[Promotion], *, removed: Mapping[str, LedgerEntry]
) -> tuple[LiveInterval, ...]:
    """Oldest first. `promotions` are those of all releases; `removed` tells which deployments were taken away."""
    found = [
        interval
        for environment in sorted({item.environment for item in promotions})
        for interval in _of(release, environment, promotions, removed)
    ]
    return tuple(sorted(found, key=lambda item: item.start))


def _of(
    release: str, environment: str, promotions: Sequence[Promotion], removed: Mapping[str, LedgerEntry]
) -> Iterator[LiveInterval]:
    ended = sorted(
        (
            (item.finished, item)
            for item in promotions
            if item.environment == environment and item.state in _TAKES_OVER and item.finished is not None
        ),
        key=lambda pair: (pair[0], pair[1].id),
    )
    start: datetime | None = None
    for time, item in ended:
        if item.release == release and item.state is PromotionState.DEPLOYED:
            start = start or time
        elif start is not None and item.release != release:
            back = item.kind is PromotionKind.ROLLBACK
            yield LiveInterval(environment=environment, start=start, end=time, rolled_back=back)
            start = None
        elif start is not None:  # put in again, and not verified
            yield LiveInterval(environment=environment, start=start, end=time)
            start = None
        gone = removed.get(item.id)
        if start is not None and gone is not None:
            yield LiveInterval(environment=environment, start=start, end=gone.time)
            start = None
    if start is not None:
        yield LiveInterval(environment=environment, start=start)
