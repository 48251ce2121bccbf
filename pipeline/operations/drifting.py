"""Comparing what runs in every environment with what the ledger says."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.delivery.promotion import drift
from pipeline.errors import EcluseError, NotFoundError
from pipeline.model.release import Promotion, Release
from pipeline.operations.deployed import target_of
from pipeline.operations.inspect import live_releases, removals
from pipeline.ports.application import Application
from pipeline.ports.target import Observed


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """One environment: `differences` are sentences, none where all is as the ledger says. `observed` is None, with
    the `problem`, where the target could not be asked."""

    environment: str
    promotion: Promotion
    release: Release
    observed: Observed | None
    differences: tuple[str, ...] = ()
    problem: str = ""


def drifts(app: Application, *, repository: str, environment: str = "") -> tuple[Drift, ...]:
    """Of one environment, or of all that have something. NotFoundError where nothing was deployed there."""
    promotions = app.records.promotions(repository=repository, limit=1000)
    live = live_releases(promotions, removals(app.records, promotions))
    if environment and environment not in live:
        raise NotFoundError(
            f"nothing is deployed to an environment '{environment}' of this repository",
            hint=f"deployed: {', '.join(sorted(live))}" if live else "a stage of kind deploy brings releases there",
        )
    chosen = [live[environment]] if environment else [live[name] for name in sorted(live)]
    return tuple(_drift(app, promotion) for promotion in chosen)


def _drift(app: Application, promotion: Promotion) -> Drift:
    release = app.records.find_release(promotion.release)
    try:
        observed = target_of(app, promotion).observe()
    except EcluseError as error:
        return Drift(
            environment=promotion.environment,
            promotion=promotion,
            release=release,
            observed=None,
            problem=error.message,
        )
    return Drift(
        environment=promotion.environment,
        promotion=promotion,
        release=release,
        observed=observed,
        differences=drift(promotion.release, observed),
    )
