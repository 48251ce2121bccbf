"""`ecluse release`: one release in full."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.complete import complete_release
from pipeline.cli.options import application, json_option, output, repository_option, show, show_json
from pipeline.cli.render.events import now


@click.group()
def release() -> None:
    """Look at one release in full."""


@release.command(name="show")
@click.argument("reference", metavar="RELEASE", shell_complete=complete_release)
@repository_option
@json_option
def show_release(reference: str, repository: Path, as_json: bool) -> None:
    """Show what is in RELEASE, what was tested and scanned, where it has been and who let it in."""
    from pipeline.cli.render.lineage import release_lines
    from pipeline.operations.lineage import release_page

    page = release_page(application(), repository, reference)
    if as_json:
        show_json({"id": page.release.id, "page": page})
    else:
        show(release_lines(page, now=now(), width=output().width))
