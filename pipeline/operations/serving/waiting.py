"""Why an item of the queue still waits, where time alone will not help: said at once, not after a day."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.model.work import Worker, WorkerState, WorkItem, WorkState
from pipeline.ports.application import Application

LOOK_EVERY = 5.0
"""Seconds between two looks."""
_MOST = 1000


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


def remark_round(app: Application) -> None:
    """Say it of all that waits, and take it back when it is not so any more."""
    workers = app.queue.workers(now=app.clock.now())
    for item in app.queue.items(states=(WorkState.QUEUED,), limit=_MOST):
        why = hopeless(item, workers)
        if why != item.detail and (why or item.detail.startswith("no worker ")):
            app.queue.remark(item.id, why)
