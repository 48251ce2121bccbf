"""The history of an environment: what was promoted there, and whether what runs now is what the ledger says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import EcluseError, NotFoundError
from pipeline.model.release import LedgerEntry, Promotion, Release
from pipeline.operations.deployed import target_of
from pipeline.operations.inspect import live_releases, removals
from pipeline.ports.application import Application
from pipeline.ports.records import Records
from pipeline.ports.target import Observed


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """Promotions newest first; `live` is the one that the ledger says is in place.

    `observed` is what the target says runs now, or None with the `problem` that kept us from asking.
    """

    environment: str
    promotions: tuple[Promotion, ...]
    releases: Mapping[str, Release]
    live: Promotion | None
    observed: Observed | None
    problem: str
    removed: LedgerEntry | None = None
    """The latest line of the ledger that says that what ran here was taken away."""

    @property
    def drifted(self) -> bool | None:
        """Whether something else serves than the ledger says; None when that is not known."""
        if self.observed is None:
            return None
        wanted = {self.live.release} if self.live else set()
        return {instance.release for instance in self.observed.serving} != wanted


def history(app: Application, *, repository: str, environment: str, limit: int) -> History:
    """What happened to an environment. NotFoundError with the known ones when nothing ever did."""
    records = app.records
    promotions = tuple(records.promotions(repository=repository, environment=environment, limit=limit))
    if not promotions:
        known = sorted({promotion.environment for promotion in records.promotions(repository=repository, limit=1000)})
        raise NotFoundError(
            f"nothing was ever deployed to an environment '{environment}'",
            hint=f"known environments: {', '.join(known)}" if known else "a stage of kind deploy brings releases there",
        )
    removed = removals(records, promotions)
    live = live_releases(promotions, removed).get(environment)
    observed, problem = _observe(app, live or promotions[0])
    return History(
        environment=environment,
        promotions=promotions,
        releases=_releases(records, promotions),
        live=live,
        observed=observed,
        problem=problem,
        removed=next((removed[promotion.id] for promotion in promotions if promotion.id in removed), None),
    )


def _releases(records: Records, promotions: Sequence[Promotion]) -> Mapping[str, Release]:
    wanted = {promotion.release for promotion in promotions} | {promotion.replaces for promotion in promotions}
    found: dict[str, Release] = {}
    for reference in sorted(wanted - {""}):
        try:
            found[reference] = records.find_release(reference)
        except NotFoundError:
            continue
    return found


def _observe(app: Application, promotion: Promotion) -> tuple[Observed | None, str]:
    """Ask the target as this promotion knew it."""
    try:
        return target_of(app, promotion).observe(), ""
    except EcluseError as error:
        return None, error.message
