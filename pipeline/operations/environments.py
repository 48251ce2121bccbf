"""Taking what an environment runs away; the ledger says who did it and why."""

from __future__ import annotations

from pipeline.errors import NotFoundError
from pipeline.model.release import Promotion
from pipeline.operations.deployed import target_of
from pipeline.operations.inspect import REMOVED, live_releases, removals
from pipeline.ports.application import Application


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


def remove_environment(app: Application, promotion: Promotion, *, actor: str, reason: str) -> None:
    """Remove everything that runs for an environment, then say so in the ledger. TargetError and kin leave."""
    target_of(app, promotion).remove()
    app.records.save_promotion(promotion, actor=actor, action=REMOVED, data={"because": reason})
