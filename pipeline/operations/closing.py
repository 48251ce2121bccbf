"""Ending a run that no process runs: its unfinished stages get an outcome, what they printed is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pipeline.errors import EcluseError
from pipeline.model.identity import safe_name
from pipeline.model.outcome import Outcome, cancelled
from pipeline.model.run import Attempt, Run, StageRun
from pipeline.model.status import RunState, StageState
from pipeline.ports.application import Application
from pipeline.ports.storage import Storage


def close_run(app: Application, run: Run, ended: Outcome) -> None:
    """Record that a run is over: it and what had begun end as `ended` says, what waited is cancelled."""
    from pipeline.delivery.journal import PromotionJournal, Requester

    now, folder = app.clock.now(), app.settings.home / "runs" / run.id
    for stage in app.records.find_run(run.id).stages:
        if stage.state is not StageState.DONE:
            app.records.save_stage(run.id, closed_stage(stage, ended, now, folder, app.storage))
    app.records.update_run(run.id, state=RunState.DONE, conclusion=ended.conclusion, finished=now)
    requester = Requester(actor=run.actor, repository=run.repository, service=run.pipeline, run=run.id)
    PromotionJournal(requester=requester, records=lambda: app.records, clock=app.clock).end_waiting()


def closed_stage(stage: StageRun, ended: Outcome, now: datetime, folder: Path, storage: Storage) -> StageRun:
    """A stage that is not done, as over: `ended` if it had begun, else cancelled."""
    if stage.started is None:
        return replace(stage, state=StageState.DONE, outcome=cancelled(ended.reason), parked="")
    attempts = tuple(
        item if item.finished else replace(_with_log(item, stage.name, folder, storage), finished=now, outcome=ended)
        for item in stage.attempts
    )
    return replace(stage, state=StageState.DONE, outcome=ended, finished=now, attempts=attempts, parked="")


def _with_log(attempt: Attempt, stage: str, folder: Path, storage: Storage) -> Attempt:
    """The attempt with what it had printed until its process went; without, where that cannot be read."""
    path = folder / f"{safe_name(stage)}.{attempt.number}.log"
    try:
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        digest, _ = storage.put(iter((whole,)))
    except (OSError, EcluseError):
        return attempt
    return replace(attempt, log=digest, log_lines=whole.count(b"\n"))
