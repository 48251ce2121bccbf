"""`ecluse dora`: the four figures of delivery, from the ledger."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.complete import complete_environment
from pipeline.cli.options import application, json_option, output, repository_option, show, show_json


@click.command()
@click.argument("environment", metavar="ENV", shell_complete=complete_environment)
@repository_option
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, metavar="N", help="The period.")
@json_option
def dora(environment: str, repository: Path, days: int, as_json: bool) -> None:
    """Show how often ENV is deployed to, how long changes take, how many fail, and how quickly it is right again."""
    from pipeline.cli.render.dora import dora_lines
    from pipeline.operations.dora import dora as gather
    from pipeline.operations.place import repository_of

    found = gather(application(), repository, repository=repository_of(repository), environment=environment, days=days)
    if as_json:
        show_json(found)
    else:
        show(dora_lines(found, width=output().width))
