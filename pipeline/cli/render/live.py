"""A run on a terminal: a picture that a thread of its own redraws, and the last words when it has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from pipeline.cli.render.lines import ASCII, Line, line, written
from pipeline.cli.render.progress import RunProgress
from pipeline.cli.render.screen import frame, last_picture
from pipeline.cli.render.summary import summary
from pipeline.cli.render.terminal import Terminal
from pipeline.model.outcome import Outcome
from pipeline.model.plan import Plan
from pipeline.model.run import Attempt, Run, StageRun
from pipeline.model.status import RunState, StageState

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_BETWEEN = 0.08
"""Least seconds between two pictures."""
_HEARTBEAT = 0.5
"""Seconds after which a new picture is drawn although nothing happened: times move on."""


class LiveView:
    """An observer that shows a run as a picture; a call only notes what happened and wakes the drawing thread.

    `close` gives the terminal back, also when the run never ended.
    """

    def __init__(self, out: TextIO, terminal: Terminal, *, stopwatch: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._terminal = terminal
        self._progress = RunProgress(stopwatch)
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def run_started(self, run: Run, plan: Plan) -> None:
        """Begin to draw."""
        with self._progress.lock:
            self._progress.run_started(run, plan)
        self._ended.clear()
        self._thread = threading.Thread(target=self._draw, name="live view", daemon=True)
        self._thread.start()

    def run_numbered(self, run: Run) -> None:
        """The title gets its number."""
        with self._progress.lock:
            self._progress.run = run
        self._changed.set()

    def run_moved(self, run: str, state: RunState, why: str) -> None:
        """The run waits or goes on."""
        self.note(why)

    def run_noted(self, run: str, text: str) -> None:
        """Keep it for the last words."""
        with self._progress.lock:
            self._progress.notes.append(text)

    def stage_moved(self, run: str, stage: StageRun, state: StageState) -> None:
        """A stage changed its state."""
        with self._progress.lock:
            self._progress.stage_moved(stage, state)
        self._changed.set()

    def stage_output(self, run: str, stage: str, attempt: int, text: bytes) -> None:
        """The tail of a stage grew."""
        with self._progress.lock:
            self._progress.stage_output(stage, text)
        self._changed.set()

    def attempt_finished(self, run: str, stage: StageRun, attempt: Attempt) -> None:
        """An attempt ended."""
        with self._progress.lock:
            self._progress.attempt_finished(stage, attempt)
        self._changed.set()

    def stage_finished(self, run: str, stage: StageRun, outcome: Outcome) -> None:
        """A stage is done."""
        with self._progress.lock:
            self._progress.stage_finished(stage, outcome)
        self._changed.set()

    def plan_extended(self, run: str, plan: Plan, stages: Sequence[StageRun]) -> None:
        """Further stages came."""
        with self._progress.lock:
            self._progress.plan_extended(plan, stages)
        self._changed.set()

    def stage_parked(self, run: str, stage: StageRun) -> None:
        """A stage waits for somebody."""
        with self._progress.lock:
            self._progress.stage_parked(stage)
        self._changed.set()

    def run_finished(self, run: Run) -> None:
        """Replace the moving picture by one that stays, and say the last words."""
        self.close()
        self._progress.run = run
        width = self._terminal.width
        lines = [*last_picture(self._progress, run, width=width), *summary(self._progress, run)]
        try:
            self._out.write(written(lines, self._terminal))
            self._out.flush()
        except (OSError, ValueError):
            return  # the terminal has gone; the records have it all

    def note(self, text: str) -> None:
        """Show what is being done about the run as a whole: in the picture, or below it where none is drawn."""
        if self._thread is None:
            with suppress(OSError, ValueError):
                self._out.write(written([line((f"· {text}", "dim"))], self._terminal))
                self._out.flush()
            return
        with self._progress.lock:
            self._progress.note = text
        self._changed.set()

    def close(self) -> None:
        """Stop drawing and give the terminal back. Idempotent."""
        self._ended.set()
        self._changed.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _draw(self) -> None:
        try:
            self._keep_drawing()
        except (OSError, ValueError):
            return  # the terminal has gone; the run goes on

    def _keep_drawing(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(
            file=self._out,
            force_terminal=True,
            no_color=not self._terminal.colour,
            highlight=False,
            emoji=False,
            markup=False,
            legacy_windows=False,
        )
        tick = 0
        with Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        ) as live:
            while not self._ended.is_set():
                self._changed.clear()
                live.update(self._picture(console, tick), refresh=True)
                tick += 1
                if not self._changed.wait(_HEARTBEAT):
                    continue
                self._ended.wait(_BETWEEN)

    def _picture(self, console: Console, tick: int) -> Text:
        width, height = console.size
        with self._progress.lock:
            run = self._progress.run
            lines = frame(self._progress, run, width=width, height=height - 1, tick=tick // 4) if run else []
        return rich_text(lines, unicode=self._terminal.unicode)


def rich_text(lines: list[Line], *, unicode: bool) -> Text:
    """Lines as rich draws them."""
    from rich.style import Style
    from rich.text import Text

    styles = {
        "": Style.null(),
        "succeeded": Style(color="green"),
        "running": Style(color="blue"),
        "waiting": Style(dim=True),
        "failed": Style(color="red", bold=True),
        "warned": Style(color="yellow"),
        "dim": Style(dim=True),
        "bold": Style(bold=True),
        "accent": Style(color="cyan"),
    }
    text = Text(no_wrap=True, overflow="crop", end="")
    for index, entry in enumerate(lines):
        if index:
            text.append("\n")
        for piece, role in entry:
            text.append(piece if unicode else piece.translate(ASCII), styles[role])
    return text
