"""`ecluse why`: from what runs in an environment back to commit, tests, scans and people."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.complete import complete_environment
from pipeline.cli.options import application, json_option, output, repository_option, show, show_json
from pipeline.cli.render.events import now


@click.command()
@click.argument("environment", metavar="ENV", shell_complete=complete_environment)
@repository_option
@json_option
def why(environment: str, repository: Path, as_json: bool) -> None:
    """Show what runs in ENV, who let it in, what its gates said, and the tests, scans and commit behind it."""
    from pipeline.cli.render.lineage import lineage_lines
    from pipeline.operations.lineage import why as trace
    from pipeline.operations.place import repository_of

    found = trace(application(), repository, repository=repository_of(repository), environment=environment)
    if as_json:
        show_json({"drifted": found.drifted, "lineage": found})
    else:
        show(lineage_lines(found, now=now(), width=output().width))
