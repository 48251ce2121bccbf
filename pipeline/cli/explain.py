"""`ecluse explain`: why a stage ran, was skipped, was blocked, was reused or failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.complete import complete_stage
from pipeline.cli.options import json_option, run_argument, show, show_json
from pipeline.cli.render.explain import explanation_lines

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked


@click.command()
@run_argument
@click.argument("stage", shell_complete=complete_stage)
@asked_option
@json_option
def explain(reference: str, stage: str, asked: Asked, as_json: bool) -> None:
    """Say everything that decided STAGE of RUN: each condition with the value it saw, what it needed and how that
    ended, who blocked it at whatever distance, whether an earlier result served, its attempts, its limits.

    The name of a matrix, as it is written in the file, stands for all its cells.
    """
    found = asked.explanations(reference, stage)
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
