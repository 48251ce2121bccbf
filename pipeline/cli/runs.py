"""`ecluse runs`: what ran here lately."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.options import json_option, output, show, show_json
from pipeline.cli.render.events import now
from pipeline.cli.render.runs import run_lines

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked


@click.command()
@asked_option
@click.option("--branch", default="", metavar="NAME", help="Only runs of this branch.")
@click.option("--failed", is_flag=True, help="Only runs that failed, timed out or errored.")
@click.option(
    "--limit", "-n", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="At most so many."
)
@click.option("--all", "everywhere", is_flag=True, help="Runs of all repositories.")
@json_option
def runs(asked: Asked, branch: str, failed: bool, limit: int, everywhere: bool, as_json: bool) -> None:
    """List runs, newest first."""
    found = asked.runs(branch=branch, failed=failed, limit=limit, everywhere=everywhere)
    if as_json:
        show_json(found)
    else:
        show(run_lines(found, now=now(), width=output().width, repositories=asked.wide(everywhere)))
