"""`ecluse history`: what happened to an environment, and what runs there now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.options import json_option, output, show, show_json
from pipeline.cli.render.events import now
from pipeline.cli.render.releases import history_lines

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked


@click.command()
@click.argument("environment", metavar="ENV")
@asked_option
@click.option("--limit", "-n", type=click.IntRange(1), default=20, metavar="N", help="At most so many; by default 20.")
@json_option
def history(environment: str, asked: Asked, limit: int, as_json: bool) -> None:
    """Show what was deployed to ENV, when, by whom and how it went, and whether that is what runs there now."""
    found = asked.history(environment, limit=limit)
    if as_json:
        show_json(
            {
                "environment": found.environment,
                "live": found.live,
                "observed": found.observed,
                "drifted": found.drifted,
                "problem": found.problem,
                "promotions": found.promotions,
                "releases": found.releases,
            }
        )
    else:
        show(history_lines(found, now=now(), width=output().width))
