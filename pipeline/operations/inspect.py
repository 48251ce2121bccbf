"""Looking at what is recorded: runs, releases and promotions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.model.release import Promotion, Release
from pipeline.model.run import Run
from pipeline.model.status import Conclusion, PromotionState
from pipeline.ports.records import Records, RunFilter

_WRONG = (Conclusion.FAILED, Conclusion.TIMED_OUT, Conclusion.ERRORED)


def runs(
    records: Records, *, repository: str = "", branch: str = "", failed: bool = False, limit: int = 20
) -> Sequence[Run]:
    """Runs, newest first; `failed` leaves those that failed, timed out or errored."""
    if not failed:
        return records.runs(RunFilter(repository=repository, branch=branch, limit=limit))
    found = [
        run
        for conclusion in _WRONG
        for run in records.runs(RunFilter(repository=repository, branch=branch, conclusion=conclusion, limit=limit))
    ]
    return sorted(found, key=lambda run: run.created, reverse=True)[:limit]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseFacts:
    """A release and the environments in which it is what the ledger says is live."""

    release: Release
    live_in: tuple[str, ...]
    promotions: tuple[Promotion, ...]


def releases(records: Records, *, repository: str, limit: int) -> Sequence[ReleaseFacts]:
    """Releases, newest first, with where they went."""
    promotions = records.promotions(repository=repository, limit=1000)
    live = live_releases(promotions)
    return tuple(
        ReleaseFacts(
            release=release,
            live_in=tuple(name for name, promotion in live.items() if promotion.release == release.id),
            promotions=tuple(promotion for promotion in promotions if promotion.release == release.id),
        )
        for release in records.releases(repository=repository, limit=limit)
    )


def live_releases(promotions: Sequence[Promotion]) -> Mapping[str, Promotion]:
    """Environment → the promotion that made what is live there, from promotions given newest first."""
    live: dict[str, Promotion] = {}
    for promotion in promotions:
        if promotion.state is PromotionState.DEPLOYED:
            live.setdefault(promotion.environment, promotion)
    return live
