"""`ecluse make-run`: one item of the queue, for the worker that has taken it; not for people."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import application

if TYPE_CHECKING:  # for their time, not for a circle
    from contextlib import AbstractContextManager

    from pipeline.model.work import WorkItem
    from pipeline.ports.application import Application

LOST = 75
"""Exit status where another worker has the item (EX_TEMPFAIL, sysexits.h)."""


@click.command(hidden=True)
@click.argument("item")
@click.option("--token", type=int, required=True)
@click.option("--worker", required=True)
def make_run(item: str, token: int, worker: str) -> int:
    """Make the run of ITEM. A worker calls this, once it has taken the item."""
    return make_item(application(), item, token=token, worker=worker)


def make_item(app: Application, item: str, *, token: int, worker: str) -> int:
    """Make its run with this application, for as long as the worker has it; the exit status."""
    from dataclasses import replace

    from pipeline.cli.stopping import stopping
    from pipeline.model.work import WorkState
    from pipeline.operations.cancel import asked_by
    from pipeline.operations.serving.lease import LeaseKeeper
    from pipeline.operations.serving.making import make
    from pipeline.ports.cancellation import Cancellation

    found = app.queue.find(item)
    if (found.state, found.token, found.worker) != (WorkState.TAKEN, token, worker):
        return LOST
    app.open_vault(found.request.repository)
    cancel = Cancellation()
    taken = replace(found, token=token, worker=worker)
    keeper = LeaseKeeper(app, taken, cancelled=lambda who: cancel.cancel(f"cancelled by {who}"), lost=_gone)
    with stopping(cancel, note=lambda _: None, asked_by=lambda: asked_by(app.settings.home)):
        with keeper, _carried(app, taken):
            made = make(app, taken, cancel=cancel)
        if made.state is WorkState.QUEUED:
            app.queue.give_back(taken, why=made.detail, labels=made.labels)
        else:
            app.queue.finish(taken, state=made.state, detail=made.detail)
    return 0


def _carried(app: Application, item: WorkItem) -> AbstractContextManager[object]:
    """What the run stores and prints reaches the other machines, where they share a store."""
    from contextlib import nullcontext

    from pipeline.operations.log_carrier import LogCarrier
    from pipeline.operations.serving.asking import subject_of

    app.share()
    if app.shared is None:
        return nullcontext()
    run = subject_of(item)
    return LogCarrier(app.shared, app.settings.home / "runs" / run, run=run, token=item.token)


def _gone(why: str) -> None:
    """End here and now, without touching anything: what runs is the other worker's."""
    sys.stderr.write(f"this process does not have the run any more: {why}\n")
    sys.stderr.flush()
    os._exit(LOST)
