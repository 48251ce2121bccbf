"""`ecluse release`: one release in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.complete import complete_release
from pipeline.cli.options import json_option, output, show, show_json
from pipeline.cli.render.events import now

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked


@click.group()
def release() -> None:
    """Look at one release in full."""


@release.command(name="show")
@click.argument("reference", metavar="RELEASE", shell_complete=complete_release)
@asked_option
@json_option
def show_release(reference: str, asked: Asked, as_json: bool) -> None:
    """Show what is in RELEASE, what was tested and scanned, where it has been and who let it in."""
    from pipeline.cli.render.lineage import release_lines

    page = asked.release_page(reference)
    if as_json:
        show_json({"id": page.release.id, "page": page})
    else:
        show(release_lines(page, now=now(), width=output().width))
