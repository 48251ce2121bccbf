"""`ecluse env diff` and `ecluse env drift`: environments beside each other, and beside the ledger."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pipeline.cli.complete import complete_environment
from pipeline.cli.options import application, json_option, output, repository_option, show, show_json
from pipeline.cli.render.events import now


@click.command()
@click.argument("first", metavar="A", shell_complete=complete_environment)
@click.argument("second", metavar="B", shell_complete=complete_environment)
@repository_option
@json_option
def diff(first: str, second: str, repository: Path, as_json: bool) -> None:
    """Show what environment A has and B has not: images, configuration, packages, findings, commits."""
    from pipeline.cli.render.comparing import comparison_page
    from pipeline.operations.comparing import compare_environments
    from pipeline.operations.place import repository_of

    found = compare_environments(application(), repository, repository_of(repository), first, second)
    if as_json:
        show_json(found)
    else:
        show(comparison_page(found, names=(second, first), now=now(), width=output().width))


@click.command()
@click.argument("environment", metavar="[ENV]", required=False, default="", shell_complete=complete_environment)
@repository_option
@json_option
def drift(environment: str, repository: Path, as_json: bool) -> None:
    """Compare what runs with what the ledger says, in ENV or everywhere. Ends with 1 where they differ, and with 3
    where a target cannot be asked."""
    from pipeline.cli.render.comparing import drift_lines
    from pipeline.errors import ExitCode
    from pipeline.operations.drifting import drifts
    from pipeline.operations.place import repository_of

    found = drifts(application(), repository=repository_of(repository), environment=environment)
    if as_json:
        show_json(found)
    else:
        show(drift_lines(found, width=output().width))
    if any(item.differences for item in found):
        sys.exit(ExitCode.FAILED)
    if any(item.problem for item in found):
        sys.exit(ExitCode.ERRORED)
