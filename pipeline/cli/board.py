"""`ecluse board`: environments as levels, what is where, what may move, and what waits for what."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import application, file_option, json_option, output, repository_option, show, show_json

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.render.lines import Line
    from pipeline.operations.board import Board

BETWEEN = 2.0
"""Seconds between two pictures."""
HINT = "ecluse promote RELEASE --to ENV shows the plan first; ecluse why ENV says where something comes from"


@click.command()
@repository_option
@file_option
@json_option
@click.option("--watch", is_flag=True, help="Stay and draw it again every two seconds, until Ctrl-C.")
def board(repository: Path, file: str, as_json: bool, watch: bool) -> None:
    """Show every environment: what is live, what is on its way, what may come next, and what keeps it."""
    from pipeline.operations.board import board as look
    from pipeline.operations.board import board_judge
    from pipeline.operations.place import repository_of
    from pipeline.operations.surroundings import environments_at

    app = application()
    place = repository_of(repository)

    def seen() -> Board:
        found = environments_at(app, repository, file=file)
        judge = board_judge(app, found, folder=repository, person=getpass.getuser())
        return look(app, repository=place, environments=found.environments, judge=judge)

    if as_json:
        show_json(seen())
    elif watch and output().live:
        _watch(lambda: _lines(seen()))
    else:
        show(_lines(seen()))


def _lines(found: Board) -> list[Line]:
    from pipeline.cli.render.board import board_lines

    hint = HINT if any(level.candidate for level in found.levels) else ""
    return board_lines(found.levels, dict(found.releases), now=found.time, width=output().width, hint=hint)


def _watch(lines: Callable[[], list[Line]]) -> None:
    """Draw anew until Ctrl-C; on another screen, so that the terminal is afterwards as it was."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from pipeline.cli.render.lines import written

    def picture() -> Text:
        return Text.from_ansi(written(lines(), output()))

    with suppress(KeyboardInterrupt), Live(picture(), console=Console(), screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(BETWEEN)
            live.update(picture(), refresh=True)
