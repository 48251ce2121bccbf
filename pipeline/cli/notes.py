"""`ecluse notes`: the commits between two releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.complete import complete_release
from pipeline.cli.options import json_option, output, show, show_json
from pipeline.cli.render.events import now

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked


@click.command()
@click.argument("first", metavar="[OLD]", shell_complete=complete_release)
@click.argument("second", metavar="NEW", required=False, shell_complete=complete_release)
@asked_option
@json_option
def notes(first: str, second: str | None, asked: Asked, as_json: bool) -> None:
    """Show the commits that release NEW has and OLD has not, with reverts marked, and who wrote them.

    With one release alone: all commits that lead to it.
    """
    from pipeline.cli.render.comparing import notes_page

    old, new = (first, second) if second is not None else ("", first)
    found = asked.notes(old, new)
    if as_json:
        show_json({"old": found.old, "new": found.new, **_fields(found.notes)})
    else:
        show(notes_page(found, now=now(), width=output().width))


def _fields(thing: object) -> dict[str, object]:
    from pipeline.model.value import to_value

    value = to_value(thing)
    return dict(value) if isinstance(value, dict) else {}
