"""What `run`, `resume` and `retry` share: a run is watched, stopped by signals, and gives the exit status."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from pipeline.cli.job import host_view, job_observers
from pipeline.cli.options import output
from pipeline.cli.stopping import stopping
from pipeline.cli.verdict import exit_code
from pipeline.errors import ExitCode, UsageError
from pipeline.model.duration import spell_duration
from pipeline.model.quantity import seconds as in_seconds
from pipeline.model.run import Run
from pipeline.model.status import RunState
from pipeline.ports.application import Application
from pipeline.ports.cancellation import Cancellation
from pipeline.ports.observer import Observer

LOOK_EVERY = 60.0
"""Seconds after which gates are asked again though nobody has said anything: a check may answer otherwise."""

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


def view_of(*, as_json: bool, plain: bool, stopwatch: Callable[[], float] = time.monotonic) -> View:
    """The one view that is wanted; the others are not imported. `stopwatch` is for one that is told late of what
    happened; on a terminal time goes on by itself."""
    if as_json and plain:
        raise UsageError("--json and --plain exclude each other", hint="leave one of them away")
    if as_json:
        from pipeline.cli.render.events import JsonEvents

        return JsonEvents(sys.stdout.buffer)
    terminal = output()
    if not plain and (view := host_view(terminal)) is not None:
        return view
    if plain or not terminal.live:
        from pipeline.cli.render.plain import PlainLines

        return PlainLines(sys.stdout.buffer, terminal, stopwatch=stopwatch)
    from pipeline.cli.render.live import LiveView

    return LiveView(sys.stdout, terminal)


def wait_option(command: Command) -> Command:
    """`--wait DURATION`."""
    return click.option(
        "--wait",
        metavar="DURATION",
        default=None,
        callback=_seconds,
        help="Where the run parks, wait so long (2h, 30m) for a person to start it; then end with 4.",
    )(command)


def watched(
    app: Application, view: View, act: Act, *, reports: Path | None, as_json: bool, wait: float | None = None
) -> int:
    """Do it under the view's eyes; the exit status of the run. One that parks is waited for `wait` seconds."""
    cancel, began = Cancellation(), app.clock.monotonic()
    jobs = job_observers(app, reports, note=view.note, quiet=as_json)
    with stopping(cancel, note=view.note, asked_by=lambda: _asked_by(app)):
        try:
            observers: tuple[Observer, ...] = (view, *jobs)
            finished = _gone_on(app, view, act(observers, cancel), observers, cancel=cancel)
            if wait is not None and finished.state is RunState.PARKED:
                finished_or_not = _waited(app, view, finished, observers, seconds=wait, cancel=cancel)
                if isinstance(finished_or_not, ExitCode):
                    return finished_or_not
                finished = finished_or_not
        finally:
            view.close()
            for job in jobs:
                job.close()
        left = None if wait is None else max(0.0, began + wait - app.clock.monotonic())
        _bring_on(app, finished, wait=left, note=lambda text: click.echo(text, err=as_json), cancel=cancel)
    return exit_code(finished)


def _gone_on(app: Application, view: View, run: Run, observers: Sequence[Observer], *, cancel: Cancellation) -> Run:
    """Go on with a run that parked while another of its stages was under way, for which a gate had to wait."""
    if run.state is not RunState.PARKED or not any(stage.kind == "deploy" and stage.parked for stage in run.stages):
        return run
    from pipeline.operations.onward import can_go_on
    from pipeline.operations.resume import ResumeRequest, resume

    seen: set[tuple[str, ...]] = set()
    while (parked := _parked(run)) not in seen and not cancel.cancelled and can_go_on(app, run):
        seen.add(parked)
        view.note("the gates that it waited for are open; going on")
        run = resume(app, ResumeRequest(repository=run.repository, reference=run.id), observers, cancel=cancel)
    return run


def _parked(run: Run) -> tuple[str, ...]:
    return tuple(sorted(stage.name for stage in run.stages if stage.parked))


def _bring_on(
    app: Application, run: Run, *, wait: float | None, note: Callable[[str], None], cancel: Cancellation
) -> None:
    """What the run deployed goes on to environments that take releases by themselves; review environments that are
    over end."""
    if run.conclusion is None or not any(stage.products.release for stage in run.stages):
        return
    from pipeline.operations.onward import bring_on_after
    from pipeline.operations.review_ends import tidy_reviews

    own = {item.environment for item in app.records.promotions(repository=run.repository) if item.run == run.id}
    tidy_reviews(app, run.repository, _folder(app, run), but=own, progress=note)
    bring_on_after(app, run, wait=wait, progress=note, cancel=cancel)


def _folder(app: Application, run: Run) -> Path:
    source = app.records.plan(run.id).get("source")
    path = source.get("path") if isinstance(source, dict) else None
    return Path(path) if isinstance(path, str) and path else Path()


def _asked_by(app: Application) -> str:
    from pipeline.operations.cancel import asked_by

    return asked_by(app.settings.home)


def _waited(
    app: Application, view: View, run: Run, observers: Sequence[Observer], *, seconds: float, cancel: Cancellation
) -> Run | ExitCode:
    """Go on with a parked run whenever somebody starts it or its gates open, until it is over or the time is."""
    from pipeline.operations.onward import can_go_on, opening_of
    from pipeline.operations.resume import ResumeRequest, resume
    from pipeline.operations.waiting import wait_for_start

    until = app.clock.monotonic() + seconds
    view.note(f"waits up to {spell_duration(seconds)} for somebody to start it")
    while run.state is RunState.PARKED:
        left = until - app.clock.monotonic()
        opens = opening_of(app, run)
        nap = LOOK_EVERY if opens is None else max(0.0, (opens - app.clock.now()).total_seconds())
        summons = wait_for_start(app, run, seconds=min(left, nap, LOOK_EVERY), cancel=cancel)
        if cancel.cancelled:
            return ExitCode.CANCELLED
        if summons is None and app.clock.monotonic() >= until:
            view.note(f"nobody started it within {spell_duration(seconds)}; it stays parked")
            return ExitCode.REFUSED
        if summons is None and not can_go_on(app, run):
            continue
        started = summons.started if summons else frozenset()
        request = ResumeRequest(repository=run.repository, reference=run.id, started=started)
        run = resume(app, request, observers, cancel=cancel)
    return run


def _seconds(ctx: click.Context, parameter: click.Parameter, text: str | None) -> float | None:  # noqa: ARG001 - click's
    if text is None:
        return None
    try:
        return in_seconds(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
