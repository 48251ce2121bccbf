"""Why an item of the queue still waits, where time alone will not help: said at once, not after a day."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.model.work import Worker, WorkerState, WorkItem, WorkKind, WorkState
from pipeline.ports.application import Application
from pipeline.settings import Settings

LOOK_EVERY = 5.0
"""Seconds between two looks."""
_MOST = 1000
_LIMIT = "waits for its turn"


def hopeless(item: WorkItem, workers: Sequence[Worker]) -> str:
    """What no worker that lives has of what the item asks for; "" where one could take it, or has yet to come."""
    living = [worker for worker in workers if worker.state is not WorkerState.GONE]
    if not living:
        return "no worker lives: start one with `ecluse serve` or `ecluse worker`"
    if any(set(item.labels) <= set(worker.labels) for worker in living):
        return ""
    known = {label for worker in living for label in worker.labels}
    missing = [label for label in item.labels if label not in known]
    if missing:
        return f"no worker has the label {', '.join(repr(label) for label in missing)}"
    return f"no worker has all of the labels {', '.join(repr(label) for label in item.labels)}"


def held_back(item: WorkItem, under_way: Sequence[WorkItem], settings: Settings) -> str:
    """Which limit keeps an item waiting; "" where none does."""
    name, kind = item.request.repository, item.kind
    limits = {
        WorkKind.DELIVERY: ("limit_deliveries", settings.limit_deliveries),
        WorkKind.BUILD: ("limit_builds", settings.limit_builds),
        WorkKind.SCHEDULED: ("limit_scheduled", settings.limit_scheduled),
    }
    of_kind = sum(other.kind is kind for other in under_way)
    of_repository = sum(other.request.repository == name for other in under_way)
    setting, most = limits[kind]
    if 0 < most <= of_kind:
        return f"{_LIMIT}: as many run as {setting} = {most} allows"
    if 0 < settings.limit_repository <= of_repository:
        return f"{_LIMIT}: as many of {name} run as limit_repository = {settings.limit_repository} allows"
    return ""


def remark_round(app: Application) -> None:
    """Say it of all that waits, and take it back when it is not so any more."""
    workers = app.queue.workers(now=app.clock.now())
    under_way = app.queue.items(states=(WorkState.TAKEN,), limit=_MOST)
    for item in app.queue.items(states=(WorkState.QUEUED,), limit=_MOST):
        why = hopeless(item, workers) or held_back(item, under_way, app.settings)
        if why != item.detail and (why or item.detail.startswith(("no worker ", _LIMIT))):
            app.queue.remark(item.id, why)
