"""`ecluse init`: a first pipeline file."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import application, file_option, repository_option, show
from pipeline.cli.render.lines import line
from pipeline.cli.render.words import shape
from pipeline.errors import UsageError


@click.command()
@repository_option
@file_option
@click.option("--force", is_flag=True, help="Write over a file that exists.")
def init(repository: Path, file: str, force: bool) -> None:
    """Read the repository and write a first pipeline file that passes `ecluse check`.

    The file's JSON Schema is put beside it in .ecluse/, so that editors complete and check it.
    """
    from pipeline.language.schema import compose
    from pipeline.operations.first_file import SCHEMA_PLACE, write_first
    from pipeline.operations.place import repository_of, root_of

    root = root_of(repository) or repository
    if root_of(repository) is None and repository_of(repository):
        raise UsageError(f"{root} is a bare repository without a working tree", hint="write the file in a clone of it")
    first = write_first(root, file=file, schema=compose(application().kinds), force=force)
    seen = f" from {', '.join(first.seen)}" if first.seen else ", an example, as nothing known lies here"
    show(
        [
            line(shape("succeeded"), f" wrote {file}{seen}, and {SCHEMA_PLACE} for editors"),
            line(("  next: ", "dim"), ("ecluse plan", "accent"), (", then ", "dim"), ("ecluse run", "accent")),
        ]
    )
