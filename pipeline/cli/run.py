"""`ecluse run`: the pipeline of a repository, watched while it happens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

import click

from pipeline.cli.job import job_observers, reports_option
from pipeline.cli.options import application, executor_option, file_option, output, repository_option, variables
from pipeline.cli.request import request_options
from pipeline.cli.stopping import stopping
from pipeline.cli.verdict import exit_code
from pipeline.errors import UsageError
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.observer import Observer


class View(Observer, Protocol):
    """An observer that can be told a line and be closed."""

    def note(self, text: str) -> None:
        """A line to the person who watches."""

    def close(self) -> None:
        """Put the terminal back as it was."""


@click.command()
@repository_option
@file_option
@request_options
@executor_option
@click.option("--parallel", type=click.IntRange(1, 256), metavar="N", help="Stages at a time; by default 4.")
@reports_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON event a line.")
@click.option("--plain", is_flag=True, help="Print plain lines, also on a terminal.")
def run(
    repository: Path,
    file: str,
    revision: str,
    event: str | None,
    branch: str | None,
    tag: str | None,
    var: tuple[str, ...],
    executor: str | None,
    parallel: int | None,
    reports: Path | None,
    as_json: bool,
    plain: bool,
) -> int:
    """Run the pipeline of this repository.

    Without --commit the working tree runs as it is, with its uncommitted changes. On a terminal the stages are shown
    as they happen; elsewhere, or where CI is set, every line of every stage is printed behind the stage's name.
    """
    if as_json and plain:
        raise UsageError("--json and --plain exclude each other", hint="leave one of them away")
    from pipeline.operations.start import StartRequest, start

    request = StartRequest(
        repository=repository,
        file=file,
        revision=revision,
        event=event,
        branch=branch,
        tag=tag,
        variables=variables(var),
        executor=executor,
        parallel=parallel,
    )
    view = _view(as_json=as_json, plain=plain)
    cancel = Cancellation()
    with stopping(cancel, note=view.note):
        try:
            app = application()
            observers = (view, *job_observers(app, reports, note=view.note, quiet=as_json))
            finished = start(app, request, observers, cancel=cancel)
        finally:
            view.close()
    return exit_code(finished)


def _view(*, as_json: bool, plain: bool) -> View:
    """The one view that is wanted; the others are not imported."""
    if as_json:
        from pipeline.cli.render.events import JsonEvents

        return JsonEvents(sys.stdout.buffer)
    terminal = output()
    if plain or not terminal.live:
        from pipeline.cli.render.plain import PlainLines

        return PlainLines(sys.stdout.buffer, terminal)
    from pipeline.cli.render.live import LiveView

    return LiveView(sys.stdout, terminal)
