"""`ecluse env list` and `ecluse env show`: environments as they are defined, what is live, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.complete import complete_environment
from pipeline.cli.options import file_option, json_option, output, show, show_json
from pipeline.cli.render.events import now

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked


@click.command(name="list")
@asked_option
@file_option
@json_option
def list_environments(asked: Asked, file: str, as_json: bool) -> None:
    """List the environments that count, with what is live there, what guards them and where they are defined."""
    from pipeline.cli.render.environments import list_lines

    found = asked.environments(file=file)
    if as_json:
        show_json(found)
    else:
        show(list_lines(found, now=now(), width=output().width))


@click.command(name="show")
@click.argument("environment", metavar="ENV", shell_complete=complete_environment)
@click.option("--ask", is_flag=True, help="Run the commands and ask the servers that its gates name, too.")
@asked_option
@file_option
@json_option
def show_environment(environment: str, ask: bool, asked: Asked, file: str, as_json: bool) -> None:
    """Show ENV: its definition and where that comes from, its gates, what is live, and what the newest release still
    lacks to enter."""
    from pipeline.cli.render.environments import page_lines

    found = asked.environment(environment, file=file, ask=ask)
    if as_json:
        show_json(found)
    else:
        show(page_lines(found, now=now(), width=output().width))
