"""Going on by itself: releases into the environments behind those that verified them, and runs whose gates opened."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pipeline.delivery.admission import VERDICT, Question
from pipeline.delivery.onward import next_environments
from pipeline.delivery.promoter import Order
from pipeline.errors import CancelledError, EcluseError, ParkedError
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.ledger import head_line
from pipeline.model.plan import Plan
from pipeline.model.release import Promotion, Release
from pipeline.model.run import Run
from pipeline.model.status import PromotionState, RunState
from pipeline.operations.approving import plan_of_promotion
from pipeline.operations.judging import judge_of
from pipeline.operations.origins import as_of_now
from pipeline.operations.policy import policy_of
from pipeline.operations.promote import promote
from pipeline.operations.surroundings import Surroundings
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.target import Progress

_ALL = 10_000


def bring_on(
    app: Application,
    place: Surroundings,
    release: Release,
    *,
    wait: float | None = None,
    progress: Progress,
    cancel: Cancellation,
) -> tuple[Promotion, ...]:
    """Into every environment that takes the release by itself now, one after the other, for as long as there is a
    next one; gates that are shut are waited for, `wait` seconds in all. What waits there longer, is refused or goes
    wrong is said, and is in the ledger. CancelledError."""
    ended: list[Promotion] = []
    until = app.clock.monotonic() + (wait or 0.0)
    while True:
        promotions = app.records.promotions(repository=place.repository, limit=_ALL)
        coming = next_environments(place.environments, release.id, promotions)
        if not coming:
            return tuple(ended)
        order = Order(release=release, environment=coming[0], policy=place.policy.revision, automatic=True)
        progress(f"{release.name} goes on to '{coming[0].name}' by itself")
        try:
            left = None if wait is None else max(0.0, until - app.clock.monotonic())
            promotion = promote(app, place, order, wait=left, progress=progress, cancel=cancel)
        except ParkedError as error:
            progress(error.message)
        except CancelledError:
            raise
        except EcluseError as error:
            progress(error.message)
            if not _was_brought(app, place, release, coming[0]):
                return tuple(ended)
        else:
            progress(f"'{promotion.environment}': {promotion.state.value.replace('_', ' ')}, {promotion.detail}")
            if head := app.records.head():
                progress(head_line(head))
            ended.append(promotion)


def bring_on_after(
    app: Application, run: Run, *, wait: float | None = None, progress: Progress, cancel: Cancellation
) -> tuple[Promotion, ...]:
    """What a run that succeeded has deployed goes on to where none of its stages brings it, as `bring_on`."""
    if run.conclusion is None or not run.conclusion.satisfies:
        return ()
    released = next((stage.products.release for stage in reversed(run.stages) if stage.products.release), "")
    if not released:
        return ()
    plan = Plan.from_json(app.records.plan(run.id))
    own = {str(item.stage.options.get("environment")) for item in plan.stages if item.stage.kind == "deploy"}
    place = Surroundings(
        repository=run.repository,
        folder=Path(plan.source.path or "."),
        service=plan.name,
        environments=tuple(item for item in plan.environments if item.name not in own),
        policy=policy_of(app.settings),
    )
    if not any(item.after for item in place.environments):
        return ()
    return bring_on(app, place, app.records.find_release(released), wait=wait, progress=progress, cancel=cancel)


def can_go_on(app: Application, run: Run) -> bool:
    """Whether the gates of a promotion for which a parked run waits are open by now."""
    if run.state is not RunState.PARKED:
        return False
    plan = Plan.from_json(app.records.plan(run.id))
    policy = policy_of(app.settings)
    judge = judge_of(app, policy=policy, folder=Path(plan.source.path) if plan.source.path else None)
    for promotion in _waiting(app, run):
        environment = next((item for item in plan.environments if item.name == promotion.environment), None)
        if environment is None:
            continue
        question = Question(
            release=app.records.find_release(promotion.release),
            environment=as_of_now(environment, policy),
            plan=replace(plan_of_promotion(app, promotion), policy=policy.revision),
            requester=promotion.requested_by,
            automatic=True,
            promotion=promotion,
        )
        if judge(question).allowed:
            return True
    return False


def opening_of(app: Application, run: Run) -> datetime | None:
    """The earliest time at which a gate that a parked run waits for can open, as far as a gate said one."""
    ids = [promotion.id for promotion in _waiting(app, run)]
    told = app.records.entries(actions=(VERDICT,), subjects=ids, newest=len(ids) * 4) if ids else ()
    latest = {entry.subject: entry.data.get("opens") for entry in told}
    times = [datetime.fromisoformat(text) for text in latest.values() if isinstance(text, str)]
    return min(times, default=None)


def _waiting(app: Application, run: Run) -> list[Promotion]:
    found = app.records.promotions(repository=run.repository, under_way=True, limit=_ALL)
    return [item for item in found if item.run == run.id and item.state is PromotionState.WAITING]


def _was_brought(app: Application, place: Surroundings, release: Release, environment: EnvironmentDefinition) -> bool:
    """Whether the ledger has a promotion of it there: else the next try would end the same way."""
    return bool(
        app.records.promotions(repository=place.repository, environment=environment.name, release=release.id, limit=1)
    )
