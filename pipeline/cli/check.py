"""`ecluse check`: every problem of the pipeline file, in one pass."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import application, file_option, repository_option, show, show_json
from pipeline.cli.render.diagnostics import diagnostic_lines, source_of, verdict
from pipeline.cli.render.lines import line
from pipeline.cli.render.words import count, shape
from pipeline.errors import ExitCode
from pipeline.model.value import to_value


@click.command()
@repository_option
@file_option
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print the problems."
)
def check(repository: Path, file: str, form: str) -> int:
    """Check the pipeline file of the working tree and show every problem in it."""
    from pipeline.operations.check import check as examine
    from pipeline.operations.place import root_of

    checked = examine(application(), (root_of(repository) or repository) / file, name=file)
    if form == "json":
        show_json({"file": file, "errors": checked.errors, "diagnostics": to_value(checked.diagnostics)})
    else:
        lines = diagnostic_lines(checked.diagnostics, source_of(checked.sources))
        said = verdict(checked.diagnostics)
        if checked.definition is not None:
            stages = count(len(checked.definition.stages), "stage")
            more = (f", {said}", "warned") if said else ""
            lines.append(line(shape("succeeded"), f" {file} is right: {checked.definition.name}, {stages}", more))
        else:
            lines.append(line((said, "bold")))
        show(lines)
    return ExitCode.USAGE if checked.errors else ExitCode.SUCCEEDED
