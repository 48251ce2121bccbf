"""`ecluse history`: what happened to an environment, and what runs there now."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import application, json_option, output, repository_option, show, show_json
from pipeline.cli.render.events import now
from pipeline.cli.render.releases import history_lines


@click.command()
@click.argument("environment", metavar="ENV")
@repository_option
@click.option("--limit", "-n", type=click.IntRange(1), default=20, metavar="N", help="At most so many; by default 20.")
@json_option
def history(environment: str, repository: Path, limit: int, as_json: bool) -> None:
    """Show what was deployed to ENV, when, by whom and how it went, and whether that is what runs there now."""
    from pipeline.operations.history import history as look
    from pipeline.operations.place import repository_of

    found = look(application(), repository=repository_of(repository), environment=environment, limit=limit)
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
