"""`ecluse hold`, `ecluse release-hold` and `ecluse freeze`: keeping environments as they are for a time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.complete import complete_environment, complete_release
from pipeline.cli.options import file_option, json_option, show, show_json
from pipeline.cli.render.events import now
from pipeline.cli.until import until_option
from pipeline.errors import UsageError

if TYPE_CHECKING:  # for its time, not for a circle
    from collections.abc import Sequence

    from pipeline.cli.asked import Asked
    from pipeline.model.decision import Block


@click.command()
@click.argument("environment", metavar="ENV", shell_complete=complete_environment)
@click.option("--reason", required=True, metavar="TEXT", help="Why, for everybody who meets it.")
@until_option(required=True)
@asked_option
@file_option
@json_option
def hold(environment: str, reason: str, until: datetime, asked: Asked, file: str, as_json: bool) -> None:
    """Keep ENV as it is: nothing is brought in until then. Going back stays possible."""
    made = asked.close("hold", environment, reason=reason, until=until, file=file)
    _show((made,), as_json=as_json)


@click.command(name="release-hold")
@click.argument("environment", metavar="ENV", shell_complete=complete_environment)
@click.option(
    "--release",
    default="",
    metavar="RELEASE",
    shell_complete=complete_release,
    help="Let this release in again, which was barred when it was rolled back; holds stay.",
)
@asked_option
@file_option
@json_option
def release_hold(environment: str, release: str, asked: Asked, file: str, as_json: bool) -> None:
    """Lift what holds ENV, or let a release in again that was barred from it."""
    _show(asked.open("release-hold", environment, release=release, file=file), as_json=as_json)


@click.command()
@click.argument("environment", metavar="[ENV]", required=False, default="", shell_complete=complete_environment)
@click.option("--reason", default="", metavar="TEXT", help="Why, for everybody who meets it.")
@until_option(required=False)
@click.option("--lift", "ends", is_flag=True, help="End the freeze.")
@asked_option
@file_option
@json_option
def freeze(
    environment: str, reason: str, until: datetime | None, ends: bool, asked: Asked, file: str, as_json: bool
) -> None:
    """Let nothing into ENV, or into any environment, until then. Going back stays possible."""
    if not ends and (until is None or not reason):
        raise UsageError("a freeze has a reason and an end", hint="--reason TEXT --until TIME; --lift ends one")
    if ends:
        _show(asked.open("unfreeze", environment, release="", file=file), as_json=as_json)
    else:
        _show((asked.close("freeze", environment, reason=reason, until=until, file=file),), as_json=as_json)


def _show(blocks: Sequence[Block], *, as_json: bool) -> None:
    if as_json:
        show_json(blocks)
        return
    from pipeline.cli.render.promoting import block_lines

    show(block_lines(blocks, now=now()))
