"""Allowing one untrusted run: a person has read its changes, and says so for this commit and this pipeline alone."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import RefusedError, UsageError
from pipeline.hosts import host_of
from pipeline.model.run import Run
from pipeline.model.trust import Trust
from pipeline.operations.allowance import Allowance, allowance_of, keep_allowance
from pipeline.operations.event import actor_of
from pipeline.operations.resume import recorded_plan
from pipeline.ports.application import Application


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowed:
    """An allowance, and what the run gets by it."""

    run: Run
    allowance: Allowance
    secrets: tuple[str, ...]
    effects: tuple[str, ...]
    """Stages that change the world outside, or emit further stages."""


def allow(app: Application, reference: str, *, repository: str) -> Allowed:
    """Let the commit of an untrusted run have secrets and effects, once. The next run or retry of it uses that up; a
    new push, or another pipeline file, has another name and gets nothing.

    UsageError for a run that is trusted; RefusedError within a CI job: what a job can do, a fork's job could.
    """
    run = app.records.find_run(reference, repository=repository)
    name = f"run {run.number or run.id}"
    if run.trust is not Trust.UNTRUSTED:
        raise UsageError(f"{name} is trusted ({run.trust.value}): there is nothing to allow")
    host = host_of(app.environment)
    if host:
        raise RefusedError(
            f"{name}: a person has to allow it, and this is a job of a CI host", hint="do it on a machine"
        )
    plan = recorded_plan(app, run)
    allowance = allowance_of(plan, who=actor_of(app.environment), when=app.clock.now().isoformat(timespec="seconds"))
    keep_allowance(app, allowance)
    stages = [item.stage for item in plan.stages]
    return Allowed(
        run=run,
        allowance=allowance,
        secrets=tuple(dict.fromkeys(secret for stage in stages for secret in stage.secrets)),
        effects=tuple(stage.name for stage in stages if stage.emits or app.kinds[stage.kind].effects),
    )
