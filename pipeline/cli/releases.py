"""`ecluse releases`: what can be promoted, and where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.options import json_option, output, show, show_json
from pipeline.cli.render.events import now
from pipeline.cli.render.releases import release_lines
from pipeline.model.value import to_value

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked


@click.command()
@asked_option
@click.option("--limit", "-n", type=click.IntRange(1), default=20, metavar="N", help="At most so many; by default 20.")
@click.option("--all", "everywhere", is_flag=True, help="Releases of all repositories.")
@json_option
def releases(asked: Asked, limit: int, everywhere: bool, as_json: bool) -> None:
    """List releases, newest first, with their images and the environments in which they are live."""
    found = asked.releases(limit=limit, everywhere=everywhere)
    if as_json:
        show_json([{"id": item.release.id, **_fields(item)} for item in found])
    else:
        show(release_lines(found, now=now(), width=output().width))


def _fields(item: object) -> dict[str, object]:
    value = to_value(item)
    return dict(value) if isinstance(value, dict) else {}
