"""Starting a run: plan, execute, record."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pipeline.errors import NotStartedError
from pipeline.model.plan import Plan
from pipeline.model.run import Run, StageRun
from pipeline.model.status import RunState
from pipeline.model.ulid import ulid
from pipeline.operations.drive import Leg, drive
from pipeline.operations.prepare import StartRequest, planned
from pipeline.operations.runner_process import this_process
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.observer import Observer


def start(
    app: Application, request: StartRequest, observers: Sequence[Observer], *, cancel: Cancellation | None = None
) -> Run:
    """Plan and run to the end; the finished run. The user's failure is in its conclusion, not an exception.

    KeyboardInterrupt kills what runs, removes what the run made, records it as cancelled, and goes on to the caller.
    Raises NotStartedError, before anything is begun, where the file's `triggers` do not want the event.
    """
    app.executor(request.executor or app.settings.executor).warm()
    found = planned(app, request)
    if not found.trigger.starts:
        raise NotStartedError(
            found.trigger.sentence, trigger=found.trigger.trigger, conditions=found.trigger.conditions
        )
    return execute(app, found.plan, request, observers, cancel=cancel or Cancellation())


def execute(
    app: Application, decided: Plan, request: StartRequest, observers: Sequence[Observer], *, cancel: Cancellation
) -> Run:
    """Run a plan."""
    leg = Leg(
        run=_new_run(app, decided, request.executor or app.settings.executor),
        plan=decided,
        parallel=request.parallel or app.settings.parallel,
        keep_failed=request.keep_failed,
    )
    return drive(app, leg, observers, cancel=cancel)


def stage_runs(plan: Plan) -> tuple[StageRun, ...]:
    """The stages of a plan, none of which has run."""
    return tuple(
        StageRun(name=item.stage.name, kind=item.stage.kind, group=item.stage.group, cell=item.stage.cell)
        for item in plan.stages
    )


def _new_run(app: Application, decided: Plan, executor: str) -> Run:
    now = app.clock.now()
    source, event = decided.source, decided.event
    return Run(
        id=ulid(now, os.urandom(10)),
        number=0,
        repository=source.origin or source.path,
        pipeline=decided.name,
        commit=source.commit.sha,
        message=source.commit.message.partition("\n")[0],
        author=source.commit.author,
        branch=event.branch,
        tag=event.tag,
        event=event.kind,
        actor=event.actor,
        dirty=source.commit.dirty,
        plan_digest=decided.digest,
        state=RunState.RUNNING,
        created=now,
        executor=executor,
        stages=stage_runs(decided),
        runner=this_process(),
        trust=event.trust,
        proposal=event.proposal,
        host=event.host,
        url=event.url,
    )


__all__ = ["StartRequest", "execute", "planned", "stage_runs", "start"]
