"""A run as plain lines, for pipes, files and CI hosts: every line of every stage, named, at little cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import BinaryIO

from pipeline.cli.render.clean import for_file, for_terminal, one_line
from pipeline.cli.render.lines import Line, line, written
from pipeline.cli.render.outlet import Outlet
from pipeline.cli.render.progress import RunProgress
from pipeline.cli.render.summary import run_title, summary
from pipeline.cli.render.terminal import Terminal
from pipeline.cli.render.words import count, duration, shape, spoken, stage_look
from pipeline.model.outcome import Outcome
from pipeline.model.plan import Plan
from pipeline.model.run import Attempt, Run, StageRun
from pipeline.model.status import RunState, StageState

_NAMED = 8
"""How many of the stages that came are named."""


class PlainLines:
    """An observer that writes `[stage] text` lines; a million of them cost one replacement a block.

    When nobody reads any more, it falls silent and the run goes on.
    """

    def __init__(self, out: BinaryIO, terminal: Terminal, *, stopwatch: Callable[[], float] = time.monotonic) -> None:
        self._outlet = Outlet(out)
        self._terminal = terminal
        self._progress = RunProgress(stopwatch)

    def run_started(self, run: Run, plan: Plan) -> None:
        """Say what runs."""
        self._progress.run_started(run, plan)
        self._say(run_title(run) + line((f" · {count(len(plan.stages), 'stage')}", "dim")))

    def run_numbered(self, run: Run) -> None:
        """Remember the number for the summary's commands."""
        self._progress.run = run

    def run_moved(self, run: str, state: RunState, why: str) -> None:
        """Say what the run waits for."""
        if why:
            self.note(why)

    def run_noted(self, run: str, text: str) -> None:
        """Say it."""
        self.note(text)

    def stage_moved(self, run: str, stage: StageRun, state: StageState) -> None:
        """Say when a stage starts."""
        self._progress.stage_moved(stage, state)
        if state is StageState.PREPARING:
            number = self._progress.stages[stage.name].attempt
            again = f", attempt {number}" if number > 1 else ""
            self._say(line(shape("running"), f" {stage.name} starts{again}"))

    def stage_output(self, run: str, stage: str, attempt: int, text: bytes) -> None:
        """Write the lines, each with the stage's name before it."""
        self._progress.stage_output(stage, text)
        safe = for_terminal(text, colour=self._terminal.colour) if self._terminal.interactive else for_file(text)
        prefix = b"[" + stage.encode() + b"] "
        self._outlet.write(prefix + safe[:-1].replace(b"\n", b"\n" + prefix) + b"\n")

    def attempt_finished(self, run: str, stage: StageRun, attempt: Attempt) -> None:
        """Keep what the tests said."""
        self._progress.attempt_finished(stage, attempt)

    def stage_finished(self, run: str, stage: StageRun, outcome: Outcome) -> None:
        """Say how a stage ended."""
        self._progress.stage_finished(stage, outcome)
        seen = self._progress.stages[stage.name]
        look = stage_look(seen.state, outcome.conclusion)
        took = f" in {duration(seen.seconds)}" if seen.seconds is not None else ""
        flaky = ", flaky" if stage.flaky else ""
        tests = f" · {seen.tests}" if seen.tests else ""
        word = spoken(outcome.conclusion.value)
        self._say(line(shape(look), f" {stage.name} ", (word, look), f"{flaky}{took}: {outcome.reason}{tests}"))

    def plan_extended(self, run: str, plan: Plan, stages: Sequence[StageRun]) -> None:
        """Say which stages came."""
        self._progress.plan_extended(plan, stages)
        names = ", ".join(stage.name for stage in stages[:_NAMED])
        more = f" and {len(stages) - _NAMED} more" if len(stages) > _NAMED else ""
        self._say(line(shape("waiting"), f" {count(len(stages), 'more stage')}: {names}{more}"))

    def stage_parked(self, run: str, stage: StageRun) -> None:
        """Say what it waits for."""
        self._progress.stage_parked(stage)
        self._say(line(shape("waiting"), f" {stage.name} waits: {one_line(stage.parked)}"))

    def run_finished(self, run: Run) -> None:
        """Say what failed and where to look."""
        self._progress.run = run
        for entry in summary(self._progress, run):
            self._say(entry)

    def note(self, text: str) -> None:
        """Say something about the run as a whole."""
        self._say(line((f"· {text}", "dim")))

    def close(self) -> None:
        """Nothing is held open."""

    def _say(self, entry: Line) -> None:
        self._outlet.write(written([entry], self._terminal).encode("utf-8", "replace"))
