"""`ecluse runs`: what ran here lately."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import application, json_option, output, repository_option, show, show_json
from pipeline.cli.render.events import now
from pipeline.cli.render.runs import run_lines


@click.command()
@repository_option
@click.option("--branch", default="", metavar="NAME", help="Only runs of this branch.")
@click.option("--failed", is_flag=True, help="Only runs that failed, timed out or errored.")
@click.option(
    "--limit", "-n", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="At most so many."
)
@click.option("--all", "everywhere", is_flag=True, help="Runs of all repositories.")
@json_option
def runs(repository: Path, branch: str, failed: bool, limit: int, everywhere: bool, as_json: bool) -> None:
    """List runs, newest first."""
    from pipeline.operations import inspect
    from pipeline.operations.place import repository_of

    place = "" if everywhere else repository_of(repository)
    found = inspect.runs(application().records, repository=place, branch=branch, failed=failed, limit=limit)
    if as_json:
        show_json(found)
    else:
        show(run_lines(found, now=now(), width=output().width, repositories=not place))
