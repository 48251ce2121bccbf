"""`ecluse hold`, `ecluse release-hold` and `ecluse freeze`: keeping environments as they are for a time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.complete import complete_environment, complete_release
from pipeline.cli.options import application, file_option, json_option, repository_option, show, show_json
from pipeline.cli.render.events import now
from pipeline.cli.until import until_option
from pipeline.errors import UsageError

if TYPE_CHECKING:  # for its time, not for a circle
    from collections.abc import Sequence

    from pipeline.model.decision import Block


@click.command()
@click.argument("environment", metavar="ENV", shell_complete=complete_environment)
@click.option("--reason", required=True, metavar="TEXT", help="Why, for everybody who meets it.")
@until_option(required=True)
@repository_option
@file_option
@json_option
def hold(environment: str, reason: str, until: datetime, repository: Path, file: str, as_json: bool) -> None:
    """Keep ENV as it is: nothing is brought in until then. Going back stays possible."""
    from pipeline.model.decision import BlockKind
    from pipeline.operations.blocking import block
    from pipeline.operations.surroundings import surroundings

    app = application()
    place = surroundings(app, repository, file=file)
    made = block(app, place, BlockKind.HOLD, environment=environment, reason=reason, until=until)
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
@repository_option
@file_option
@json_option
def release_hold(environment: str, release: str, repository: Path, file: str, as_json: bool) -> None:
    """Lift what holds ENV, or let a release in again that was barred from it."""
    from pipeline.model.decision import BlockKind
    from pipeline.operations.blocking import lift
    from pipeline.operations.surroundings import surroundings

    app = application()
    place = surroundings(app, repository, file=file)
    kinds = frozenset({BlockKind.BAR if release else BlockKind.HOLD})
    _show(lift(app, place, kinds, environment=environment, release=release), as_json=as_json)


@click.command()
@click.argument("environment", metavar="[ENV]", required=False, default="", shell_complete=complete_environment)
@click.option("--reason", default="", metavar="TEXT", help="Why, for everybody who meets it.")
@until_option(required=False)
@click.option("--lift", "ends", is_flag=True, help="End the freeze.")
@repository_option
@file_option
@json_option
def freeze(
    environment: str, reason: str, until: datetime | None, ends: bool, repository: Path, file: str, as_json: bool
) -> None:
    """Let nothing into ENV, or into any environment, until then. Going back stays possible."""
    from pipeline.model.decision import BlockKind
    from pipeline.operations.blocking import block, lift
    from pipeline.operations.surroundings import surroundings

    if not ends and (until is None or not reason):
        raise UsageError("a freeze has a reason and an end", hint="--reason TEXT --until TIME; --lift ends one")
    app = application()
    place = surroundings(app, repository, file=file)
    if ends:
        _show(lift(app, place, frozenset({BlockKind.FREEZE}), environment=environment), as_json=as_json)
    else:
        made = block(app, place, BlockKind.FREEZE, environment=environment, reason=reason, until=until)
        _show((made,), as_json=as_json)


def _show(blocks: Sequence[Block], *, as_json: bool) -> None:
    if as_json:
        show_json(blocks)
        return
    from pipeline.cli.render.promoting import block_lines

    show(block_lines(blocks, now=now()))
