"""`ecluse board`: environments as levels, what is where, what may move, and what waits for what."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from pipeline.cli.asked import asked_option
from pipeline.cli.options import file_option, json_option, output, show, show_json

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.asked import Asked
    from pipeline.cli.render.lines import Line
    from pipeline.operations.board import Board

BETWEEN = 2.0
"""Seconds between two pictures."""
HINT = "ecluse promote RELEASE --to ENV shows the plan first; ecluse why ENV says where something comes from"


@click.command()
@asked_option
@file_option
@json_option
@click.option("--watch", is_flag=True, help="Stay and draw it again every two seconds, until Ctrl-C.")
def board(asked: Asked, file: str, as_json: bool, watch: bool) -> None:
    """Show every environment: what is live, what is on its way, what may come next, and what keeps it."""
    if as_json:
        show_json(asked.board(file=file))
    elif watch and output().live:
        _watch(lambda: _lines(asked.board(file=file)))
    else:
        show(_lines(asked.board(file=file)))


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
