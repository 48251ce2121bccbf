"""`ecluse env list` and `ecluse env show`: environments as they are defined, what is live, and what is missing."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from pipeline.cli.complete import complete_environment
from pipeline.cli.options import application, file_option, json_option, output, repository_option, show, show_json
from pipeline.cli.render.events import now


@click.command(name="list")
@repository_option
@file_option
@json_option
def list_environments(repository: Path, file: str, as_json: bool) -> None:
    """List the environments that count, with what is live there, what guards them and where they are defined."""
    from pipeline.cli.render.environments import list_lines
    from pipeline.operations.environment_page import environment_pages
    from pipeline.operations.place import repository_of

    found = environment_pages(application(), repository, repository=repository_of(repository), file=file)
    if as_json:
        show_json(found)
    else:
        show(list_lines(found, now=now(), width=output().width))


@click.command(name="show")
@click.argument("environment", metavar="ENV", shell_complete=complete_environment)
@click.option("--ask", is_flag=True, help="Run the commands and ask the servers that its gates name, too.")
@repository_option
@file_option
@json_option
def show_environment(environment: str, ask: bool, repository: Path, file: str, as_json: bool) -> None:
    """Show ENV: its definition and where that comes from, its gates, what is live, and what the newest release still
    lacks to enter."""
    from pipeline.cli.render.environments import page_lines
    from pipeline.operations.environment_page import environment_page
    from pipeline.operations.place import repository_of

    found = environment_page(
        application(),
        repository,
        environment,
        repository=repository_of(repository),
        file=file,
        person=getpass.getuser(),
        ask=ask,
    )
    if as_json:
        show_json(found)
    else:
        show(page_lines(found, now=now(), width=output().width))
