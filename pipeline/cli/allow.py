"""`ecluse allow`: let one untrusted run have secrets and effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.options import json_option, run_argument, show, show_json
from pipeline.cli.render.lines import line

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked


@click.command()
@run_argument
@asked_option
@json_option
def allow(reference: str, asked: Asked, as_json: bool) -> None:
    """Let the commit of an untrusted RUN have secrets and effects, once.

    Read its changes first: with them its author gets what is listed. It binds to the commit and the pipeline file; a
    new push voids it. The next run of that commit, or `ecluse retry RUN`, uses it up.
    """
    from pipeline.operations.allowing import allow as permit
    from pipeline.remote.here import Here

    if not isinstance(asked, Here):
        item = asked.allow(reference)
        if as_json:
            show_json(item)
        else:
            show(
                [line(f"run {reference} goes on as if it were trusted"), line((f"item {item.id} of the queue", "dim"))]
            )
        return
    allowed = permit(asked.app, reference, repository=asked.repository)
    if as_json:
        show_json(
            {
                "run": allowed.run.id,
                "number": allowed.run.number,
                "commit": allowed.allowance.commit,
                "pipeline": allowed.allowance.pipeline,
                "who": allowed.allowance.who,
                "when": allowed.allowance.when,
                "secrets": allowed.secrets,
                "effects": allowed.effects,
            }
        )
        return
    number = allowed.run.number or allowed.run.id
    show(
        [
            line(f"commit {allowed.allowance.commit[:12]} may run once as if it were trusted"),
            line(("  secrets: ", "dim"), ", ".join(allowed.secrets) or "none"),
            line(("  stages with effects: ", "dim"), ", ".join(allowed.effects) or "none"),
            line(("  use it: ", "dim"), (f"ecluse retry {number}", "accent")),
        ]
    )
