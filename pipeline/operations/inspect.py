"""Looking at what is recorded: runs, releases and promotions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.delivery.promotion import by_end
from pipeline.model.release import LedgerEntry, Promotion, Release
from pipeline.model.run import Run
from pipeline.model.status import Conclusion, PromotionState
from pipeline.model.value import Value
from pipeline.ports.records import Records, RunFilter

REMOVED = "removed"
"""What the ledger calls it when an environment is taken away."""
_ALL = 1_000_000
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


def releases(records: Records, *, repository: str, limit: int, before: str = "") -> Sequence[ReleaseFacts]:
    """Releases, newest first, with where they went; with `before` those that come behind the release of this id."""
    promotions = records.promotions(repository=repository, limit=1000)
    live = live_releases(promotions, removals(records, promotions))
    return tuple(
        ReleaseFacts(
            release=release,
            live_in=tuple(name for name, promotion in live.items() if promotion.release == release.id),
            promotions=tuple(promotion for promotion in promotions if promotion.release == release.id),
        )
        for release in records.releases(repository=repository, limit=limit, before=before)
    )


def live_releases(promotions: Sequence[Promotion], removed: Mapping[str, LedgerEntry]) -> Mapping[str, Promotion]:
    """Environment → the promotion that made what is live there, the latest end counts.

    An environment whose latest deployment was taken away (its id is in `removed`) has nothing live.
    """
    latest: dict[str, Promotion] = {}
    for promotion in by_end(promotions):
        if promotion.state is PromotionState.DEPLOYED:
            latest.setdefault(promotion.environment, promotion)
    return {name: promotion for name, promotion in latest.items() if promotion.id not in removed}


def removals(records: Records, promotions: Iterable[Promotion]) -> Mapping[str, LedgerEntry]:
    """Promotion id → the ledger's line that says that what it deployed was taken away, of these promotions."""
    deployed = [promotion.id for promotion in promotions if promotion.state is PromotionState.DEPLOYED]
    if not deployed:
        return {}
    return {entry.subject: entry for entry in records.entries(actions=(REMOVED,), subjects=deployed, newest=_ALL)}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """A run with the releases and promotions that its stages name, by id."""

    run: Run
    releases: Mapping[str, Release]
    promotions: Mapping[str, Promotion]


def describe_run(records: Records, run: Run) -> RunFacts:
    """A run and what it delivered."""
    wanted = {stage.products.release for stage in run.stages} - {""}
    promotions = records.promotions(repository=run.repository, limit=1000) if wanted else ()
    return RunFacts(
        run=run,
        releases={reference: records.find_release(reference) for reference in sorted(wanted)},
        promotions={promotion.id: promotion for promotion in promotions if promotion.run == run.id},
    )


def conditions_of(plan: Mapping[str, Value], stage: str) -> Sequence[Mapping[str, Value]]:
    """The conditions that a stored plan judged a stage by, each with the value it saw."""
    stages = plan.get("stages")
    for planned in stages if isinstance(stages, list) else []:
        if isinstance(planned, dict) and isinstance(planned.get("stage"), dict) and planned["stage"]["name"] == stage:
            return tuple(item for item in planned.get("conditions") or [] if isinstance(item, dict))
    return ()
