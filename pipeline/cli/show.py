"""`ecluse show`: what happened in a run, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.complete import complete_stage
from pipeline.cli.options import json_option, output, run_argument, show_json
from pipeline.cli.options import show as show_lines
from pipeline.cli.render.events import now
from pipeline.cli.render.show import run_tree, stage_page

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked


@click.command()
@run_argument
@click.argument("stage", required=False, shell_complete=complete_stage)
@asked_option
@json_option
def show(reference: str, stage: str | None, asked: Asked, as_json: bool) -> None:
    """Show what happened in RUN: how each stage ended and why, its tests, findings, artifacts and releases.

    With STAGE, that stage in full, with the conditions it was judged by.
    """
    from pipeline.operations.logs import stages_of

    run = asked.run(reference)
    chosen = stages_of(run, stage)
    if as_json:
        show_json(run if stage is None else chosen[0])
        return
    facts = asked.facts(run)
    if stage is None:
        lines = run_tree(run, releases=facts.releases, promotions=facts.promotions, now=now(), width=output().width)
    else:
        lines = stage_page(
            run,
            chosen[0],
            releases=facts.releases,
            promotions=facts.promotions,
            conditions=asked.conditions(run, stage),
            now=now(),
        )
    show_lines(lines)
