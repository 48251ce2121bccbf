"""What is ordered by the words of a command: a release forward, back, or in again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.delivery.promoter import Order
from pipeline.delivery.promotion import BEGUN, by_end
from pipeline.errors import NotFoundError, UsageError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.release import Promotion, PromotionKind
from pipeline.model.status import PROMOTION_MOVES, PromotionState
from pipeline.operations.deployed import deployed
from pipeline.operations.inspect import live_releases, removals
from pipeline.operations.surroundings import Surroundings
from pipeline.ports.application import Application

_ALL = 1000


def forward(
    app: Application, place: Surroundings, *, release: str, environment: str, reason: str = "", override: str = ""
) -> Order:
    """A release by id or name. NotFoundError; UsageError for a release of another repository."""
    found = app.records.find_release(release)
    if found.repository != place.repository:
        raise UsageError(
            f"release {found.name} is of another repository ({found.repository})",
            hint="go there, or name its folder with -C",
        )
    return Order(
        release=found,
        environment=place.environment(environment),
        reason=reason,
        policy=place.policy.revision,
        override=override,
        automatic=False,
    )


def resumed(app: Application, place: Surroundings, *, promotion: str, override: str = "") -> Order:
    """One that waits, or that its promoter left half-way ("" = the only one). A run's own goes on with its run."""
    found = app.records.find_promotion(promotion) if promotion else _only_one(app, place)
    release = app.records.find_release(found.release)
    if not PROMOTION_MOVES[found.state]:
        raise UsageError(
            f"promotion {found.id} has ended: {found.state.value.replace('_', ' ')}",
            hint=f"`ecluse promote {release.name} --to {found.environment}` begins another one",
        )
    if found.run:
        raise UsageError(
            f"promotion {found.id} belongs to run {found.run}", hint=f"`ecluse resume {found.run}` goes on with it"
        )
    order = Order(
        release=release,
        environment=place.environment(found.environment),
        kind=found.kind,
        policy=place.policy.revision,
        override=override or found.override,
        automatic=False,
        promotion=found.id,
    )
    if found.kind is PromotionKind.PROMOTE:
        return order
    return replace(order, environment=_as_it_was(app, order.environment, _verified(app, place, order)))


def back(app: Application, place: Surroundings, *, environment: str, release: str = "", reason: str = "") -> Order:
    """To a release that was verified there, with the configuration that it had; by default to the one before what is
    live. While another promotion is under way it is what that one replaces. NotFoundError where there is none."""
    definition = place.environment(environment)
    history = app.records.promotions(repository=place.repository, environment=environment, limit=_ALL)
    good = [item for item in by_end(history) if item.state is PromotionState.DEPLOYED]
    if release:
        wanted = app.records.find_release(release)
        chosen = next((item for item in good if item.release == wanted.id), None)
    else:
        moving = [item for item in history if item.state in BEGUN]
        serving = app.target(definition, service=place.service).observe().serving
        live = _left(moving) if moving else {item.release for item in serving}
        chosen = next((item for item in good if item.release not in live), None)
    if chosen is None:
        what = f"release {wanted.name} was never" if release else "nothing else was"
        raise NotFoundError(
            f"{what} deployed to '{environment}' and verified there",
            hint=f"`ecluse history {environment}` lists what was",
        )
    return Order(
        release=app.records.find_release(chosen.release),
        environment=_as_it_was(app, definition, chosen),
        kind=PromotionKind.ROLLBACK,
        reason=reason,
        policy=place.policy.revision,
        automatic=False,
    )


def again(app: Application, place: Surroundings, *, environment: str, reason: str = "") -> Order:
    """What the ledger says is live, with its configuration, where the target has something else."""
    history = app.records.promotions(repository=place.repository, environment=environment, limit=_ALL)
    live = live_releases(history, removals(app.records, history)).get(environment)
    if live is None:
        raise NotFoundError(
            f"nothing is deployed to '{environment}', so there is nothing to put back",
            hint=f"`ecluse history {environment}` shows what was there",
        )
    return Order(
        release=app.records.find_release(live.release),
        environment=_as_it_was(app, place.environment(environment), live),
        kind=PromotionKind.RESTORE,
        reason=reason or "put back what the ledger says is live",
        policy=place.policy.revision,
        automatic=False,
    )


def _left(moving: Sequence[Promotion]) -> set[str]:
    """Releases that are not gone back to while these are under way: what they bring in, and what a rollback leaves."""
    brought = {item.release for item in moving if item.kind is PromotionKind.PROMOTE and item.release != item.replaces}
    return brought | {item.replaces for item in moving if item.kind is PromotionKind.ROLLBACK}


def _as_it_was(app: Application, environment: EnvironmentDefinition, promotion: Promotion) -> EnvironmentDefinition:
    """The environment of today with the configuration that a promotion brought along."""
    try:
        return replace(environment, configuration=deployed(app, promotion).environment.configuration)
    except NotFoundError:
        return environment


def _verified(app: Application, place: Surroundings, order: Order) -> Promotion:
    history: Sequence[Promotion] = app.records.promotions(
        repository=place.repository, environment=order.environment.name, release=order.release.id, limit=_ALL
    )
    found = next((item for item in by_end(history) if item.state is PromotionState.DEPLOYED), None)
    if found is None:
        raise NotFoundError(f"release {order.release.name} was never verified in '{order.environment.name}'")
    return found


def _only_one(app: Application, place: Surroundings) -> Promotion:
    left = [
        item
        for item in app.records.promotions(repository=place.repository, limit=_ALL)
        if PROMOTION_MOVES[item.state] and not item.run
    ]
    if len(left) == 1:
        return left[0]
    names = ", ".join(f"{item.id} ({item.environment}, {item.state.value})" for item in left[:5])
    raise UsageError(
        f"{len(left)} promotions can go on" if left else "no promotion waits, and none was left half-way",
        hint=f"name one of them: {names}" if left else "`ecluse promote RELEASE --to ENV` begins one",
    )
