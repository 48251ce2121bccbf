"""The promotions of a run, from the parts of the program."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.delivery.delivering import RunDelivery
from pipeline.delivery.journal import Requester
from pipeline.delivery.secrets import secrets_of
from pipeline.errors import EcluseError
from pipeline.model.run import Run
from pipeline.model.source import Event
from pipeline.operations.judging import judge_of
from pipeline.operations.origins import as_of_now
from pipeline.operations.policy import policy_of
from pipeline.operations.promoter import promoter_of
from pipeline.ports.application import Application


def run_delivery(app: Application, run: Run, pipeline_digest: str) -> RunDelivery:
    """Implements `pipeline.ports.delivery.Delivery` for this run.

    One that was planned under another policy is judged by the environments of this one.
    """
    policy = policy_of(app.settings)
    judge = judge_of(app, policy=policy, folder=_folder(app, run))
    promoter = promoter_of(
        app,
        Requester(actor=run.actor, repository=run.repository, service=run.pipeline, run=run.id),
        judge=lambda question: judge(replace(question, environment=as_of_now(question.environment, policy))),
    )
    return RunDelivery(
        run=run,
        pipeline_digest=pipeline_digest,
        promoter=promoter,
        records=lambda: app.records,
        target=lambda environment: app.target(environment, service=run.pipeline),
        secrets=lambda environment: secrets_of(environment, event_of(run), secrets=app.secrets, settings=app.settings),
        clock=app.clock,
        policy=policy.revision,
    )


def event_of(run: Run) -> Event:
    """What a run was started by, as far as secrets ask for it."""
    return Event(kind=run.event, branch=run.branch, tag=run.tag)


def _folder(app: Application, run: Run) -> Path | None:
    """Where the run's source lies on this machine."""
    try:
        source = app.records.plan(run.id).get("source")
    except EcluseError:
        return None
    path = source.get("path") if isinstance(source, dict) else None
    return Path(path) if isinstance(path, str) and path else None
