"""`ecluse show`: what happened in a run, and why."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.complete import complete_stage
from pipeline.cli.options import application, json_option, output, repository_option, run_argument, show_json
from pipeline.cli.options import show as show_lines
from pipeline.cli.render.events import now
from pipeline.cli.render.show import run_tree, stage_page


@click.command()
@run_argument
@click.argument("stage", required=False, shell_complete=complete_stage)
@repository_option
@json_option
def show(reference: str, stage: str | None, repository: Path, as_json: bool) -> None:
    """Show what happened in RUN: how each stage ended and why, its tests, findings, artifacts and releases.

    With STAGE, that stage in full, with the conditions it was judged by.
    """
    from pipeline.operations.inspect import conditions_of, describe_run
    from pipeline.operations.logs import stages_of
    from pipeline.operations.place import repository_of

    records = application().records
    run = records.find_run(reference, repository=repository_of(repository))
    chosen = stages_of(run, stage)
    if as_json:
        show_json(run if stage is None else chosen[0])
        return
    facts = describe_run(records, run)
    if stage is None:
        lines = run_tree(run, releases=facts.releases, promotions=facts.promotions, now=now(), width=output().width)
    else:
        lines = stage_page(
            run,
            chosen[0],
            releases=facts.releases,
            promotions=facts.promotions,
            conditions=conditions_of(records.plan(run.id), stage),
            now=now(),
        )
    show_lines(lines)
