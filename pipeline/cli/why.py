"""`ecluse why`: from what runs in an environment back to commit, tests, scans and people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.complete import complete_environment
from pipeline.cli.options import json_option, output, show, show_json
from pipeline.cli.render.events import now

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked


@click.command()
@click.argument("environment", metavar="ENV", shell_complete=complete_environment)
@asked_option
@json_option
def why(environment: str, asked: Asked, as_json: bool) -> None:
    """Show what runs in ENV, who let it in, what its gates said, and the tests, scans and commit behind it."""
    from pipeline.cli.render.lineage import lineage_lines

    found = asked.why(environment)
    if as_json:
        show_json({"drifted": found.drifted, "lineage": found})
    else:
        show(lineage_lines(found, now=now(), width=output().width))
