"""`ecluse allow`: let one untrusted run have secrets and effects."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import application, json_option, repository_option, run_argument, show, show_json
from pipeline.cli.render.lines import line


@click.command()
@run_argument
@repository_option
@json_option
def allow(reference: str, repository: Path, as_json: bool) -> None:
    """Let the commit of an untrusted RUN have secrets and effects, once.

    Read its changes first: with them its author gets what is listed. It binds to the commit and the pipeline file; a
    new push voids it. The next run of that commit, or `ecluse retry RUN`, uses it up.
    """
    from pipeline.operations.allowing import allow as permit
    from pipeline.operations.place import repository_of

    allowed = permit(application(), reference, repository=repository_of(repository))
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
