"""Starting a run: plan, execute, record."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from pipeline.engine.reuse_rules import ReuseRules
from pipeline.errors import NotStartedError
from pipeline.model.plan import Plan
from pipeline.model.run import Run, StageRun
from pipeline.model.source import Source
from pipeline.model.status import RunState
from pipeline.model.ulid import ulid
from pipeline.operations.allowance import with_allowance
from pipeline.operations.drive import Leg, drive
from pipeline.operations.prepare import StartRequest, planned
from pipeline.operations.reuse_hint import ReuseHint
from pipeline.operations.runner_process import this_process
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.observer import Observer


def start(
    app: Application,
    request: StartRequest,
    observers: Sequence[Observer],
    *,
    cancel: Cancellation | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Run:
    """Plan and run to the end; the finished run. The user's failure is in its conclusion, not an exception.

    `say` is told what concerns the run and none of its stages.

    KeyboardInterrupt kills what runs, removes what the run made, records it as cancelled, and goes on to the caller.
    Raises NotStartedError, before anything is begun, where the file's `triggers` do not want the event.
    """
    name = request.executor or app.settings.executor
    hint = ReuseHint(app.settings.home, request.repository)
    if not hint.known or request.fresh:
        app.executor(name).warm()

    def described(source: Source) -> None:
        if hint.known and not hint.holds(source):
            app.executor(name).warm()

    found = planned(app, request, described=described)
    if not found.trigger.starts:
        raise NotStartedError(
            found.trigger.sentence, trigger=found.trigger.trigger, conditions=found.trigger.conditions
        )
    run = execute(app, found.plan, request, observers, cancel=cancel or Cancellation(), rules=found.rules, say=say)
    hint.keep(found.plan, run, app.kinds)
    return run


def execute(
    app: Application,
    decided: Plan,
    request: StartRequest,
    observers: Sequence[Observer],
    *,
    cancel: Cancellation,
    rules: ReuseRules | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Run:
    """Run a plan."""
    decided = with_allowance(app, decided)
    leg = Leg(
        run=_new_run(app, decided, request.executor or app.settings.executor, request.run),
        plan=decided,
        parallel=request.parallel or app.settings.parallel,
        keep_failed=request.keep_failed,
        rules=rules,
    )
    return drive(app, leg, observers, cancel=cancel, say=say)


def stage_runs(plan: Plan) -> tuple[StageRun, ...]:
    """The stages of a plan, none of which has run."""
    return tuple(
        StageRun(name=item.stage.name, kind=item.stage.kind, group=item.stage.group, cell=item.stage.cell)
        for item in plan.stages
    )


def _new_run(app: Application, decided: Plan, executor: str, known_as: str) -> Run:
    now = app.clock.now()
    source, event = decided.source, decided.event
    return Run(
        id=known_as or ulid(now, os.urandom(10)),
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
