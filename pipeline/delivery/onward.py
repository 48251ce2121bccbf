"""Where a release goes next by itself: environments behind those that have verified it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pipeline.delivery.promotion import by_end
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.release import Promotion
from pipeline.model.status import PromotionState


def next_environments(
    environments: Sequence[EnvironmentDefinition],
    release: str,
    promotions: Sequence[Promotion],
    *,
    asked_for: Collection[str] = (),
) -> tuple[EnvironmentDefinition, ...]:
    """Those that are `automatic`, whose `after` all have this release live and verified, and to which it was never
    brought: a release that was refused or taken back comes again only when somebody asks.

    `asked_for` are those that stages of a run see to.
    """
    live = _live(promotions)
    been = {item.environment for item in promotions if item.release == release}
    return tuple(
        environment
        for environment in environments
        if environment.automatic
        and environment.after
        and environment.name not in asked_for
        and environment.name not in been
        and all(live.get(name) == release for name in environment.after)
    )


def _live(promotions: Sequence[Promotion]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in by_end(promotions):
        if item.state in (PromotionState.DEPLOYED, PromotionState.PARTIAL):
            found.setdefault(item.environment, item.release if item.state is PromotionState.DEPLOYED else "")
    return found
