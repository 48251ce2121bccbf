"""`--reports`, and what a run leaves for the CI host in whose job it is: reports, annotations, summary, outputs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipeline.cli.render.outlet import Outlet
from pipeline.cli.render.terminal import Terminal
from pipeline.errors import EcluseError
from pipeline.hosts import Host, Speech, host_of
from pipeline.model.outcome import Outcome
from pipeline.model.plan import Plan
from pipeline.model.run import Attempt, Run, StageRun
from pipeline.model.status import RunState, StageState
from pipeline.ports.application import Application

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.cli.render.plain import PlainLines

Command = TypeVar("Command", bound=Callable[..., Any])


def reports_option(command: Command) -> Command:
    """`--reports DIR`, by default `.ecluse/reports` in the job of a CI host and nowhere else."""
    return click.option(
        "--reports",
        type=click.Path(file_okay=False, path_type=Path),
        default=None,
        callback=lambda ctx, parameter, path: path and path.absolute(),  # noqa: ARG005  # click's signature
        metavar="DIR",
        help="Write JUnit, SARIF and code quality reports there; in a CI host's job by default to .ecluse/reports.",
    )(command)


def job_observers(
    app: Application, reports: Path | None, *, note: Callable[[str], None], quiet: bool = False
) -> tuple[JobReports, ...]:
    """Who writes for the host: nobody on a machine without `--reports`. With `quiet` nothing goes to the output."""
    host = host_of(app.environment)
    if host is None and reports is None:
        return ()
    return (JobReports(app, host, reports, note=note, quiet=quiet),)


def host_view(terminal: Terminal) -> PlainLines | None:
    """What the log of the CI host shows best: sections where it has them, colours; None on a machine."""
    host = host_of(os.environ)
    if host is None:
        return None
    terminal = replace(terminal, colour=host.colour and not os.environ.get("NO_COLOR"))
    if host.speech is Speech.PLAIN:
        from pipeline.cli.render.plain import PlainLines

        return PlainLines(sys.stdout.buffer, terminal)
    from pipeline.cli.render.sections import SectionedLines, SectionMarkers, WorkflowCommands

    marks = WorkflowCommands() if host.speech is Speech.COMMANDS else SectionMarkers()
    return SectionedLines(sys.stdout.buffer, terminal, marks, colour=terminal.colour)


class JobReports:
    """An observer that writes for a CI host when the run has ended, however it ended; its trouble is only noted.

    Annotations wait until `close`: while a run is shown, the host obeys nothing that stands in its log.
    """

    def __init__(
        self, app: Application, host: Host | None, folder: Path | None, *, note: Callable[[str], None], quiet: bool
    ) -> None:
        self._app = app
        self._host = host
        self._wanted = folder
        self._folder: Path | None = None
        self._note = note
        self._quiet = quiet
        self._repository = Path()
        self._annotations = b""

    def run_started(self, run: Run, plan: Plan) -> None:
        """Make the folder, without what an earlier run left there."""
        from pipeline.operations.job_reports import PLACE, prepare_reports

        self._repository = Path(plan.source.path)
        folder = self._wanted or self._repository / PLACE
        try:
            prepare_reports(folder, self._repository)
        except EcluseError as error:
            self._note(f"no reports: {error.message}; {error.hint}")
        else:
            self._folder = folder

    def run_finished(self, run: Run) -> None:
        """Write everything."""
        from pipeline.operations.job_reports import facts, write_reports

        try:
            if self._folder is not None:
                write_reports(run, self._folder, lambda: self._app.storage)
        except EcluseError as error:
            self._note(f"no reports: {error.message}; {error.hint}")
        if self._host is None or self._host.speech is not Speech.COMMANDS:
            return
        if not self._quiet:
            self._annotate(run)
        from pipeline.cli.render.job_summary import job_summary

        self._append("GITHUB_STEP_SUMMARY", job_summary(run))
        self._append("GITHUB_OUTPUT", "".join(f"{name}={value}\n" for name, value in facts(run).items()))

    def _annotate(self, run: Run) -> None:
        from pipeline.cli.render.annotations import remarks

        folder = below(self._repository, self._app.environment)
        lines = [item.command(folder) + "\n" for item in remarks(run, known=self._knows)]
        self._annotations = "".join(lines).encode("utf-8", "replace")

    def close(self) -> None:
        """Print the annotations."""
        if self._annotations:
            Outlet(sys.stdout.buffer).write(self._annotations)

    def _knows(self, path: str) -> bool:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts:
            return False
        try:
            return (self._repository / path).is_file()
        except (OSError, ValueError):
            return False

    def _append(self, variable: str, text: str) -> None:
        """Append to the file that a variable of the job names, where it names one."""
        path = self._app.environment.get(variable)
        if not path:
            return
        try:
            with Path(path).open("a", encoding="utf-8", errors="replace") as file:
                file.write(text)
        except OSError as error:
            self._note(f"cannot write {variable}: {error.strerror}")

    def run_numbered(self, run: Run) -> None:
        """The end has the number."""

    def run_moved(self, run: str, state: RunState, why: str) -> None:
        """Of no interest."""

    def run_noted(self, run: str, text: str) -> None:
        """The host's log has it."""

    def stage_moved(self, run: str, stage: StageRun, state: StageState) -> None:
        """Of no interest."""

    def stage_output(self, run: str, stage: str, attempt: int, text: bytes) -> None:
        """The host's log has it."""

    def attempt_finished(self, run: str, stage: StageRun, attempt: Attempt) -> None:
        """The end has it."""

    def stage_finished(self, run: str, stage: StageRun, outcome: Outcome) -> None:
        """The end has it."""

    def plan_extended(self, run: str, plan: Plan, stages: Sequence[StageRun]) -> None:
        """The end has them."""

    def stage_parked(self, run: str, stage: StageRun) -> None:
        """The end has it."""


def below(repository: Path, environment: Mapping[str, str]) -> str:
    """Where the repository stands in the job's workspace: "" at its root, else `folder/`."""
    workspace = environment.get("GITHUB_WORKSPACE")
    if workspace:
        with suppress(ValueError, OSError):
            inside = Path(os.path.realpath(repository)).relative_to(os.path.realpath(workspace)).as_posix()
            return "" if inside == "." else f"{inside}/"
    return ""
