"""What `run`, `resume` and `retry` share: a run is watched, stopped by signals, and gives the exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from pipeline.cli.job import job_observers
from pipeline.cli.options import output
from pipeline.cli.stopping import stopping
from pipeline.cli.verdict import exit_code
from pipeline.errors import UsageError
from pipeline.model.run import Run
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.observer import Observer

Command = TypeVar("Command", bound=Callable[..., Any])
Act = Callable[[Sequence[Observer], Cancellation], Run]


class View(Observer, Protocol):
    """An observer that can be told a line and be closed."""

    def note(self, text: str) -> None:
        """A line to the person who watches."""

    def close(self) -> None:
        """Put the terminal back as it was."""


def view_options(command: Command) -> Command:
    """`--json` and `--plain`."""
    plain = click.option("--plain", is_flag=True, help="Print plain lines, also on a terminal.")
    as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON event a line.")
    return as_json(plain(command))


def parallel_option(command: Command) -> Command:
    """`--parallel N`."""
    return click.option("--parallel", type=click.IntRange(1, 256), metavar="N", help="Stages at a time; by default 4.")(
        command
    )


def keep_failed_option(command: Command) -> Command:
    """`--keep-failed`, by default what the settings say."""
    return click.option(
        "--keep-failed/--no-keep-failed",
        "keep_failed",
        default=None,
        help="Keep the containers of stages that fail, for `ecluse shell`; by default what the settings say.",
    )(command)


def view_of(*, as_json: bool, plain: bool) -> View:
    """The one view that is wanted; the others are not imported."""
    if as_json and plain:
        raise UsageError("--json and --plain exclude each other", hint="leave one of them away")
    if as_json:
        from pipeline.cli.render.events import JsonEvents

        return JsonEvents(sys.stdout.buffer)
    terminal = output()
    if plain or not terminal.live:
        from pipeline.cli.render.plain import PlainLines

        return PlainLines(sys.stdout.buffer, terminal)
    from pipeline.cli.render.live import LiveView

    return LiveView(sys.stdout, terminal)


def watched(app: Application, view: View, act: Act, *, reports: Path | None, as_json: bool) -> int:
    """Do it under the view's eyes; the exit status of the run."""
    cancel = Cancellation()
    with stopping(cancel, note=view.note):
        try:
            observers = (view, *job_observers(app, reports, note=view.note, quiet=as_json))
            finished = act(observers, cancel)
        finally:
            view.close()
    return exit_code(finished)
