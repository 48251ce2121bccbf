"""Taking what an environment runs away; the ledger says who did it and why."""

from __future__ import annotations

from pipeline.delivery.fencing import FencedTarget
from pipeline.delivery.lease import environment_lease
from pipeline.errors import NotFoundError, RefusedError
from pipeline.model.release import Promotion
from pipeline.operations.deployed import deployed
from pipeline.operations.inspect import REMOVED, live_releases, removals
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Progress


def live_promotion(app: Application, *, repository: str, environment: str) -> Promotion:
    """What the ledger says is in place. NotFoundError when nothing is."""
    promotions = app.records.promotions(repository=repository, environment=environment, limit=1000)
    live = live_releases(promotions, removals(app.records, promotions)).get(environment)
    if live is None:
        raise NotFoundError(
            f"nothing is deployed to an environment '{environment}' of this repository",
            hint="`ecluse history ENV` shows what was; a stage of kind deploy brings releases there",
        )
    return live


def remove_environment(
    app: Application,
    promotion: Promotion,
    *,
    actor: str,
    reason: str,
    progress: Progress,
    cancel: Cancellation | None = None,
) -> None:
    """Remove everything that runs for an environment, then say so in the ledger; whoever promotes there is awaited.

    RefusedError where something else has been brought in by then; TargetError and kin, CancelledError.
    """
    found = deployed(app, promotion)
    lease = environment_lease(
        promotion.environment,
        service=found.service,
        who=actor,
        home=app.settings.home,
        records=lambda: app.records,
        clock=app.clock,
        installation=app.settings.installation,
    )
    lease.take(progress=progress, cancel=cancel or Cancellation())
    try:
        _refuse_another(app, promotion)
        FencedTarget(app.target(found.environment, service=found.service), lease).remove()
        app.records.save_promotion(promotion, actor=actor, action=REMOVED, data={"because": reason})
    finally:
        lease.release()


def _refuse_another(app: Application, promotion: Promotion) -> None:
    repository = app.records.find_release(promotion.release).repository
    live = live_promotion(app, repository=repository, environment=promotion.environment)
    if live.id != promotion.id:
        raise RefusedError(
            f"'{promotion.environment}' was not taken away: promotion {live.id} has been brought in meanwhile",
            hint=f"`ecluse history {promotion.environment}` tells who did; try again if it is to go, too",
        )
