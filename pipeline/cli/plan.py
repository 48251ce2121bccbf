"""`ecluse plan`: what would happen, before anything does."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pipeline.cli.options import (
    application,
    file_option,
    json_option,
    output,
    repository_option,
    show,
    show_json,
    variables,
)
from pipeline.cli.render.diagnostics import diagnostic_lines
from pipeline.cli.render.events import now
from pipeline.cli.render.lines import written
from pipeline.cli.render.plan import graph_lines, plan_lines, start_lines
from pipeline.cli.request import fresh_option, request_options
from pipeline.errors import UsageError
from pipeline.model.value import to_value


@click.command()
@repository_option
@file_option
@request_options
@fresh_option
@json_option
@click.option("--graph", is_flag=True, help="Draw which stage waits for which.")
def plan(
    repository: Path,
    file: str,
    revision: str,
    event: str | None,
    branch: str | None,
    tag: str | None,
    target: str | None,
    var: tuple[str, ...],
    fresh: tuple[str, ...],
    as_json: bool,
    graph: bool,
) -> None:
    """Show for every stage whether it would run, be reused or be skipped, and why; nothing is run.

    Below stand whether the event starts a run, and the next times of the schedules.
    """
    if as_json and graph:
        raise UsageError("--json and --graph exclude each other", hint="leave one of them away")
    from pipeline.operations.estimate import estimate
    from pipeline.operations.prepare import StartRequest, planned
    from pipeline.operations.schedule import next_due

    app = application()
    request = StartRequest(
        repository=repository,
        file=file,
        revision=revision,
        event=event,
        branch=branch,
        tag=tag,
        target=target,
        variables=variables(var),
        fresh=fresh,
    )
    found = planned(app, request)
    if as_json:
        show_json(
            {
                "digest": found.plan.digest,
                "starts": found.trigger.starts,
                "trigger": to_value(found.trigger),
                "schedules": to_value(next_due(found.definition.triggers, now())),
                "plan": found.plan.to_json(),
            }
        )
        return
    if found.diagnostics:
        sys.stderr.write(written(diagnostic_lines(found.diagnostics, found.sources), output()))
    if graph:
        show(graph_lines(found.plan))
        return
    source = found.plan.source
    known = app.records.stage_seconds(source.origin or source.path)
    effects = {name for name, kind in app.kinds.items() if kind.effects}
    show(plan_lines(found.plan, estimate(found.plan, known), width=output().width, effects=effects))
    show(start_lines(found.trigger, found.plan.event, next_due(found.definition.triggers, now())))
