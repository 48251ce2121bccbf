"""`ecluse env diff` and `ecluse env drift`: environments beside each other, and beside the ledger."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.complete import complete_environment
from pipeline.cli.options import json_option, output, show, show_json
from pipeline.cli.render.events import now

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked


@click.command()
@click.argument("first", metavar="A", shell_complete=complete_environment)
@click.argument("second", metavar="B", shell_complete=complete_environment)
@asked_option
@json_option
def diff(first: str, second: str, asked: Asked, as_json: bool) -> None:
    """Show what environment A has and B has not: images, configuration, packages, findings, commits."""
    from pipeline.cli.render.comparing import comparison_page

    found = asked.difference(first, second)
    if as_json:
        show_json(found)
    else:
        show(comparison_page(found, names=(second, first), now=now(), width=output().width))


@click.command()
@click.argument("environment", metavar="[ENV]", required=False, default="", shell_complete=complete_environment)
@asked_option
@json_option
def drift(environment: str, asked: Asked, as_json: bool) -> None:
    """Compare what runs with what the ledger says, in ENV or everywhere. Ends with 1 where they differ, and with 3
    where a target cannot be asked."""
    from pipeline.cli.render.comparing import drift_lines
    from pipeline.errors import ExitCode

    found = asked.drifts(environment)
    if as_json:
        show_json(found)
    else:
        show(drift_lines(found, width=output().width))
    if any(item.differences for item in found):
        sys.exit(ExitCode.FAILED)
    if any(item.problem for item in found):
        sys.exit(ExitCode.ERRORED)
