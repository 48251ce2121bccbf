"""Why something runs where it runs: from an environment back to people, gates, evidence, run and commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.delivery.admission import VERDICT
from pipeline.delivery.notes import Notes, write_notes
from pipeline.errors import EcluseError, NotFoundError, SourceError
from pipeline.model.commits import CommitNote
from pipeline.model.decision import Approval
from pipeline.model.release import LedgerEntry, Promotion, Release
from pipeline.model.run import Run
from pipeline.model.status import PromotionState
from pipeline.operations.commits import commit_note, commits_between
from pipeline.operations.comparing import Live, live_in
from pipeline.operations.contents import run_of
from pipeline.operations.deployed import target_of
from pipeline.ports.application import Application
from pipeline.ports.target import Observed


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """How a release came into one environment: the promotion, what the gates said, and who answered."""

    promotion: Promotion
    verdict: LedgerEntry | None = None
    approvals: tuple[Approval, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Lineage:
    """From what runs now to the commit. `run` and `commit` are None where they are forgotten or not here."""

    environment: str
    observed: Observed | None
    problem: str
    arrival: Arrival
    release: Release
    run: Run | None
    commit: CommitNote | None
    replaced: Release | None
    notes: Notes | None
    """The commits that this deployment brought."""
    before: tuple[Arrival, ...]
    """How the same release came into other environments before, oldest first."""

    @property
    def drifted(self) -> bool | None:
        """Whether something else serves than the ledger says; None where the target cannot be asked."""
        if self.observed is None:
            return None
        return {item.release for item in self.observed.serving} != {self.release.id}


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleasePage:
    """A release with its evidence and everywhere it has been, oldest first."""

    release: Release
    run: Run | None
    commit: CommitNote | None
    arrivals: tuple[Arrival, ...]
    live_in: tuple[str, ...]


def why(app: Application, place: Path, *, repository: str, environment: str) -> Lineage:
    """What runs in an environment and who let it in. NotFoundError where the ledger says that nothing does."""
    live = live_in(app, repository, environment)
    release = live.release
    observed, problem = _observe(app, live)
    replaced = _known(app, live.promotion.replaces)
    earlier = [
        item
        for item in app.records.promotions(repository=repository, release=release.id, limit=1000)
        if item.state is PromotionState.DEPLOYED
        and item.environment != environment
        and item.created <= live.promotion.created
    ]
    return Lineage(
        environment=environment,
        observed=observed,
        problem=problem,
        arrival=_arrival(app, live.promotion),
        release=release,
        run=run_of(app, release),
        commit=_commit(place, release.commit),
        replaced=replaced,
        notes=_notes(place, replaced, release),
        before=tuple(_arrival(app, item) for item in reversed(_latest(earlier))),
    )


def release_page(app: Application, place: Path, reference: str) -> ReleasePage:
    """Everything about a release. NotFoundError for an unknown one."""
    from pipeline.operations.inspect import live_releases, removals

    release = app.records.find_release(reference)
    promotions = app.records.promotions(repository=release.repository, limit=1000)
    live = live_releases(promotions, removals(app.records, promotions))
    own = [item for item in promotions if item.release == release.id]
    return ReleasePage(
        release=release,
        run=run_of(app, release),
        commit=_commit(place, release.commit),
        arrivals=tuple(_arrival(app, item) for item in reversed(own)),
        live_in=tuple(name for name, item in live.items() if item.release == release.id),
    )


def _arrival(app: Application, promotion: Promotion) -> Arrival:
    records = app.records
    verdicts = records.entries(actions=(VERDICT,), subjects=(promotion.id,), newest=1)
    return Arrival(
        promotion=promotion,
        verdict=verdicts[-1] if verdicts else None,
        approvals=tuple(item for item in records.approvals(promotion=promotion.id) if item.plan == promotion.plan),
    )


def _latest(promotions: Sequence[Promotion]) -> list[Promotion]:
    """The newest of each environment; the promotions come newest first, and stay so."""
    found: dict[str, Promotion] = {}
    for item in promotions:
        found.setdefault(item.environment, item)
    return list(found.values())


def _observe(app: Application, live: Live) -> tuple[Observed | None, str]:
    try:
        return target_of(app, live.promotion).observe(), ""
    except EcluseError as error:
        return None, error.message


def _known(app: Application, reference: str) -> Release | None:
    try:
        return app.records.find_release(reference) if reference else None
    except NotFoundError:
        return None


def _commit(place: Path, commit: str) -> CommitNote | None:
    try:
        return commit_note(place, commit)
    except SourceError:
        return None


def _notes(place: Path, old: Release | None, new: Release) -> Notes | None:
    if old is None:
        return None
    try:
        return write_notes(commits_between(place, old.commit, new.commit))
    except SourceError:
        return None
