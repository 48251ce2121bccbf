"""`ecluse releases`: what can be promoted, and where it is."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import application, json_option, output, repository_option, show, show_json
from pipeline.cli.render.events import now
from pipeline.cli.render.releases import release_lines
from pipeline.model.value import to_value


@click.command()
@repository_option
@click.option("--limit", "-n", type=click.IntRange(1), default=20, metavar="N", help="At most so many; by default 20.")
@click.option("--all", "everywhere", is_flag=True, help="Releases of all repositories.")
@json_option
def releases(repository: Path, limit: int, everywhere: bool, as_json: bool) -> None:
    """List releases, newest first, with their images and the environments in which they are live."""
    from pipeline.operations import inspect
    from pipeline.operations.place import repository_of

    place = "" if everywhere else repository_of(repository)
    found = inspect.releases(application().records, repository=place, limit=limit)
    if as_json:
        show_json([{"id": item.release.id, **_fields(item)} for item in found])
    else:
        show(release_lines(found, now=now(), width=output().width))


def _fields(item: object) -> dict[str, object]:
    value = to_value(item)
    return dict(value) if isinstance(value, dict) else {}
