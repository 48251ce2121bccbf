"""`ecluse explain`: why a stage ran, was skipped, was blocked, was reused or failed."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.complete import complete_stage
from pipeline.cli.options import application, json_option, repository_option, run_argument, show, show_json
from pipeline.cli.render.explain import explanation_lines


@click.command()
@run_argument
@click.argument("stage", shell_complete=complete_stage)
@repository_option
@json_option
def explain(reference: str, stage: str, repository: Path, as_json: bool) -> None:
    """Say everything that decided STAGE of RUN: each condition with the value it saw, what it needed and how that
    ended, who blocked it at whatever distance, whether an earlier result served, its attempts, its limits.

    The name of a matrix, as it is written in the file, stands for all its cells.
    """
    from pipeline.operations.explain import explain as explained
    from pipeline.operations.logs import cells_of
    from pipeline.operations.place import repository_of

    app = application()
    records = app.records
    run = records.find_run(reference, repository=repository_of(repository))
    found = explained(records, run, cells_of(run, stage), default_timeout=app.settings.stage_timeout)
    if as_json:
        show_json([_facts(item) for item in found])
        return
    for item in found:
        show(explanation_lines(item))


def _facts(item: object) -> object:
    """The explanation without the run's other stages."""
    from pipeline.model.value import to_value

    facts = to_value(item)
    if isinstance(facts, dict):
        facts["run"] = {key: value for key, value in facts["run"].items() if key != "stages"}
    return facts
