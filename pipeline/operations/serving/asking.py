"""What people ask the server for: a run, its end, that it goes on, that it is repeated, that it may have secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.errors import NotFoundError, UsageError
from pipeline.model.run import Run
from pipeline.model.source import Event
from pipeline.model.status import RunState
from pipeline.model.trust import Trust
from pipeline.model.ulid import ulid
from pipeline.model.work import WorkItem, WorkKind, WorkRequest, WorkState
from pipeline.operations.repositories import name_of
from pipeline.operations.resume import recorded_plan
from pipeline.operations.serving.mirror import checked_ref
from pipeline.ports.application import Application

HOST = "ecluse"
"""What a run's event says of where it runs: on a server, so that its commit need not be anybody's at a machine."""


def ask_run(
    app: Application, repository_name: str, *, ref: str, variables: Mapping[str, str], by: str, key: str = ""
) -> WorkItem:
    """Queue a run of a branch's tip, a tag or a commit ("" = the default branch), which a worker looks up. With a
    `key` that was given before, the item of then.

    NotFoundError for an unknown repository, UsageError for a name that cannot be one.
    """
    repository = app.intake.find_repository(repository_name)
    event = Event(kind="manual", actor=by, host=HOST)
    request = WorkRequest(
        repository=repository.name,
        sha=checked_ref(ref or repository.default_branch),
        event=event,
        variables=dict(variables),
        by=by,
    )
    item = new_item(app, key, WorkKind.BUILD, request)
    return put_once(app, item if key else replace(item, key=f"manual:{item.id}"))


def cancel_run(app: Application, reference: str, *, by: str) -> WorkItem:
    """Ask for the end of a run, or of its place in the queue, by the id of either. NotFoundError, UsageError."""
    item = _item_of(app, reference)
    if item.state is WorkState.DONE:
        raise UsageError(f"run {item.id} is over: {item.detail or 'done'}", hint="nothing was stopped")
    return app.queue.cancel(item.id, by=by)


def go_on(app: Application, run_id: str, *, started: Sequence[str] = (), by: str) -> WorkItem:
    """Let a parked run go on, and start these of its manual stages. UsageError where it is not parked."""
    run = _run_of(app, run_id)
    if run is not None and started:
        _check_waiting(app, run, started)
    item = _open_item(app, run_id)
    if item is not None and app.queue.wake(item.id, started=started, by=by):
        return app.queue.find(item.id)
    if run is None or run.state is not RunState.PARKED or item is not None:
        raise UsageError(f"run {_called(run, run_id)} is not parked", hint="only one that waits can go on")
    request = WorkRequest(
        repository=name_of(app, run.repository),
        sha=run.commit,
        event=_event_of(run),
        started=tuple(started),
        retry=run.id,
        by=by,
    )
    return _queued(app, "go-on", WorkKind.DELIVERY, request)


def retry_run(app: Application, run_id: str, *, by: str, allowed: str = "") -> WorkItem:
    """Repeat what failed in a run that is over. UsageError where it is not. `allowed`: see `WorkRequest`."""
    run = app.records.find_run(run_id)
    if run.state is not RunState.DONE or _open_item(app, run.id) is not None:
        raise UsageError(f"run {_called(run, run_id)} is not over", hint="let it end, or stop it")
    request = WorkRequest(
        repository=name_of(app, run.repository),
        sha=run.commit,
        event=_event_of(run),
        retry=run.id,
        allowed=allowed,
        by=by,
    )
    return _queued(app, "retry", WorkKind.BUILD, request)


def allow_run(app: Application, run_id: str, *, by: str) -> WorkItem:
    """A person's word for the change of a stranger: one that waits for it runs, without secrets and effects; one that
    ran so is repeated once with them. UsageError for a run that is trusted."""
    item = _open_item(app, run_id)
    if item is not None and item.state is WorkState.PARKED and _run_of(app, run_id) is None:
        app.queue.wake(item.id, by=by)
        return app.queue.find(item.id)
    run = app.records.find_run(run_id)
    if run.trust is not Trust.UNTRUSTED:
        raise UsageError(f"run {_called(run, run_id)} is trusted ({run.trust.value}): there is nothing to allow")
    return retry_run(app, run.id, by=by, allowed=f"{by}, {app.clock.now().isoformat(timespec='seconds')}")


def new_item(
    app: Application, key: str, kind: WorkKind, request: WorkRequest, *, labels: tuple[str, ...] = ()
) -> WorkItem:
    """A place in the queue that nobody has put there yet."""
    now = app.clock.now()
    return WorkItem(id=ulid(now, os.urandom(10)), key=key, kind=kind, request=request, created=now, labels=labels)


def subject_of(item: WorkItem) -> str:
    """The id of the run that an item is about."""
    return item.request.retry or item.id


def put_once(app: Application, item: WorkItem) -> WorkItem:
    """The item, queued; where its key is known, the one that has it."""
    return item if app.queue.put(item) else app.queue.of_key(item.key)


def _queued(app: Application, why: str, kind: WorkKind, request: WorkRequest) -> WorkItem:
    item = new_item(app, "", kind, request)
    item = replace(item, key=f"{why}:{item.id}")
    app.queue.put(item)
    return item


def _item_of(app: Application, reference: str) -> WorkItem:
    """The open item about a run, else the one of that id."""
    found = _open_item(app, reference)
    return found if found is not None else app.queue.find(reference)


def _open_item(app: Application, run: str) -> WorkItem | None:
    for item in app.queue.items(limit=10_000):
        if run in (item.id, item.request.retry):
            return item
    return None


def _run_of(app: Application, run: str) -> Run | None:
    try:
        return app.records.find_run(run)
    except NotFoundError:
        return None


def _called(run: Run | None, reference: str) -> str:
    return str(run.number) if run is not None and run.number else reference


def _event_of(run: Run) -> Event:
    return Event(
        kind=run.event,
        branch=run.branch,
        tag=run.tag,
        actor=run.actor,
        proposal=run.proposal,
        trust=run.trust,
        host=HOST,
    )


def _check_waiting(app: Application, run: Run, started: Sequence[str]) -> None:
    plan = recorded_plan(app, run)
    done = {stage.name for stage in run.stages if stage.conclusion is not None}
    manual = [item.stage.name for item in plan.stages if item.stage.when.manual and item.stage.name not in done]
    for name in started:
        if name not in manual:
            raise UsageError(
                f"run {run.number or run.id} has no stage '{name}' that waits to be started",
                hint=f"those that do: {', '.join(manual)}" if manual else "none of its stages is `manual` and waits",
            )
