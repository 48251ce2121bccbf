"""`ecluse dora`: the four figures of delivery, from the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.complete import complete_environment
from pipeline.cli.options import json_option, output, show, show_json

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked


@click.command()
@click.argument("environment", metavar="ENV", shell_complete=complete_environment)
@asked_option
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, metavar="N", help="The period.")
@json_option
def dora(environment: str, asked: Asked, days: int, as_json: bool) -> None:
    """Show how often ENV is deployed to, how long changes take, how many fail, and how quickly it is right again."""
    from pipeline.cli.render.dora import dora_lines

    found = asked.dora(environment, days=days)
    if as_json:
        show_json(found)
    else:
        show(dora_lines(found, width=output().width))
