"""`ecluse queue` and `ecluse workers`: what a server was asked for, and who makes it."""

from __future__ import annotations

import click

from pipeline.cli.options import application, json_option, output, show, show_json
from pipeline.cli.render.events import now
from pipeline.cli.render.queue import queue_lines, worker_lines


@click.command()
@click.option("--repository", "-r", default="", metavar="OWNER/NAME", help="Only of this repository.")
@click.option("--done", is_flag=True, help="What has ended, too, newest first.")
@click.option(
    "--limit", "-n", type=click.IntRange(1), default=50, show_default=True, metavar="N", help="At most so many."
)
@json_option
def queue(repository: str, done: bool, limit: int, as_json: bool) -> None:
    """Show what waits, runs and is parked, in the order of its turn, and why it still waits."""
    from pipeline.model.work import WorkState

    states = tuple(WorkState) if done else ()
    found = application().queue.items(states=states, repository=repository, limit=limit)
    if as_json:
        show_json(found)
    else:
        show(queue_lines(found, now=now(), width=output().width))


@click.command()
@json_option
def workers(as_json: bool) -> None:
    """Show the workers of a server: their slots, labels and whether they live."""
    app = application()
    found = app.queue.workers(now=app.clock.now())
    if as_json:
        show_json(found)
    else:
        show(worker_lines(found, now=now(), width=output().width))
