"""`ecluse queue` and `ecluse workers`: what a server was asked for, and who makes it."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.asked import asked_of, server_option
from pipeline.cli.options import json_option, output, show, show_json
from pipeline.cli.render.events import now
from pipeline.cli.render.queue import queue_lines, worker_lines


@click.command()
@click.option("--repository", "-r", default="", metavar="OWNER/NAME", help="Only of this repository.")
@click.option("--done", is_flag=True, help="What has ended, too, newest first.")
@click.option(
    "--limit", "-n", type=click.IntRange(1), default=50, show_default=True, metavar="N", help="At most so many."
)
@server_option
@json_option
def queue(repository: str, done: bool, limit: int, server: str | None, as_json: bool) -> None:
    """Show what waits, runs and is parked, in the order of its turn, and why it still waits."""
    found = asked_of(Path().absolute(), server).queue(repository=repository, done=done, limit=limit)
    if as_json:
        show_json(found)
    else:
        show(queue_lines(found, now=now(), width=output().width))


@click.command()
@server_option
@json_option
def workers(server: str | None, as_json: bool) -> None:
    """Show the workers of a server: their slots, labels and whether they live."""
    found = asked_of(Path().absolute(), server).workers()
    if as_json:
        show_json(found)
    else:
        show(worker_lines(found, now=now(), width=output().width))
