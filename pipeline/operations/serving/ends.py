"""The end of a branch or a pull request: its review environments are taken away."""

from __future__ import annotations

import threading

from pipeline.errors import EcluseError, NotFoundError
from pipeline.model.release import Promotion
from pipeline.model.repository import Repository
from pipeline.operations.environments import remove_environment
from pipeline.operations.inspect import live_releases, removals
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation

ACTOR = "ecluse"
_ALL = 10_000
_PATIENCE = 900.0
"""Seconds that a removal waits for a deployment to the same environment."""


def ended_reviews(app: Application, repository: Repository, *, proposal: str, branch: str, why: str) -> tuple[str, ...]:
    """Take away the review environments of a pull request, or of a branch; what was done, for people."""
    promotions = app.records.promotions(repository=repository.url, limit=_ALL)
    live = live_releases(promotions, removals(app.records, promotions))
    said: list[str] = []
    for environment, promotion in live.items():
        if not _is_review_of(app, promotion, proposal=proposal, branch=branch):
            continue
        try:
            _remove(app, promotion, why)
            said.append(f"environment {environment} removed")
        except EcluseError as error:
            said.append(f"environment {environment} could not be removed: {error.message}")
    return tuple(said)


def _remove(app: Application, promotion: Promotion, why: str) -> None:
    """Whoever deploys there is awaited, but not for ever."""
    cancel = Cancellation()
    timer = threading.Timer(_PATIENCE, cancel.cancel, ("somebody deploys there still",))
    timer.daemon = True
    timer.start()
    try:
        remove_environment(app, promotion, actor=ACTOR, reason=why, progress=lambda _: None, cancel=cancel)
    finally:
        timer.cancel()


def _is_review_of(app: Application, promotion: Promotion, *, proposal: str, branch: str) -> bool:
    """Whether a run for this very pull request or branch deployed to an environment that is one of its own."""
    if not promotion.run:
        return False
    try:
        run = app.records.find_run(promotion.run)
        plan = app.records.plan(promotion.run)
    except NotFoundError:
        return False
    own = run.proposal == proposal if proposal else (run.branch == branch and not run.proposal)
    environments = plan.get("environments")
    written = environments if isinstance(environments, list) else []
    return own and any(
        isinstance(item, dict) and item.get("name") == promotion.environment and bool(item.get("instance_of"))
        for item in written
    )
