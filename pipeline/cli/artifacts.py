"""`ecluse artifacts`: what a run made, and how to get it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.options import json_option, output, run_argument, show, show_json
from pipeline.cli.render.clean import bare, one_line
from pipeline.cli.render.lines import columns, fitted, line
from pipeline.cli.render.words import short, size
from pipeline.errors import UsageError
from pipeline.model.value import to_value

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked


@click.command()
@run_argument
@click.argument("name", required=False)
@asked_option
@click.option(
    "--output",
    "-o",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    metavar="DIR",
    help="Write them into this folder.",
)
@json_option
def artifacts(reference: str, name: str | None, asked: Asked, folder: Path | None, as_json: bool) -> None:
    """List the artifacts of RUN, or only NAME; with --output, write them into a folder."""
    from pipeline.operations.artifacts import artifacts_of

    run = asked.run(reference)
    chosen = artifacts_of(run, name)
    if folder is not None:
        if as_json:
            raise UsageError("--json lists artifacts, --output writes them", hint="leave one of them away")
        for path in asked.fetched(run, chosen, folder):
            sys.stdout.write(f"{bare(str(path))}\n")
            sys.stdout.flush()
    elif as_json:
        show_json([{"stage": item.stage, **_fields(item.artifact)} for item in chosen])
    elif not chosen:
        show([line(f"run {run.number} made no artifacts")])
    else:
        rows = [
            (
                (item.stage, "bold"),
                one_line(item.artifact.name),
                (item.artifact.kind, "dim"),
                size(item.artifact.size),
                (short(item.artifact.digest) or "its time is over", "dim"),
                one_line(item.artifact.path),
            )
            for item in chosen
        ]
        show(fitted(entry, output().width) for entry in columns(rows, right=frozenset({3})))


def _fields(artifact: object) -> dict[str, object]:
    value = to_value(artifact)
    return dict(value) if isinstance(value, dict) else {}
