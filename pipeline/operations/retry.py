"""Repeating what failed in a run: the same commit, the same plan, new attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.errors import UsageError
from pipeline.model.plan import Plan
from pipeline.model.run import Run, StageRun
from pipeline.model.status import RunState, StageState
from pipeline.operations.allowance import with_allowance
from pipeline.operations.drive import Leg, drive
from pipeline.operations.losses import Images, gone
from pipeline.operations.resume import recorded_plan, with_source
from pipeline.operations.run_file import read_run_file
from pipeline.operations.runner_process import Life, life_of, this_process
from pipeline.planning.retry import Retry, retry_of
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.observer import Observer


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryRequest:
    """Which run, and which of its stages (none: all that did not succeed)."""

    repository: str
    reference: str
    stages: tuple[str, ...] = ()
    parallel: int | None = None
    keep_failed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPlan:
    """A decided retry: nothing has changed yet."""

    run: Run
    plan: Plan
    retry: Retry


def plan_retry(app: Application, request: RetryRequest) -> RetryPlan:
    """What would be repeated. UsageError where the run is not over, its source is gone, or nothing is to be done."""
    run = app.records.find_run(request.reference, repository=request.repository)
    _check_over(run)
    plan = recorded_plan(app, run)
    stages = {stage.name: stage for stage in run.stages}
    images = Images(app, run)
    try:
        retry = retry_of(
            plan,
            stages,
            request.stages,
            effects=lambda kind: app.kinds[kind].effects,
            gone=lambda stage, needed_by: gone(stage, needed_by, plan, images=images),
        )
    except UsageError as error:
        raise type(error)(f"run {run.number or run.id}: {error.message}", hint=error.hint) from None
    return RetryPlan(run=run, plan=with_source(plan, _reset(run, retry), run), retry=retry)


def retry(
    app: Application,
    decided: RetryPlan,
    request: RetryRequest,
    observers: Sequence[Observer],
    *,
    cancel: Cancellation,
) -> Run:
    """Do it; the run as it stands then. RefusedError when somebody took the run up since it was decided."""
    run = decided.run
    stages = _reset(run, decided.retry)
    app.executor(run.executor).warm()
    app.records.reopen_run(run, this_process())
    for stage in stages:
        if stage.name in decided.retry.again:
            app.records.save_stage(run.id, stage)
    kept = read_run_file(app.settings.home / "runs" / run.id)
    leg = Leg(
        run=replace(run, state=RunState.RUNNING, conclusion=None, finished=None, stages=stages, runner=this_process()),
        plan=with_allowance(app, decided.plan, run=run.id),
        parallel=request.parallel or (kept.parallel if kept else app.settings.parallel),
        started=frozenset(request.stages)
        | {stage.name for stage in run.stages if stage.attempts and stage.name in decided.retry.again},
        remarks={name: f"runs again: {why}" for name, why in decided.retry.remarks.items()},
        keep_failed=request.keep_failed,
    )
    return drive(app, leg, observers, cancel=cancel)


def _check_over(run: Run) -> None:
    if run.state is RunState.DONE:
        return
    number = run.number or run.id
    if run.state is RunState.PARKED or life_of(run.runner) is Life.GONE:
        word = "is parked" if run.state is RunState.PARKED else "was interrupted"
        raise UsageError(f"run {number} {word} and not over", hint=f"go on with it first: ecluse resume {number}")
    raise UsageError(f"run {number} is still running", hint=f"let it end, or stop it: ecluse cancel {number}")


def _reset(run: Run, decided: Retry) -> tuple[StageRun, ...]:
    """The stages that run again wait, with their attempts; the others stay."""
    return tuple(
        replace(stage, state=StageState.WAITING, outcome=None, started=None, finished=None, reused="", parked="")
        if stage.name in decided.again
        else stage
        for stage in run.stages
    )
